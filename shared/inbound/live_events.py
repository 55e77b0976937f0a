"""What Live's callbacks mean here: each event as a happening of a stream that the policy names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeAlias

from shared.inbound import live_callbacks
from shared.inbound.live_callbacks import (
    FileStored,
    RecordEvent,
    RecordState,
    RecordStatus,
    Remark,
    StreamAction,
    StreamEvent,
    UnknownEvent,
)
from shared.inbound.request_errors import MalformedCallback
from shared.protocol import (
    Event,
    FileFailed,
    FileLeft,
    Published,
    RecordFailed,
    Reported,
    StreamKey,
    Unpublished,
)
from shared.protocol.file import VOD
from shared.quick import replace

Meaning: TypeAlias = tuple[StreamKey, Event]
Streaming: TypeAlias = Callable[[str], "str | None"]
"""The main streaming domain that a domain leads to: Policy.streaming."""


def of_stream(told: StreamEvent, streaming: Streaming) -> Meaning | None:
    """None: of a domain that the policy does not name."""
    domain = streaming(told.ingest_domain)
    if domain is None:
        return None
    published = told.action is StreamAction.PUBLISH
    event = Published(told.time_ms) if published else Unpublished(told.time_ms)
    return StreamKey(domain, told.app, told.stream), event


def of_record(told: RecordEvent, streaming: Streaming) -> Meaning | None:
    """None: an event that nobody knows, or of a domain that the policy does not name."""
    if isinstance(told, UnknownEvent):
        return None
    domain = streaming(told.domain)
    if domain is None:
        return None
    return StreamKey(domain, told.app, told.stream), _reported(told)


def undelivered(kept: Iterable[tuple[str, int | None]], streaming: Streaming) -> list[Meaning]:
    """What callbacks that Live gave up would have said, in the order given: of each its content and
    when Live tried to deliver it (ms). What cannot be read, or is of no stream of ours, is left
    out.

    Where the content does not say since when it is so, the time of the try stands for it: each of
    them must be told from what has happened since, and from itself when it is read again.
    """
    found: dict[Meaning, None] = {}
    for content, at in kept:
        meant = _kept(content, streaming)
        if meant is not None:
            found[meant[0], _timed(meant[1], at)] = None
    return list(found)


def _timed(event: Event, at: int | None) -> Event:
    if isinstance(event, Reported | RecordFailed) and event.time is None:
        return replace(event, time=at)
    return event


def _kept(content: str, streaming: Streaming) -> Meaning | None:
    """Of an ingest callback Live keeps the query as JSON (facts/live.md 7)."""
    try:
        told = json.loads(content)
        if isinstance(told, dict) and "action" in told:
            query = {str(name): str(value) for name, value in told.items()}
            return of_stream(live_callbacks.parse_stream_event(query), streaming)
        return of_record(live_callbacks.parse_record_event(content.encode()), streaming)
    except (ValueError, RecursionError, MalformedCallback):
        return None


def of_remark(told: Remark, streaming: Streaming) -> StreamKey | None:
    """None: it does not say which stream it is about."""
    domain = streaming(told.domain) if told.domain else None
    return StreamKey(domain, told.app, told.stream) if domain else None


def _reported(told: RecordStatus | FileStored | live_callbacks.RecordFailure) -> Event:
    if isinstance(told, RecordStatus):
        recording = told.state is not RecordState.PAUSED
        return Reported(told.state.value, recording, told.time_ms)
    if isinstance(told, FileStored):
        return _file(told)
    if told.event == "record_error":
        return RecordFailed(told.code or told.event, told.message, told.time_ms)
    return FileFailed(told.event, told.code, told.message, told.uri)


def _file(told: FileStored) -> FileLeft:
    """Whatever Live leaves out counts as long ago: it must not prove a recording of now."""
    start = told.start_ms or 0
    stop = told.stop_ms if told.stop_ms is not None else start + (told.duration_ms or 0)
    return FileLeft(told.uri or f"{VOD}{told.video_id}", start, stop, told.duration_ms)
