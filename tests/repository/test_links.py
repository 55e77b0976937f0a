"""Every pointer leads somewhere: links of pages, and the files and sections that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.repository.rooms import ROOT

CODE = ("benchmarks", "cli", "emulator", "functions", "shared", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
_SECTION = re.compile(r"docs/platform/([a-z-]+)\.md §([0-9]+(?:\.[0-9]+)*|[A-D][0-9]?)")
_FILE = re.compile(
    r"(?<![\w/.-])((?:benchmarks|cli|deploy|docs|emulator|functions|requirements|shared|tests)"
    r"/[\w./*-]*\.(?:py|md|json|toml|yaml|yml|txt|svg|flv|lua|js|css))\b"
)


MADE_UP = ("shared/novelty.py",)
"""What a test makes in a copy of the tree."""


def texts() -> Iterator[tuple[Path, str]]:
    kinds = ("*.py", "*.lua")
    files = [file for tree in CODE for kind in kinds for file in sorted((ROOT / tree).rglob(kind))]
    for file in [*files, *PAGES, ROOT / "s.yaml", ROOT / "env.yaml", ROOT / "Makefile"]:
        if file != Path(__file__):
            yield file.relative_to(ROOT), file.read_text(encoding="utf-8")


@cache
def sections(page: str) -> frozenset[str]:
    text = (ROOT / "docs/platform" / f"{page}.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^#+ ([0-9]+(?:\.[0-9]+)*|[A-D][0-9]?)\b", text, re.MULTILINE))


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(f"#{heading.replace(' ', '-')}" for heading in plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for path, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}{anchor}")
    assert broken == []


def test_every_fact_that_is_cited_has_its_section() -> None:
    broken = [
        f"{file}: {page}.md §{section}"
        for file, text in texts()
        for page, section in _SECTION.findall(text)
        if section not in sections(page)
    ]
    assert broken == []


def test_every_file_that_is_named_is_there() -> None:
    missing = {
        f"{file}: {name}"
        for file, text in texts()
        for name in _FILE.findall(text)
        if not any(ROOT.glob(name)) and name not in MADE_UP
    }
    assert sorted(missing) == []
