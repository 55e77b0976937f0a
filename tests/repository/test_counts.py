"""No text says "1 changes": where a count may be one, its noun does not follow it in the plural."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from cli.paths import ROOT
from tests.repository.cli_messages import messages
from tests.repository.detail_texts import texts

COUNTS = "allowed|answered|changes|checked|copied|count|days|done|left|pending|segments|unanswered"
PLURAL = re.compile(
    rf"\{{(?:{COUNTS})(?:!r|:g)?\}}(?: of (?:\{{\w+\}}|the|its))?(?: [a-z]+)?"
    r" (?:[a-z]{3,}(?<!s)s|are|have|were)\b"
)
NEVER_ONE = {
    "{count} checks, nothing to fix.",
    "{count} of the streams that are live or set to record would get another rule:",
    "{count} streams are live and not recorded",
    "{count} streams, such as {stream}",
    "{count} streams, of these {stream} for the longest time ({oldest})",
    "{count} times, last {time}",
}
"""The code uses another text for one, or the plural is right for one as well."""
WORDS = ROOT / "functions" / "console" / "page" / "words.js"
CATALOGUE = ROOT / "shared" / "inbound" / "catalogue" / "en.json"


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else ():
        yield from _leaves(each)


def _of_console() -> Iterator[str]:
    english = WORDS.read_text(encoding="utf-8").partition("zh: {")[0]
    yield from re.findall(r': "(.*)",', english)


def _shown() -> Iterator[str]:
    yield from (text for text in messages() if isinstance(text, str))
    yield from _leaves(json.loads(CATALOGUE.read_text(encoding="utf-8")))
    yield from _of_console()


def test_no_plural_follows_a_count_that_may_be_one() -> None:
    assert [text for text in _shown() if PLURAL.search(text) and text not in NEVER_ONE] == []


def test_no_detail_counts_what_is_left_out_in_the_plural() -> None:
    assert [text for text in texts() if re.search(r"\{\d\} (?:more|further|other)\b", text)] == []


@pytest.mark.parametrize(
    "text",
    ["{changes} changes", "{done} of {count} requests were", "a {count} are", "{count:g} hours"],
)
def test_the_pattern_finds_them(text: str) -> None:
    assert PLURAL.search(text)
