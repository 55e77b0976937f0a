"""Live may accept a stop and record on. What shows the end, when the stop goes out again, and what
people read meanwhile."""

from __future__ import annotations

import pytest

from shared.protocol import Command, FileLeft, Phase, Reason, Reported, StopAsked, StreamSettings
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    LiveError,
    StreamNotLive,
    UnknownRejection,
)
from shared.protocol.derived.due_times import command_priority
from shared.protocol.derived.explain import explain
from shared.protocol.derived.standing import standing
from shared.protocol.derived.wrong import stopping_since
from shared.protocol.events import HOUR_MS
from tests.conftest import NOON
from tests.support.stream_story import SECOND, Story, accepted, recording

MINUTE = 60_000
RUNS = Reported("record_started", recording=True)


def why(story: Story) -> Reason:
    return explain(story.record, story.now, story.settings).code


def swallowed() -> Story:
    """Return a story in which Live has reported the recording, and then accepted a stop."""
    return recording().passes(MINUTE).stop().answer()


def test_a_stop_whose_end_live_reports_is_sent_once() -> None:
    story = swallowed().passes(SECOND).pauses().passes(HOUR_MS)

    assert story.sent == ["start", "stop"]
    assert (story.phase, why(story)) == (Phase.IDLE, Reason.HELD)


def test_a_stop_whose_end_live_does_not_report_is_sent_again_after_a_minute() -> None:
    story = swallowed().passes(MINUTE)
    assert story.sent == ["start", "stop", "stop"]

    assert story.answer().pauses().passes(HOUR_MS).sent == ["start", "stop", "stop"]
    assert story.phase is Phase.IDLE


def test_such_stops_go_out_with_growing_distance_and_then_no_more() -> None:
    story = swallowed()
    for minutes in (1, 2, 4):
        story.passes(minutes * MINUTE - SECOND)
        assert story.record.flight is None
        story.passes(SECOND).answer()

    assert story.passes(HOUR_MS).sent == ["start"] + ["stop"] * 4
    assert story.phase is Phase.STOPPING
    assert story.record.is_at_rest  # it can be forgotten


@pytest.mark.parametrize("answer", [UnknownRejection("CodeTaskNotExist"), StreamNotLive()])
def test_any_other_answer_shows_the_end(answer: LiveError) -> None:
    story = swallowed().passes(MINUTE).answer(answer).passes(HOUR_MS)

    assert (story.phase, story.sent) == (Phase.IDLE, ["start", "stop", "stop"])


def test_the_end_of_the_session_ends_the_recording() -> None:
    assert swallowed().goes_off().passes(HOUR_MS).sent == ["start", "stop"]


def test_a_report_that_comes_before_the_answer_shows_the_end() -> None:
    story = recording().stop().pauses().answer().passes(HOUR_MS)

    assert story.sent == ["start", "stop"]


def test_a_report_that_comes_late_takes_the_second_stop_back() -> None:
    story = swallowed()
    story.lane_is_free = False
    story.passes(MINUTE)
    assert story.record.pending is not None

    story.pauses()
    assert story.record.pending is None


def test_a_file_that_ends_with_the_stop_shows_the_end() -> None:
    story = swallowed().passes(30 * SECOND)
    story.happens(FileLeft("a.mp4", NOON, NOON + MINUTE + SECOND)).passes(HOUR_MS)

    assert story.sent == ["start", "stop"]


def test_a_file_of_before_the_stop_shows_nothing() -> None:
    story = swallowed().happens(FileLeft("a.mp4", NOON, NOON + 30 * SECOND)).passes(MINUTE)

    assert story.sent == ["start", "stop", "stop"]


def test_a_file_that_goes_on_after_the_stop_shows_that_live_records_on() -> None:
    story = accepted().passes(30 * SECOND).stop().answer().passes(5 * MINUTE)
    assert story.sent == ["start", "stop"]  # Live has reported nothing, maybe it never does

    story.happens(FileLeft("a.mp4", NOON, NOON + 5 * MINUTE))
    assert story.sent == ["start", "stop", "stop"]


def test_a_file_that_began_after_the_stop_is_of_another_recording() -> None:
    story = accepted().stop().answer().passes(5 * MINUTE)

    assert story.happens(FileLeft("a.mp4", NOON + MINUTE, story.now)).sent == ["start", "stop"]


def test_a_stop_of_what_live_never_reported_is_not_sent_again_and_says_so() -> None:
    """Where no reports come, every stop would be sent twice, and the second one might end what
    somebody else has begun."""
    story = accepted().passes(MINUTE).answer().stop().answer().passes(9 * SECOND)
    assert why(story) is Reason.HELD

    story.passes(SECOND)
    assert (story.phase, why(story)) == (Phase.IDLE, Reason.END_UNREPORTED)
    assert story.passes(HOUR_MS).sent.count("stop") == 1


def test_a_report_of_the_recording_that_comes_after_the_stop_makes_its_end_awaited() -> None:
    story = accepted().stop().answer().passes(SECOND).confirm()

    assert story.passes(MINUTE).sent == ["start", "stop", "stop"]


def test_a_second_report_of_a_recording_may_be_of_what_somebody_else_records() -> None:
    story = swallowed().passes(SECOND).happens(RUNS).passes(HOUR_MS)

    assert story.sent == ["start", "stop"]


def test_a_new_start_ends_the_check() -> None:
    story = swallowed().passes(SECOND).start().answer().confirm()
    story.passes(MINUTE).answer(AlreadyStarted("TaskAlreadyStarted")).passes(HOUR_MS)

    assert story.sent == ["start", "stop", "start", "start"]  # the last one proves the report


def test_a_second_stop_of_what_is_paused_awaits_nothing() -> None:
    story = swallowed().pauses().passes(SECOND).stop().answer().passes(HOUR_MS)

    assert story.sent == ["start", "stop", "stop"]
    assert story.record.stop_check is None


def test_a_second_stop_of_a_person_goes_on_with_the_check() -> None:
    story = swallowed().passes(SECOND).stop().answer()

    assert story.passes(2 * MINUTE).sent == ["start", "stop", "stop", "stop"]


def test_a_finalized_stop_is_followed_by_its_cancel_delay_again() -> None:
    story = recording().happens(StopAsked("ann", finalize=True)).answer().answer().passes(MINUTE)

    assert story.answer().sent == ["start", "stop", "cancel_delay", "stop", "cancel_delay"]


def test_a_check_waits_while_another_command_is_under_way() -> None:
    story = recording().happens(StopAsked("ann", finalize=True)).answer()
    story.passes(MINUTE)  # nobody answers the cancel_delay, which goes out again and again

    assert story.sent.count("stop") == 1


def test_a_stop_that_was_in_doubt_is_checked_like_any_other() -> None:
    story = recording().stop().answer(InDoubt()).passes(SECOND).answer()

    assert story.passes(MINUTE).sent == ["start", "stop", "stop", "stop"]


def test_people_read_when_the_stop_was_accepted_and_when_it_goes_out_again() -> None:
    story = swallowed()
    accepted_at = story.now
    assert why(story.passes(10 * SECOND)) is Reason.END_UNREPORTED
    assert standing(story.record, story.now, story.settings).next_attempt_at == (
        accepted_at + MINUTE
    )

    story.passes(50 * SECOND).answer()
    assert (story.phase, why(story)) == (Phase.IDLE, Reason.END_UNREPORTED)

    story.passes(2 * MINUTE).answer()
    shown = standing(story.record, story.now, story.settings)
    assert (shown.phase, shown.since, shown.attempts) == (Phase.STOPPING, accepted_at, 2)
    assert stopping_since(story.record) == accepted_at
    assert why(story) is Reason.END_UNREPORTED


def test_a_stop_that_goes_out_again_goes_last() -> None:
    story = swallowed()
    story.lane_is_free = False
    story.passes(MINUTE)
    pending = story.record.pending

    assert pending is not None
    assert (pending.command, pending.reason) == (Command.STOP, Reason.END_UNREPORTED)
    assert command_priority(story.record) > command_priority(accepted().record)


def test_a_stage_that_observes_sends_no_stop_again() -> None:
    story = swallowed()
    story.settings = StreamSettings(observe=True)

    assert story.passes(HOUR_MS).sent == ["start", "stop"]
    assert not story.record.intent.unsent_stop
