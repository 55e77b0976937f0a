"""What must always hold (docs/protocol.md, docs/reliability.md), judged by the truth about Live and
not by the record."""

from __future__ import annotations

from typing import NamedTuple

from shared.protocol import (
    Accepted,
    Command,
    CommandSettled,
    Event,
    Flight,
    Phase,
    Polled,
    Published,
    Reason,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
    Unpublished,
    phase,
)
from shared.protocol.command_errors import AlreadyStarted
from shared.protocol.policy import OnInterruption
from shared.protocol.state.confirmation import Confirmation, ConfirmationState, StartSource
from shared.protocol.state.intent import Requester
from shared.protocol.state.session import SessionState
from tests.explorer import schedule_promises
from tests.explorer.scenario import Scenario
from tests.explorer.schedule_promises import Broken
from tests.explorer.world import FAR, NEVER, NOW, UNCLEAR, Live, Memory, Request, Task

TOO_LONG = 1_000
"""ms after its end for which an intent may still be wanted. The 75 s of docs/reliability.md,
promise 3, allow for a slow timer; here everything is done when it is due."""
TOGETHER_MS = 5_000
KNOWN_BY = 90_000
"""ms after which a live stream must be known, whatever was lost."""


SOON = 1_000
"""ms in which a report of Live is handled, unless it is lost or late."""


__all__ = ["Broken", "Change", "at_rest", "at_the_end", "handled", "landed", "says_so"]


class Change(NamedTuple):
    """The change of a record by one event, which reports about the true session `publish`."""

    old: StreamRecord
    new: StreamRecord
    event: Event
    publish: int
    live: Live
    scenario: Scenario


def handled(memory: Memory, change: Change) -> Memory:
    """Judge what was stored, and remember what later judgements need."""
    old, new, event = change.old, change.new, change.event
    _judge_ask(change)
    _judge_late_news(change)
    if new.is_blank and not old.is_blank:
        return _forgotten(memory, change)
    if new.intent.generation != old.intent.generation:
        memory = _new_intent(memory, change)
    elif isinstance(event, StartAsked) and old.intent.wanted:
        memory = _asked_again(memory, change)
    elif isinstance(event, CommandSettled) and memory.accepted_in == NEVER:
        memory = _first_accepted(memory, change, event)
    if new.flight is not None and new.flight != old.flight:
        _judge_claim(change, new.flight)
        if new.flight.command is Command.STOP:
            memory = memory._replace(stop_due=False)
    memory = schedule_promises.handled(memory, old, new, event)
    if isinstance(event, RestartAsked) and _restarts(new) and not _restarts(old):
        memory = memory._replace(asked_restarts=memory.asked_restarts + 1)
    return memory


def _asked_again(memory: Memory, change: Change) -> Memory:
    """Bind the intent to the session that the second request is about."""
    if change.new.intent.session is None:
        return memory._replace(accepted_in=NEVER)
    is_here = change.new.is_started and memory.accepted_in != UNCLEAR
    return memory._replace(accepted_in=change.live.publish) if is_here else memory


def _forgotten(memory: Memory, change: Change) -> Memory:
    """Raise Broken if the record that was forgotten was still needed."""
    old, live = change.old, change.live
    if old.intent.wanted:
        raise Broken("forgot what is wanted")
    if memory.held:
        raise Broken("forgot a stop that holds")
    if memory.stop_due or memory.unfinished:
        raise Broken("forgot what was still to be sent")
    if live.task is Task.RUNS and live.ours:
        raise Broken("forgot what is being recorded")
    if live.listed is not None and live.published_at < NOW - KNOWN_BY:
        raise Broken("forgot a stream that is live")
    had_intent = bool(old.intent.generation) or memory.forgotten
    return Memory(by_policy=memory.by_policy, forgotten=had_intent)


def _restarts(record: StreamRecord) -> bool:
    one = record.pending or record.flight
    return one is not None and one.command is Command.RESTART


def _judge_ask(change: Change) -> None:
    old, new, event = change.old, change.new, change.event
    if isinstance(event, StopAsked) and new.intent.wanted:
        raise Broken("a stop was asked, and the intent is another")
    if isinstance(event, StartAsked):
        if not new.intent.wanted:
            raise Broken("a start was asked, and the intent is another")
        again = old.intent.wanted and old.is_started and not old.is_off and old.pending is None
        ended = new.intent.generation != old.intent.generation  # it ended by its time just before
        lapsed = old.flight is not None and old.flight.lease_until <= NOW  # and is sent again
        if again and not ended and not lapsed and (new.pending or new.flight != old.flight):
            raise Broken("a second start sent something")


def _judge_late_news(change: Change) -> None:
    """Raise Broken if late news of a session that a later one has replaced changed anything."""
    old, new, event, live = change.old, change.new, change.event, change.live
    session = old.session
    if session is None or new.session is None or session.time != live.published_at:
        return
    late = (
        (isinstance(event, Unpublished) and event.time < live.published_at - TOGETHER_MS)
        or (isinstance(event, Published) and event.time <= live.published_at)
        or (
            isinstance(event, Polled)
            and event.published is not None
            and live.listed is not None
            and event.published < live.listed - TOGETHER_MS
        )
    )
    if late and (new.session.state, new.session.number) != (session.state, session.number):
        raise Broken("late news of an older session made a difference")


_ASKED = (Reason.ASKED_STOP, Reason.ASKED_RESTART, Reason.ASKED_CANCEL_DELAY)
_ASKED_START = (Reason.ASKED_START, Reason.ASKED_AGAIN)


def _judge_claim(change: Change, flight: Flight) -> None:
    old, new, event = change.old, change.new, change.event
    if old.flight is not None and old.flight.lease_until > NOW:
        settles = isinstance(event, CommandSettled) and event.flight == old.flight.id
        if not settles:
            raise Broken("a command was claimed while another was in flight")
    if flight.generation != new.intent.generation:
        raise Broken(f"a {flight.command.value} of an older intent was claimed")
    splits = flight.command is Command.RESTART and flight.reason is Reason.UNPROVED
    if splits and change.scenario.goes_on:
        raise Broken("a recording that goes on was split")
    if new.intent.generation == 0 and flight.reason not in _ASKED:
        raise Broken("a recording that nobody asked us to manage was meddled with")
    if flight.command is Command.START:
        if not new.intent.wanted:
            raise Broken("a start was claimed that nobody wants")
        over = new.session is not None and new.session.state is SessionState.ENDED
        if over and flight.reason not in _ASKED_START:
            raise Broken("a start was claimed for a session that is over")
    if new.intent.wanted and flight.command in (Command.STOP, Command.CANCEL_DELAY):
        raise Broken(f"a {flight.command.value} was claimed against the intent")


def _new_intent(memory: Memory, change: Change) -> Memory:
    intent, event = change.new.intent, change.event
    if intent.reason is Reason.SESSION_OVER and change.old.intent.occurrence == "":
        _judge_end(memory, change)
    settings = change.scenario.settings
    records = settings.rule.records_on_publish
    about = (change.old, change.new, settings.merge_delay)
    schedule_promises.judge_end(memory, *about, records=records)
    memory = memory._replace(
        forgotten=False, accepted_in=NEVER, stop_due=False, unfinished=False, ends_at=0
    )
    if isinstance(event, StopAsked):
        long = event.hold is None and not event.hold_session
        memory = memory._replace(stop_due=not _nothing_known(change.old), held=long)
    elif isinstance(event, StartAsked):
        memory = memory._replace(held=False, over_until=0)
    if intent.reason is Reason.TIME_OVER:
        memory = memory._replace(over_until=NOW + change.scenario.settings.merge_delay)
    if not intent.wanted:
        return memory
    if intent.requester is Requester.SCHEDULE:
        return memory._replace(held=False)  # schedule_promises judges it
    if memory.held:
        raise Broken("a held stop was overruled")
    return _by_policy(memory, change) if intent.requester is Requester.POLICY else memory


def _judge_end(memory: Memory, change: Change) -> None:
    """Raise Broken unless the session that ended an intent was the intent's, and had ended."""
    if isinstance(change.event, CommandSettled):
        return  # accepted after all, and too late
    if memory.accepted_in == NEVER:
        raise Broken("an intent ended with a session it never belonged to")
    if change.scenario.budget > 1 and isinstance(change.event, Polled):
        return  # a list that lies twice is believed
    goes_on = change.live.listed is not None and change.live.publish == memory.accepted_in
    if goes_on:
        raise Broken("an intent ended with a session that goes on")


def _nothing_known(old: StreamRecord) -> bool:
    return not old.ever_claimed and old.session is None and old.last_report is None


def _by_policy(memory: Memory, change: Change) -> Memory:
    session = change.new.session
    if change.publish == memory.emptied_in != NEVER:
        raise Broken("policy began what somebody may have stopped before")
    if change.publish == memory.by_policy != UNCLEAR:
        raise Broken("policy made a second intent for one session")
    if session is not None and session.opened_at < memory.over_until:
        raise Broken("policy began anew what time had ended")
    return memory._replace(by_policy=change.publish)


def _first_accepted(memory: Memory, change: Change, sent: CommandSettled) -> Memory:
    old, intent = change.old, change.new.intent
    flight = old.flight
    if flight is None or flight.id != sent.flight or not intent.wanted:
        return memory
    starts = flight.command in (Command.START, Command.RESTART)
    yes = isinstance(sent.answer, (Accepted, AlreadyStarted))
    if not (starts and yes and flight.session == old.session_number):
        return memory
    short = intent.until is not None and intent.until < NOW + FAR
    return memory._replace(
        accepted_in=change.publish, ends_at=intent.until if intent.until and short else 0
    )


def landed(
    memory: Memory, record: StreamRecord, request: Request, live: Live, after: Live
) -> Memory:
    """Judge a request that reached Live."""
    others = live.task is Task.RUNS and not live.ours and live.event_at < NOW - SOON
    if others and request.command is Command.STOP and request.reason is Reason.END_UNREPORTED:
        raise Broken("a stop that was sent again ended what somebody else records")
    if request.command is Command.RESTART:
        memory = _landed_restart(memory, request)
    if request.reason in (Reason.REASSERT, Reason.REASSERT_EARLY):
        memory = memory._replace(own_restart=NEVER)  # what was in doubt is to be proved anew
    if request.command is Command.CANCEL_DELAY:
        return memory._replace(unfinished=False)
    finalizes = record.intent.finalize and not record.intent.wanted
    if request.command is Command.STOP and finalizes and _leaves_a_pause(record, live, after):
        return memory._replace(unfinished=True)
    return memory


def _leaves_a_pause(record: StreamRecord, live: Live, after: Live) -> bool:
    if live.task is Task.RUNS:
        return after.task is Task.STOPPED
    flight = record.flight
    stops = flight is not None and flight.command is Command.STOP
    return live.task is Task.CUT and live.ours and stops


def _landed_restart(memory: Memory, request: Request) -> Memory:
    if request.reason is Reason.ASKED_RESTART:
        if not memory.asked_restarts:
            raise Broken("a restart was sent more often than asked")
        return memory._replace(asked_restarts=memory.asked_restarts - 1)
    if request.session == memory.own_restart:
        raise Broken("a session was restarted twice of our own accord")
    return memory._replace(own_restart=request.session)


def at_rest(record: StreamRecord, live: Live, memory: Memory, settings: StreamSettings) -> None:
    """Raise Broken if, at rest, something that could be done at this moment was not done."""
    schedule_promises.at_rest(record, live, memory)
    schedule_promises.taken_up(record, live, memory, settings)
    wanted = record.intent.wanted
    if wanted and memory.ends_at and memory.ends_at < NOW - TOO_LONG:
        raise Broken("an intent stands long after its time")
    last_report = record.last_report
    if record.pending is not None or record.flight is not None or last_report is None:
        return
    if wanted and last_report.what == "record_paused" and _stands(record.confirmation):
        raise Broken("Live reported a pause since, and what it reported before still stands")
    runs = live.task is Task.RUNS and live.ours
    if last_report.recording and runs and record.intent.generation and not wanted:
        raise Broken("Live reported what nobody wants, and nothing is done about it")
    doubts = {one.command for one in record.doubts}
    doubted = doubts & {Command.STOP, Command.CANCEL_DELAY} and Command.RESTART not in doubts
    paused = last_report.what == "record_paused" and live.task is not Task.RUNS
    checked = _is_checked(record.confirmation)
    if wanted and paused and doubted and not checked and live.listed is not None:
        raise Broken("Live reported that it paused what is wanted, and nothing is done about it")


def says_so(record: StreamRecord, live: Live) -> None:
    """Raise Broken if, at rest, Live records a wanted session that goes on, and the record denies
    that."""
    is_recorded = record.intent.wanted and record.is_live and live.task is Task.RUNS
    if is_recorded and phase(record) is Phase.WAITING:
        raise Broken("Live records what is wanted, and the record denies it")


def _is_checked(confirmation: Confirmation | None) -> bool:
    """Return True if a check of the start is planned that does not only wait for the time when a
    pause, reported since Live accepted the start, must be over."""
    if confirmation is None or confirmation.check_at is None:
        return False
    waits = confirmation.state is ConfirmationState.WAITING_OUT_PAUSE
    return not (waits and confirmation.source is StartSource.ACCEPTED)


def _stands(confirmation: Confirmation | None) -> bool:
    """Return True if an earlier report confirms a start that may have found a paused recording."""
    if confirmation is None or confirmation.repeated:
        return False
    return confirmation.state is ConfirmationState.CONFIRMED_UNDATED


def at_the_end(record: StreamRecord, live: Live, memory: Memory) -> None:
    """Raise Broken if something is not as promised although nothing is due, nothing is under way,
    and a fresh poll has changed nothing."""
    intent = record.intent
    if intent.wanted and live.listed is not None:
        if live.task is not Task.RUNS:
            raise Broken("wanted and live, and not recorded")
        if phase(record) is not Phase.RECORDING:
            raise Broken("recorded, and the record does not say so")
    had_intent = intent.generation or memory.forgotten
    if not intent.wanted and had_intent and live.task is Task.RUNS and live.ours:
        raise Broken("recorded for ever, and nobody wants it")
    if memory.stop_due:
        raise Broken("an explicit stop never went out")
    if memory.unfinished:
        raise Broken("a finalize never got its cancel_delay")
    over = live.listed is None or live.publish != memory.accepted_in
    bound = intent.on_interruption is not OnInterruption.RESUME and memory.accepted_in >= 0
    if intent.wanted and bound and over:
        raise Broken("an intent outlived the session it belonged to")
