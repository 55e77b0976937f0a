"""The publish request of an RTMP connection, and the protocols that answer it.

ingest.py reads the request and calls Host and Feed; emulator.live implements them.
It must not know RTMP messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from emulator.media.flv import Tag
from emulator.media.malformed import Malformed

MAX_ADDRESS_CHARS = 2_048
"""Limit for app, URL and stream name together."""


class PublishRejected(Exception):
    """A publisher is not admitted, or no longer is; the text explains why."""


@dataclass(frozen=True, slots=True)
class Push:
    """A publish request.

    `host` is the host of its URL; `arguments` are the query, wherever it was written.
    """

    host: str
    app: str
    stream: str
    arguments: Mapping[str, str]
    peer: str = ""


class Feed(Protocol):
    """A stream that takes its publisher's tags."""

    def take(self, tag: Tag) -> None:
        """Take a tag; raise PublishRejected if the stream takes no more."""

    def publisher_left(self) -> None:
        """Handle the end of the publisher."""


class Host(Protocol):
    """Decides about publishers."""

    def admit(self, push: Push) -> Feed:
        """Return the feed of an admitted publisher; raise PublishRejected."""

    def connection_ended(self, push: Push | None, peer: str, reason: str) -> None:
        """Handle the end of a connection, admitted or not."""


def read_push(app: str, address: str, name: str, peer: str = "") -> Push:
    """Return the publish request in connect's `app` and `tcUrl` and publish's name.

    Raise Malformed if that is no URL. The query may follow any of the three: OBS has it in the
    stream key, as it is typed.
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
