"""Texts of the HTTP API mark with backticks what a reader types: commands, options, fields, URLs.

Without a mark, such a name reads as an ordinary word of its sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from shared.inbound.catalogue import Language
from shared.inbound.catalogue.details import FILE
from tests.repository.detail_texts import translations

MARKED = re.compile(r"`[^`]*`|\"[^\"]*\"")
"""What is marked or quoted."""
WORDS = "act|any|en|extend|false|observe|replaces|restart|start|stop|true|until|zh"
TO_TYPE = re.compile(
    rf"""\blive-record\ (?:alerts|deliveries|doctor|list|policy|rehearse|setup|store|watch)\b
    | \blive-record\ webhook\b | \bmake\ deploy\b | \bopenssl\b
    | \b(?:GET|POST|PUT|DELETE)\ / | (?<![\w-])--[a-z] | \[\[ | \w://
    | (?<![\w{{])[a-z]+_[a-z_]+\b
    | \b(?:leave\ out|send|write)\ (?:{WORDS})\b(?!\ [a-z])
    | (?:发送|填写|去掉)\ (?:{WORDS})\b""",
    re.VERBOSE | re.ASCII,
)
"""What a sentence may not hold without a mark."""


def unmarked(text: str) -> list[str]:
    return [found.group() for found in TO_TYPE.finditer(MARKED.sub("", text))]


def texts_of(language: Language) -> Iterator[str]:
    """Yield the texts of the catalogue, and of the details, in the language."""
    catalogue = json.loads(FILE.with_name(f"{language.value}.json").read_text(encoding="utf-8"))
    yield from _leaves(catalogue)
    details = translations()
    yield from details.values() if language is Language.CHINESE else details


def _leaves(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    if isinstance(part, dict):
        for each in part.values():
            yield from _leaves(each)


@pytest.mark.parametrize("language", Language)
def test_a_text_marks_what_its_reader_types(language: Language) -> None:
    found = {text: unmarked(text) for text in texts_of(language)}
    assert {text: names for text, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "text",
    [
        "leave out replaces: only another stage needs that field",
        "run live-record doctor",
        "write the database, and leave out --db",
        "see GET /v1/tokens",
        "name its file with ssl_ca_certs",
        "请去掉 replaces",
    ],
)
def test_a_name_without_a_mark_is_found(text: str) -> None:
    assert unmarked(text)


def test_both_languages_mark_the_same_number_of_names() -> None:
    pairs = list(zip(*map(_without_details, Language), strict=True)) + list(translations().items())
    assert [pair for pair in pairs if pair[0].count("`") != pair[1].count("`")] == []


def _without_details(language: Language) -> Sequence[str]:
    path = FILE.with_name(f"{language.value}.json")
    return list(_leaves(json.loads(path.read_text(encoding="utf-8"))))
