"""Exports and imports the state that another stage needs to take over: intents with their ends, and
holds.

A request is about one page of streams. `live-record state` sends the requests. Commands under way,
histories, files and Idempotency-Keys mean nothing to another stage and are not part of the state.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from functions.record_command.answers import (
    NotImportedView,
    StateImportView,
    StateView,
    StreamState,
)
from functions.record_command.queries import CURSOR, cursor_after, page_after
from functions.record_command.routes import ApiRequest
from shared.decoding import Undecodable, convert
from shared.engine.recorder import HandlingOptions
from shared.inbound.authorization import stream_of
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, NotFound
from shared.inbound.request_fields import DEFAULT_ROWS, LIMIT, Field
from shared.protocol import Command, StateImported, StreamKey, StreamRecord
from shared.protocol.rules.state_import import interrupted_at
from shared.protocol.state.invariants import broken
from shared.store.contract import Filter

MAX_IMPORT_ROWS = 50
_MAX_TIME_MS = 2**53

EXPORT: tuple[Field, ...] = (LIMIT, CURSOR)


def export(request: ApiRequest) -> Response:
    """Return one page of the streams whose state matters to another stage. A stream's state matters
    if the stream is set to record, if a hold on it is in force, or if policy has already made an
    intent for its present publish."""
    store, limit = request.invocation.app.store, request.query.get("limit", DEFAULT_ROWS)
    found = store.listed(Filter(), after=page_after(request), limit=limit + 1)
    now, page = request.invocation.app.clock(), found[:limit]
    records = [record for record in page if isinstance(record, StreamRecord)]
    states = [_state_of(record) for record in records if _matters(record, now)]
    following = cursor_after(page[-1].key) if len(found) > limit else None
    return Response(200, StateView(states, following))


def _matters(record: StreamRecord, now: int) -> bool:
    return record.intent.wanted or record.held_at(now) or _is_of_policy(record)


def _is_of_policy(record: StreamRecord) -> bool:
    return record.is_watched and record.policy_session == record.session_number


def _state_of(record: StreamRecord) -> StreamState:
    key, commands = record.key, [record.pending, record.flight]
    return StreamState(
        *(key.domain, key.app, key.stream, record.intent, record.session),
        is_of_policy=_is_of_policy(record),
        stop_unsent=any(one is not None and one.command is Command.STOP for one in commands),
    )


def _read(value: object) -> Sequence[StreamState]:
    try:
        states = convert(value, list[StreamState])
    except Undecodable as error:
        raise ValueError(
            f"write what `GET /v1/state` returns; this does not fit it: {error}"
        ) from None
    if len(states) > MAX_IMPORT_ROWS:
        raise ValueError(f"write at most {MAX_IMPORT_ROWS} streams")
    for state in states:
        _check(state)
    return states


def _check(state: StreamState) -> None:
    """Raise ValueError for state that no stage could have stored; it would break our records."""
    parts = [state.intent, *([state.session] if state.session else [])]
    numbers = [value for part in parts for value in asdict(part).values() if type(value) is int]
    if any(not 0 <= number <= _MAX_TIME_MS for number in numbers):
        raise ValueError(f"write times from 0 to {_MAX_TIME_MS}, in ms")
    key = StreamKey(state.domain, state.app, state.stream)
    session = state.session
    interrupted = interrupted_at(session) if session else None
    record = StreamRecord(key, state.intent, session=session, interrupted_at=interrupted)
    faults = broken(record, observe=True)
    if faults or state.intent.generation == 0:
        broken_rules = ", ".join(faults) or "generation_is_above_zero"
        raise ValueError(f"{key}: no stage exports such a state ({broken_rules})")


IMPORT: tuple[Field, ...] = (
    Field(
        "streams",
        _read,
        {
            "type": "array",
            "maxItems": MAX_IMPORT_ROWS,
            "items": {"$ref": f"#/components/schemas/{StreamState.__name__}"},
        },
        "`streams` of `GET /v1/state` of the other stage",
        [
            {
                "domain": "live.example.com",
                "app": "app",
                "stream": "room1",
                "intent": {
                    "generation": 1,
                    "wanted": True,
                    "requester": "person",
                    "reason": "asked_start",
                },
            }
        ],
        is_required=True,
    ),
)


def take_over(request: ApiRequest) -> Response:
    """Import the streams of the request one after the other; each is saved by itself. If the
    request is repeated, it changes nothing more."""
    invocation = request.invocation
    options = HandlingOptions(may_send=lambda: False)  # a reconcile sends what is needed
    imported = kept = 0
    refused: list[NotImportedView] = []
    for state in request.body["streams"]:
        names = (state.domain, state.app, state.stream)
        try:
            key = stream_of(invocation.app.policy, names)
        except (BadRequest, NotFound) as error:
            refused.append(NotImportedView(str(StreamKey(*names)), str(error)))
            continue
        event = StateImported(
            request.who, state.intent, state.session, is_of_policy=state.is_of_policy
        )
        if invocation.handle(key, event, options).refused is None:
            imported += 1
        else:
            kept += 1
    return Response(200, StateImportView(imported=imported, kept=kept, refused=refused))
