"""Finds the occurrence of a schedule that wants a recording, and lets it make or take over an
intent.

`intent.py` calls it when an intent ends or a person stops the stream, `schedule.py` when an
occurrence begins.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules.transition import Transition, noted
from shared.protocol.state.intent import Requester
from shared.protocol.state.occurrence import Occurrence


def under_way(transition: Transition, *, runs_over: bool = False) -> Occurrence | None:
    """Return the occurrence that wants a recording now. If several do, return the one that ends
    last. Return None if none does. `runs_over`: while the stream is live, an occurrence also counts
    after its end, up to its limit."""
    record, now = transition.record, transition.now
    is_live = runs_over and record.is_live
    asking = [
        one
        for one in record.begun
        if not one.is_over and now < (one.until if is_live else one.ends_at)
    ]
    return max(asking, key=lambda one: (one.ends_at, one.until, one.id), default=None)


def make_intent(
    transition: Transition, occurrence: Occurrence, who: str = "", note: str = ""
) -> None:
    """Make the intent of an occurrence that begins. If a person asked for the occurrence now, `who`
    is this person and `note` the person's note."""
    transition.new_intent(
        wanted=True,
        requester=Requester.SCHEDULE,
        reason=Reason.SCHEDULE_RECORDS,
        who=occurrence.schedule,
        note=note,
        until=occurrence.until,
        occurrence=occurrence.id,
        overrun_at=occurrence.ends_at,
        held_until=transition.record.intent.held_until,  # holds policy after the occurrence
        claimed=transition.record.may_run_on,
    )
    add_entry(transition, Reason.SCHEDULE_RECORDS, occurrence, who, note)


def take_over(transition: Transition, occurrence: Occurrence) -> None:
    """Turn the intent that would end into an intent of `occurrence`. No command is sent, so the
    recording goes on in the same file. The duration counts from now."""
    end_own(transition)
    accepted = transition.record.intent.first_accepted_at is not None
    transition.change_intent(
        requester=Requester.SCHEDULE,
        reason=Reason.SCHEDULE_RECORDS,
        who=occurrence.schedule,
        note="",
        on_interruption=OnInterruption.RESUME,
        max_duration=None,
        until=occurrence.until,
        first_accepted_at=transition.now if accepted else None,
        occurrence=occurrence.id,
        overrun_at=occurrence.ends_at,
    )
    add_entry(transition, Reason.SCHEDULE_TAKES_OVER, occurrence)


def end_own(transition: Transition) -> None:
    """Record that the occurrence that made the intent, if any, no longer asks for a recording."""
    intent = transition.record.intent
    if intent.requester is Requester.SCHEDULE:
        end(transition, intent.occurrence)


def end(transition: Transition, occurrence: str) -> None:
    begun = transition.record.begun
    transition.change(
        begun=tuple(replace(one, is_over=True) if one.id == occurrence else one for one in begun)
    )


def end_all(transition: Transition) -> str:
    """Record that no occurrence that has begun asks for a recording any more, because a person has
    stopped the stream or set an end. Return the id of the occurrence that wanted the recording; ""
    if none did."""
    intent = transition.record.intent
    asking = under_way(transition, runs_over=True)
    own = intent.occurrence if intent.requester is Requester.SCHEDULE else ""
    begun = transition.record.begun
    transition.change(begun=tuple(replace(one, is_over=True) for one in begun))
    return own or (asking.id if asking else "")


def is_barred(transition: Transition, occurrence: Occurrence) -> bool:
    """Return True if a person's stop keeps this occurrence, which begins now, from being recorded.
    If the stop was made during an occurrence, it bars only that occurrence. (The same occurrence
    may begin again in another stage that took the stop over.) Any other stop bars every occurrence
    while its hold lasts; a hold for a session lasts until the session has ended."""
    record, intent = transition.record, transition.record.intent
    if intent.wanted or intent.requester is not Requester.PERSON:
        return False
    if intent.occurrence:
        return intent.occurrence == occurrence.id
    holds = intent.held_until is not None and transition.now < intent.held_until
    return holds or (record.is_held and not record.is_off)


def add_entry(
    transition: Transition, reason: Reason, occurrence: Occurrence, who: str = "", note: str = ""
) -> None:
    about = {**({"who": who} if who else {}), **noted(note)}
    transition.add_entry(reason, schedule=occurrence.schedule, occurrence=occurrence.id, **about)
