"""Stores the last rehearsal of an application, which `live-record rehearse` sends, and returns it.

A schedule may demand a rehearsal; the function `notify` raises an alert if there is none.
"""

from __future__ import annotations

from msgspec.structs import replace

from functions.record_command.answers import LastRehearsalView, RehearsalView
from functions.record_command.routes import ApiRequest
from shared.inbound.authorization import require_reach
from shared.inbound.function_compute import Response
from shared.inbound.request_fields import Field, choice, text
from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339
from shared.protocol.stream import REHEARSAL_PREFIX
from shared.schedule.rehearsal import (
    Rehearsal,
    RehearsalVerdict,
    last_rehearsal,
    rehearsal_note,
)

LONGEST_CHARS = 500
STORED: tuple[Field, ...] = (
    replace(choice("verdict", RehearsalVerdict, "the verdict of the rehearsal"), is_required=True),
    text("cause", "the cause of the verdict `no-go`", example="no file", longest=LONGEST_CHARS),
    text("fix", "what removes this cause", example="live-record doctor", longest=LONGEST_CHARS),
)


def store(request: ApiRequest) -> Response:
    """Store the rehearsal of the stream's application, in place of the last one. Raise Forbidden
    for a token that may not rehearse the application, because the verdict is about all streams of
    the application."""
    app = request.invocation.app
    require_reach(request.caller, _throw_away(request.stream))
    found = Rehearsal(
        app.store.now(),
        request.body["verdict"],
        request.who,
        str(request.stream),
        request.body.get("cause", ""),
        request.body.get("fix", ""),
    )
    app.store.set_text(rehearsal_note(request.stream), found.to_text())
    about = {"stream": found.stream, "verdict": found.verdict.value, "who": found.who}
    request.invocation.log.info("rehearsal.stored", **about)
    return Response(200, _view(found))


def last(request: ApiRequest) -> Response:
    """Return the last rehearsal of the stream's application. A token that may not rehearse the
    application gets only the time and the verdict."""
    note = request.invocation.app.store.get_text(rehearsal_note(request.stream))
    found = last_rehearsal(note)
    if found and not request.caller.may_reach(_throw_away(request.stream)):
        found = Rehearsal(found.at, found.verdict, "", "")
    return Response(200, LastRehearsalView(_view(found) if found else None))


def _throw_away(key: StreamKey) -> StreamKey:
    """Return a throw-away stream of the application: a token that reaches this stream may
    rehearse."""
    return replace(key, stream=REHEARSAL_PREFIX)


def _view(found: Rehearsal) -> RehearsalView:
    return RehearsalView(
        at=rfc3339(found.at),
        verdict=found.verdict,
        who=found.who,
        stream=found.stream,
        cause=found.cause,
        fix=found.fix,
    )
