"""Computes the edges of a stream's ledger. An edge is one change, such as the beginning of a
session.

The edges follow from two versions of the stream's record. The engine stores the edges in the same
save as the newer version, so they cost no further write.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.derived.explain import cause_of_delay
from shared.protocol.derived.phase import is_unmanaged
from shared.protocol.derived.wrong import shows_recording, wrong_since
from shared.protocol.events import StreamSettings
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.confirmation import FAILED, STOPPED, StartSource
from shared.protocol.state.intent import Requester
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState


class EdgeKind(str, Enum):
    """What an edge of the ledger notes. `CAUSE`: why a wanted and live stream is not recorded.
    `OCCURRENCE`: the times of an occurrence of a schedule. The other kinds come in pairs, for the
    beginning and the end of a state."""

    LIVE = "live"
    OFF = "off"
    WANTED = "wanted"
    UNWANTED = "unwanted"
    RECORDED = "recorded"
    NOT_RECORDED = "not_recorded"
    CAUSE = "cause"
    OCCURRENCE = "occurrence"


_NO_CAUSES = frozenset({Reason.SENT, Reason.ACCEPTED, Reason.ALREADY, Reason.ADOPTED})
KEEP_LEDGER_MS = 400 * 86_400_000
"""ms for which a ledger is kept by default. It is long, because disputes and invoices come late."""
LEDGER_MAX_ENTRIES = 5_000
"""Edges kept for one stream; enough for about 800 interruptions."""


class Edge(Struct, frozen=True):
    """One change, at the time `at`: by Live's clock if Live gave the time, else by ours. `code`
    adds to `reason`: it is the code or report that Live gave, without blanks; for an occurrence it
    is the text that `occurrence_of` parses."""

    kind: EdgeKind
    at: int
    reason: Reason | None = None
    code: str = ""


def edges_between(
    before: StreamRecord, after: StreamRecord, now: int, settings: StreamSettings
) -> tuple[Edge, ...]:
    """Return the edges that note what changed from `before` to `after`, two versions of a record.
    `after` is saved at `now`; an edge that would be later gets this time. Return none for the
    stream of a rehearsal, which has no ledger."""
    if after.key.is_rehearsal:
        return ()
    found = (
        *_live(before, after, now),
        *_wanted(before, after),
        *_recorded(before, after, now),
        *_cause(before, after, now, settings),
        *_occurrences(before, after),
    )
    return tuple(edge if edge.at <= now else replace(edge, at=now) for edge in found)


def _live(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[Edge]:
    """Yield the edges of sessions. An ending session may go on. Once it has ended, it ended at
    Live's time of the publish_done; without one, when it was marked as ending. A session that may
    be a replay has no edge until a poll has shown the session."""
    old, new = before.session, after.session
    if new is None or new == old:
        return
    is_same = old is not None and new.number == old.number
    is_counted = old is not None and not _is_doubted(old)
    if old is not None and is_counted and not is_same and not before.is_off:
        ended_at = _ended_at(old, now) if before.may_have_ended else now
        yield Edge(EdgeKind.OFF, min(ended_at, new.began))
    if is_same and not is_counted and after.is_off:
        return  # only a publish that may be a replay has ever shown the session
    is_back = before.is_off and not after.is_off
    is_first = (is_back or not (is_same and is_counted)) and not _is_doubted(new)
    if is_first or is_dated_earlier(before, after):
        yield Edge(EdgeKind.LIVE, new.began)
    if after.is_off and not (before.is_off and is_same):
        yield Edge(EdgeKind.OFF, _ended_at(old if old is not None and is_same else new, now))


def is_dated_earlier(before: StreamRecord, after: StreamRecord) -> bool:
    """Return True if the beginning of a session was moved to an earlier time. Until then, only an
    accepted start had shown that the stream was live."""
    old, new = before.session, after.session
    if old is None or new is None or new.number != old.number or before.is_off:
        return False
    return old.is_undated and new.began < old.began and not _is_doubted(old)


def _is_doubted(session: Session) -> bool:
    """Return True if a publish that may be a replay opened the session, and no poll has shown it
    yet."""
    is_ending = session.state is SessionState.ENDING and session.off_since == session.opened_at
    return is_ending and session.is_undated


def _ended_at(session: Session, now: int) -> int:
    return session.last_unpublish_time or session.off_since or now


def _wanted(before: StreamRecord, after: StreamRecord) -> Iterator[Edge]:
    """Yield an edge if the stream begins or ceases to be wanted. A rule wants a session from its
    beginning (or from the end of a person's hold), even if the session was reported late. If the
    policy was changed during the session, the new rule wants the session from then on. The
    beginning of a session that may be a replay is unknown, also after a person has taken the intent
    over."""
    intent, session = after.intent, after.session
    is_changed = before.intent.wanted is not intent.wanted
    is_by_rule = intent.requester is Requester.POLICY
    if not intent.wanted or session is None or (is_changed and not is_by_rule):
        if is_changed:
            yield Edge(EdgeKind.WANTED if intent.wanted else EdgeKind.UNWANTED, intent.made_at)
        return
    was_hidden = before.session is not None and (before.is_off or _is_doubted(before.session))
    is_shown = was_hidden and not after.is_off
    was_by_rule = before.policy_session == before.session_number
    is_noted_late = is_shown and (is_by_rule or was_by_rule)
    if (is_changed or is_noted_late) and not _is_doubted(session):
        is_of_rule = is_by_rule or before.policy_session == after.session_number
        allowed_at = intent.made_at
        if is_of_rule and not (is_changed and _is_known(before, session)):
            allowed_at = max(session.began, before.intent.held_until or 0)
        yield Edge(EdgeKind.WANTED, min(intent.made_at, allowed_at))


def _is_known(before: StreamRecord, session: Session) -> bool:
    """Return True if the session was known before, and neither a hold nor an emptied store kept a
    rule from wanting it. If a rule wants the session now, the policy was changed or resumed
    meanwhile."""
    # session.began ── its publish is reported ── the policy is changed ── the rule wants it: now
    known = before.session
    if known is None or known.number != session.number or known.policy_withheld:
        return False
    is_held = (before.intent.held_until or 0) > session.began
    return not (before.is_off or _is_doubted(known) or is_held)


def is_taken_as_recorded(record: StreamRecord, now: int) -> bool:
    """Return True if the stream counts as recorded at `now`: Live records it, no matter who asked
    for that, or Live accepted a start so recently that its report may still come."""
    if not record.is_started:
        return is_unmanaged(record) or shows_recording(record)
    if record.is_recorded:
        return True
    if not record.awaits_proof:
        return is_unmanaged(record)
    since = wrong_since(record)
    return since is None or since > now


def _recorded(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[Edge]:
    was = is_taken_as_recorded(before, before.changed_at or now)
    is_ = is_taken_as_recorded(after, now)
    if was and is_ and _begins_anew(before, after):
        yield Edge(EdgeKind.NOT_RECORDED, recorded_at(before, now))
        yield Edge(EdgeKind.CAUSE, recorded_at(before, now), Reason.UNPROVED)
        yield Edge(EdgeKind.RECORDED, recorded_at(after, now))
        return
    reopened = was and is_ and before.session_number != after.session_number
    if was and not is_ and _is_unproved(before):
        yield Edge(EdgeKind.NOT_RECORDED, recorded_at(before, now))
        yield Edge(EdgeKind.CAUSE, recorded_at(before, now), Reason.UNPROVED)
    elif (was and not is_) or reopened:
        at = not_recorded_at(before, after, now)
        yield Edge(EdgeKind.NOT_RECORDED, at)
        yield from _late_report(before, after, now)
        if after.awaits_proof:  # this late note explains all that is missing since
            yield Edge(EdgeKind.CAUSE, at, Reason.UNCONFIRMED)
    if (is_ and not was) or reopened:
        at = recorded_at(after, now)
        if _may_have_gone_on(before, after):  # the last cause that is noted counts
            yield Edge(EdgeKind.CAUSE, at, Reason.UNPROVED)
        yield Edge(EdgeKind.RECORDED, at)


def _late_report(before: StreamRecord, after: StreamRecord, now: int) -> Iterator[Edge]:
    """Yield the cause of what was lost until Live reported that it no longer records, if it did so
    late. At the report, a command may be on the wire already, so no other cause is noted."""
    report = after.last_report
    if report is None or report.recording or report == before.last_report:
        return
    if now - report.when > TOGETHER_MS and report.what != STOPPED:
        reason, code = Reason.PAUSED, report.what
        if report.what == FAILED:
            reason, code = Reason.RECORD_ERROR, report.code
        yield Edge(EdgeKind.CAUSE, report.when, reason, code.replace(" ", ""))


def _begins_anew(before: StreamRecord, after: StreamRecord) -> bool:
    """Return True if Live has accepted a command that begins a recording, after the answer that it
    records already. Nothing has shown that: the recording may have been paused."""
    old, new = before.confirmation, after.confirmation
    if old is None or new is None or old.session != new.session or not before.awaits_proof:
        return False
    return (old.source, new.source) == (StartSource.ADOPTED, StartSource.ACCEPTED)


def _is_unproved(record: StreamRecord) -> bool:
    """Return True if Live answered that it records already, and nothing has ever shown that it
    records this session: it may be paused."""
    confirmation = record.confirmation
    if confirmation is None or confirmation.begun_at is not None or not record.awaits_proof:
        return False
    return confirmation.source is StartSource.ADOPTED


def _may_have_gone_on(before: StreamRecord, after: StreamRecord) -> bool:
    """Return True if the recording may never have paused: Live answered that it records already,
    and in this session only an interruption had contradicted the recording."""
    old, new, report = before.confirmation, after.confirmation, before.last_report
    if old is None or new is None or old.session != new.session or not before.is_started:
        return False
    is_paused = report is not None and not report.recording and report.may_be_after(old)
    return new.source is StartSource.ALREADY and not is_paused


def recorded_at(record: StreamRecord, now: int) -> int:
    """Return when the present recording began, as well as anybody knows: the time of Live's report,
    if one came after the start; else the time of the start; else `now`."""
    confirmation, report = record.confirmation, record.last_report
    started_at = (confirmation.begun_at or confirmation.at) if confirmation else 0
    if report is not None and report.recording and report.at >= started_at:
        return report.when
    return started_at or now


def not_recorded_at(before: StreamRecord, after: StreamRecord, now: int) -> int:
    """Return when the recording of the session in `before` ended, as well as anybody knows. If
    `after` has a later session, the recording had ended when that session began, even if that
    beginning was reported late."""
    at, session = _paused_at(before, after, now), after.session
    is_later = session is not None and session.number != before.session_number
    return min(at, session.began) if session is not None and is_later else at


def _paused_at(before: StreamRecord, after: StreamRecord, now: int) -> int:
    """Return when the recording paused or stopped, as well as anybody knows. If nothing has
    confirmed a start for too long, the start never began a recording."""
    if after.awaits_proof and after.confirmation is not None:
        return after.confirmation.at
    report, session = after.last_report, after.session
    if report is not None and not report.recording and report != before.last_report:
        return report.when
    if after.denied_at is not None:
        return after.denied_at
    if session is not None and session.state is not SessionState.LIVE:
        return _ended_at(session, now)
    return now


def _cause(
    before: StreamRecord, after: StreamRecord, now: int, settings: StreamSettings
) -> Iterator[Edge]:
    """Yield a cause that is new, or belongs to a later session. A command on the wire, or one that
    Live accepted, is no cause: the earlier cause stays."""
    cause = _obstacle(after, now, settings)
    if cause is None or cause.code in _NO_CAUSES:
        return
    is_same_session = before.session_number == after.session_number
    if is_same_session and cause == _obstacle(before, before.changed_at or now, settings):
        return
    code = str(cause.about.get("code") or cause.about.get("what") or "").replace(" ", "")
    yield Edge(EdgeKind.CAUSE, now, cause.code, code)


def _obstacle(record: StreamRecord, now: int, settings: StreamSettings) -> HistoryEntry | None:
    since = wrong_since(record)
    if since is None or since > now:  # an accepted start or an ending session is still undecided
        return None
    return cause_of_delay(record, now, settings)


def _occurrences(before: StreamRecord, after: StreamRecord) -> Iterator[Edge]:
    """Yield each occurrence that began or whose end was moved, with what barred it. One that was
    skipped before its beginning has no edge."""
    known = {one.id: one for one in before.begun}
    for one in after.begun:
        old, is_skipped = known.get(one.id), one.is_over and one.barred_by is None
        if (old is None and not is_skipped) or (old is not None and old.ends_at != one.ends_at):
            yield edge_of(one)


def edge_of(one: Occurrence) -> Edge:
    """Return the edge that notes an occurrence of a schedule."""
    reason = one.barred_by or Reason.SCHEDULE_RECORDS
    code = f"{one.id}/{one.starts_at}/{one.ends_at}"
    return Edge(EdgeKind.OCCURRENCE, one.begins_at, reason, code)


def occurrence_of(edge: Edge) -> tuple[str, int, int]:
    """Parse an edge of the kind OCCURRENCE. Return the occurrence's id, its announced start and its
    end, both in ms since the epoch."""
    name, starts_at, ends_at = edge.code.rsplit("/", 2)
    return name, int(starts_at), int(ends_at)


def schedule_of(occurrence: str) -> str:
    """Return the id of the schedule to which an occurrence belongs; `occurrence` is the
    occurrence's id."""
    return occurrence.partition("@")[0]
