"""Translates problem details and faults into Chinese. In the code they are written in English.

Error answers and the command line use it. The file maps each English text to its translation, with
{0}, {1} and so on for expressions. An English answer does not read the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from shared.inbound.catalogue import Language

FILE = Path(__file__).with_name("details.zh.json")
_EXPRESSION = re.compile(r"\{\d\}")


def detail_in(language: Language, text: str) -> str:
    """Return the detail in the language; unchanged if it has no translation, such as Live's own
    texts."""
    return _chinese(text) if language is Language.CHINESE and text else text


def _chinese(text: str) -> str:
    whole = _catalogue().get(text)
    if whole is not None:
        return whole
    for pattern, translated in _patterns():
        found = pattern.fullmatch(text)
        if found:
            parts = (_chinese(part).replace(" or ", " 或 ") for part in found.groups())
            return translated.format(*parts)
    if "; " in text:
        return "；".join(map(_chinese, text.split("; ")))
    name, colon, detail = text.partition(": ")
    return f"{name}：{_chinese(detail)}" if colon and _chinese(detail) != detail else text


@cache
def _catalogue() -> Mapping[str, str]:
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, str])


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], str]]:
    """Return patterns for the texts with expressions, those with the most fixed words first: a text
    that is only an expression would match anything."""
    texts = [text for text in _catalogue() if _EXPRESSION.search(text)]
    texts.sort(key=lambda text: len(_EXPRESSION.sub("", text)), reverse=True)
    return [(_pattern(text), _catalogue()[text]) for text in texts]


def _pattern(text: str) -> re.Pattern[str]:
    literals = (re.escape(part) for part in _EXPRESSION.split(text))
    return re.compile("(.+?)".join(literals), re.DOTALL)
