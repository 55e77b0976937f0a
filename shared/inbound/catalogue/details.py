"""Translates into Chinese the details and faults of error answers, which the code has in English.

Error answers and the command line use this module. The file maps each English text to its
translation, with {0}, {1} and so on for expressions. An English answer does not read the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from shared.decoding import decode
from shared.inbound.catalogue import Language

FILE = Path(__file__).with_name("details.zh.json")
_EXPRESSION = re.compile(r"\{\d\}")


MAX_LEVELS, MAX_PARTS = 6, 100
"""The most levels of a text that contains others, as "policy: rule #1: ..." does, and the most
texts in it. Only a made-up request exceeds them."""

_STATES = {"paused": "已暂停", "ended": "已终止"}


def detail_in(language: Language, text: str) -> str:
    """Return the detail in the language; unchanged if it has no translation, such as Live's own
    texts."""
    return _chinese(text, MAX_LEVELS) if language is Language.CHINESE and text else text


def about_in(language: Language, about: Mapping[str, str | int]) -> Mapping[str, str | int]:
    """Return the values that fill a text (`about`). Two of them are translated if they are there:
    `why`, a reason that is stored in English, and `state`, the phase of a webhook receiver."""
    if language is not Language.CHINESE:
        return about
    state = about.get("state", "")
    return {
        **about,
        **({"why": detail_in(language, str(about["why"]))} if "why" in about else {}),
        **({"state": _STATES.get(str(state), state)} if state else {}),
    }


def _chinese(text: str, nesting: int) -> str:
    """Return the text in Chinese, with the texts that it contains, down to `nesting`. A request may
    have made up the text, so the time that this takes grows no faster than the text's length."""
    whole = _catalogue().get(text)
    if whole is not None:
        return whole
    if nesting == 0:
        return text
    for literals, translated in _patterns():
        found = _between(literals, text)
        if found:
            parts = (_chinese(part, nesting - 1).replace(" or ", " 或 ") for part in found)
            return translated.format(*parts)
    if "; " in text:
        return "；".join(_chinese(part, nesting - 1) for part in text.split("; ", MAX_PARTS))
    name, colon, detail = text.partition(": ")
    inner = _chinese(detail, nesting - 1)
    return f"{name}：{inner}" if colon and inner != detail else text


@cache
def _catalogue() -> Mapping[str, str]:
    return decode(FILE.read_bytes(), dict[str, str])


@cache
def _patterns() -> Sequence[tuple[Sequence[str], str]]:
    """Return the fixed words of each text with expressions, and its translation. Those with the
    most fixed words come first, because a text that is only an expression would match anything."""
    texts = [text for text in _catalogue() if _EXPRESSION.search(text)]
    texts.sort(key=lambda text: len(_EXPRESSION.sub("", text)), reverse=True)
    return [(_EXPRESSION.split(text), _catalogue()[text]) for text in texts]


def _between(literals: Sequence[str], text: str) -> Sequence[str]:
    """Return the parts of the text between the literals, each as short as possible; none if the
    text does not have all of them. With three parts, a regular expression would take time in
    proportion to the cube of the length."""
    first, *inner, last = literals
    at, end = len(first), len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)):
        return ()
    parts = []
    for literal in inner:
        found = text.find(literal, at + 1, end)
        if found < 0:
            return ()
        parts.append(text[at:found])
        at = found + len(literal)
    return [*parts, text[at:end]] if at < end else ()
