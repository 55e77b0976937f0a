"""Makes, changes and ends intents: for people, for policy, as time passes, and as the stream comes
and goes."""

from __future__ import annotations

from collections.abc import Mapping

from shared.protocol.derived.phase import is_unmanaged
from shared.protocol.events import (
    CancelDelayAsked,
    ExtendAsked,
    RestartAsked,
    StartAsked,
    StopAsked,
)
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason
from shared.protocol.rules import occurrence as occurrence_rules
from shared.protocol.rules.transition import Transition, noted
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import Command


def start(transition: Transition, asked: StartAsked) -> None:
    if transition.record.intent.wanted:
        _start_again(transition, asked)
        return
    transition.new_intent(
        wanted=True,
        requester=Requester.PERSON,
        reason=Reason.ASKED_START,
        who=asked.who,
        note=asked.note,
        on_interruption=asked.on_interruption or OnInterruption.RESUME,
        if_not_live=asked.if_not_live,
        max_duration=asked.max_duration,
        until=asked.until,
        claimed=transition.record.may_run_on,
    )
    transition.add_entry(Reason.ASKED_START, who=asked.who, note=asked.note)
    _note_end(transition, asked, {})
    if not transition.record.lacks_start:  # if it does, `decide` enqueues the start
        _send_start(transition, Reason.ASKED_START)


def _start_again(transition: Transition, asked: StartAsked) -> None:
    """Give the intent to this person, with the new end. Enqueue a start if no command is pending
    and Live has accepted none in this session. If Live has, and the session is live, the intent
    keeps its session; otherwise it gets the session in which a start is accepted next."""
    transition.refused = _unfit_end(transition, asked)
    if transition.refused:
        return
    _leave_schedule(transition, asked)
    transition.change_intent(
        requester=Requester.PERSON,
        held_until=None,
        made_at=transition.now,
        who=asked.who,
        note=asked.note or transition.record.intent.note,
        on_interruption=asked.on_interruption or transition.record.intent.on_interruption,
        if_not_live=asked.if_not_live,
        session=transition.record.intent.session if _is_recorded_here(transition.record) else None,
    )
    transition.add_entry(Reason.ASKED_AGAIN, who=asked.who, **noted(asked.note))
    _set_end(transition, asked)
    if transition.record.pending is None and not transition.record.is_started:
        since = _lost_since(transition.record)
        transition.change(failure=None)
        _send_start(transition, Reason.ASKED_AGAIN, since)


def _is_recorded_here(record: StreamRecord) -> bool:
    """Return True if a start was accepted in the present session, which certainly goes on."""
    surely_live = record.session is not None and record.session.state is SessionState.LIVE
    here = record.is_started or record.intent.session == record.session_number
    return surely_live and here


def _lost_since(record: StreamRecord) -> int | None:
    """Return the time since which the stream counts as lost, because its start failed in this
    session; None if no start failed or the session has ended."""
    failure = record.failure if record.is_live and record.has_failed else None
    return failure.lost_since if failure else None


def _send_start(transition: Transition, reason: Reason, since: int | None = None) -> None:
    """Enqueue a start, unless a start of this session is on the wire: that start serves the new
    intent too."""
    if not transition.record.is_on_wire(Command.START):
        transition.enqueue(Command.START, reason, since=since)


def extend(transition: Transition, asked: ExtendAsked) -> None:
    if not transition.record.intent.wanted:
        transition.refused = Reason.NOT_WANTED
        return
    transition.refused = _unfit_end(transition, asked)
    if transition.refused:
        return
    _leave_schedule(transition, asked)
    _set_end(transition, asked)


def _leave_schedule(transition: Transition, asked: StartAsked | ExtendAsked) -> None:
    """Give a schedule's intent to the person who asks for it, so that no schedule ends it. A new
    end replaces the ends of all occurrences that have begun; without one, only the stage's longest
    duration ends it.
    """
    intent = transition.record.intent
    if intent.requester is not Requester.SCHEDULE:
        return
    if _has_end(asked):
        occurrence_rules.end_all(transition)
    transition.change_intent(
        requester=Requester.PERSON,
        held_until=None,
        reason=Reason.ASKED_AGAIN,
        who=asked.who,
        until=None,
        occurrence="",
        overrun_at=None,
        on_interruption=OnInterruption.RESUME,
    )
    if intent.first_accepted_at is not None:
        count_from_first_start(transition, intent.first_accepted_at)


SHORT_MS = 60_000
"""An end nearer than this is usually a mistake, and needs `allow_short`."""


def _unfit_end(transition: Transition, asked: StartAsked | ExtendAsked) -> Reason | None:
    """Return why the end cannot be set; None if it can. After the first accepted start, an end in
    the past would stop the recording at once, and one beyond the stage's longest duration would be
    shortened."""
    began = transition.record.intent.first_accepted_at
    if began is None or not _has_end(asked):
        return None
    end = began + (asked.max_duration or 0) if asked.until is None else asked.until
    if end <= transition.now:
        return Reason.END_IS_PAST
    if end > began + transition.settings.max_duration:
        return Reason.END_TOO_LATE
    is_short = end < transition.now + SHORT_MS and not asked.allow_short
    return Reason.END_TOO_SOON if is_short else None


def _has_end(asked: StartAsked | ExtendAsked) -> bool:
    return asked.max_duration is not None or asked.until is not None


def _set_end(transition: Transition, asked: StartAsked | ExtendAsked) -> None:
    if not _has_end(asked):
        return
    before = _end_of(transition.record.intent, "before")
    transition.change_intent(max_duration=asked.max_duration, until=asked.until)
    if transition.record.intent.first_accepted_at is not None:
        count_from_first_start(transition, transition.record.intent.first_accepted_at)
    _note_end(transition, asked, before)


def _note_end(
    transition: Transition, asked: StartAsked | ExtendAsked, before: Mapping[str, int]
) -> None:
    """Record in the history the new end, the end before it, and who set it."""
    if _has_end(asked):
        end = _end_of(transition.record.intent, "end")
        note = noted(asked.note) if isinstance(asked, ExtendAsked) else {}  # a start noted its own
        transition.add_entry(Reason.ASKED_EXTEND, who=asked.who, **end, **before, **note)


def _end_of(intent: Intent, name: str) -> Mapping[str, int]:
    """Return the end as details of a history entry: a time, or a duration in ms from the first
    accepted start. Return {} if only the stage's longest duration ends the recording."""
    if intent.until is not None:
        return {f"{name}_at": intent.until}
    return {} if intent.max_duration is None else {f"{name}_after": intent.max_duration}


def count_from_first_start(transition: Transition, at: int) -> None:
    """Record that the intent's first start was accepted at `at`, in ms since the epoch. The
    intent's duration counts from then on. So the intent's end is now a fixed time, which reconnects
    do not move.

    The intent also counts as claimed, so that its end sends a stop. Otherwise no stop would follow
    if Live has accepted only a start from before this intent.
    """
    intent = transition.record.intent
    ceiling = transition.settings.max_duration
    limit = at + min(intent.max_duration or ceiling, ceiling)
    until = limit if intent.until is None else min(intent.until, at + ceiling)
    transition.change_intent(first_accepted_at=at, until=until, claimed=True)


def bind(transition: Transition) -> None:
    """Record that a start of the intent was accepted in the present session."""
    session = transition.record.intent.session or transition.record.session_number
    transition.change_intent(session=session)
    count_acceptance(transition)


def count_acceptance(transition: Transition) -> None:
    if transition.record.intent.first_accepted_at is None:
        count_from_first_start(transition, transition.now)


def stop(transition: Transition, asked: StopAsked) -> None:
    pointless = _undoes_nothing(transition.record)
    occurrence = occurrence_rules.end_all(transition)
    hold = asked.hold if asked.hold is not None else transition.settings.hold
    transition.new_intent(
        requester=Requester.PERSON,
        reason=Reason.ASKED_STOP,
        who=asked.who,
        note=asked.note,
        finalize=asked.finalize,
        held_until=None if asked.hold_session else transition.now + hold,
        held_session=transition.record.session_number if asked.hold_session else None,
        occurrence=occurrence,
    )
    transition.add_entry(Reason.ASKED_STOP, who=asked.who, note=asked.note)
    if pointless:
        transition.add_entry(Reason.NOTHING_TO_UNDO)
    else:
        transition.enqueue(Command.STOP, Reason.ASKED_STOP)


def _undoes_nothing(record: StreamRecord) -> bool:
    """Return True if a stop would only cancel a start that was never claimed, and nothing suggests
    a live stream."""
    untouched = record.flight is None and not record.ever_claimed
    unseen = record.session is None and record.last_report is None
    return record.intent.wanted and untouched and unseen


def restart(transition: Transition, asked: RestartAsked) -> None:
    record = transition.record
    wanted = record.intent.wanted
    running = record.is_started and not record.is_off if wanted else is_unmanaged(record)
    if not running and not (wanted and record.pending):
        off = Reason.NOTHING_TO_SPLIT if record.is_watched else Reason.NOT_LIVE
        transition.refused = off if wanted else Reason.NOT_WANTED
        return
    if transition.settings.observe:
        transition.refused = Reason.RESTART_OBSERVED  # nobody would send it later
        return
    transition.add_entry(Reason.ASKED_RESTART, who=asked.who, **noted(asked.note))
    if running:
        transition.enqueue(Command.RESTART, Reason.ASKED_RESTART, who=asked.who)


def cancel_delay(transition: Transition, asked: CancelDelayAsked) -> None:
    record = transition.record
    if record.intent.wanted:
        transition.refused = Reason.WANTED
        return
    transition.add_entry(Reason.ASKED_CANCEL_DELAY, who=asked.who, **noted(asked.note))
    ahead = record.pending or record.flight
    if ahead and ahead.command is Command.STOP:
        transition.change_intent(finalize=True)
    else:
        transition.enqueue(Command.CANCEL_DELAY, Reason.ASKED_CANCEL_DELAY, who=asked.who)


def by_policy(transition: Transition, *, says_why_not: bool = False) -> bool:
    """Let policy make an intent if the stream's rule says `record` and nothing forbids it; return
    True if policy has made one. Policy makes at most one intent in a session, and none during a
    hold. `says_why_not`: if policy makes none, note the reason in the history."""
    record, rule = transition.record, transition.settings.rule
    if record.intent.wanted:
        _withhold(transition, is_withheld=False)
        return False
    against = _against(record, transition)
    _withhold(transition, is_withheld=against is Reason.STORE_EMPTIED)
    if against is not None:
        if says_why_not:
            transition.add_entry(against, rule=rule.name)
        return False
    transition.change(policy_session=record.session_number)
    transition.new_intent(
        wanted=True,
        requester=Requester.POLICY,
        reason=Reason.RULE_RECORDS,
        who=rule.name,
        on_interruption=rule.on_interruption,
        max_duration=rule.max_duration,
        claimed=record.may_run_on,
    )
    transition.add_entry(Reason.RULE_RECORDS, rule=rule.name)
    return True


def _against(record: StreamRecord, transition: Transition) -> Reason | None:
    session = record.session
    if not transition.settings.rule.records_on_publish:
        return Reason.RULE_IGNORES
    if record.held_at(transition.now):
        return Reason.HELD
    if transition.settings.is_policy_suspended:
        return Reason.POLICY_SUSPENDED
    # A publish that may be a replay does not show when the session began.
    began = session.began if session is not None and not session.is_undated else 0
    if session is not None and transition.continuity.may_miss_records(began):
        return Reason.STORE_EMPTIED
    return Reason.ONCE_PER_SESSION if record.policy_session == record.session_number else None


def _withhold(transition: Transition, *, is_withheld: bool) -> None:
    """Remember whether only the emptied store keeps policy from making an intent for this session.
    Once a person has accepted the store, the next poll tries again."""
    session = transition.record.session
    if session is not None and session.policy_withheld is not is_withheld:
        transition.change_session(policy_withheld=is_withheld)


def end_with_session(transition: Transition) -> None:
    """End the intent if it is bound to a session (`is_bound`), because its session is over."""
    intent = transition.record.intent
    if is_bound(intent):
        _end(
            transition,
            Reason.SESSION_OVER,
            finalize=intent.on_interruption is OnInterruption.FINALIZE,
        )


def is_bound(intent: Intent) -> bool:
    """Return True if the intent wants a recording, but only until the session ends. An intent whose
    `on_interruption` is `resume` outlasts sessions. Any other intent ends with the session in which
    its start was accepted. The intent of a show that runs over ends with any session."""
    resumes = intent.on_interruption is OnInterruption.RESUME
    belongs = bool(intent.session) or intent.requester is Requester.SCHEDULE
    return intent.wanted and not resumes and belongs


def would_end(transition: Transition, began: int) -> bool:
    """Return True if the opening of a session that began at `began` would end the intent."""
    kept = belongs_to_next(transition, began) or _asked_since(transition.record.intent, began)
    return is_bound(transition.record.intent) and not kept


def meet_session(transition: Transition, session: Session) -> None:
    """Bind the intent to the session that opens, release it from its old session, or end it.

    If the intent's accepted start was for the new session, bind the intent to it. A bound intent
    that was requested after the new session had begun is released from its old session, because the
    request meant the new one. Any other bound intent ends.
    """
    intent = transition.record.intent
    if belongs_to_next(transition, session.began):
        transition.change_intent(session=session.number)
    elif is_bound(intent) and _asked_since(intent, session.began):
        transition.change_intent(session=None)
    else:
        end_with_session(transition)


def _asked_since(intent: Intent, began: int) -> bool:
    """Return True if the request came after the session had begun, and so meant that session."""
    return intent.made_at > began + TOGETHER_MS


def belongs_to_next(transition: Transition, began: int) -> bool:
    """Return True if the intent's first accepted start was for the session that opens now. That is
    so if this session began, at `began`, before the start was accepted, although its publish was
    reported only afterwards. The start was then assigned to the session before."""
    intent, session = transition.record.intent, transition.record.session
    accepted = intent.first_accepted_at
    if not intent.wanted or accepted is None or session is None:
        return False
    ended_time = session.last_unpublish_time
    was_doubted = (session.state is not SessionState.LIVE and session.off_since < accepted) or (
        ended_time is not None and ended_time + TOGETHER_MS < accepted
    )
    return accepted - began > (-TOGETHER_MS if was_doubted else TOGETHER_MS)


def end_by_time(transition: Transition) -> None:
    intent = transition.record.intent
    if not intent.wanted or intent.until is None or transition.now < intent.until:
        return
    if intent.requester is Requester.SCHEDULE:
        end_scheduled(transition, Reason.SCHEDULE_OVER)
    else:
        _end(
            transition,
            Reason.TIME_OVER,
            finalize=intent.on_interruption is OnInterruption.FINALIZE,
            held_session=transition.record.session_number,
            held_opening_before=transition.now + transition.settings.merge_delay,
            runs_over=True,
        )


def end_scheduled(transition: Transition, reason: Reason, who: str = "") -> None:
    """End a schedule's intent without a hold, so that policy or another occurrence may make the
    next intent. If the history already says which person or schedule ended the intent, `who` is
    that name. If `who` is empty, add an entry with `reason`."""
    _end(transition, reason, finalize=False, runs_over=True, who=who)


def hand_over(transition: Transition, *, runs_over: bool = False) -> bool:
    """Let something else that wants the recording take over an intent that would end. Return False
    if nothing else wants it. An occurrence that has begun takes over first. Policy may take over
    only a schedule's intent. `runs_over`: while the stream is live, an occurrence also counts after
    its end, up to its limit."""
    heir = occurrence_rules.under_way(transition, runs_over=runs_over)
    if heir is not None and heir.id != transition.record.intent.occurrence:
        occurrence_rules.take_over(transition, heir)
        return True
    is_scheduled = transition.record.intent.requester is Requester.SCHEDULE
    return is_scheduled and _hand_over_to_policy(transition)


def _hand_over_to_policy(transition: Transition) -> bool:
    """Let policy continue a schedule's intent, if policy would have made one for this session. Its
    duration counts from the first accepted start, but not from before this session. Return False
    otherwise."""
    record, rule = transition.record, transition.settings.rule
    session, intent = record.session, record.intent
    if session is None or record.is_off or _against(record, transition) is not None:
        return False
    accepted_at = intent.first_accepted_at
    began = None if accepted_at is None else max(accepted_at, session.opened_at)
    lasts = min(
        rule.max_duration or transition.settings.max_duration, transition.settings.max_duration
    )
    if began is not None and began + lasts <= transition.now:
        return False
    bound = began is not None and rule.on_interruption is not OnInterruption.RESUME
    occurrence_rules.end_own(transition)
    transition.change(policy_session=session.number)
    transition.change_intent(
        requester=Requester.POLICY,
        reason=Reason.RULE_RECORDS,
        who=rule.name,
        on_interruption=rule.on_interruption,
        max_duration=rule.max_duration,
        until=None,
        held_until=None,  # no hold is left: `_against` found none
        session=session.number if bound else None,
        occurrence="",
        overrun_at=None,
    )
    if began is not None:
        count_from_first_start(transition, began)
    transition.add_entry(Reason.POLICY_TAKES_OVER, rule=rule.name)
    return True


def end_never_live(transition: Transition) -> None:
    was_live = transition.record.session is not None
    reason = Reason.NEVER_RECORDED if was_live else Reason.NEVER_LIVE
    _end(transition, reason, finalize=False)


def give_up(transition: Transition) -> None:
    """End an intent whose `if_not_live` is FAIL, because Live does not know the stream. Send no
    stop."""
    _end(transition, Reason.GAVE_UP_NOT_LIVE, finalize=False, send=False)


def _end(  # noqa: PLR0913 - what an ended intent keeps
    transition: Transition,
    reason: Reason,
    *,
    finalize: bool,
    send: bool = True,
    held_session: int | None = None,
    held_opening_before: int | None = None,
    runs_over: bool = False,
    who: str = "",
) -> None:
    if hand_over(transition, runs_over=runs_over):
        return
    occurrence_rules.end_own(transition)
    claimed = transition.record.intent.claimed
    transition.new_intent(
        requester=Requester.END,
        reason=reason,
        who=who,
        finalize=finalize,
        held_until=transition.record.intent.held_until,
        held_session=held_session,
        held_opening_before=held_opening_before,
    )
    if not who:
        transition.add_entry(reason)
    if claimed and send:
        transition.enqueue(Command.STOP, reason)
