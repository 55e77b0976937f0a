"""Parses an M3U8 playlist into its segments, and finds the objects that hold them.

The judge of playlists and the function `files` use this module. It reads nothing and judges
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from msgspec import Struct

MAX_PLAYLIST_BYTES = 500_000
_DURATION = re.compile(r"#EXTINF:\s*(\d{1,6}(?:\.\d{1,18})?)\s*(?:,.*)?")
_NOT_PLAIN = ("#EXT-X-STREAM-INF", "#EXT-X-MAP", "#EXT-X-BYTERANGE", "#EXT-X-KEY")


class Segment(Struct, frozen=True):
    """One segment of a playlist; `name` is as in the playlist. `follows_break`: its timestamps do
    not continue those of the segment before it."""

    name: str
    duration_ms: int
    follows_break: bool = False


class MediaPlaylist(Struct, frozen=True):
    """A parsed playlist. `is_playlist`: it begins as a playlist does. `is_plain`: each segment is a
    whole object, neither encrypted nor a playlist itself. `has_end`: it has the tag ENDLIST."""

    segments: Sequence[Segment]
    is_playlist: bool
    is_plain: bool
    has_end: bool

    @property
    def is_continuous(self) -> bool:
        return not any(segment.follows_break for segment in self.segments)

    @property
    def duration_ms(self) -> int:
        return sum(segment.duration_ms for segment in self.segments)


def parse_playlist(data: bytes) -> MediaPlaylist:
    """Parse the bytes of a playlist, whatever they are."""
    before, end, _ = data.decode("utf-8-sig", "replace").partition("#EXT-X-ENDLIST")
    lines = [line.strip() for line in before.splitlines()]
    return MediaPlaylist(
        list(_segments(lines)),
        is_playlist=bool(lines) and lines[0].startswith("#EXTM3U"),
        is_plain=not any(line.startswith(_NOT_PLAIN) for line in lines),
        has_end=bool(end),
    )


def _segments(lines: Sequence[str]) -> Iterator[Segment]:
    duration_ms, follows_break = 0, False
    for line in lines:
        if line == "#EXT-X-DISCONTINUITY":
            follows_break = True
        elif found := _DURATION.fullmatch(line):
            duration_ms = round(float(found[1]) * 1000)
        elif line and not line.startswith("#"):
            yield Segment(line, duration_ms, follows_break)
            duration_ms, follows_break = 0, False


def segment_uri(playlist: str, name: str, bucket: str) -> str | None:
    """Return the name of the object that holds a segment. `playlist` is the name of the playlist's
    own object, `name` is how the playlist names the segment, and `bucket` is the bucket of the
    playlist. Return None if the segment is in another bucket."""
    scheme, separator, rest = name.partition("://")
    if separator:
        host, _, name = rest.partition("/")
        if scheme not in ("http", "https") or not bucket or host.partition(".")[0] != bucket:
            return None
        name = f"/{name}"
    path = unquote(name.partition("?")[0].partition("#")[0])
    found = [] if path.startswith("/") else playlist.split("/")[:-1]
    for part in path.split("/"):
        if part not in ("", ".", ".."):
            found.append(part)
        elif part == ".." and not found:
            return None
        elif part == "..":
            found.pop()
    return "/".join(found)
