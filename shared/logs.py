"""The log: JSON lines with stable event names (`noun.past`) and without secrets.

It writes to the standard output and not through `logging`: Function Compute's root logger has a
handler of its own, which would put a prefix before the JSON (docs/platform/function-compute.md
§1.6). The protocol must not use this module.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from types import NoneType, TracebackType
from typing import Any, Final

MAX_LINE_BYTES: Final = 32 * 1024  # bytes in a line, the platform's limit
_HIDDEN: Final = "[hidden]"
_CUT_CHARS: Final = (8000, 1000, 100)
_KEPT_CHARS: Final = 64
_MAX_LEVELS: Final = 6
_SECRET_NAME: Final = re.compile(
    r"secret|token|passw|authorization|signature|auth.?key|usrargs|credential|access.?key"
    r"|(?:push|publish)_?url|(?:stream|record|wake)_?keys?$",
    re.IGNORECASE,
)
_PATTERNS: Final = tuple(
    f"(?i:({before}){secret})"
    for before, secret in (
        (r"auth_key(?:=|%(?:25)*3D)", r"[^&%\s\"']+"),
        (r"usrargs\W{1,4}", r"[^&\s\"']+"),
        (r"\brtmp\w?://[^\s?\"']{1,512}\?", r"[^\s\"']+"),
        (r"authorization\W{1,4}", r"[^\"'\r\n]+"),
        (r"\bbearer\s+", r"[^\s\"',]+"),
        (r"(?:secret|signature|security_?token|passw(?:(?!passw)\w)*)\W{1,4}", r"[^&\s\"',]+"),
        (r"://", r"[^/@\s\"']+(?=@)"),
        (r"/callbacks/[\w-]+/", r"[^/?\s\"']+"),
    )
)
_SIGNS: Final = (
    *("auth_key", "usrargs", "rtmp", "authoriz", "bearer", "secret", "signature"),
    *("securitytoken", "security_token", "passw", "://", "/callbacks/"),
)
"""A text without any of these matches no pattern. Most texts are one plain word."""
_HARMLESS: Final = (int, bool, NoneType)
_PLAIN: Final = (str, int, float, NoneType, Enum)
_SEVERAL: Final = (list, tuple, set, frozenset)


@lru_cache(maxsize=512)
def _names_secret(name: str) -> bool:
    """Return True if a field of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Log:
    """Writes lines of the log through `write`; `now` gives ms since the epoch. `hide` holds secrets
    to redact wherever they occur, even in fields whose name gives no hint. Secrets of six
    characters or fewer are not redacted."""

    def __init__(
        self, write: Callable[[str], object], *, now: Callable[[], int], hide: Iterable[str] = ()
    ) -> None:
        self._write = write
        self._now = now
        self._hide = tuple(secret for secret in hide if len(secret) > len("secret"))
        self._bound: dict[str, object] = {}

    def bind(self, **fields: object) -> Log:
        """Return a log that adds these fields to every line."""
        log = Log(self._write, now=self._now)
        log._hide, log._bound = self._hide, {**self._bound, **fields}
        return log

    def info(self, event: str, /, **fields: object) -> None:
        self._line("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._line("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._line("error", event, fields)

    def story(self, events: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Write one line for each event, all in one write. An event is its name and its fields."""
        with suppress(Exception):  # as in `_line`
            if lines := [self._text_of("info", event, fields) for event, fields in events]:
                self._write("\n".join(lines))

    def _line(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        with suppress(Exception):  # a log that fails must not fail its caller
            self._write(self._text_of(level, event, fields))

    def _text_of(self, level: str, event: str, fields: Mapping[str, object]) -> str:
        head = {"time": _utc(self._now()), "level": level, "event": event}
        fields = {**self._bound, **fields}
        plain = self._plain(fields)
        if plain is None:
            return self._fitting(head, fields)
        return json.dumps({**head, **plain, **head})

    def _plain(self, fields: Mapping[str, object]) -> dict[str, object] | None:
        """Return the fields with enums replaced by their values. Return None if anything else must
        be redacted, cut or converted, which is so in few lines."""
        texts: list[str] = []
        plain = _as_they_are(fields, texts, depth=2)
        text = "\n".join(texts)
        if plain is None or len(text) > _CUT_CHARS[1] or _is_suspect(text):
            return None
        return None if any(map(text.__contains__, self._hide)) else plain

    def _fitting(self, head: Mapping[str, object], fields: Mapping[str, object]) -> str:
        for longest in _CUT_CHARS:
            line = json.dumps({**head, **self._fields(fields, longest), **head})
            if len(line) < MAX_LINE_BYTES:
                return line
        return json.dumps({**head, "cut": True})

    def _fields(
        self, fields: Mapping[Any, object], longest: int, depth: int = 0
    ) -> dict[str, object]:
        shown = {}
        for name, value in fields.items():
            text = _str(name)
            shown[self._text(text, longest)] = (
                _HIDDEN if _names_secret(text) else self._shown(value, longest, depth + 1)
            )
        return shown

    def _shown(self, value: object, longest: int, depth: int) -> object:
        if isinstance(value, _PLAIN):  # first: most are, and an abstract class is slow
            plain = _plain(value)
            return self._text(plain, longest) if isinstance(plain, str) else plain
        if isinstance(value, (Mapping, *_SEVERAL)) and depth > _MAX_LEVELS:
            return "[cut]"
        if isinstance(value, Mapping):
            return self._fields(value, longest, depth)
        if isinstance(value, _SEVERAL):
            return [self._shown(inner, longest, depth + 1) for inner in value]
        return self._text(_str(value), longest)

    def _text(self, text: str, longest: int) -> str:
        for secret in self._hide:
            text = text.replace(secret, _HIDDEN)
        text = _redacted(text) if len(text) > _KEPT_CHARS else _redacted_once(text)
        return text if len(text) <= longest else text[:longest] + "[cut]"


def _redacted(text: str) -> str:
    if _is_suspect(text):
        for pattern in _PATTERNS:
            text = re.sub(pattern, rf"\1{_HIDDEN}", text)
    return text


_redacted_once = lru_cache(maxsize=512)(_redacted)
"""`_redacted` with a cache for short texts: names of fields and paths occur in every line."""


def _is_suspect(text: str) -> bool:
    """Return True if the patterns must be tried. Text beyond ASCII always needs them, because there
    a letter may match another one when case is ignored."""
    small = text.lower()
    return not text.isascii() or any(map(small.__contains__, _SIGNS))  # `map` is the fastest


def _as_they_are(
    fields: Mapping[str, object], texts: list[str], depth: int
) -> dict[str, object] | None:
    """Return the fields with enums replaced by their values; None if a name hints at a secret or a
    value is not plain. Add to `texts` every text that could hold a secret."""
    shown: dict[str, object] = {}
    for name, value in fields.items():
        if type(name) is not str or _names_secret(name):
            return None
        texts.append(name)
        if isinstance(value, Enum):
            value = value.value  # noqa: PLW2901 - what is shown of it
        if type(value) is str:
            texts.append(value)
        elif type(value) is dict:
            value = _as_they_are(value, texts, depth - 1) if depth else None  # noqa: PLW2901 - as above
            if value is None:
                return None
        elif type(value) not in _HARMLESS:
            return None
        shown[name] = value
    return shown


def _utc(ms: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // 1000))}.{ms % 1000:03}Z"


def _plain(value: object) -> str | int | float | None:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _str(value)


def _str(value: object) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, TracebackType):
        return _way(value)
    with suppress(Exception):
        return _chain(value) if isinstance(value, BaseException) else str(value)
    return type(value).__name__


def _chain(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    cause = error.__cause__
    return f"{text}, from {type(cause).__name__}: {cause}" if cause else text


def _way(trace: TracebackType) -> str:
    import traceback

    return "".join(traceback.format_tb(trace))
