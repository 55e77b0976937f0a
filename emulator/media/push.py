"""What a publisher asks for as it connects: which stream, by which domain, with which arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from emulator.media.flv import Tag
from emulator.media.malformed import Malformed

MAX_ADDRESS_CHARS = 2_048
"""Characters of what a publisher may write as its address."""


class PublishRejected(Exception):
    """A publisher is not let in, or not any longer; the text says why."""


@dataclass(frozen=True, slots=True)
class Push:
    """`host` is the host of its address, `arguments` the query of it wherever that was written."""

    host: str
    app: str
    stream: str
    arguments: Mapping[str, str]
    peer: str = ""


class Feed(Protocol):
    """A stream that takes what its publisher sends."""

    def take(self, tag: Tag) -> None:
        """Raises Refusal when it takes no more."""

    def publisher_left(self) -> None:
        """The publisher is not there any more."""


class Host(Protocol):
    """Who decides about publishers."""

    def admit(self, push: Push) -> Feed:
        """Raises Refusal."""

    def connection_ended(self, push: Push | None, peer: str, reason: str) -> None:
        """A connection came to its end, before or after it was let in."""


def read_push(app: str, address: str, name: str, peer: str = "") -> Push:
    """Of connect's `app` and `tcUrl` and what publish names; Malformed when that is no address.

    The query stands behind any of the three: OBS has it behind the stream key, as it is typed.
    """
    if len(app) + len(address) + len(name) > MAX_ADDRESS_CHARS:
        raise Malformed(f"an address of more than {MAX_ADDRESS_CHARS} characters")
    try:
        place = urlsplit(address)
        host = place.hostname or ""
    except ValueError as error:
        raise Malformed(f"an address that cannot be read: {error}") from error
    app, _, of_app = app.partition("?")
    stream, _, of_stream = name.partition("?")
    arguments: dict[str, str] = {}
    for query in (place.query, of_app, of_stream):
        arguments |= dict(parse_qsl(query, keep_blank_values=True))
    return Push(host, app.strip("/"), stream, arguments, peer)
