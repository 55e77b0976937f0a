"""Whoever is called at night finds every finding of doctor, with what it means and the next step,
in either language. test_operate_page.py does the same for health."""

from __future__ import annotations

from cli.doctor.checks import CHECKS
from tests.repository.runbook_page import MEANS, pages, rendered


def test_the_pages_list_what_doctor_may_find() -> None:
    assert [rendered(page, language) == page for language, page in pages()] == [True, True]


def test_every_check_says_what_it_means_for_recordings() -> None:
    assert list(MEANS) == [check.name for check in CHECKS]
