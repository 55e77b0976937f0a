"""What must always hold (design.md 3 and 11), judged by the truth rather than by the record."""

from __future__ import annotations

from typing import NamedTuple

from shared.protocol import (
    Accepted,
    Code,
    Command,
    Flight,
    Happening,
    Looked,
    Phase,
    Published,
    Recording,
    RestartAsked,
    Sent,
    StartAsked,
    StopAsked,
    Unpublished,
    phase,
)
from shared.protocol.command_errors import AlreadyStarted
from shared.protocol.policy import OnInterruption
from shared.protocol.state.intent import By
from shared.protocol.state.session import Standing
from tests.explorer.scenario import Scenario
from tests.explorer.world import FAR, NEVER, NOW, UNCLEAR, Live, Memory, Request, Task

TOO_LONG = 1_000
"""How long after its end a wish may still stand: 75 s (design.md 11.3) are for a slow timer, and
here everything is done when it is due."""
TOGETHER = 5_000


class Broken(Exception):
    """A promise, in words."""


class Change(NamedTuple):
    """What one happening, news of the true session `publish`, made of the record."""

    old: Recording
    new: Recording
    happening: Happening
    publish: int
    live: Live
    scenario: Scenario


def handled(memory: Memory, change: Change) -> Memory:
    """Judge what was stored, and remember what later judgements need."""
    old, new, happening = change.old, change.new, change.happening
    _judge_ask(change)
    _judge_late_news(change)
    if new.wish.gen != old.wish.gen:
        memory = _new_wish(memory, change)
    elif isinstance(happening, Sent) and memory.accepted_in == NEVER:
        memory = _first_accepted(memory, change, happening)
    if new.flight is not None and new.flight != old.flight:
        _judge_claim(change, new.flight)
        if new.flight.command is Command.STOP:
            memory = memory._replace(stop_due=False)
    if isinstance(happening, RestartAsked) and _restarts(new) and not _restarts(old):
        memory = memory._replace(asked_restarts=memory.asked_restarts + 1)
    return memory


def _restarts(record: Recording) -> bool:
    one = record.owed or record.flight
    return one is not None and one.command is Command.RESTART


def _judge_ask(change: Change) -> None:
    old, new, happening = change.old, change.new, change.happening
    if isinstance(happening, StopAsked) and new.wish.wanted:
        raise Broken("a stop was asked, and the wish is another")
    if isinstance(happening, StartAsked):
        if not new.wish.wanted:
            raise Broken("a start was asked, and the wish is another")
        again = old.wish.wanted and old.is_started and not old.is_off and old.owed is None
        if again and (new.owed or new.flight != old.flight):
            raise Broken("a second start sent something")


def _judge_late_news(change: Change) -> None:
    """Of a session that a later one has replaced: it changes nothing."""
    old, new, happening, live = change.old, change.new, change.happening, change.live
    session = old.session
    if session is None or new.session is None or session.time != live.published_at:
        return
    late = (
        (isinstance(happening, Unpublished) and happening.time < live.published_at - TOGETHER)
        or (isinstance(happening, Published) and happening.time <= live.published_at)
        or (
            isinstance(happening, Looked)
            and happening.published is not None
            and live.listed is not None
            and happening.published < live.listed - TOGETHER
        )
    )
    if late and (new.session.standing, new.session.number) != (session.standing, session.number):
        raise Broken("late news of an older session made a difference")


_ASKED = (Code.ASKED_STOP, Code.ASKED_RESTART, Code.ASKED_CANCEL_DELAY)
_ASKED_START = (Code.ASKED_START, Code.ASKED_AGAIN)


def _judge_claim(change: Change, flight: Flight) -> None:
    old, new, happening = change.old, change.new, change.happening
    if old.flight is not None and old.flight.lease_until > NOW:
        settles = isinstance(happening, Sent) and happening.flight == old.flight.id
        if not settles:
            raise Broken("a command was claimed while another was in flight")
    if flight.gen != new.wish.gen:
        raise Broken(f"a {flight.command.value} of an older wish was claimed")
    if new.wish.gen == 0 and flight.why not in _ASKED:
        raise Broken("a recording that nobody asked us to manage was meddled with")
    if flight.command is Command.START:
        if not new.wish.wanted:
            raise Broken("a start was claimed that nobody wants")
        over = new.session is not None and new.session.standing is Standing.ENDED
        if over and flight.why not in _ASKED_START:
            raise Broken("a start was claimed for a session that is over")
    if new.wish.wanted and flight.command in (Command.STOP, Command.CANCEL_DELAY):
        raise Broken(f"a {flight.command.value} was claimed against the wish")


def _new_wish(memory: Memory, change: Change) -> Memory:
    wish, happening = change.new.wish, change.happening
    if wish.why is Code.SESSION_OVER:
        _judge_end(memory, change)
    memory = memory._replace(accepted_in=NEVER, stop_due=False, unfinished=False, ends_at=0)
    if isinstance(happening, StopAsked):
        long = happening.hold is None and not happening.hold_session
        memory = memory._replace(stop_due=not _nothing_known(change.old), held=long)
    elif isinstance(happening, StartAsked):
        memory = memory._replace(held=False, over_until=0)
    if wish.why is Code.TIME_OVER:
        memory = memory._replace(over_until=NOW + change.scenario.terms.merge_delay)
    if not wish.wanted:
        return memory
    if memory.held:
        raise Broken("a held stop was overruled")
    return _by_policy(memory, change) if wish.by is By.POLICY else memory


def _judge_end(memory: Memory, change: Change) -> None:
    """The session ended a wish: it must have been the wish's, and have ended."""
    if isinstance(change.happening, Sent):
        return  # accepted after all, and too late
    if memory.accepted_in == NEVER:
        raise Broken("a wish ended with a session it never belonged to")
    if change.scenario.budget > 1 and isinstance(change.happening, Looked):
        return  # a list that lies twice is believed
    goes_on = change.live.listed is not None and change.live.publish == memory.accepted_in
    if goes_on:
        raise Broken("a wish ended with a session that goes on")


def _nothing_known(old: Recording) -> bool:
    return not old.ever_claimed and old.session is None and old.evidence is None


def _by_policy(memory: Memory, change: Change) -> Memory:
    session = change.new.session
    if change.publish == memory.by_policy != UNCLEAR:
        raise Broken("policy made a second wish for one session")
    if session is not None and session.opened_at < memory.over_until:
        raise Broken("policy began anew what time had ended")
    return memory._replace(by_policy=change.publish)


def _first_accepted(memory: Memory, change: Change, sent: Sent) -> Memory:
    old, wish = change.old, change.new.wish
    flight = old.flight
    if flight is None or flight.id != sent.flight or not wish.wanted:
        return memory
    starts = flight.command in (Command.START, Command.RESTART)
    yes = isinstance(sent.answer, (Accepted, AlreadyStarted))
    if not (starts and yes and flight.session == old.session_number):
        return memory
    short = wish.until is not None and wish.until < NOW + FAR
    return memory._replace(
        accepted_in=change.publish, ends_at=wish.until if wish.until and short else 0
    )


def landed(memory: Memory, record: Recording, request: Request, live: Live, after: Live) -> Memory:
    """A request reached Live."""
    if request.command is Command.RESTART:
        memory = _landed_restart(memory, request)
    if request.why in (Code.ECHO, Code.EARLY_ECHO):
        memory = memory._replace(own_restart=NEVER)  # what was in doubt is to be proved anew
    if request.command is Command.CANCEL_DELAY:
        return memory._replace(unfinished=False)
    finalizes = record.wish.finalize and not record.wish.wanted
    if request.command is Command.STOP and finalizes and _leaves_a_pause(record, live, after):
        return memory._replace(unfinished=True)
    return memory


def _leaves_a_pause(record: Recording, live: Live, after: Live) -> bool:
    if live.task is Task.RUNS:
        return after.task is Task.STOPPED
    flight = record.flight
    stops = flight is not None and flight.command is Command.STOP
    return live.task is Task.CUT and live.ours and stops


def _landed_restart(memory: Memory, request: Request) -> Memory:
    if request.why is Code.ASKED_RESTART:
        if not memory.asked_restarts:
            raise Broken("a restart was sent more often than asked")
        return memory._replace(asked_restarts=memory.asked_restarts - 1)
    if request.session == memory.own_restart:
        raise Broken("a session was restarted twice of our own accord")
    return memory._replace(own_restart=request.session)


def at_rest(record: Recording, live: Live, memory: Memory) -> None:
    """Everything that can be done at this moment was done."""
    wanted = record.wish.wanted
    if wanted and memory.ends_at and memory.ends_at < NOW - TOO_LONG:
        raise Broken("a wish stands long after its time")
    evidence = record.evidence
    if record.owed is not None or record.flight is not None or evidence is None:
        return
    runs = live.task is Task.RUNS and live.ours
    if evidence.recording and runs and record.wish.gen and not wanted:
        raise Broken("Live reported what nobody wants, and nothing is done about it")
    doubts = {one.command for one in record.doubts}
    doubted = doubts & {Command.STOP, Command.CANCEL_DELAY} and Command.RESTART not in doubts
    paused = evidence.what == "record_paused" and live.task is not Task.RUNS
    checked = record.started is not None and record.started.check_at is not None
    if wanted and paused and doubted and not checked and live.listed is not None:
        raise Broken("Live reported that it paused what is wanted, and nothing is done about it")


def at_the_end(record: Recording, live: Live, memory: Memory) -> None:
    """Nothing is due, nothing under way, and a fresh look has changed nothing."""
    wish = record.wish
    if wish.wanted and live.listed is not None:
        if live.task is not Task.RUNS:
            raise Broken("wanted and live, and not recorded")
        if phase(record) is not Phase.RECORDING:
            raise Broken("recorded, and the record does not say so")
    if not wish.wanted and wish.gen and live.task is Task.RUNS and live.ours:
        raise Broken("recorded for ever, and nobody wants it")
    if memory.stop_due:
        raise Broken("an explicit stop never went out")
    if memory.unfinished:
        raise Broken("a finalize never got its cancel_delay")
    over = live.listed is None or live.publish != memory.accepted_in
    bound = wish.on_interruption is not OnInterruption.RESUME and memory.accepted_in >= 0
    if wish.wanted and bound and over:
        raise Broken("a wish outlived the session it belonged to")
