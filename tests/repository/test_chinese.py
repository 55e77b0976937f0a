"""Chinese texts hold no English word but names and terms, and have the terms of Alibaba Cloud."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.paths import ROOT
from tests.repository.cli_messages import all_of
from tests.repository.cli_messages import translations as cli_translations
from tests.repository.detail_texts import translations as detail_translations
from tests.support.chinese import HALF_WIDTH, english_words

CATALOGUE = ROOT / "shared" / "inbound" / "catalogue" / "zh.json"


def chinese_texts() -> Iterator[tuple[str, str]]:
    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for each in value.values():
                yield from strings(each)

    for text in strings(json.loads(CATALOGUE.read_text(encoding="utf-8"))):
        yield "zh.json", text
    for text in detail_translations().values():
        yield "details.zh.json", text
    for message in cli_translations():
        if message.id:
            yield from (("live-record.po", text) for text in all_of(message.string))


TEXTS = sorted(set(chinese_texts()))


@pytest.mark.parametrize("file", ["zh.json", "details.zh.json", "live-record.po"])
def test_no_english_word_is_left_but_names_and_terms(file: str) -> None:
    found = {
        text: words for where, text in TEXTS if where == file and (words := english_words(text))
    }
    assert found == {}, "translate them, or list a term in tests/support/chinese.py"


@pytest.mark.parametrize("file", ["zh.json", "details.zh.json", "live-record.po"])
def test_punctuation_beside_chinese_is_full_width(file: str) -> None:
    assert [text for where, text in TEXTS if where == file and HALF_WIDTH.search(text)] == []


INSTEAD = {
    "录制配置": "录制模板",
    "(?<!本地)模拟器": "本地模拟器",
    "仿真": "本地模拟器",
    "阶段环境": "环境",
    "推流结束": "断流",
    "开始推流通知": "开播通知",
    "视频视频": "视频",
}
"""Words that Alibaba Cloud's console does not use, as patterns, and its own."""


def pages() -> Iterator[tuple[str, str]]:
    twins = (*sorted(ROOT.glob("*.zh-CN.md")), *sorted((ROOT / "docs").glob("*.zh-CN.md")))
    for page in (*twins, ROOT / "docs/try.md"):  # which holds both languages
        yield Path(page).name, page.read_text(encoding="utf-8")


def test_the_terms_are_those_of_alibaba_cloud() -> None:
    found = {
        (where, pattern)
        for where, text in (*TEXTS, *pages())
        for pattern in INSTEAD
        if re.search(pattern, text)
    }
    assert found == set()
