"""Explains by one code why a stream is in its present phase, from what is stored and from the
settings."""

from __future__ import annotations

from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.phase import Phase, is_unmanaged, phase
from shared.protocol.durations import rfc3339
from shared.protocol.events import StreamSettings
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.command import Answer, Flight
from shared.protocol.state.confirmation import Confirmation, StartSource
from shared.protocol.state.intent import Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import Command

SILENT_MS = 10_000
"""If Live has reported nothing for this long after a start, `live-record why` says so."""


def explain(
    record: StreamRecord,
    now: int,
    settings: StreamSettings,
    continuity: Continuity = UNBROKEN,
) -> HistoryEntry:
    """Return the one cause of the stream's present phase that a person should see first. If the
    store was emptied and the stream has had no intent since, the emptied store is the cause,
    because Live may still record the stream."""
    if record.intent.generation == 0 and continuity.emptied_at is not None:
        return HistoryEntry(Reason.STORE_EMPTIED)
    stands = phase(record)
    if stands is Phase.UNMANAGED:
        is_unsent = record.intent.unsent_stop
        return _UNSENT_STOP if is_unsent else HistoryEntry(Reason.UNMANAGED)
    if stands is Phase.STOPPING and (record.flight or record.pending):
        return _on_its_way(record)
    if _is_end_missing(record, now):
        return HistoryEntry(Reason.END_UNREPORTED)
    if is_unmanaged(record):
        return HistoryEntry(Reason.MAY_HAVE_ENDED)
    return (
        _wanted(record, now, settings)
        if record.intent.wanted
        else _not_wanted(record, now, settings)
    )


def _is_end_missing(record: StreamRecord, now: int) -> bool:
    """Return True if Live has accepted a stop and has shown no end for some time."""
    check = record.stop_check
    return check is not None and record.awaits_end and now - check.since >= SILENT_MS


def cause_of_delay(
    record: StreamRecord,
    now: int,
    settings: StreamSettings,
    continuity: Continuity = UNBROKEN,
) -> HistoryEntry:
    """Return why a stream is not recorded yet, or not stopped yet. While a command is tried again,
    the cause is Live's answer to the last attempt; otherwise it is the one that `explain` returns.
    """
    flight, answer = record.flight, record.answer
    if flight and flight.attempts and answer and answer.command is flight.command:
        return _answered(answer)
    return explain(record, now, settings, continuity)


def _answered(answer: Answer) -> HistoryEntry:
    return HistoryEntry(answer.reason, {"command": answer.command.value, "code": answer.code})


def _wanted(record: StreamRecord, now: int, settings: StreamSettings) -> HistoryEntry:
    stands = phase(record)
    if stands is Phase.RECORDING and record.confirmation:
        return _recording(record, record.confirmation)
    if stands is Phase.FAILED and record.failure:
        code, message = record.failure.code, record.failure.message
        about = {"command": Command.START.value, "code": code, "message": message}
        return HistoryEntry(record.failure.reason, about)
    under_way = record.flight is not None or record.pending is not None
    if stands is Phase.STARTING and record.confirmation and not under_way:
        return _unproved(record, record.confirmation, now)
    return _waiting(record, settings) if stands is Phase.WAITING else _on_its_way(record)


def _waiting(record: StreamRecord, settings: StreamSettings) -> HistoryEntry:
    """Return the cause in the phase `waiting`: the stream is not live, the stage only observes, an
    event contradicts the recording, or nothing was decided yet."""
    if not record.is_live:
        return _absent(record)
    if settings.observe:
        return HistoryEntry(Reason.OBSERVED, {"command": Command.START.value})
    return HistoryEntry(Reason.QUEUED) if record.denied_at is None else _denied(record)


def _denied(record: StreamRecord) -> HistoryEntry:
    """Return why live-record takes the present session as not recorded: Live's answer to a later
    start, Live's report, or an interruption."""
    answer, report = record.answer, record.last_report
    is_answered = answer is not None and answer.at >= (record.denied_at or 0)
    if answer is not None and is_answered and answer.command is Command.START:
        return _answered(answer)
    if report is not None and not report.recording:
        return HistoryEntry(Reason.PAUSED, {"what": report.what})
    return HistoryEntry(Reason.INTERRUPTED)


def _recording(record: StreamRecord, confirmation: Confirmation) -> HistoryEntry:
    """Return what shows that the stream is recorded: a report, a file, or Live's answer to a
    start."""
    report = record.last_report
    if not confirmation.is_confirmed:
        return HistoryEntry(Reason(confirmation.source.value), {"command": Command.START.value})
    if report is None or not report.recording:
        return HistoryEntry(Reason.CONFIRMED_BY_FILE)
    confirmed = Reason.CONFIRMED_UNPROVED if record.is_unproved else Reason.CONFIRMED
    return HistoryEntry(confirmed, {"what": report.what})


def _unproved(record: StreamRecord, confirmation: Confirmation, now: int) -> HistoryEntry:
    """Return the cause while Live has accepted a start or restart, but nothing has confirmed it
    yet."""
    accepted, answer = confirmation.source is StartSource.ACCEPTED, record.answer
    about = {"command": (answer.command if answer else Command.START).value}
    if accepted and now - confirmation.at >= SILENT_MS:
        return HistoryEntry(Reason.UNCONFIRMED, about)
    return HistoryEntry(Reason(confirmation.source.value), about)


def _sent(flight: Flight) -> HistoryEntry:
    command, reason, session = flight.command.value, flight.reason.value, flight.session
    return HistoryEntry(
        Reason.SENT, {"command": command, "reason": reason, "who": flight.who, "session": session}
    )


def _on_its_way(record: StreamRecord) -> HistoryEntry:
    """Return the cause while a command is on the wire or pending. If a pending command was tried
    before, Live's last answer is the cause."""
    answer, pending, flight = record.answer, record.pending, record.flight
    if flight:
        return _sent(flight)
    if pending and pending.over_quota:
        return HistoryEntry(Reason.NO_QUOTA)
    if pending and pending.attempts and answer and answer.command is pending.command:
        return _answered(answer)
    return HistoryEntry(Reason.QUEUED)


_UNSENT_STOP = HistoryEntry(Reason.OBSERVED, {"command": Command.STOP.value})


def _not_wanted(record: StreamRecord, now: int, settings: StreamSettings) -> HistoryEntry:
    intent = record.intent
    if intent.requester is Requester.NOBODY:
        return _unasked(record, settings)
    if intent.unsent_stop:
        return _UNSENT_STOP
    if intent.requester is Requester.PERSON and record.held_at(now):
        return HistoryEntry(Reason.HELD, _held_until(record, now, settings))
    if _is_suspended(record, settings):
        return HistoryEntry(Reason.POLICY_SUSPENDED)
    waits = intent.reason is Reason.ASKED_STOP and record.is_live
    next_rule = _next_rule(settings) if waits else {}
    return HistoryEntry(intent.reason, {"who": intent.who, **next_rule})


def _held_until(record: StreamRecord, now: int, settings: StreamSettings) -> dict[str, str]:
    """Return the details of a hold on a stream that a rule records. The end of the hold starts
    nothing: policy decides only when a stream is published, so the rule waits for that."""
    until, next_rule = record.intent.held_until, _next_rule(settings)
    is_timed = until is not None and now < until
    return {**next_rule, "until": rfc3339(until or 0)} if next_rule and is_timed else next_rule


def _next_rule(settings: StreamSettings) -> dict[str, str]:
    """Return the name of the rule that records the stream's next publish; {} if none does."""
    rule = settings.rule
    return {"next_rule": rule.name} if rule.records_on_publish else {}


def _is_suspended(record: StreamRecord, settings: StreamSettings) -> bool:
    """Return True if a rule would record this session, but the policy is suspended."""
    is_due = record.is_live and record.policy_session != record.session_number
    return is_due and settings.is_policy_suspended and settings.rule.records_on_publish


def _unasked(record: StreamRecord, settings: StreamSettings) -> HistoryEntry:
    """Return the cause if there is no intent. A rule that records makes an intent once the stream
    is live. A new rule does so within a minute."""
    if _is_suspended(record, settings):
        return HistoryEntry(Reason.POLICY_SUSPENDED)
    about = {"rule": settings.rule.name}
    if settings.rule.records_on_publish:
        return HistoryEntry(Reason.RULE_PENDING, about) if record.is_live else _absent(record)
    ignored = record.session is not None
    return HistoryEntry(Reason.RULE_IGNORES, about) if ignored else HistoryEntry(Reason.NEVER_ASKED)


def _absent(record: StreamRecord) -> HistoryEntry:
    return HistoryEntry(Reason.MAY_HAVE_ENDED if record.may_have_ended else Reason.NOT_LIVE)
