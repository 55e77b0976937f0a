"""Joins all recordings of an intent, of a schedule's occurrence, or of a period in one M3U8
playlist with presigned URLs.

People, players and programs request such a playlist over HTTP. This module reads playlists in the
bucket, puts their segments into one, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from functions.file_view import HOUR_MS, M3u8, is_object
from functions.files.composing import Recorded, Slice, lay_out, written
from functions.stage_bucket import OpenBuckets
from shared.config.tokens import Caller
from shared.errors import Fault
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, NotFound, WrongState
from shared.invocation.invocation import Invocation
from shared.invocation.listed_files import read_files
from shared.ledger.coverage import coverage, spans_of_file
from shared.ledger.edges import Edge
from shared.ledger.occurrences import occurrence_spans
from shared.ledger.spans import Span, common
from shared.outbound import oss
from shared.outbound.oss import NotRead, Opened
from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.policy import COPIED_FORMATS
from shared.verification.media_playlist import (
    MAX_PLAYLIST_BYTES,
    parse_playlist,
    segment_uri,
)

MAX_READ_REQUESTS = 200
"""Playlists that are read for one answer. Each is a request to OSS."""
MAX_READ_BYTES = 8_000_000
MAX_SEGMENTS = 3_000
"""Segments in one answer: 25 h in segments of 30 s. A presigned URL has about 1,200 bytes, so the
answer has about 4 MB (docs/platform/function-compute.md §2.3 allows 32 MB)."""
MAX_LEFT_OUT_ENTRIES, MAX_NAME_CHARS = 20, 200
"""How many files an answer names as left out at most, and how many characters of each name. Anybody
with the captured signature of a callback can report files with any names."""
_ENDING = ".m3u8"

WhyUnsigned = Callable[[str], str | None]
"""Returns why an object may not be signed for the caller; None if it may be."""


def respond(
    invocation: Invocation,
    caller: Caller,
    key: StreamKey,
    query: Mapping[str, Any],
    why_unsigned: Callable[[Caller, StreamKey, str], str | None],
) -> Response:
    """Return one playlist of the stream's recordings in the period of the query. `why_unsigned`
    returns why the caller may not get an object; None if it may. If there is no such playlist,
    raise a RequestError that says why: for example, no file was reported, or the function has no
    role."""
    buckets = OpenBuckets(invocation)
    account = _account(invocation, key, query)
    buckets.require(key, [file for file, _ in account.files])  # before anything is read
    source = _Source(
        invocation,
        lambda place: buckets.of(key, place),
        lambda uri: why_unsigned(caller, key, uri),
    )
    recorded = [each for file in _playlists(account) if (each := source.read(file, account))]
    pieces = lay_out(recorded, account.wanted, account.within)
    if not any(piece.uri for piece in pieces):
        why = "; ".join(source.left_out()) or "no segment is reported"
        raise NotFound(f"nothing of the requested period can be played: {why}")
    period = query.get("for", HOUR_MS)
    until = f"the URLs are valid until {rfc3339(invocation.app.clock() + period)}"
    text = written(
        pieces,
        lambda uri, place: buckets.of(key, place).signed(uri, period),
        [until, *(f"left out: {each}" for each in source.left_out())],
    )
    return Response(200, text, {"Content-Type": M3u8.MEDIA_TYPE})


class _Account(Struct, frozen=True):
    """The facts about a period: its files in time order, and in `wanted` each span that was
    recorded or should have been recorded."""

    within: Span
    files: Sequence[tuple[File, Sequence[Span]]]
    wanted: Sequence[Span]


def _account(invocation: Invocation, key: StreamKey, query: Mapping[str, Any]) -> _Account:
    app, now = invocation.app, invocation.app.clock()
    edges, (files, listed) = app.store.edges(key), read_files(app, key)
    timed = [(file, spans_of_file(file, edges, now)) for file in reversed(files) if is_object(file)]
    within = _occurrence(query, edges, now) or _stretch(query, now)
    within = within or _last_intent(edges, [spans for _, spans in timed], now)
    inside = [(file, spans) for file, spans in timed if common(spans, [within])]
    gaps = coverage(edges, files, within, now, listed).gaps
    shown = (span for _, spans in inside for span in spans)
    return _Account(within, inside, [*(gap.span for gap in gaps), *shown])


def _stretch(query: Mapping[str, Any], now: int) -> Span | None:
    """Return the period that the query asks for; None if the query has no `from`."""
    if "from" not in query:
        if "to" in query:
            raise BadRequest([Fault("from", "is missing: `to` needs it", "MissingParam")])
        return None
    stop = min(query.get("to", now), now)
    asked, counts_back = query["from"]
    start = stop - asked if counts_back else asked
    if start >= stop:
        raise BadRequest([Fault("from", "is not before the end: write an earlier time")])
    return Span(start, stop)


def _occurrence(query: Mapping[str, Any], edges: Sequence[Edge], now: int) -> Span | None:
    """Return the period of the occurrence that the query asks for; None if it asks for none."""
    name = query.get("occurrence", "")
    if not name:
        return None
    if {"from", "to"} & query.keys():
        raise BadRequest(
            [Fault("occurrence", "sets the period already: leave out `from` and `to`")]
        )
    span = occurrence_spans(edges, now).get(name)
    if span is None:
        raise NotFound(
            "no occurrence with this id has begun for the stream",
            hint="write the schedule's id, `@` and the announced start in the"
            " schedule's own time zone",
        )
    return span


def _last_intent(edges: Sequence[Edge], files: Sequence[Sequence[Span]], now: int) -> Span:
    """Return the period in which the stream was last wanted, extended to all files recorded then: a
    file runs on for a moment after a stop."""
    known = Span(min((edge.at for edge in edges), default=now), now)
    wanted = coverage(edges, (), known, now).wanted
    if not wanted:
        raise NotFound(
            "nobody has asked for this stream to be recorded",
            hint="give a period with `from` and `to`",
        )
    last = wanted[-1]
    theirs = [span for spans in files if common(spans, [last]) for span in spans]
    ends = [last, *theirs]
    return Span(min(each.start for each in ends), max(each.stop for each in ends))


def _playlists(account: _Account) -> Iterator[tuple[File, Sequence[Span]]]:
    """Yield the playlists. Leave out each whose time earlier ones mostly cover: a second recording
    configuration wrote it."""
    found = [pair for pair in account.files if pair[0].uri.lower().endswith(_ENDING)]
    if account.files and not found:
        endings = {file.uri.rpartition(".")[2].lower() for file, _ in account.files}
        formats = (
            ", ".join(sorted(endings.intersection(COPIED_FORMATS))) or "files of another format"
        )
        raise WrongState(
            f"no M3U8 playlist was recorded in this time, only {formats}",
            hint="add the format for the next recordings: `live-record setup --format m3u8`",
        )
    if not found:
        raise NotFound("Live has reported no file for this period")
    taken: list[Span] = []
    for file, spans in found:
        if sum(each.ms for each in common(spans, taken)) * 2 <= sum(each.ms for each in spans):
            taken += spans
            yield file, spans


class _Source:
    """Reads playlists in the bucket, within the limits of one answer."""

    def __init__(
        self, invocation: Invocation, bucket_at: Callable[[str], Opened], why_unsigned: WhyUnsigned
    ) -> None:
        self._invocation = invocation
        self._bucket_at, self._why_unsigned = bucket_at, why_unsigned
        self._playlists, self._bytes, self._segments = 0, 0, 0
        self._left_out: list[str] = []

    def left_out(self) -> Sequence[str]:
        """Return the files that cannot be played, each with the reason. If there are more than
        MAX_LEFT_OUT_ENTRIES, the last text only counts the others."""
        more = len(self._left_out) - MAX_LEFT_OUT_ENTRIES
        beyond = [f"{more} more files"] if more > 0 else []
        return [*self._left_out[:MAX_LEFT_OUT_ENTRIES], *beyond]

    def read(self, pair: tuple[File, Sequence[Span]], account: _Account) -> Recorded | None:
        """Return the segments of a file; None, with an entry in `left_out`, if they cannot be
        played."""
        file, spans = pair
        try:
            slices = self._slices(file)
        except _LeftOutError as why:
            self._left_out.append(f"{file.uri[:MAX_NAME_CHARS]}: {why}")
            return None
        recorded = Recorded(spans, slices)
        self._segments += len(lay_out([recorded], (), account.within))
        if self._segments > MAX_SEGMENTS:
            raise _too_long(f"the period has more than {MAX_SEGMENTS} segments")
        return recorded

    def _slices(self, file: File) -> Sequence[Slice]:
        """Return the segments; raise _LeftOutError if the caller may not read all of them."""
        uri = file.uri
        self._allow(uri)
        try:
            bucket = self._bucket_at(file.place)
        except WrongState as why:
            raise _LeftOutError(why.detail) from None
        playlist = parse_playlist(self._fetch(uri, bucket))
        if not (playlist.is_playlist and playlist.is_plain):
            raise _LeftOutError(
                "the file is not a playlist, or its segments are not whole, unencrypted files"
            )
        slices: list[Slice] = []
        for segment in playlist.segments:
            target = segment_uri(uri, segment.name, bucket.name)
            if target is None:
                raise _LeftOutError("a segment of the playlist is in no bucket of this stage")
            self._allow(target)
            slices.append(Slice(target, segment.duration_ms, segment.follows_break, file.place))
        return slices

    def _allow(self, uri: str) -> None:
        why = self._why_unsigned(uri)
        if why is not None:
            raise _LeftOutError(why)

    def _fetch(self, uri: str, bucket: Opened) -> bytes:
        if self._playlists == MAX_READ_REQUESTS or self._bytes > MAX_READ_BYTES:
            raise _too_long("the period has too many playlists")
        if self._invocation.deadline.left() < 2 * oss.TIMEOUT_S:
            raise _too_long("there is not enough time to read the playlists of the period")
        self._playlists += 1
        try:
            data = bucket.read(uri, 0, MAX_PLAYLIST_BYTES + 1)
        except NotRead as why:
            if why.is_silent:
                raise WrongState(str(why), hint="try again in a moment") from None
            raise _LeftOutError(str(why)) from None
        self._bytes += len(data)
        if len(data) > MAX_PLAYLIST_BYTES:
            raise _LeftOutError(f"the playlist has more than {MAX_PLAYLIST_BYTES} bytes")
        return data


class _LeftOutError(Exception):
    """A file cannot be played. The text says why, and any caller may read it."""


def _too_long(why: str) -> WrongState:
    return WrongState(
        f"one playlist cannot hold this period: {why}",
        hint="ask for a shorter period with `from` and `to`",
    )
