"""Answers a request for a command with its outcome, or with an error."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import asdict, replace

from functions.record_command import representations
from functions.record_command.command_answers import AskView, Outcome
from functions.record_command.routes import ApiRequest
from shared import retry
from shared.engine.recorder import HandleResult
from shared.errors import Fault
from shared.inbound.catalogue import text as in_words
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, KeyReused, RequestError, WrongState
from shared.protocol import (
    Accepted,
    Asked,
    CancelDelayAsked,
    Command,
    ExtendAsked,
    Phase,
    Reason,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamRecord,
    phase,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    UnknownRejection,
)
from shared.protocol.derived.standing import is_confirmed
from shared.protocol.durations import rfc3339, written
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.command import Answer
from shared.protocol.state.confirmation import STOPPED
from shared.protocol.state.intent import IfNotLive
from shared.store.contract import Loaded

_ANSWERED = (
    Outcome.ACCEPTED,
    Outcome.ALREADY_RECORDING,
    Outcome.ALREADY_STOPPED,
    Outcome.NEVER_KNOWN,
)
_OWN: Mapping[type[Asked], tuple[Command, ...]] = {
    StartAsked: (Command.START,),
    StopAsked: (Command.STOP, Command.CANCEL_DELAY),
    ExtendAsked: (),
    RestartAsked: (Command.RESTART,),
    CancelDelayAsked: (Command.STOP, Command.CANCEL_DELAY),
}
"""The commands whose answer decides the request. Other commands may be sent along the way."""


class AskResult(Struct, frozen=True):
    """What became of a request: the stream's state at `now`, Live's last answer to a command of
    this request, and how many replicas have stored the request. `is_new_name`: nothing was known of
    the stream before, except that somebody stopped it. Its name may be mistyped."""

    asked: Asked
    record: StreamRecord
    now: int
    command: Command | None = None
    answer: Accepted | LiveError | None = None
    replicated: int | None = None
    is_new_name: bool = False

    def later(self, loaded: Loaded) -> AskResult:
        """Return the result with the newest record. If another instance has sent a command of this
        request meanwhile, the result has Live's answer to that command."""
        moved = replace(self, record=loaded.record, now=loaded.now)
        heard = loaded.record.answer
        if heard is None or heard == self.record.answer or heard.command not in self.own:
            return moved
        return replace(moved, command=heard.command, answer=_answer_of_another(heard))

    @property
    def own(self) -> tuple[Command, ...]:
        return _OWN[type(self.asked)]

    @property
    def is_under_way(self) -> bool:
        return self.record.pending is not None or self.record.flight is not None


def response_of(
    request: ApiRequest, asked: Asked, handled: HandleResult, replicated: int | None
) -> Response:
    """Return the response to a request for a command. If the request has the header `Prefer: wait`,
    first wait for the command's outcome, some seconds at most. If the request was refused or had no
    effect, raise an error with the reason."""
    if handled.refused is Reason.KEY_REUSED:
        raise KeyReused(in_words(HistoryEntry(Reason.KEY_REUSED), request.language))
    if handled.refused in (Reason.END_IS_PAST, Reason.END_TOO_LATE, Reason.END_TOO_SOON):
        raise _unfit_end(request, handled)
    if handled.refused is not None:
        hint = RESTART_LATER if handled.refused is Reason.RESTART_OBSERVED else ""
        raise WrongState(in_words(HistoryEntry(handled.refused), request.language), hint=hint)
    result = replace(_became(asked, handled), replicated=replicated)
    applied: dict[str, str] = {}
    seconds = request.headers.get(PREFER)
    if seconds is not None and (waited := _awaited(request, result, min(seconds, MAX_WAIT_S))):
        result, applied = waited, {"Preference-Applied": f"wait={min(seconds, MAX_WAIT_S)}"}
    error = _error(result)
    if error is not None:
        raise error
    if isinstance(result.answer, StreamNotLive):
        result = replace(result, is_new_name=_is_new_name(request, handled.before))
    outcome = outcome_of(result)
    headers = {**applied, **_retry_after(result, outcome)}
    return Response(
        200 if outcome in _ANSWERED else 202, _view(request, result, outcome), headers=headers
    )


ALLOW_SHORT = (
    'if the recording is to end so soon, send `"allow_short": true` (command line: `--soon`)'
)
RAISE = "ask for a shorter time, or deploy the stage with a larger LIVE_RECORD_MAX_DURATION"


RESTART_LATER = "this restart is not sent later: send `restart` again once the stage acts"


def too_long(field: str, longest_ms: int) -> BadRequest:
    """Return the error for a `field` with a longer time than `longest_ms`, the longest that a
    recording of the stage may last."""
    most = f"is longer than a recording of this stage may last: at most {written(longest_ms)}"
    return BadRequest([Fault(field, most)], hint=RAISE)


def _unfit_end(request: ApiRequest, handled: HandleResult) -> RequestError:
    """Return the error for an end that the recording cannot have, with what to do instead."""
    began = handled.record.intent.first_accepted_at or handled.now
    lasts, most = request.body.get("max_duration"), request.invocation.app.settings.max_duration
    too_late = handled.refused is Reason.END_TOO_LATE
    counted = most if too_late else lasts
    sentence = in_words(HistoryEntry(handled.refused or Reason.UNKNOWN), request.language)
    if counted:
        sentence += f" ({rfc3339(began)} + {written(counted)} = {rfc3339(began + counted)})"
    field = "max_duration" if lasts else "until"
    if handled.refused is Reason.END_TOO_SOON:
        return BadRequest([Fault(field, sentence)], hint=ALLOW_SHORT)
    if too_late:
        return BadRequest([Fault(field, sentence)], hint=RAISE)
    from_now, latest = handled.now + (lasts or most), began + most
    until = rfc3339(from_now) if from_now <= latest else f"up to {rfc3339(latest)}"
    return WrongState(
        sentence,
        hint=f"to let the recording go on, send `until` {until}; to end it now, send `stop`",
    )


def _became(asked: Asked, handled: HandleResult) -> AskResult:
    result = AskResult(asked, handled.record, handled.now)
    answers = [(command, answer) for command, answer in handled.sent if command in result.own]
    return replace(result, command=answers[-1][0], answer=answers[-1][1]) if answers else result


PREFER = "Prefer"
MAX_WAIT_S = 9
"""s that `Prefer: wait` may make a request wait. The answer must fit into the budget."""
_POLL_S = 0.1
_RESERVE_S = 0.5
"""s of the budget reserved for sending the answer."""


WAITING, MAX_WAITING = "waiting", 4
"""Requests of a stage that may wait at the same time. Each occupies an instance, and some must stay
free for other requests."""


def _awaited(request: ApiRequest, result: AskResult, seconds: int) -> AskResult | None:
    """Wait for the result of the request and return it; None if too many requests wait already."""
    if _is_settled(result, result.record.intent.generation):
        return result
    store, who = request.invocation.app.store, secrets.token_hex(8)
    if store.register(WAITING, who, (seconds + 1) * 1000) >= MAX_WAITING:
        store.deregister(WAITING, who)
        return None
    try:
        return _wait(request, result, seconds)
    finally:
        store.deregister(WAITING, who)


def _wait(request: ApiRequest, result: AskResult, seconds: int) -> AskResult:
    clock, generation = request.invocation.app.monotonic, result.record.intent.generation
    end = clock() + min(seconds, request.invocation.deadline.left() - _RESERVE_S)
    while not _is_settled(result, generation) and clock() < end:
        retry.wait(min(_POLL_S, max(end - clock(), 0)))
        result = result.later(request.invocation.app.store.load(request.stream))
    return result


def _is_settled(result: AskResult, generation: int) -> bool:
    """Return True once the request is confirmed, has failed, or was replaced by a newer intent."""
    record = result.record
    if record.intent.generation != generation:
        return True
    if result.is_under_way:
        return False
    starts = isinstance(result.asked, StartAsked | RestartAsked)
    if not starts or not record.intent.wanted or phase(record) is Phase.FAILED:
        return True
    return is_confirmed(record)


_KINDS: Mapping[Reason, type[LiveError]] = {
    Reason.NO_RECORD_CONFIG: NoRecordConfig,
    Reason.WRONG_DOMAIN: InvalidCommand,
    Reason.REJECTED: InvalidCommand,
    Reason.UNKNOWN_REJECTION: UnknownRejection,
    Reason.OPERATOR_ACTION_NEEDED: OperatorActionNeeded,
    Reason.LIVE_NOT_ACTIVATED: LiveNotActivated,
    Reason.NOT_FOUND: StreamNotLive,
    Reason.LISTED_NOT_FOUND: StreamNotLive,
    Reason.ALREADY: AlreadyStarted,
    Reason.ADOPTED: AlreadyStarted,
    Reason.IN_DOUBT: InDoubt,
}


def _answer_of_another(answer: Answer) -> Accepted | LiveError | None:
    """Return Live's answer to another instance; None if that answer does not decide the request."""
    if answer.reason is Reason.ACCEPTED:
        return Accepted(answer.request_id)
    kind = _KINDS.get(answer.reason)
    return kind(answer.code, request_id=answer.request_id) if kind else None


def _error(result: AskResult) -> LiveError | None:
    """Return Live's answer if the answer means that the request had no effect (docs/errors.md);
    else None."""
    answer, asked = result.answer, result.asked
    if not isinstance(answer, LiveError):
        return None
    if isinstance(answer, InvalidCommand | OperatorActionNeeded):
        return answer
    if isinstance(asked, StopAsked | CancelDelayAsked):
        return None
    if isinstance(answer, UnknownRejection):
        return answer
    if isinstance(asked, RestartAsked):
        return answer if isinstance(answer, StreamNotLive | AlreadyStarted) else None
    fails = isinstance(asked, StartAsked) and asked.if_not_live is IfNotLive.FAIL
    gone = isinstance(answer, StreamNotLive) and not result.is_under_way
    return answer if fails and gone else None


def outcome_of(result: AskResult) -> Outcome:
    record, answer = result.record, result.answer
    if isinstance(answer, InDoubt):
        return Outcome.UNKNOWN
    if result.is_under_way:
        return Outcome.QUEUED
    if isinstance(answer, Accepted):
        return Outcome.ACCEPTED
    if record.intent.unsent_stop:  # it is sent once the stage acts
        return Outcome.WAITING
    if not record.intent.wanted:
        return Outcome.NEVER_KNOWN if result.is_new_name else Outcome.ALREADY_STOPPED
    waits = phase(record) in (Phase.WAITING, Phase.FAILED)
    return Outcome.WAITING if waits else Outcome.ALREADY_RECORDING


def _is_new_name(request: ApiRequest, before: StreamRecord | None) -> bool:
    """Return True if nothing was known of the stream before this request, except that somebody
    stopped it. A record that could not be read has a doubt here."""
    if before is None or before.intent.wanted or before.doubts:
        return False
    report = before.last_report
    is_reported = report is not None and report.what != STOPPED
    from_live = (before.session, before.confirmation, before.interrupted_at)
    is_seen = is_reported or any(one is not None for one in from_live)
    is_known = is_seen or before.planned or before.begun
    return not (is_known or request.invocation.app.store.files(request.stream, 1))


def _retry_after(result: AskResult, outcome: Outcome) -> dict[str, str]:
    """Return the header Retry-After, in s until the pending command is sent: an earlier request
    would get the same answer. Return {} if the request is answered or no command is pending."""
    pending = result.record.pending
    if outcome in _ANSWERED or pending is None:
        return {}
    return {"Retry-After": str(max(1, math.ceil((pending.not_before - result.now) / 1000)))}


def _view(request: ApiRequest, result: AskResult, outcome: Outcome) -> AskView:
    record, answer = result.record, result.answer
    doing = record.flight or record.pending
    stream_settings = request.invocation.app.stream_settings(request.stream)
    shown = representations.Shown(request.invocation.app, result.now, request.language)
    return AskView(
        **asdict(representations.standing(record, shown)),
        intent=representations.intent(record.intent),
        outcome=outcome,
        command=result.command or (doing.command if doing else None),
        code=answer.code if isinstance(answer, LiveError) else None,
        request_id=(answer.request_id or None) if answer else None,
        replicated=result.replicated,
        file_by=representations.time(_file_by(result, stream_settings.merge_delay)),
    )


def _file_by(result: AskResult, merge_delay: int) -> int | None:
    """Return the time by which the last recording's file is stored; None if that is unknown."""
    record, answer = result.record, result.answer
    if record.intent.wanted or result.is_under_way or answer is None:
        return None
    if isinstance(answer, Accepted):
        ended = result.command is Command.CANCEL_DELAY
        return result.now if ended else result.now + merge_delay
    return (record.interrupted_at or result.now) + merge_delay
