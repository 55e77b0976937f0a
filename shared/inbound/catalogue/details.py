"""Problem details and faults in Chinese: they are written in English where something is refused.

The answers to errors and the command line use it. The texts are data, with the English one as the
key; an expression within a text is {0}, {1} and so on. Nothing of it is read for an English answer.
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
    """Return the detail in the language; one that is not known, such as Live's own, as it is."""
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
    """Return the texts with expressions as patterns, those with the most words of their own first:
    a text of an expression alone would be taken for any other."""
    texts = [text for text in _catalogue() if _EXPRESSION.search(text)]
    texts.sort(key=lambda text: len(_EXPRESSION.sub("", text)), reverse=True)
    return [(_pattern(text), _catalogue()[text]) for text in texts]


def _pattern(text: str) -> re.Pattern[str]:
    literals = (re.escape(part) for part in _EXPRESSION.split(text))
    return re.compile("(.+?)".join(literals), re.DOTALL)
