"""Turns Live's callbacks into events of the protocol, for the domains that the policy names.

The callback functions and the replay of undelivered callbacks use this module. It decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec.structs import replace

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

Meaning: TypeAlias = tuple[StreamKey, Event]
Streaming: TypeAlias = Callable[[str], "str | None"]
"""Returns the main streaming domain of any domain of the policy: Policy.streaming."""


def of_stream(callback: StreamEvent, streaming: Streaming) -> Meaning | None:
    """Return the stream and its event; None for a domain that the policy does not name."""
    domain = streaming(callback.ingest_domain)
    if domain is None:
        return None
    published = callback.action is StreamAction.PUBLISH
    event = Published(callback.time_ms) if published else Unpublished(callback.time_ms)
    return StreamKey(domain, callback.app, callback.stream), event


def of_record(callback: RecordEvent, streaming: Streaming) -> Meaning | None:
    """Return the stream and its event; None for an unknown event or for a domain that the policy
    does not name."""
    if isinstance(callback, UnknownEvent):
        return None
    domain = streaming(callback.domain)
    if domain is None:
        return None
    return StreamKey(domain, callback.app, callback.stream), _reported(callback)


def undelivered(kept: Iterable[tuple[str, int | None]], streaming: Streaming) -> list[Meaning]:
    """Return the events of callbacks that Live could not deliver, in the given order and without
    repeats. `kept` has, for each callback, its content and the time in ms at which Live tried to
    deliver it. Content that cannot be read, or that is about a stream of no domain in the policy,
    is left out.

    An event without a time gets the time at which Live tried to deliver it. So its place among
    other events is known, and a second reading gives the same event.
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
    """Return the stream and event of the content. Return None if the content cannot be read, has no
    event that is known, or is about a domain that the policy does not name. Live keeps the query of
    an ingest callback as JSON (docs/platform/live.md §7)."""
    try:
        payload = json.loads(content)
        if isinstance(payload, dict) and "action" in payload:
            query = {str(name): str(value) for name, value in payload.items()}
            return of_stream(live_callbacks.parse_stream_event(query), streaming)
        return of_record(live_callbacks.parse_record_event(content.encode()), streaming)
    except (ValueError, RecursionError, MalformedCallback):
        return None


def of_remark(remark: Remark, streaming: Streaming) -> StreamKey | None:
    """Return the stream that is named in Live's callback about an exception or a switch of
    publishers. Return None if the callback names none, or if the policy does not name the stream's
    domain."""
    domain = streaming(remark.domain) if remark.domain else None
    return StreamKey(domain, remark.app, remark.stream) if domain else None


def _reported(callback: RecordStatus | FileStored | live_callbacks.RecordFailure) -> Event:
    if isinstance(callback, RecordStatus):
        recording = callback.state is not RecordState.PAUSED
        return Reported(callback.state.value, recording, callback.time_ms)
    if isinstance(callback, FileStored):
        return _file(callback)
    if callback.event == "record_error":
        return RecordFailed(callback.code or callback.event, callback.message, callback.time_ms)
    return FileFailed(callback.event, callback.code, callback.message, callback.uri)


def _file(callback: FileStored) -> FileLeft:
    """Return the file's event. If the end of the recording is missing, compute it from start and
    duration."""
    start, stop, duration = callback.start_ms, callback.stop_ms, callback.duration_ms
    if stop is None and start is not None and duration is not None:
        stop = start + duration
    uri = callback.uri or f"{VOD}{callback.video_id}"
    return FileLeft(uri, start, stop, duration, callback.push_args)
