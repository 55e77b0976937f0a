"""Why a stream stands as it does: one code, from its record alone."""

from __future__ import annotations

from shared.protocol.derived.phase import Phase, phase
from shared.protocol.events import Terms
from shared.protocol.policy import OnPublish
from shared.protocol.reason import Code, Note
from shared.protocol.state.command import Flight
from shared.protocol.state.confirmation import Started
from shared.protocol.state.intent import By
from shared.protocol.state.recording import Recording
from shared.protocol.stream import Command


def explain(record: Recording, now: int, terms: Terms) -> Note:
    """The one cause that a person should hear first."""
    stands = phase(record)
    if stands is Phase.UNMANAGED:
        return Note(Code.UNMANAGED)
    if stands is Phase.STOPPING:
        return _on_its_way(record)
    return _wanted(record, terms) if record.wish.wanted else _not_wanted(record, now, terms)


def _wanted(record: Recording, terms: Terms) -> Note:
    stands = phase(record)
    if stands is Phase.RECORDING and record.started:
        return _recording(record, record.started)
    if stands is Phase.FAILED and record.failed:
        code, message = record.failed.code, record.failed.message
        about = {"command": Command.START.value, "code": code, "message": message}
        return Note(record.failed.why, about)
    if stands is Phase.WAITING:
        observes = terms.observe and record.is_watched
        return Note(Code.OBSERVED, {"command": "start"}) if observes else Note(Code.NOT_LIVE)
    return _on_its_way(record)


def _recording(record: Recording, started: Started) -> Note:
    """What Live last said of it, if it said anything since the start."""
    evidence = record.evidence
    if evidence and not evidence.recording and evidence.when > started.at:
        return Note(Code.PAUSED, {"what": evidence.what})
    if started.confirmed:
        return Note(Code.CONFIRMED, {"what": evidence.what if evidence else started.how.value})
    return Note(Code(started.how.value), {"command": Command.START.value})


def _sent(flight: Flight, who: str) -> Note:
    command, why, session = flight.command.value, flight.why.value, flight.session
    return Note(Code.SENT, {"command": command, "why": why, "who": who, "session": session})


def _on_its_way(record: Recording) -> Note:
    """On the wire, or owed: the last answer to the same command then says what holds it up."""
    answer, owed, flight = record.answer, record.owed, record.flight
    if flight:
        return _sent(flight, record.wish.who or "-")
    if owed and owed.full:
        return Note(Code.NO_PLACE)
    if owed and owed.attempts and answer and answer.command is owed.command:
        return Note(answer.why, {"command": answer.command.value, "code": answer.code})
    return Note(Code.QUEUED)


def _not_wanted(record: Recording, now: int, terms: Terms) -> Note:
    wish = record.wish
    if wish.by is By.NOBODY:
        return _unasked(record, terms)
    if wish.by is By.PERSON and record.held_at(now):
        return Note(Code.HELD)
    return Note(wish.why, {"who": wish.who or "-"})


def _unasked(record: Recording, terms: Terms) -> Note:
    """A rule that records would have made a wish, had the stream been live."""
    if terms.rule.on_publish is OnPublish.RECORD:
        return Note(Code.NOT_LIVE)
    ignored = record.session is not None
    return Note(Code.RULE_IGNORES, {"rule": terms.rule.name}) if ignored else Note(Code.NEVER_ASKED)
