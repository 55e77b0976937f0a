"""Texts of the HTTP API mark with backticks what a reader types: commands, options, fields, URLs.
Its description marks values and headers, too.

Without a mark, such a name reads as an ordinary word of its sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from shared.inbound.catalogue import Language
from shared.inbound.catalogue.details import FILE
from shared.inbound.catalogue.marks import MARK
from tests.repository.detail_texts import translations
from tests.repository.http_page import OUTCOMES, PHASES, described

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
DESCRIBED = re.compile(
    r"""\b(?:true|false|[Nn]ull)\b | "
    | (?:^|[;.]\ )(?!empty|absent)[a-z_]+:\ | \b[a-z]+=\w | \b\d+[smhd]\b
    | \b[A-Z][a-z]+(?:-[A-Z][a-z]+)+\b | \b(?:Allow|ETag|Location|webhook-\w+)\b
    | \bdomain/app/ | /v1/ | \breconcile\b""",
    re.VERBOSE,
)
"""What a description may not hold without a mark, either: values, headers, paths, functions."""


def unmarked(text: str) -> list[str]:
    return [found.group() for found in TO_TYPE.finditer(MARKED.sub("", text))]


def undescribed(text: str) -> list[str]:
    text = MARK.sub("…", text)
    return [found.group() for names in (TO_TYPE, DESCRIBED) for found in names.finditer(text)]


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


def _described(part: object, key: str) -> Iterator[str]:
    """Yield the texts under this key, wherever it is in a part of the API's description."""
    if isinstance(part, dict):
        yield from (text for name, text in part.items() if name == key and isinstance(text, str))
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _described(each, key)


def test_a_description_marks_names_and_values() -> None:
    texts = {*_described(described(), "description"), *PHASES.values()}
    texts |= {text for _, text in OUTCOMES.values()}
    assert {text: names for text in texts if (names := undescribed(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "true: only these",
        "the newest; null: never",
        'a duration, or "session"',
        "wait=8 waits",
        "a repeated Idempotency-Key",
        "at most 12h",
        "as in GET /v1/health",
        "of `alike` and pre_roll",
    ],
)
def test_a_value_without_a_mark_is_found(text: str) -> None:
    assert undescribed(text)


def test_a_summary_has_no_marks_because_it_is_plain_text() -> None:
    """OpenAPI allows Markdown in descriptions alone. The title of a webhook is its event."""
    assert [text for text in _described(described(), "summary") if "`" in text] == []
    texts = _described(described()["paths"], "summary")
    assert {text: names for text in texts if (names := undescribed(text))} == {}


@pytest.mark.parametrize("language", Language)
def test_every_mark_of_a_text_is_found_where_no_markdown_is_read(language: Language) -> None:
    texts = [text for text in texts_of(language) if "`" in text]
    assert [text for text in texts if text.count("`") != 2 * len(MARK.findall(text))] == []


def test_both_languages_mark_the_same_number_of_names() -> None:
    pairs = list(zip(*map(_without_details, Language), strict=True)) + list(translations().items())
    assert [pair for pair in pairs if pair[0].count("`") != pair[1].count("`")] == []


def _without_details(language: Language) -> Sequence[str]:
    path = FILE.with_name(f"{language.value}.json")
    return list(_leaves(json.loads(path.read_text(encoding="utf-8"))))
