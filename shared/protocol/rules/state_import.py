"""Takes over an intent, and its session, from another stage's record of a stream.

`decide` calls this module. Each stage numbers its sessions by itself. So a session number of the
other stage means something here only if both stages know a session that began at the same time.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol.events import StateImported
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import Command


def take_over(transition: Transition, imported: StateImported) -> None:
    """Replace this stage's intent by the other stage's. Refuse an intent that is over by now.

    If this stage's intent counts as no older than the other one, keep it. Give it the end of the
    other one if both intents are for the same session and only the other one has an end; otherwise
    refuse.

    If the stream is then wanted and live, `decide` sends a start: TaskAlreadyStarted costs one
    call, a missing start costs the recording.
    """
    ours = transition.record.intent
    if _is_as_new(ours, imported.intent):
        if not _take_end(transition, imported):
            transition.refused = Reason.ASKED_BEFORE
        return
    if _is_over(transition, imported):
        transition.refused = Reason.SESSION_OVER
        return
    _meet_session(transition, imported.session)
    mapped = _mapped(transition, imported)
    claimed = mapped.claimed or (mapped.wanted and transition.record.is_on_wire(Command.START))
    intent = replace(mapped, generation=ours.generation + 1, claimed=claimed)
    transition.change(intent=intent, pending=None, confirmation=None, failure=None, stop_check=None)
    if imported.is_of_policy and _same_session(transition, imported):
        transition.change(policy_session=transition.record.session_number)
    transition.add_entry(Reason.IMPORTED, who=imported.who)


def _is_as_new(ours: Intent, theirs: Intent) -> bool:
    """Return True if our intent stays, because it counts as no older than theirs. Our policy knows
    nothing of requests to the other stage, so policy's intent gives way to a person's, however old.
    """
    if ours.requester is Requester.POLICY and theirs.requester is Requester.PERSON:
        return False
    return ours.generation > 0 and ours.made_at >= theirs.made_at


def _meet_session(transition: Transition, theirs: Session | None) -> None:
    """Take the session over if this stage knows none; the next poll corrects it."""
    if theirs is not None and transition.record.session is None:
        transition.change(session=theirs, interrupted_at=interrupted_at(theirs))


def interrupted_at(session: Session) -> int | None:
    """Return the time since which the session is ending or has ended; None if the session is live.
    The recording was interrupted at that time or earlier."""
    return None if session.state is SessionState.LIVE else session.off_since


def _same_session(transition: Transition, imported: StateImported) -> bool:
    ours, theirs = transition.record.session, imported.session
    return bool(ours and theirs and abs(ours.began - theirs.began) <= TOGETHER_MS)


def _is_over(transition: Transition, imported: StateImported) -> bool:
    """Return True for an intent that has ended since: with its session; or by time, if policy has
    made a newer one."""
    intent, ours = imported.intent, transition.record.intent
    has_passed = intent.until is not None and transition.now >= intent.until
    if has_passed and ours.wanted and ours.made_at > intent.made_at:
        return True
    if not intent_rules.is_bound(intent):
        return False
    if transition.record.session is None and imported.session is not None:
        return imported.session.state is SessionState.ENDED
    return transition.record.is_off or not _same_session(transition, imported)


def _mapped(transition: Transition, imported: StateImported) -> Intent:
    """Return their intent with our session numbers. A hold for a session that we do not know is
    over."""
    intent, theirs = imported.intent, imported.session
    is_same = _same_session(transition, imported)
    ours = {theirs.number: transition.record.session_number} if theirs and is_same else {}
    return replace(
        intent,
        session=ours.get(intent.session or 0),
        held_session=ours.get(intent.held_session or 0),
    )


def _take_end(transition: Transition, imported: StateImported) -> bool:
    """Return True if their end was taken over: both stages made an intent for one publish, and only
    theirs has an end."""
    ours, theirs = transition.record.intent, imported.intent
    both_want = ours.wanted and theirs.wanted and _same_session(transition, imported)
    if (
        not both_want
        or transition.record.is_off
        or ours.first_accepted_at is not None
        or theirs.first_accepted_at is None
    ):
        return False
    transition.change_intent(
        first_accepted_at=theirs.first_accepted_at,
        until=theirs.until,
        max_duration=theirs.max_duration,
        claimed=True,
        session=_bound(transition, ours),
    )
    transition.add_entry(Reason.IMPORTED, who=imported.who)
    return True


def _bound(transition: Transition, ours: Intent) -> int | None:
    """Return the session to which our intent belongs, now that its start counts as accepted."""
    if ours.on_interruption is OnInterruption.RESUME:
        return ours.session
    return transition.record.session_number
