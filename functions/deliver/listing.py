"""Reads a playlist to copy: its segments, and its text as the target needs it.

copying.py uses this module. Segments named by a full address are renamed to the relative path of
their copies. Relative names stay as they are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from msgspec import Struct

from shared.invocation.app import App
from shared.outbound.oss import NotRead, Opened, crc64
from shared.outbox.deliver_file import DeliverFile
from shared.protocol.stream import StreamKey
from shared.verification.media_playlist import (
    MAX_PLAYLIST_BYTES,
    parse_playlist,
    segment_uri,
)


class NotCopied(Exception):
    """The playlist cannot be copied. The text says why, and any caller may read it."""


class Listing(Struct, frozen=True):
    """A playlist as it was read: its ETag, the names of its segments' objects, each once, and the
    text of its copy."""

    etag: str
    segments: Sequence[str]
    text: bytes


class Listings(Struct):
    """Reads playlists, and keeps the last one: the copy of each of its segments needs it."""

    app: App
    place: tuple[str, str, StreamKey, str] | None = None
    last: Listing | None = None

    def of(self, source: Opened, stream: StreamKey, body: DeliverFile) -> Listing:
        """Return the playlist that the task copies. If it is the last one read, in the version that
        `body.list_etag` names, it is not read again from the bucket. If the playlist was changed
        since its segments were read from it, the returned ETag differs from `body.list_etag`. Raise
        NotCopied if the playlist cannot be copied, NotRead if it cannot be read."""
        place = (source.name, body.uri, stream, body.list_etag)
        if self.last is None or not body.list_etag or place != self.place:
            last = _read(source, body.uri)
            if not all(self.app.policy.names_object(stream, uri) for uri in last.segments):
                raise NotCopied("no `object_prefix` of the policy fits the name of a segment")
            self.last, self.place = last, (*place[:3], last.etag)
        return self.last


def _read(source: Opened, uri: str) -> Listing:
    state = source.stat(uri)
    data = source.read(uri, 0, MAX_PLAYLIST_BYTES + 1, etag=state.etag)
    if len(data) > MAX_PLAYLIST_BYTES:
        raise NotCopied(f"the playlist has more than {MAX_PLAYLIST_BYTES} bytes")
    if state.crc64 not in (None, crc64(data)):
        raise NotRead("the checksum of what was read differs from the one that OSS gives")
    return _listing(data, state.etag, uri, source.name)


def _listing(data: bytes, etag: str, uri: str, bucket: str) -> Listing:
    playlist = parse_playlist(data)
    if not (playlist.is_playlist and playlist.is_plain):
        raise NotCopied(
            "the file is not a playlist, or its segments are not whole, unencrypted files"
        )
    found = {each.name: segment_uri(uri, each.name, bucket) for each in playlist.segments}
    segments = {name: target for name, target in found.items() if target is not None}
    if len(segments) < len(found):
        raise NotCopied("a segment of the playlist is not in its bucket")
    ways = {name: _way(uri, target) for name, target in segments.items() if _is_whole(name)}
    return Listing(etag, list(dict.fromkeys(segments.values())), _renamed(data, ways))


def _is_whole(name: str) -> bool:
    return name.startswith("/") or "://" in name


def _way(uri: str, segment: str) -> str:
    return quote(posixpath.relpath(segment, posixpath.dirname(uri) or "."))


def _renamed(data: bytes, ways: dict[str, str]) -> bytes:
    """Return the playlist with segments renamed by `ways`; every other byte stays the same."""
    if not ways:
        return data
    return "".join(_lines(data.decode("utf-8-sig", "replace"), ways)).encode()


def _lines(text: str, ways: dict[str, str]) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        name = line.strip()
        yield line.replace(name, ways[name]) if name in ways else line
