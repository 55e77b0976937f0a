"""Whoever is called at night finds every sentence of health and every finding of doctor, with what
it means and the next step, in either language."""

from __future__ import annotations

import pytest

from cli.doctor.checks import CHECKS
from shared.inbound.catalogue import Language, catalogue
from tests.repository.runbook_page import MEANS, PAGES, pages, rendered

OF_THE_STORE = "store_"
"""What the engine answers is in docs/errors.md, which is written from the code."""


def test_the_pages_list_what_doctor_may_find() -> None:
    assert [rendered(page, language) == page for language, page in pages()] == [True, True]


def test_every_check_says_what_it_means_for_recordings() -> None:
    assert list(MEANS) == [check.name for check in CHECKS]


@pytest.mark.parametrize("language", PAGES)
def test_every_problem_of_health_is_on_the_page(language: str) -> None:
    text = dict(pages())[language]  # type: ignore[index]  # a parameter of a test
    codes = [code for code in catalogue(Language.ENGLISH).problems if OF_THE_STORE not in code]
    assert codes
    assert [code for code in codes if f"`{code}`" not in text] == []
