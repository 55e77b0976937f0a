"""What the protocol makes of Live's asking whether to record, and of its remarks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.protocol import (
    FileFailed,
    OnDemandAnswered,
    Phase,
    Reason,
    RecordFailed,
    Remarked,
    Reported,
    StartAsked,
    StopAsked,
    StreamSettings,
    TimePassed,
)
from shared.protocol.command_errors import AlreadyStarted, StreamNotLive, Throttled
from shared.protocol.policy import OnInterruption
from shared.protocol.rules.on_demand import is_asked
from tests.support.stream_story import SECOND, Story, by_rule

YES, NO = OnDemandAnswered(need_record=True), OnDemandAnswered(need_record=False)
RUNS = Reported("record_started", recording=True)


def told_to_record() -> Story:
    return Story(by_rule()).happens(YES).passes(2 * SECOND).publish()


# --- what an intent says
# ---------------------------------------------------------------------------


def test_a_intent_says_yes_and_nobodys_leaves_it_to_policy() -> None:
    story = Story()
    assert is_asked(story.record, story.now) is None

    assert is_asked(story.start().record, story.now) is True


def test_a_hold_says_no_until_it_is_over() -> None:
    story = Story().start().answer().stop()
    assert is_asked(story.record, story.now) is False

    assert is_asked(story.record, story.now + 12 * 3600 * SECOND) is None


def test_a_hold_for_the_session_lasts_while_live_may_still_ask_about_it() -> None:
    story = Story(by_rule()).publish().answer().happens(StopAsked("ann", hold_session=True))
    assert is_asked(story.record, story.now) is False

    assert is_asked(story.record, story.now + 60 * SECOND) is None


def test_a_intent_that_ends_with_its_session_asks_for_no_other() -> None:
    story = Story().publish()
    story.happens(StartAsked("ann", on_interruption=OnInterruption.STOP)).answer()
    assert is_asked(story.record, story.now) is True

    assert is_asked(story.record, story.now + 60 * SECOND) is None


def test_policy_wants_a_session_once_also_when_live_asks_again() -> None:
    story = Story(by_rule(max_duration=5 * SECOND)).publish().answer().passes(5 * SECOND)

    assert is_asked(story.record, story.now) is False


# --- what a yes is worth ------------------------------------------------------------------------


def test_a_session_that_live_was_told_to_record_is_sent_no_start() -> None:
    story = told_to_record()

    assert (story.sent, story.phase) == ([], Phase.RECORDING)
    assert Reason.ON_DEMAND in story.reasons


def test_it_holds_for_a_person_s_intent_as_well() -> None:
    story = Story()
    story.lane_is_free = False
    story.start().happens(YES)
    story.lane_is_free = True
    story.publish()

    assert story.sent == []


def test_a_report_confirms_it_and_nothing_more_is_sent() -> None:
    story = told_to_record().happens(RUNS).passes(120 * SECOND)

    assert story.sent == []


def test_a_report_that_overtakes_the_publish_confirms_it_too() -> None:
    story = Story(by_rule()).happens(YES).happens(RUNS).publish().passes(120 * SECOND)

    assert story.sent == []
    assert Reason.UNMANAGED not in story.reasons


def test_unconfirmed_it_is_followed_by_one_start() -> None:
    story = told_to_record().passes(10 * SECOND)
    assert story.sent == ["start"]

    assert story.answer(AlreadyStarted()).passes(120 * SECOND).sent == ["start"]


def test_a_no_is_worth_nothing() -> None:
    assert Story(by_rule()).happens(NO).publish().sent == ["start"]


def test_a_late_report_of_an_earlier_recording_does_not_confirm_it() -> None:
    story = Story(by_rule()).happens(YES).passes(SECOND)
    earlier = Reported("record_started", recording=True, time=story.now - 60 * SECOND)
    story.happens(earlier).passes(SECOND).publish()

    assert story.passes(10 * SECOND).sent == ["start"]


def test_a_later_no_takes_a_yes_back() -> None:
    assert Story(by_rule()).happens(YES).happens(NO).publish().sent == ["start"]


def test_a_yes_is_for_the_session_that_opens_within_a_minute() -> None:
    assert Story(by_rule()).happens(YES).passes(61 * SECOND).publish().sent == ["start"]


def test_a_yes_serves_one_session() -> None:
    story = told_to_record().happens(RUNS)

    assert story.passes(5 * SECOND).publish().sent == ["start"]


def test_a_start_that_is_on_the_wire_is_not_taken_back() -> None:
    story = Story().start().happens(YES).publish().answer()

    assert story.sent == ["start", "start"]


# --- and what becomes of it ---------------------------------------------------------------------


def test_a_stop_between_the_yes_and_the_publish_is_sent_and_said_again() -> None:
    story = Story()
    story.lane_is_free = False
    story.start().happens(YES)
    story.lane_is_free = True
    story.stop().answer(StreamNotLive())

    assert story.publish().sent == ["stop", "stop"]


def test_a_intent_that_runs_out_before_the_publish_is_stopped_as_well() -> None:
    story = Story()
    story.lane_is_free = False
    story.happens(StartAsked("ann", until=story.now + SECOND)).happens(YES)
    story.lane_is_free, story.now = True, story.now + SECOND

    assert story.happens(TimePassed()).sent == ["stop"]


def test_its_end_counts_from_the_session_s_opening() -> None:
    story = Story(by_rule(max_duration=20 * SECOND)).happens(YES).publish().happens(RUNS)

    assert story.passes(20 * SECOND).sent == ["stop"]


def test_a_stage_that_observes_notes_what_it_would_have_answered() -> None:
    story = Story(replace(by_rule(), observe=True)).happens(YES)

    assert (story.reasons, story.record.approved_on_demand_at) == ([Reason.OBSERVED], None)


# --- what changes nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Remarked(is_exception=True, what="1001"), Reason.EXCEPTION),
        (Remarked(is_exception=False, what="-"), Reason.SWITCHED),
        (FileFailed("transformat_error", "C", "m", "u"), Reason.FILE_FAILED),
    ],
)
def test_a_remark_is_told_and_nothing_else(event: Remarked | FileFailed, code: Reason) -> None:
    story = Story().publish().start().answer()
    before = story.record
    story.happens(event)

    assert (story.record, story.reasons[-1]) == (before, code)


def test_a_record_error_after_a_yes_fails_the_session() -> None:
    story = told_to_record().happens(RecordFailed("BucketNotFound", "")).happens(TimePassed())

    assert (story.phase, story.passes(120 * SECOND).sent) == (Phase.FAILED, [])


def test_terms_know_of_no_status_callbacks_at_first() -> None:
    assert not StreamSettings().status_known


# --- what the random histories found ------------------------------------------------------------

PAUSED = Reported("record_paused", recording=False)


def test_a_pause_of_a_session_that_nobody_told_of_may_last_when_the_start_is_one_already() -> None:
    story = (
        Story(StreamSettings(status_known=True)).happens(PAUSED).start().answer(AlreadyStarted())
    )

    assert story.passes(10 * SECOND).sent == ["start", "restart"]


def test_an_end_of_a_session_that_nobody_told_of_counts_as_an_interruption() -> None:
    story = Story().unpublish().start().answer(AlreadyStarted())

    assert story.passes(10 * SECOND).sent == ["start", "restart"]


def test_a_restart_that_gave_way_to_a_start_proves_that_start_in_its_turn() -> None:
    story = Story().unpublish().start().answer(AlreadyStarted()).passes(10 * SECOND)
    story.publish(story.now - 15 * SECOND).answer(Throttled()).answer(AlreadyStarted())

    assert story.passes(10 * SECOND).sent == ["start", "restart", "start", "restart"]


def test_an_answer_that_comes_after_the_merge_delay_speaks_of_when_it_was_asked_for() -> None:
    story = Story().start().answer().stop().answer().passes(178 * SECOND)
    story.start().passes(5 * SECOND).answer(AlreadyStarted())

    assert story.passes(10 * SECOND).sent == ["start", "stop", "start", "restart"]
