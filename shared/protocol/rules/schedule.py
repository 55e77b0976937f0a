"""Applies the occurrences of schedules to a stream: planned, begun, run over, ended, skipped.

planned ── begins_at ──────────────── ends_at ── until, the limit
           │                          ├ the show runs over: the intent ends with its session
           │                          ├ another occurrence, or policy, takes the intent over
           │                          └ the stream is off: the intent ends
           └ makes an intent, unless a recording is wanted already

`decide` calls `pass_time` before each event. One save removes the planned occurrence and makes the
intent.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from shared.protocol.events import OccurrencePut, OccurrenceSkipped, OccurrencesPlanned
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import occurrence as occurrence_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.intent import Requester
from shared.protocol.state.occurrence import (
    MAX_MISSED_ENTRIES,
    MISSED_SHOWN_MS,
    Occurrence,
    in_order,
)

SKIP_STANDS_MS = 5 * 60_000
"""If a skipped occurrence begins within this time, it stays skipped, even if it is planned again:
the planning run may have read the schedule before the skip. If it begins later and is planned
again, it is no longer skipped. If that is wrong, a later planning run corrects it within three
minutes."""


def plan(transition: Transition, event: OccurrencesPlanned) -> None:
    """Replace the planned occurrences of the schedule. Occurrences that have begun or were skipped
    stay as they are, so that planning may be repeated at any time. There are two exceptions.

    A skipped occurrence is no longer skipped if it is planned again and begins more than
    SKIP_STANDS_MS from now. An occurrence ends if a change of the schedule removed it before it
    began (`event.cancelled`), but it has begun because the change was not known here yet.
    """
    now = transition.now
    _end_cancelled(transition, event)
    _take_back_skips(transition, event)
    others = [one for one in transition.record.planned if one.schedule != event.schedule]
    known = {one.id for one in (*others, *transition.record.begun)}
    new = [one for one in event.occurrences if one.id not in known]
    _set_planned(transition, [*others, *(one for one in new if not _ended_since(event, one, now))])
    pass_time(transition)


def _end_cancelled(transition: Transition, event: OccurrencesPlanned) -> None:
    """End each occurrence that began although it was cancelled before. The record drops it, so that
    it is recorded again if the change is taken back."""
    begun = transition.record.begun
    for one in (one for one in begun if one.id in event.cancelled and not one.is_over):
        who = event.schedule
        occurrence_rules.add_entry(transition, Reason.SCHEDULE_CANCELLED, one, who)
        transition.change(begun=tuple(each for each in transition.record.begun if each != one))
        if _is_of(transition, one.id):
            intent_rules.end_scheduled(transition, Reason.SCHEDULE_CANCELLED, who)


def _take_back_skips(transition: Transition, event: OccurrencesPlanned) -> None:
    """If a skipped occurrence is planned again, people have removed its excluded date. Forget that
    it was skipped, unless it begins within SKIP_STANDS_MS."""
    earliest = transition.now + SKIP_STANDS_MS
    ahead = {one.id for one in event.occurrences if one.begins_at > earliest}
    begun = transition.record.begun
    transition.change(begun=tuple(one for one in begun if not one.is_over or one.id not in ahead))


def _ended_since(event: OccurrencesPlanned, occurrence: Occurrence, now: int) -> bool:
    """Return True if the occurrence ended between the reading of the calendar and now. The record
    has then dropped it."""
    return event.as_of is not None and event.as_of < occurrence.until <= now


def put(transition: Transition, event: OccurrencePut) -> None:
    """Add an occurrence that a person wants, or replace the one with the same id. If it begins now,
    no hold bars it. Refuse to change an occurrence that is over."""
    occurrence = event.occurrence
    before = next((one for one in transition.record.begun if one.id == occurrence.id), None)
    if before is None:
        if occurrence.begins_at <= transition.now:
            _begin(transition, occurrence, event)
            return
        others = [one for one in transition.record.planned if one.id != occurrence.id]
        _set_planned(transition, [*others, occurrence])
        return
    if before.is_over or transition.now >= occurrence.until:
        transition.refused = Reason.NOT_SCHEDULED
        return
    begun = transition.record.begun
    transition.change(begun=tuple(occurrence if one == before else one for one in begun))
    _move_own_end(transition, occurrence)
    occurrence_rules.add_entry(transition, Reason.SCHEDULE_MOVED, occurrence, event.who, event.note)
    pass_time(transition)


def _move_own_end(transition: Transition, occurrence: Occurrence) -> None:
    if not _is_of(transition, occurrence.id):
        return
    transition.change_intent(
        until=occurrence.until,
        overrun_at=occurrence.ends_at,
        on_interruption=OnInterruption.RESUME,
    )


def skip(transition: Transition, event: OccurrenceSkipped) -> None:
    """Mark one planned or begun occurrence as over, so that it asks for no recording. If it made
    the intent, the intent ends; the recording goes on if anything else wants it. Refuse if there is
    no such occurrence, or if it is over already."""
    record = transition.record
    found = next((one for one in (*record.planned, *record.begun) if one.id == event.id), None)
    if found is None or found.is_over:
        transition.refused = Reason.NOT_SCHEDULED
        return
    occurrence_rules.add_entry(transition, Reason.SCHEDULE_SKIPPED, found, event.who, event.note)
    _set_begun(transition, replace(found, is_over=True))
    if _is_of(transition, event.id):
        intent_rules.end_scheduled(transition, Reason.SCHEDULE_SKIPPED, event.who)


def _is_of(transition: Transition, occurrence: str) -> bool:
    intent = transition.record.intent
    return intent.requester is Requester.SCHEDULE and intent.occurrence == occurrence


def follow(transition: Transition) -> None:
    """Plan the occurrences of schedules with a pattern that fits the stream, while the stream is
    live, and begin those that are due. While it is not live, plan none of them, so that no change
    of such a schedule has to reach this stream."""
    record, now = transition.record, transition.now
    if not record.is_live:
        if any(one.by_pattern for one in record.planned):
            _set_planned(transition, (one for one in record.planned if not one.by_pattern))
        return
    known = {one.id for one in (*record.planned, *record.begun)}
    new = [
        one
        for one in transition.settings.occurrences
        if one.id not in known and not one.is_over and now < one.ends_at
    ]
    if new:
        _set_planned(transition, [*record.planned, *new])
        pass_time(transition)


def keep_up(transition: Transition) -> None:
    """Apply later changes that people have made to occurrences of patterns which have begun for
    this stream: a skip, or a later end. Never move an end to an earlier time, and never revive an
    occurrence that is over, because the instance that calls this may know only an older state of
    the schedule."""
    for occurrence in transition.settings.occurrences:
        known = next((one for one in transition.record.begun if one.id == occurrence.id), None)
        if known is None:
            continue
        who = occurrence.who or occurrence.schedule  # an earlier release stored no person
        if occurrence.is_over and not known.is_over:
            skip(transition, OccurrenceSkipped(who, occurrence.id, occurrence.note))
        elif occurrence.until > known.until:
            times = {"ends_at": occurrence.ends_at, "until": occurrence.until}
            _set_begun(transition, replace(known, **times))
            _move_own_end(transition, occurrence)
            if not known.is_over:
                moved = Reason.SCHEDULE_MOVED
                occurrence_rules.add_entry(transition, moved, occurrence, who, occurrence.note)


def pass_time(transition: Transition) -> None:
    """Begin each planned occurrence that is due, and drop each begun one that has reached its
    `stays_until`. If the occurrence that made the intent has reached its end, extend the intent to
    an occurrence that follows soon, hand it over, or let it end with the show."""
    now, planned = transition.now, transition.record.planned
    for occurrence in planned:
        if occurrence.begins_at > now:
            break
        _begin(transition, occurrence)
    begun = transition.record.begun
    if any(one.stays_until <= now for one in begun):
        transition.change(begun=tuple(one for one in begun if one.stays_until > now))
    overrun_at = transition.record.intent.overrun_at
    if overrun_at is not None and now >= overrun_at:
        _run_over(transition, overrun_at)


def _begin(
    transition: Transition, occurrence: Occurrence, asked: OccurrencePut | None = None
) -> None:
    """Let an occurrence begin, even late, if its end has not come. If a recording is wanted
    already, the occurrence waits for the end of that intent. `asked`: a person wants the occurrence
    now."""
    if occurrence.by_pattern and not transition.record.is_live:
        return
    if transition.now >= occurrence.ends_at:
        _bar(transition, occurrence, Reason.SCHEDULE_MISSED)
        return
    _set_begun(transition, occurrence)
    who, note = (asked.who, asked.note) if asked else ("", "")
    if transition.record.intent.wanted:
        occurrence_rules.add_entry(transition, Reason.SCHEDULE_COVERED, occurrence, who, note)
    elif not asked and occurrence_rules.is_barred(transition, occurrence):
        _bar(transition, occurrence, Reason.SCHEDULE_HELD)
    else:
        occurrence_rules.make_intent(transition, occurrence, who, note)


def _bar(transition: Transition, occurrence: Occurrence, reason: Reason) -> None:
    """Record that an occurrence is over at its beginning. A missed one stays for a day, so that
    people are notified, even if its `until` has long passed."""
    barred = replace(occurrence, is_over=True, barred_by=reason)
    if reason is Reason.SCHEDULE_MISSED:
        barred = replace(barred, missed_until=transition.now + MISSED_SHOWN_MS)
    _set_begun(transition, barred)
    occurrence_rules.add_entry(transition, reason, occurrence)


def _run_over(transition: Transition, ended_at: int) -> None:
    """Handle the end of an occurrence. If the next occurrence begins within the merge delay, the
    intent lasts until then, because a stop and a start so close together split one recording."""
    follower = next(iter(transition.record.planned), None)
    if follower and follower.begins_at <= ended_at + transition.settings.merge_delay:
        until = max(transition.record.intent.until or 0, follower.begins_at)
        transition.change_intent(overrun_at=follower.begins_at, until=until)
    elif not intent_rules.hand_over(transition):
        _end_with_the_show(transition)


def _end_with_the_show(transition: Transition) -> None:
    record = transition.record
    if record.session is None or record.is_off:
        intent_rules.end_scheduled(transition, Reason.SCHEDULE_OVER)
        return
    accepted = record.intent.first_accepted_at is not None
    transition.change_intent(
        overrun_at=None,
        on_interruption=OnInterruption.STOP,
        session=record.session_number if accepted else None,
    )
    if transition.now < (record.intent.until or 0):
        transition.add_entry(Reason.SCHEDULE_RUNS_OVER, occurrence=record.intent.occurrence)


def _set_begun(transition: Transition, occurrence: Occurrence) -> None:
    record = transition.record
    begun = (*(one for one in record.begun if one.id != occurrence.id), occurrence)
    missed = [one.id for one in begun if one.barred_by is Reason.SCHEDULE_MISSED]
    dropped = missed[:-MAX_MISSED_ENTRIES]
    transition.change(
        planned=tuple(one for one in record.planned if one.id != occurrence.id),
        begun=tuple(one for one in begun if one.id not in dropped),
    )


def _set_planned(transition: Transition, planned: Iterable[Occurrence]) -> None:
    transition.change(planned=in_order(planned))
