"""What holds after every decision (shared/protocol/state/invariants.py): that each can be broken,
that none is, whatever happens to a stream, and what they found."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.protocol import Command, Flight, Occurrence, Reason, StreamRecord
from shared.protocol.state.command import Answer, Doubt, PendingCommand
from shared.protocol.state.confirmation import (
    Confirmation,
    ConfirmationState,
    LastReport,
    SessionFailure,
    StartSource,
    StopCheck,
)
from shared.protocol.state.intent import IdempotencyKey, Intent, Requester
from shared.protocol.state.invariants import ALWAYS, WHILE_ACTING, WHILE_OBSERVING, broken
from shared.protocol.state.session import Session, SessionState
from tests.conftest import KEY, NOON
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import START, STOP
from tests.explorer.search import Search
from tests.explorer.world import Fault
from tests.protocol.random_walks import Walk
from tests.simulation.bugs import BUGS
from tests.simulation.plan import draw
from tests.simulation.simulation import Simulation
from tests.support.stream_story import STOPS, Story

# --- each can be broken --------------------------------------------------------------------------

BUSY = StreamRecord(
    KEY,
    intent=Intent(
        1,
        wanted=True,
        requester=Requester.PERSON,
        reason=Reason.ASKED_START,
        session=1,
        first_accepted_at=NOON,
        until=NOON + 1,
        claimed=True,
    ),
    session=Session(1, NOON, time=NOON),
    confirmation=Confirmation(1, NOON, StartSource.ACCEPTED),
    ever_claimed=True,
)
"""Recorded, as a person asked."""
WANTED = BUSY.intent
ENDED = Session(1, NOON, NOON, None, SessionState.ENDED, off_since=NOON + 9, absent_at=NOON + 2)
OFF = replace(BUSY, session=ENDED, interrupted_at=NOON + 1)
STOPPED = replace(
    BUSY,
    intent=Intent(2, requester=Requester.PERSON, reason=Reason.ASKED_STOP),
    confirmation=None,
)
FRESH = StreamRecord(KEY)


def pending(command: Command, reason: Reason, generation: int = 1) -> PendingCommand:
    return PendingCommand(command, reason, generation, NOON, NOON)


def flight(command: Command, reason: Reason, generation: int = 1) -> Flight:
    return Flight("f", command, reason, generation, 1, NOON, 0, NOON, NOON + 8_000)


KEYS = tuple(IdempotencyKey(f"key-{number}", "digest") for number in range(101))
SHOW = Occurrence("show@1", "show", NOON, NOON, NOON + 9, NOON + 9)
SHOWS = tuple(replace(SHOW, id=f"show@{number}") for number in range(401))
BREAKS: dict[str, StreamRecord] = {
    "requester_fits_intent": replace(STOPPED, intent=Intent(2, requester=Requester.POLICY)),
    "wanted_implies_no_hold": replace(BUSY, intent=replace(WANTED, held_until=NOON)),
    "unwanted_implies_nothing_accepted": replace(
        STOPPED, intent=replace(STOPPED.intent, claimed=True)
    ),
    "scheduled_implies_limit": replace(
        BUSY, intent=replace(WANTED, requester=Requester.SCHEDULE, overrun_at=NOON)
    ),
    "planned_is_in_order": replace(BUSY, planned=(SHOW,), begun=(SHOW,)),
    "occurrences_are_bounded": replace(BUSY, planned=SHOWS),
    "accepted_implies_end": replace(BUSY, intent=replace(WANTED, until=None)),
    "accepted_implies_claimed": replace(BUSY, intent=replace(WANTED, claimed=False)),
    "belonging_implies_accepted": replace(
        BUSY,
        confirmation=None,
        failure=SessionFailure(1, Reason.REJECTED, "", NOON),
        intent=replace(WANTED, first_accepted_at=None),
    ),
    "bound_intent_implies_session_goes_on": replace(
        OFF, intent=replace(WANTED, on_interruption=STOPS)
    ),
    "pending_is_of_this_intent": replace(
        BUSY, pending=pending(Command.START, Reason.SEEN_AGAIN, 0)
    ),
    "pending_start_implies_wanted": replace(
        STOPPED, pending=pending(Command.START, Reason.SEEN_AGAIN, 2)
    ),
    "pending_stop_implies_unwanted": replace(BUSY, pending=pending(Command.STOP, Reason.REASSERT)),
    "pending_start_implies_not_ended": replace(
        OFF, pending=pending(Command.START, Reason.SEEN_AGAIN)
    ),
    "own_restart_implies_accepted_here": replace(
        BUSY, confirmation=None, pending=pending(Command.RESTART, Reason.UNPROVED)
    ),
    "over_quota_implies_start": replace(
        STOPPED,
        pending=replace(pending(Command.STOP, Reason.ASKED_STOP, 2), over_quota=True),
    ),
    "unmanaged_implies_asked": replace(
        FRESH,
        ever_claimed=True,
        flight=replace(flight(Command.STOP, Reason.UNMANAGED, 0), session=0),
    ),
    "flight_serves_its_intent": replace(BUSY, flight=flight(Command.STOP, Reason.REASSERT)),
    "generations_are_not_ahead": replace(BUSY, flight=flight(Command.START, Reason.PUBLISHED, 2)),
    "sent_implies_ever_claimed": replace(
        BUSY, ever_claimed=False, answer=Answer(Command.START, Reason.ACCEPTED, "OK", "R-1", NOON)
    ),
    "doubted_restart_implies_doubt": replace(BUSY, restart_doubted=True),
    "doubted_stop_implies_stopped": replace(BUSY, doubts=(Doubt(Command.STOP, NOON),)),
    "doubts_are_bounded": replace(BUSY, doubts=(Doubt(Command.START, NOON),) * 13),
    "keys_are_bounded": replace(BUSY, asked=KEYS),
    "to_be_forgotten_implies_at_rest": replace(BUSY, forget_at=NOON),
    "session_numbers_are_not_ahead": replace(BUSY, policy_session=2),
    "live_implies_no_poll_planned": replace(BUSY, session=Session(1, NOON, time=NOON, polls=1)),
    "not_live_implies_interrupted": replace(OFF, interrupted_at=None),
    "ended_implies_absent": replace(OFF, session=replace(ENDED, absent_at=None)),
    "confirmation_implies_accepted": replace(
        BUSY, intent=replace(WANTED, first_accepted_at=None, session=None)
    ),
    "failure_implies_wanted": replace(
        STOPPED, failure=SessionFailure(1, Reason.REJECTED, "", NOON)
    ),
    "failure_excludes_confirmation": replace(
        BUSY, failure=SessionFailure(1, Reason.REJECTED, "", NOON)
    ),
    "check_fits_state": replace(
        BUSY,
        confirmation=Confirmation(1, NOON, StartSource.ALREADY, ConfirmationState.CONFIRMED, NOON),
    ),
    "checked_stop_implies_unwanted": replace(BUSY, stop_check=StopCheck(check_at=NOON)),
    "wanted_and_live_implies_under_way": replace(BUSY, confirmation=None),
    "unproved_implies_check": replace(
        BUSY, confirmation=Confirmation(1, NOON, StartSource.ADOPTED)
    ),
    "denied_implies_under_way": replace(
        BUSY, last_report=LastReport(recording=False, what="record_paused", at=NOON + 9)
    ),
    "observing_implies_nothing_pending": replace(
        BUSY, pending=pending(Command.START, Reason.SEEN_AGAIN)
    ),
}
TABLE = (*ALWAYS, *WHILE_ACTING, *WHILE_OBSERVING)


@pytest.mark.parametrize(
    "record", [FRESH, BUSY, OFF, STOPPED], ids=("fresh", "busy", "off", "stopped")
)
def test_nothing_is_broken_of_what_may_be(record: StreamRecord) -> None:
    assert broken(record) == broken(record, observe=True) == ()


@pytest.mark.parametrize("name", BREAKS)
def test_each_is_broken_by_one_record_and_alone(name: str) -> None:
    observe = name in {invariant.__name__ for invariant in WHILE_OBSERVING}

    assert broken(BREAKS[name], observe=observe) == (name,)


def test_every_invariant_has_such_a_record_and_a_sentence() -> None:
    assert {invariant.__name__ for invariant in TABLE} == set(BREAKS)
    assert [one for one in TABLE if not (one.__doc__ or "").endswith(".")] == []


def test_a_stage_that_observes_starts_nothing_and_that_is_no_mistake() -> None:
    name = "wanted_and_live_implies_under_way"

    assert broken(BREAKS[name]) == (name,)
    assert broken(BREAKS[name], observe=True) == ()


# --- and none is ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_none_is_broken_in_two_hundred_random_walks() -> None:
    walks(range(200))


@pytest.mark.slow
def test_none_is_broken_in_five_thousand_random_walks() -> None:
    assert walks(range(5_000)) > 250_000


def walks(seeds: range) -> int:
    """Return how many decisions there were."""
    decisions = 0
    for seed in seeds:
        walk = Walk(seed)
        for event, record in walk.steps(60):
            decisions += 1
            names = broken(record, observe=walk.settings.observe)
            assert names == (), f"seed {seed}, {event}: {record}"
    return decisions


# --- a mistake that breaks one is found ----------------------------------------------------------


KEPT = BUGS["a pending command of an older intent stays"]
"""The claim still refuses to send it, so that no promise is broken."""


def test_a_story_finds_it() -> None:
    story = Story()
    story.lane_is_free = False

    with KEPT.put_in(), pytest.raises(AssertionError, match="pending_is_of_this_intent"):
        story.start().stop()


def test_the_explorer_finds_it() -> None:
    scenario = Scenario("", (START, STOP), faults=frozenset({Fault.NO_SLOT}), budget=1)
    with KEPT.put_in():
        violation = Search(scenario).run().violation

    assert violation is not None
    assert violation.promise.startswith("invariants: ")
    assert "pending_is_of_this_intent" in violation.promise


@pytest.mark.slow
def test_the_simulation_finds_it() -> None:
    with KEPT.put_in():
        results = (Simulation(draw(seed)).run() for seed in range(100))
        found = next(result for result in results if result.broken)

    assert str(found.broken).startswith("invariant: pending_is_of_this_intent")
