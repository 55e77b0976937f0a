"""Whoever is called at night finds every problem that health may name, in either language."""

from __future__ import annotations

import pytest

from shared.inbound.catalogue import Language, catalogue
from tests.repository.rooms import ROOT

PAGES = ("operate.md", "operate.zh-CN.md")
ELSEWHERE = "store_"
"""What the engine answers is in docs/errors.md, which is written from the code."""


@pytest.mark.parametrize("page", PAGES)
def test_every_problem_of_health_is_on_the_page(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    codes = [code for code in catalogue(Language.ENGLISH).problems if ELSEWHERE not in code]
    assert codes
    assert [code for code in codes if f"`{code}`" not in text] == []
