"""Derives the webhook events of one save from the record before and after it.

The recorder stores them in that save. Because they are derived, no rule of the protocol has to send
an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from shared.ledger.coverage import START_GRACE_MS
from shared.ledger.edges import Edge, EdgeKind, is_dated_earlier, not_recorded_at, recorded_at
from shared.outbox.event import EventBody, EventType, event_task
from shared.outbox.task import NewTask
from shared.protocol import Event, FileLeft, HistoryEntry, Reason, StreamRecord, StreamSettings
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.derived.wrong import wrong_since
from shared.store.contract import Loaded

MAX_SAVE_EVENTS = 16
"""No save has this many events."""


class Change(Struct, frozen=True):
    """What a save changes: the record as it was loaded, the record `after` the event, the new edges
    of the ledger (times at which a state of the stream began or ended), the event that led to the
    save, and the lines that the save adds to the history."""

    loaded: Loaded
    after: StreamRecord
    edges: tuple[Edge, ...]
    event: Event
    entries: tuple[HistoryEntry, ...]


def event_tasks(change: Change, settings: StreamSettings) -> tuple[NewTask, ...]:
    """Return a task for each webhook event of the change, if a receiver in the policy wants such
    events."""
    if not settings.event_globs:
        return ()
    before, after, now = change.loaded.record, change.after, change.loaded.now
    bodies = (
        *_of_edges(before, after, change.edges),
        *_of_intent(before, after, now),
        *_of_recording(before, after, now),
        *_of_gap(before, after, now),
        *_of_files(change.event, change.entries, now),
    )
    wanted = (body for body in bodies if body.type.fits(settings.event_globs))
    version = change.loaded.version
    first = _place_in_ms(version, now) * MAX_SAVE_EVENTS
    return tuple(
        replace(
            event_task(
                after.key,
                body,
                now,
                origin=f"{version} {number}",
                order=first + number,
            ),
            of_file=_known_by(change.event, body),
        )
        for number, body in enumerate(wanted)
    )


def _place_in_ms(version: int, now: int) -> int:
    """Return a number that is higher for each further save of a stream within the ms `now`.

    The store gives a save at least the time as its version:

        version replaced: earlier   now   now + 1
        place:                  0     1         2
    """
    return max(version - now + 1, 0)


def _known_by(event: Event, body: EventBody) -> str:
    """Return the name of a reported file, so that a second report of the file makes no event; ""
    for every other event."""
    is_file = body.type is EventType.FILE_CREATED and isinstance(event, FileLeft)
    return event.uri if is_file and isinstance(event, FileLeft) else ""


def _of_edges(
    before: StreamRecord, after: StreamRecord, edges: Iterable[Edge]
) -> Iterator[EventBody]:
    """Yield the events for new edges of the ledger (the times at which a state of the stream began
    or ended). A session that was replaced ends before the new one begins."""
    number = before.session_number
    for edge in edges:
        match edge.kind:
            case EdgeKind.LIVE if not is_dated_earlier(before, after):  # its event was sent before
                number = after.session_number
                yield EventBody(EventType.SESSION_STARTED, edge.at, {"session": number})
            case EdgeKind.OFF:
                yield EventBody(EventType.SESSION_ENDED, edge.at, {"session": number})
            case EdgeKind.CAUSE if edge.reason is not None:
                since = wrong_since(after)
                is_start = edge.reason is Reason.QUEUED
                if since is None or (is_start and edge.at - since < START_GRACE_MS):
                    continue  # every start begins so, or the edge is of a start noted late
                about: dict[str, str | int] = {"code": edge.code} if edge.code else {}
                data = {"since": since}
                yield EventBody(EventType.GAP_OPENED, edge.at, data, edge.reason.value, about)
            case _:  # `_of_recording` makes these events: an accepted start is no recording yet
                pass


def _of_intent(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[EventBody]:
    old, new = before.intent, after.intent
    data = {"requester": new.requester.value, "until": new.until}
    if new.wanted and not old.wanted:
        yield EventBody(EventType.RECORDING_REQUESTED, now, data, new.reason.value)
    elif old.wanted and not new.wanted:
        about = {"requester": new.requester.value}
        yield EventBody(EventType.RECORDING_WITHDRAWN, now, about, new.reason.value)
    elif new.wanted and old.until != new.until:
        yield EventBody(EventType.RECORDING_END_SET, now, data)


def _of_recording(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[EventBody]:
    was, is_ = before.is_recorded, after.is_recorded
    reopened = was and is_ and before.session_number != after.session_number
    if (was and not is_) or reopened:
        goes_on = after.intent.wanted and after.is_live and not reopened
        kind = EventType.RECORDING_INTERRUPTED if goes_on else EventType.RECORDING_STOPPED
        at = min(not_recorded_at(before, after, now), now)
        yield EventBody(kind, at, {"session": before.session_number})
    if (is_ and not was) or reopened:
        at = min(recorded_at(after, now), now)
        yield EventBody(EventType.RECORDING_STARTED, at, {"session": after.session_number})
    failure = after.failure
    if failure is not None and after.has_failed and failure != before.failure:
        about: dict[str, str | int] = {"code": failure.code, "message": failure.message}
        data = {"session": after.session_number}
        yield EventBody(EventType.RECORDING_FAILED, now, data, failure.reason.value, about)
    if phase(after) is Phase.UNMANAGED and phase(before) is not Phase.UNMANAGED:
        yield EventBody(EventType.RECORDING_UNMANAGED, now, {"session": after.session_number})


def _of_gap(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[EventBody]:
    """Yield the end of a gap: the stream is recorded now, or need not be recorded any more."""
    since, still = wrong_since(before), wrong_since(after)
    if since is None or since > now - START_GRACE_MS:
        return
    if still is None or still > now:
        until = min(recorded_at(after, now), now) if after.is_recorded else now
        data = {"since": since, "until": until, "ms": max(until - since, 0)}
        yield EventBody(EventType.GAP_CLOSED, now, data)


def _of_files(event: Event, entries: Iterable[HistoryEntry], now: int) -> Iterator[EventBody]:
    if isinstance(event, FileLeft):
        times = {"start": event.start, "stop": event.stop, "duration_ms": event.duration}
        yield EventBody(EventType.FILE_CREATED, now, {"uri": event.uri, **times})
    for entry in entries:
        if entry.code is Reason.FILE_FAILED:
            yield EventBody(EventType.FILE_FAILED, now, {}, entry.code.value, entry.about)
