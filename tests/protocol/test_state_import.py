"""What a stage takes over of another one's record, and what it knows better."""

from __future__ import annotations

import pytest

from shared.protocol import Reason, StartAsked, StateImported, StreamSettings, decide
from shared.protocol.events import StopAsked
from shared.protocol.policy import OnInterruption
from shared.protocol.state.invariants import broken
from shared.protocol.state.session import TOGETHER_MS
from tests.conftest import NOON
from tests.protocol.random_walks import Walk
from tests.support.stream_story import OK, RECORDS, SECOND, Story, recording

pytestmark = pytest.mark.slow

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
OBSERVES = StreamSettings(observe=True)
OBSERVES_WITH_RULE = StreamSettings(rule=RECORDS, observe=True)
ACTS = StreamSettings()


def exported(theirs: Story, *, is_of_policy: bool = False) -> StateImported:
    record = theirs.record
    return StateImported("ops", record.intent, record.session, is_of_policy=is_of_policy)


def other(settings: StreamSettings = OBSERVES, *, shift: int = 0) -> Story:
    """Return the story of the second stage, which begins `shift` ms after the first."""
    story = Story(settings)
    story.now = NOON + shift
    return story


def test_an_unknown_stream_keeps_its_end_and_is_stopped_then() -> None:
    theirs = recording()
    ours = other(ACTS, shift=MINUTE_MS)
    ours.happens(exported(theirs))
    assert ours.record.intent.until == theirs.record.intent.until == NOON + 12 * HOUR_MS
    ours.answer().confirm()
    assert ours.passes(12 * HOUR_MS).sent[:2] == ["start", "stop"]


def test_an_observing_stage_sends_nothing_and_starts_once_it_acts() -> None:
    ours = other().publish(NOON)
    ours.happens(exported(recording()))
    assert ours.sent == []
    assert ours.reasons[-2:] == [Reason.IMPORTED, Reason.OBSERVED]

    ours.settings = ACTS
    assert ours.seen(NOON).sent == ["start"]


def test_a_hold_keeps_policy_from_the_stream() -> None:
    theirs = recording().stop().answer()
    ours = other(OBSERVES_WITH_RULE, shift=MINUTE_MS)
    ours.happens(exported(theirs))
    ours.settings = StreamSettings(rule=RECORDS)
    assert ours.publish().sent == []
    assert ours.reasons[-1] is Reason.HELD


def test_a_hold_for_a_session_is_mapped_by_the_time_of_the_session() -> None:
    theirs = Story().publish().goes_off().publish().start().answer()
    theirs.happens(StopAsked("ann", hold_session=True)).answer()
    session = theirs.record.session
    assert session is not None
    assert session.number == 2
    ours = other(OBSERVES_WITH_RULE, shift=session.began - NOON).publish(session.began + 1)
    ours.now = theirs.now
    ours.happens(exported(theirs))
    assert ours.record.intent.held_session == ours.record.session_number == 1
    assert ours.record.is_held


def test_a_hold_for_a_session_that_is_over_is_over() -> None:
    theirs = recording().happens(StopAsked("ann", hold_session=True)).answer()
    ours = other(OBSERVES_WITH_RULE, shift=HOUR_MS).publish()
    ours.happens(exported(theirs))
    assert ours.record.intent.held_session is None
    assert not ours.record.is_held


@pytest.mark.parametrize("kind", [OnInterruption.STOP, OnInterruption.FINALIZE])
def test_an_intent_that_ends_with_its_session_is_not_carried_into_a_later_one(
    kind: OnInterruption,
) -> None:
    theirs = Story().publish()
    theirs.happens(start_with(kind)).answer()
    ours = other(shift=HOUR_MS).publish()
    ours.happens(exported(theirs))
    assert ours.refused is Reason.SESSION_OVER
    assert not ours.record.intent.wanted


def start_with(kind: OnInterruption) -> StartAsked:
    return StartAsked("ann", on_interruption=kind)


def test_what_is_newer_here_stays() -> None:
    theirs = recording()
    ours = other(ACTS, shift=SECOND).publish(NOON).start().answer().stop().answer()
    ours.happens(exported(theirs))
    assert ours.refused is Reason.ASKED_BEFORE
    assert not ours.record.intent.wanted


def test_the_same_state_again_changes_nothing() -> None:
    theirs = recording()
    ours = other(ACTS, shift=SECOND)
    ours.happens(exported(theirs)).answer(OK)
    before = ours.record
    ours.happens(exported(theirs))
    assert (ours.record, ours.refused) == (before, Reason.ASKED_BEFORE)


def test_of_one_publish_that_policy_saw_in_both_stages_the_end_is_taken_over() -> None:
    theirs = Story(StreamSettings(rule=RECORDS)).publish().answer()
    ours = other(OBSERVES_WITH_RULE, shift=SECOND).publish(NOON)
    assert ours.record.intent.until is None
    ours.happens(exported(theirs, is_of_policy=True))
    assert ours.record.intent.until == theirs.record.intent.until
    assert ours.refused is None


def test_policy_makes_no_second_intent_for_a_session_that_it_had() -> None:
    theirs = Story(StreamSettings(rule=RECORDS, max_duration=HOUR_MS)).publish().answer()
    theirs.passes(HOUR_MS).answer()
    assert theirs.reasons.count(Reason.TIME_OVER) == 1
    ours = other(OBSERVES, shift=2 * HOUR_MS)
    ours.happens(exported(theirs, is_of_policy=True))
    ours.settings = StreamSettings(rule=RECORDS)
    assert ours.seen(NOON).sent == []


def test_an_end_that_has_passed_meanwhile_stops_the_stream() -> None:
    theirs = recording(StreamSettings(max_duration=HOUR_MS))
    ours = other(ACTS, shift=2 * HOUR_MS).publish(NOON)
    ours.happens(exported(theirs)).answer()
    assert ours.passes(SECOND).sent[-1] == "stop"


@pytest.mark.parametrize("apart", [TOGETHER_MS, TOGETHER_MS + 1])
def test_two_times_are_one_session_within_five_seconds(apart: int) -> None:
    theirs = Story().publish()
    theirs.happens(start_with(OnInterruption.STOP)).answer()
    ours = other(shift=MINUTE_MS).publish(NOON + apart)
    ours.happens(exported(theirs))
    assert (ours.refused is None) == (apart == TOGETHER_MS)


@pytest.mark.parametrize("stops", [True, False])
def test_policy_here_gives_way_to_what_a_person_asked_elsewhere_before(stops: bool) -> None:
    theirs = recording()
    theirs = theirs.stop().answer() if stops else theirs
    ours = other(OBSERVES_WITH_RULE, shift=HOUR_MS).publish()
    assert ours.record.intent.wanted
    ours.happens(exported(theirs))
    assert ours.record.intent.wanted is not stops
    assert ours.record.intent.who == "ann"


def test_an_end_that_has_passed_does_not_stop_what_policy_records_since() -> None:
    theirs = recording(StreamSettings(max_duration=HOUR_MS))
    ours = other(OBSERVES_WITH_RULE, shift=2 * HOUR_MS).publish()
    ours.happens(exported(theirs))
    assert (ours.refused, ours.record.intent.wanted) == (Reason.SESSION_OVER, True)


def test_no_invariant_breaks_where_one_random_walk_takes_over_from_another() -> None:
    taken = [walk_takes_over(seed) for seed in range(300)]
    assert sum(taken) > 300


def walk_takes_over(seed: int) -> int:
    """Return how often the second walk took over; fail where an invariant broke afterwards."""
    first, second = Walk(seed), Walk(seed + 100_000)
    taken = 0
    for number, _ in enumerate(second.steps(40)):
        if number % 8 == 0:
            list(first.steps(4))
        if number % 8 == 4 and first.record.intent.generation:
            event = StateImported("ops", first.record.intent, first.record.session)
            decision = decide(second.record, event, second.now, second.settings)
            second.record, taken = decision.record, taken + (decision.refused is None)
        names = broken(second.record, observe=second.settings.observe)
        assert not names, f"seed {seed}, step {number}: {names}"
    return taken
