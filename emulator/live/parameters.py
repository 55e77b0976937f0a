"""Typed access to an API call's parameters.

Every action reads its parameters here; a bad one raises ApiError in Live's words.
It must not know any action.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from emulator.live.api_errors import ApiError

Params = Mapping[str, str]


def need(params: Params, *names: str) -> None:
    missing = [name for name in names if not params.get(name)]
    if missing:
        raise ApiError("MissingParam", f"%s, mandatory and missing: {', '.join(missing)}.")


def word(params: Params, name: str, words: Sequence[str]) -> str:
    """Return one of the words; the first is the default."""
    value = params.get(name) or words[0]
    if value not in words:
        raise ApiError("MalformedParam", f"%s, {name} must be one of {', '.join(words)}.")
    return value


def number(params: Params, name: str, default: int, most: int, least: int = 1) -> int:
    value = params.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and least <= int(value[:9]) <= most):
        raise ApiError("MalformedParam", f"%s, {name} must be from {least} to {most}.")
    return int(value)


def flag(params: Params, name: str) -> bool:
    """Return a boolean, written in upper or lower case: the official Python SDK writes True."""
    return word({name: params.get(name, "").lower()}, name, ("false", "true")) == "true"


def rows(params: Params, name: str) -> list[dict[str, str]]:
    """Return a list of objects: `Name.1.Format` and so on, as RPC style spells it, in order."""
    shape = re.compile(rf"{name}\.(\d{{1,3}})\.(\w+)")
    found: dict[int, dict[str, str]] = {}
    for key, value in params.items():
        if named := shape.fullmatch(key):
            found.setdefault(int(named[1]), {})[named[2]] = value
    return [found[n] for n in sorted(found)]


def texts(params: Params, name: str) -> list[str]:
    """Return a list of strings: `Name.1` and so on."""
    shape = re.compile(rf"{name}\.(\d{{1,3}})")
    named = [(shape.fullmatch(key), value) for key, value in params.items()]
    found = {int(match[1]): value for match, value in named if match}
    return [found[n] for n in sorted(found)]


def time_ms(params: Params, name: str) -> int:
    try:
        found = datetime.strptime(params.get(name, ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise ApiError("MalformedParam", f"%s, {name} is not yyyy-MM-ddTHH:mm:ssZ.") from None
    return int(found.timestamp() * 1000)
