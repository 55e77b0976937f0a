"""What a person asks of a stream: the request as a happening, what became of it as an answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from functions.record_command import views
from functions.record_command.fields import Field, choice, flag, moment, span, text
from functions.record_command.routes import Ask
from shared.domain import (
    Accepted,
    Asked,
    CancelDelayAsked,
    Code,
    Command,
    ExtendAsked,
    Phase,
    RestartAsked,
    StartAsked,
    StopAsked,
    phase,
)
from shared.domain.because import Note
from shared.domain.policy import OnInterruption
from shared.domain.record import IfNotLive, Once
from shared.domain.texts import text as in_words
from shared.domain.times import duration
from shared.errors import (
    AlreadyStarted,
    BadRequest,
    Fault,
    InDoubt,
    KeyReused,
    LiveError,
    NotLive,
    OursToMend,
    Refused,
    Rejected,
    WrongState,
)
from shared.fc import Response
from shared.recorder import Handled, Manner

SLOT = 250
"""ms ahead that a slot is taken; what finds none is queued."""

_END = (
    span("max_duration", "how long to record, from the first accepted start", example="4h"),
    moment("until", "when to stop, in place of max_duration"),
)
_REASON = text("reason", "kept in the history", example="morning show")
START: tuple[Field, ...] = (
    choice(
        "on_interruption",
        OnInterruption,
        [kind.value for kind in OnInterruption],
        "what an interruption does: start anew, stop, or stop and leave the file at once",
    ),
    choice(
        "if_not_live",
        IfNotLive,
        [kind.value for kind in IfNotLive],
        "wait for the stream, or fail at once",
    ),
    *_END,
    _REASON,
)
EXTEND = _END


def _hold(value: object) -> int | str:
    return "session" if value == "session" else duration(value)


STOP: tuple[Field, ...] = (
    flag("finalize", "end the merge delay too, so that the file appears at once"),
    Field(
        "hold",
        _hold,
        {"type": ["string", "integer"]},
        'how long no policy may start it again: a duration, or "session"',
        "12h",
    ),
    _REASON,
)


def start(ask: Ask) -> Response:
    _one_end(ask)
    return _handle(ask, StartAsked(ask.who, once=_once(ask, "start"), **ask.body))


def extend(ask: Ask) -> Response:
    _one_end(ask)
    if not ask.body:
        raise BadRequest([Fault("until", "write until or max_duration", "MissingParam")])
    return _handle(ask, ExtendAsked(ask.who, once=_once(ask, "extend"), **ask.body))


def _one_end(ask: Ask) -> None:
    if {"until", "max_duration"} <= set(ask.body):
        raise BadRequest([Fault("until", "stands beside max_duration: write one of them")])
    until = ask.body.get("until")
    if until is not None and until <= ask.call.app.clock():
        raise BadRequest([Fault("until", "is past: write a time to come")])


def stop(ask: Ask) -> Response:
    body = dict(ask.body)
    if body.get("hold") == "session":
        body.update(hold=None, hold_session=True)
    return _handle(ask, StopAsked(ask.who, once=_once(ask, "stop"), **body))


def restart(ask: Ask) -> Response:
    return _handle(ask, RestartAsked(ask.who, once=_once(ask, "restart")))


def cancel_delay(ask: Ask) -> Response:
    return _handle(ask, CancelDelayAsked(ask.who, once=_once(ask, "cancel_delay")))


_LONGEST_KEY = 200


def _once(ask: Ask, what: str) -> Once | None:
    key = ask.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        fault = f"write a text of at most {_LONGEST_KEY} characters"
        raise BadRequest([Fault("Idempotency-Key", fault)])
    body = json.dumps([what, ask.body], sort_keys=True, default=str)
    return Once(key, hashlib.sha256(body.encode()).hexdigest()[:16])


def _handle(ask: Ask, asked: Asked) -> Response:
    manner = Manner(wait=SLOT, looks=True, has_time=ask.call.has_time)
    handled = ask.call.handle(ask.stream, asked, manner)
    _raise_refusal(ask, asked, handled)
    outcome = _outcome(handled)
    answered = outcome in ("accepted", "already", "over")
    return Response(200 if answered else 202, _body(ask, handled, outcome))


def _raise_refusal(ask: Ask, asked: Asked, handled: Handled) -> None:
    if handled.refused is Code.KEY_REUSED:
        raise KeyReused(in_words(Note(Code.KEY_REUSED), ask.language))
    if handled.refused is not None:
        raise WrongState(in_words(Note(handled.refused), ask.language))
    answer = handled.answer
    if isinstance(answer, (Rejected, Refused, OursToMend)):
        raise answer
    fails = isinstance(asked, StartAsked) and asked.if_not_live is IfNotLive.FAIL
    if isinstance(answer, NotLive) and not handled.record.wish.wanted and fails:
        raise answer
    if isinstance(answer, (NotLive, AlreadyStarted)) and isinstance(asked, RestartAsked):
        raise answer


def _outcome(handled: Handled) -> str:
    answer, record = handled.answer, handled.record
    if record.owed or record.flight:
        return "doubt" if isinstance(answer, InDoubt) else "queued"
    if isinstance(answer, Accepted):
        return "accepted"
    if isinstance(answer, AlreadyStarted):
        return "already"
    if isinstance(answer, InDoubt):
        return "doubt"
    if not record.wish.wanted:
        return "over"
    return "waiting" if phase(record) is Phase.WAITING else "already"


def _body(ask: Ask, handled: Handled, outcome: str) -> dict[str, Any]:
    record, answer = handled.record, handled.answer
    terms = ask.call.app.terms(ask.stream)
    last = record.answer if answer is not None else None
    doing = record.flight or record.owed
    command = last.command if last else doing.command if doing else None
    return {
        **views.standing(record, handled.now, terms, ask.language),
        "outcome": outcome,
        "command": command.value if isinstance(command, Command) else None,
        "code": answer.code if isinstance(answer, LiveError) else None,
        "request_id": last.request_id if last else None,
    }
