"""Redacts secrets in the output of Serverless Devs, in whatever form they occur.

cli.deploying.serverless passes everything that a person may see through this module. It knows the
environment of a deploy and the names of settings, not what is deployed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.config.robots import robots
from shared.config.values import secrets_of_url

HIDDEN = "[hidden]"
_OURS = "LIVE_RECORD_"
_LEAST_CHARS_OF_OURS, _LEAST_CHARS = 4, 8
"""Least length of a value that is redacted: of our variables, and of others. A shorter one, such as
`1`, would be hidden in all words that contain it."""
_SECRET = re.compile(r"(?:secret|token|password|key|key_?id|credential)s?$", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GAP = r"(?:\s|\\+[nrt\n])*"
"""Anything that may come between two characters of a value: `s` folds and indents its output."""
_NAMED = re.compile(
    r"(LIVE_RECORD_\w*(?:KEYS?|TOKENS?|STORE|HEARTBEAT_URL|ROBOTS)"
    r"|\w*(?:secret|password|security_?token|private_?key|credentials?|authorization|devs_key))"
    r"(['\"\\]*\s*[:=]).*",
    re.IGNORECASE,
)
_INDENT = re.compile(r"[\s+~-]*")


class Redactor:
    """A callable that takes a text and returns it without secrets. It knows the values of the
    variables in `environment` whose names say that they hold a secret; it leaves very short values.
    It recognizes other secrets, such as those deployed already, by the name of a variable in front
    of them. It then hides the rest of the line, and the lines indented below."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        secrets = sorted(set(_secrets(environment)), key=len, reverse=True)
        self._values = re.compile("|".join(map(_in_any_form, secrets))) if secrets else None

    def __call__(self, text: str) -> str:
        text = _ANSI.sub("", text)
        if self._values:
            text = self._values.sub(HIDDEN, text)
        return "\n".join(_without_named(text.splitlines()))


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _SECRET.search(name) or name == f"{_OURS}STORE":
            least = _LEAST_CHARS_OF_OURS if name.startswith(_OURS) else _LEAST_CHARS
            parts = (part.strip() for part in _parts(value))
            yield from (part for part in parts if len(part) >= least)
        if name == f"{_OURS}HEARTBEAT_URL":
            yield from secrets_of_url(value.strip())
        if name == f"{_OURS}ROBOTS":
            yield from _secrets_of_robots(value)


def _secrets_of_robots(value: str) -> Iterator[str]:
    with suppress(ValueError):
        for robot in robots(value):
            yield from (robot.url, *robot.secrets)


def _parts(value: str) -> Iterator[str]:
    """Yield the value and each part of it that is a secret by itself: an entry of a list, a line of
    a private key, the token of `name:scopes:token`, the password of a URL."""
    yield value
    if value.lstrip().startswith("{"):
        yield from _parts_of_json(value)
        return
    yield from (line for line in value.splitlines() if not line.startswith("-----"))
    if "://" in value:
        yield from _passwords(value)
        return
    for entry in value.split(","):
        yield entry
        yield entry.rpartition(":")[2]


def _parts_of_json(value: str) -> Iterator[str]:
    with suppress(ValueError):
        fields: dict[str, Any] = json.loads(value)
        yield from (str(each) for name, each in fields.items() if _SECRET.search(name))


def _passwords(url: str) -> Iterator[str]:
    with suppress(ValueError):
        password = urlsplit(url).password or ""
        yield from (password, unquote(password))


def _in_any_form(secret: str) -> str:
    """Return a pattern of the secret: plain, in JSON, percent-encoded, split over lines."""
    return _GAP.join(map(_character, "".join(secret.split())))


def _character(character: str) -> str:
    """Return a pattern of one character, also if it was escaped or encoded more than once."""
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in character.encode("utf-8", "replace"))
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    unicode = "".join(rf"\\+u(?i:{pair})" for pair in pairs)
    # The encoded forms come first. A plain `%` would match the first character of `%25` alone.
    return rf"(?:{percent}|{unicode}|\\*{re.escape(character)})"


def _without_named(lines: list[str]) -> Iterator[str]:
    """Hide what follows a secret's name, to the end of its line and of the lines indented below."""
    hidden_below = None
    for line in lines:
        indent = len(_INDENT.match(line)[0])  # type: ignore[index] # it matches any line
        if hidden_below is not None and line.strip() and indent > hidden_below:
            continue
        hidden_below = None
        if _NAMED.search(line):
            hidden_below = indent
        yield _NAMED.sub(rf"\1\2 {HIDDEN}", line)
