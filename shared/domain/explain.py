"""Why a stream stands as it does: one code, from its record alone."""

from __future__ import annotations

from shared.domain.because import Code, Note
from shared.domain.happenings import Terms
from shared.domain.policy import OnPublish
from shared.domain.record import By, Phase, Recording, phase


def explain(record: Recording, now: int, terms: Terms) -> Note:
    """The one cause that a person should hear first."""
    wish = record.wish
    stands = phase(record)
    if stands is Phase.UNMANAGED:
        return Note(Code.UNMANAGED)
    if not wish.wanted:
        return _not_wanted(record, now, terms)
    if stands is Phase.RECORDING:
        return _recording(record)
    if stands is Phase.FAILED and record.failed:
        return Note(record.failed.why, {"command": "start", "code": record.failed.code})
    if stands is Phase.WAITING:
        return Note(Code.NOT_LIVE)
    return _on_its_way(record)


def _recording(record: Recording) -> Note:
    if record.started and record.started.confirmed:
        return Note(Code.CONFIRMED, {"what": record.evidence.what if record.evidence else "start"})
    how = record.started.how.value if record.started else Code.ACCEPTED.value
    return Note(Code(how), {"command": "start"})


def _on_its_way(record: Recording) -> Note:
    """Owed or in flight: the last answer says what holds it up, if it was about a start."""
    answer, owed = record.answer, record.owed
    if owed and owed.attempts and answer and answer.command is owed.command:
        return Note(answer.why, {"command": answer.command.value, "code": answer.code})
    return Note(Code.QUEUED)


def _not_wanted(record: Recording, now: int, terms: Terms) -> Note:
    wish = record.wish
    if wish.by is By.NOBODY:
        records = terms.rule.on_publish is OnPublish.RECORD
        ignored = record.session is not None and not records
        return Note(Code.RULE_IGNORES, {"rule": terms.rule.name}) if ignored else _unasked(records)
    if wish.by is By.PERSON and record.held_at(now):
        return Note(Code.HELD)
    return Note(wish.why, {"who": wish.who or "-"})


def _unasked(records: bool) -> Note:  # noqa: FBT001 - the rule's one bit
    return Note(Code.NOT_LIVE) if records else Note(Code.NEVER_ASKED)
