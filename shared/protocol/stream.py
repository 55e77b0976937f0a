"""The key of a stream, and the commands, in the Live API's own words.

The whole project uses this module. It alone decides what may be the name of an application or a
stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from urllib.parse import quote, unquote

from msgspec import Struct


class Command(str, Enum):
    """The commands to Live. The values are sent unchanged (docs/platform/live.md §1.2)."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    CANCEL_DELAY = "cancel_delay"


STARTS = (Command.START, Command.RESTART)
"""The commands that may begin a recording."""
ENDS = (Command.STOP, Command.CANCEL_DELAY)
"""The commands that end a recording."""

MAX_NAME_BYTES = 512
"""The longest name, in bytes of UTF-8. Percent-encoded, application and stream then fit into the 4
KB that Function Compute allows path and query (docs/platform/function-compute.md §2.3)."""


def _is_misread(name: str) -> bool:
    """Return True if a character stands for bytes that are not UTF-8."""
    return not name.isascii() and bool(re.search("[\ufffd\ud800-\udfff]", name))


_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "is empty"),
    (
        lambda name: "*" in name,
        "is a wildcard: the API takes one stream a request, so send one request for each stream",
    ),
    (
        lambda name: name in {".", ".."},
        "is no name: HTTP clients remove it from a path",
    ),
    (lambda name: "\0" in name, "contains the character NUL, which no name may contain"),
    (_is_misread, "is not UTF-8: percent-encode it as UTF-8"),
)


def name_fault(name: str) -> str:
    """Return why `name` cannot be the name of an application or stream; "" if it can.

    Live's own rules are UNCONFIRMED (docs/platform/live.md §2.2). So a name is anything that a
    command to Live and a request to live-record can contain: every recorded stream can then be
    stopped.
    """
    fault = next((fault for is_wrong, fault in _FAULTS if is_wrong(name)), "")
    if fault or len(name.encode()) <= MAX_NAME_BYTES:
        return fault
    return f"is not a name: a name has at most {MAX_NAME_BYTES} bytes of UTF-8"


REHEARSAL_PREFIX = "live-record-rehearsal-"
"""The names of the throw-away streams of `live-record rehearse` begin with it."""
_PLAIN = re.compile(r"[\w.~-]+", re.ASCII)
_PARTS_A_URL = frozenset("/?#% ")


class StreamKey(Struct, frozen=True, order=True):
    """A stream. `domain` is its main streaming domain, which Live's API needs, not its ingest
    domain."""

    domain: str
    app: str
    stream: str

    @property
    def is_rehearsal(self) -> bool:
        """Return True for a throw-away stream of `live-record rehearse`, of which nothing is
        kept."""
        return self.stream.startswith(REHEARSAL_PREFIX)

    @property
    def is_pattern(self) -> bool:
        """Return True for a pattern, which stands for every stream that fits it. No stream's name
        has an asterisk."""
        return "*" in self.stream

    @property
    def fault(self) -> str:
        """Return what is wrong with the name of the application or the stream; "" if nothing is."""
        return name_fault(self.app) or name_fault(self.stream)

    @property
    def url_path(self) -> str:
        """Return `domain/app/stream`, percent-encoded for a URL."""
        return "/".join(quote(part, safe="") for part in (self.domain, self.app, self.stream))

    def __str__(self) -> str:
        """Return `domain/app/stream` for people. Characters that separate parts of a URL or cannot
        be printed are percent-encoded, so that no two streams look alike and `parse` can read each.
        """
        return "/".join(map(_written, (self.domain, self.app, self.stream)))

    @classmethod
    def parse(cls, text: str) -> StreamKey:
        """Parse `domain/app/stream`. Raise ValueError unless it has three parts."""
        domain, app, stream = map(unquote, text.split("/"))
        return cls(domain, app, stream)


def _written(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return "".join(map(_printable, name))


def _printable(character: str) -> str:
    if character.isprintable() and character not in _PARTS_A_URL:
        return character
    return quote(character, safe="", errors="surrogatepass")
