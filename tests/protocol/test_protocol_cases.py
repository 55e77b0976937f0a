"""The cases that a change of the protocol breaks first, each by its name, through `decide` and
`claim`; and that those a removed rule stands for fail without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.protocol import (
    CancelDelayAsked,
    Command,
    FileLeft,
    Phase,
    Published,
    Reason,
    RecordFailed,
    Reported,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamSettings,
    TimePassed,
    due_at,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
)
from shared.protocol.derived.explain import explain
from shared.protocol.derived.wrong import UNPROVED_MS, wrong_since
from tests.conftest import NOON
from tests.explorer.rules import RULES
from tests.support.stream_story import SECOND, Story, accepted, by_rule, recording

MINUTE = 60 * SECOND
HOUR_MS = 60 * MINUTE
RUNS = Reported("record_started", recording=True)
ALREADY = AlreadyStarted("TaskAlreadyStarted")
NOT_FOUND = StreamNotLive("StreamNotFound")
SLOWLY = Throttled("Throttling.User", retry_after=10 * SECOND)
KNOWN = StreamSettings(status_known=True)


# --- a start, where nothing says that the stream is live -----------------------------------------


def test_a_start_to_a_stream_never_seen_is_sent() -> None:
    assert Story().start().sent == ["start"]


def test_a_start_asked_after_the_session_ended_is_sent() -> None:
    story = recording().goes_off().stop().answer().start()

    assert story.record.is_off
    assert story.sent == ["start", "stop", "start"]


def test_a_start_asked_before_the_session_ended_is_not_sent_for_it() -> None:
    story = Story().publish().start().answer(Throttled("Throttling.User", retry_after=MINUTE))

    assert story.goes_off().passes(HOUR_MS).sent == ["start"]


# --- once more, in a session already started -----------------------------------------------------


def test_once_more_when_the_publish_time_is_learnt_late() -> None:
    story = Story().start().answer().publish(NOON + SECOND)

    assert (story.record.session_number, story.sent) == (1, ["start", "start"])


def test_not_once_more_when_an_accepted_start_is_clearly_later_than_that_publish() -> None:
    story = Story().start().answer(NOT_FOUND).passes(10 * SECOND).seen(NOON + SECOND).answer()

    assert story.publish(NOON + 2 * SECOND).sent == ["start", "start"]


def test_once_more_when_the_first_list_shows_a_publish_some_seconds_later() -> None:
    """The encoder has reconnected at once, and both callbacks about it were lost."""
    story = recording().confirm().passes(MINUTE).seen(NOON + 4 * SECOND)

    assert story.record.session_number == 1
    assert story.sent == ["start", "start"]
    story.answer(ALREADY).passes(10 * SECOND).seen(NOON + 4 * SECOND).passes(MINUTE)
    assert story.sent == ["start", "start"]


def test_not_once_more_when_the_two_times_differ_by_rounding() -> None:
    story = recording().confirm().passes(MINUTE).seen(NOON + SECOND)

    assert story.sent == ["start"]


def test_not_once_more_when_a_list_has_shown_that_publish_before() -> None:
    story = recording().confirm().passes(MINUTE).seen(NOON).passes(MINUTE)

    assert story.seen(NOON + 4 * SECOND).sent == ["start"]


def test_not_once_more_when_a_report_is_later_than_that_publish() -> None:
    story = recording().happens(Reported("record_started", recording=True, time=NOON + 5 * SECOND))

    assert story.passes(MINUTE).seen(NOON + 4 * SECOND).sent == ["start"]


def test_an_error_that_may_be_replayed_fails_no_session_that_a_poll_has_to_show() -> None:
    story = Story(by_rule()).happens(Published(NOON, needs_poll=True))
    story.happens(RecordFailed("RecordError", "", None)).passes(5 * SECOND).seen(NOON)

    assert not story.record.has_failed
    assert story.sent == ["start"]


def test_once_more_when_the_stream_is_present_after_ending() -> None:
    story = recording().unpublish().passes(5 * SECOND).seen(NOON)

    assert (story.record.is_started, story.sent) == (True, ["start", "start"])


def test_once_more_when_the_stream_is_present_after_stream_not_found() -> None:
    story = Story(KNOWN).publish().start().answer()
    story.passes(MINUTE).answer(NOT_FOUND).passes(SECOND).seen(NOON)

    assert (story.record.is_started, story.sent) == (True, ["start", "start", "start"])


def test_once_more_after_a_lost_restart_when_no_pause_can_last() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt())

    assert story.passes(MINUTE + 3 * MINUTE - 1).sent == ["start", "restart"]
    assert story.passes(1).sent == ["start", "restart", "start"]


def test_a_new_session_whose_start_a_lost_restart_replaced_is_started_at_once() -> None:
    story = recording().happens(RestartAsked("ann")).answer(SLOWLY)
    story.unpublish().passes(SECOND).publish().passes(9 * SECOND)
    assert story.sent == ["start", "restart", "restart"]

    story.now += HOUR_MS  # nothing was handled meanwhile: its lease and its doubt are over
    assert story.happens(TimePassed()).sent == ["start", "restart", "restart", "start"]


def test_once_more_at_the_end_of_a_doubt() -> None:
    story = recording().stop().answer(InDoubt()).start().answer()
    story.happens(Reported("record_started", recording=True, time=NOON))

    assert story.passes(MINUTE - 1).sent == ["start", "stop", "start"]
    assert story.passes(1).sent == ["start", "stop", "start", "start"]


def test_an_early_reassertion_does_not_replace_the_one_at_the_end_of_the_doubt() -> None:
    story = Story().publish().start().answer(InDoubt()).stop().answer().happens(RUNS).answer()
    assert story.sent == ["start", "stop", "stop"]

    assert story.passes(MINUTE).sent == ["start", "stop", "stop", "stop"]


def test_an_early_reassertion_that_waits_until_the_doubt_ends_is_sent_after_that_end() -> None:
    story = Story().publish().start().answer(InDoubt()).stop().answer()
    story.lane_is_free = False
    story.happens(RUNS).passes(MINUTE)
    assert story.sent == ["start", "stop"]

    story.lane_is_free = True
    assert story.happens(TimePassed()).answer().passes(HOUR_MS).sent == ["start", "stop", "stop"]


# --- what confirms -------------------------------------------------------------------------------


def test_record_started_before_the_answer_of_the_start_is_stored_confirms_it() -> None:
    story = Story(KNOWN).publish().start().happens(RUNS).answer()

    assert story.record.confirmation is not None
    assert story.record.confirmation.is_confirmed
    assert story.passes(HOUR_MS).sent == ["start"]


def test_a_start_accepted_after_an_interruption_is_shown_by_the_next_answer() -> None:
    story = Story(by_rule()).happens(Published(NOON, needs_poll=True)).passes(SECOND)
    story.seen(NOON).passes(SECOND).answer()

    story.passes(MINUTE).answer(ALREADY)

    assert story.sent == ["start", "start"]
    assert story.phase is Phase.RECORDING


def test_an_older_report_that_is_read_back_does_not_undo_a_pause() -> None:
    story = accepted().passes(MINUTE - SECOND)
    story.happens(Reported("record_paused", recording=False))

    story.happens(Reported("record_started", recording=True, time=NOON + SECOND))

    assert story.phase is not Phase.RECORDING
    assert Reason.REPORTED_LATE in story.reasons
    assert story.passes(SECOND).sent == ["start", "start"]


def test_an_error_that_comes_after_the_session_has_ended_fails_nothing() -> None:
    story = Story().publish().passes(MINUTE).start().answer(NOT_FOUND)
    story.passes(5 * SECOND).missed().passes(10 * SECOND).missed()

    story.happens(RecordFailed("RecordError", "", None))

    assert story.phase is Phase.WAITING
    assert Reason.RECORD_ERROR in story.reasons


def test_no_restart_replaces_a_stop_that_waits_behind_a_restart() -> None:
    story = recording().happens(RestartAsked("ann")).stop()

    assert story.happens(RestartAsked("ann")).refused is Reason.NOT_WANTED
    assert story.answer().sent == ["start", "restart", "stop"]


def test_an_intent_that_never_got_a_place_ends_with_the_stop_that_was_in_doubt_before_it() -> None:
    story = recording().stop().answer(InDoubt())
    story.lane_is_free = False
    story.happens(StartAsked("ann", until=story.now + 10 * MINUTE)).passes(11 * MINUTE)

    story.lane_is_free = True

    assert story.happens(TimePassed()).sent == ["start", "stop", "stop"]


def test_an_error_that_comes_before_the_answer_keeps_its_code() -> None:
    denied = RecordFailed("AccessDenied", "denied")
    story = accepted().happens(denied)

    for _ in range(2):
        story.passes(1).happens(denied).answer()

    failure = story.record.failure
    assert failure is not None
    assert (failure.code, failure.message) == ("AccessDenied", "denied")


def adopted() -> Story:
    """Return a story of a start so soon after a stop that Live answers TaskAlreadyStarted: the
    recording may be paused."""
    return recording().stop().answer().start().answer(ALREADY)


def test_an_unconfirmed_start_is_repeated_until_live_shows_that_it_records() -> None:
    story = accepted(KNOWN)
    for minutes in (1, 2, 4, 5, 5):
        story.passes(minutes * MINUTE - SECOND)
        assert story.record.flight is None
        story.passes(SECOND).answer()

    story.passes(5 * MINUTE).answer(ALREADY)

    assert story.phase is Phase.RECORDING
    assert story.passes(HOUR_MS).sent == ["start"] * 7


def test_a_start_that_live_accepts_again_shows_that_nothing_was_recorded_since_the_first() -> None:
    story = accepted(KNOWN)
    assert wrong_since(story.record) == NOON + UNPROVED_MS

    story.passes(MINUTE).answer()

    assert wrong_since(story.record) == NOON
    assert wrong_since(story.confirm().record) is None


def test_a_stream_that_waits_for_its_start_is_not_lost_while_live_reports_that_it_records() -> None:
    story = Story(by_rule())
    story.lane_is_free = False
    story.publish().passes(SECOND)
    assert wrong_since(story.record) == NOON

    assert wrong_since(story.happens(RUNS).record) is None


def test_nor_is_one_that_an_earlier_session_was_recorded_of() -> None:
    story = recording().goes_off()
    story.lane_is_free = False
    story.passes(MINUTE).publish().passes(SECOND)
    assert wrong_since(story.record) is not None

    assert wrong_since(story.happens(RUNS).record) is None


def test_a_session_whose_start_is_refused_after_an_interruption_has_failed_and_says_why() -> None:
    story = adopted().passes(5 * SECOND).unpublish().passes(6 * SECOND).seen(NOON)
    story.answer(NoRecordConfig("CodeConfigNotFound"))

    assert story.phase is Phase.FAILED
    assert explain(story.record, story.now, story.settings).code is Reason.NO_RECORD_CONFIG


def test_a_refused_repeat_is_retried_until_live_shows_that_it_records() -> None:
    story = accepted().passes(MINUTE).answer(NoRecordConfig("CodeConfigNotFound"))
    assert story.record.awaits_proof

    story.passes(15 * SECOND).answer(NoRecordConfig("CodeConfigNotFound"))
    story.passes(30 * SECOND).answer(ALREADY)

    assert story.phase is Phase.RECORDING
    assert story.passes(HOUR_MS).sent == ["start"] * 4


def test_a_file_that_ends_ahead_of_the_store_s_clock_proves_nothing() -> None:
    """The two clocks differ, so that nobody can tell what it is older than."""
    story = adopted().happens(FileLeft("a.flv", NOON, NOON + 900 * SECOND))

    assert story.record.awaits_proof


def test_a_start_that_shows_a_recording_leaves_the_session_no_second_restart() -> None:
    story = adopted().passes(10 * SECOND).answer().passes(MINUTE).answer(ALREADY)
    assert story.phase is Phase.RECORDING

    story.unpublish().passes(5 * SECOND).seen(NOON).answer(ALREADY).passes(3 * MINUTE)

    assert story.sent.count("restart") == 1


def test_a_restart_that_may_still_land_leaves_the_proof_to_a_later_start() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).happens(RUNS)
    story.stop().answer().start().answer(ALREADY).passes(10 * SECOND)
    assert "restart" not in story.sent[2:]

    story.passes(3 * MINUTE).answer(ALREADY)

    assert story.phase is Phase.RECORDING


def test_a_late_report_of_before_the_start_leaves_its_proof_to_the_end_of_that_doubt() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).passes(10 * SECOND)
    story.happens(Reported("record_paused", recording=False))
    story.unpublish().passes(5 * SECOND).seen(NOON).answer(ALREADY).passes(11 * SECOND)
    assert story.sent == ["start", "restart", "start"]

    story.happens(Reported("record_started", recording=True, time=NOON + 11 * SECOND))
    story.passes(4 * MINUTE).answer(ALREADY)

    assert story.phase is Phase.RECORDING


def test_another_start_or_restart_that_live_accepts_shows_nothing_of_the_one_before() -> None:
    split = accepted().passes(SECOND).happens(RestartAsked("ann")).answer()
    assert wrong_since(split.record) == split.now + UNPROVED_MS

    returned = accepted().passes(SECOND).unpublish().passes(5 * SECOND).seen(NOON).answer()
    assert wrong_since(returned.record) == returned.now + UNPROVED_MS


def test_a_start_that_is_accepted_after_an_error_shows_nothing_of_before_the_error() -> None:
    story = recording(KNOWN).passes(HOUR_MS).happens(RecordFailed("BucketNotFound", "", None))

    story.answer()

    assert wrong_since(story.record) == story.now + UNPROVED_MS


def test_a_restart_that_nobody_reports_on_is_proved_by_a_start() -> None:
    story = adopted().passes(10 * SECOND).answer()
    assert story.sent[-1] == "restart"

    story.passes(MINUTE).answer(ALREADY)

    assert story.phase is Phase.RECORDING


def test_an_adopted_start_is_restarted_once_a_session() -> None:
    story = adopted().passes(10 * SECOND).answer().unpublish().passes(5 * SECOND).seen(NOON)
    story.answer(ALREADY).passes(2 * MINUTE)
    assert story.sent.count("restart") == 1

    story.unpublish().passes(SECOND).publish().answer(ALREADY).passes(10 * SECOND)
    assert story.sent.count("restart") == 2


def test_a_start_that_shows_the_recording_allows_no_second_restart() -> None:
    story = adopted().passes(10 * SECOND).answer().passes(MINUTE).answer(ALREADY)
    assert story.sent.count("restart") == 1

    story.unpublish().passes(5 * SECOND).seen(NOON).answer(ALREADY).passes(2 * MINUTE)
    assert story.sent.count("restart") == 1


def test_a_stop_that_may_have_landed_after_a_start_was_sent_leaves_the_recording_unproved() -> None:
    story = accepted().stop().answer(InDoubt()).passes(SECOND).answer()
    story.passes(58 * SECOND).start().passes(7 * SECOND).answer().answer(ALREADY)
    assert story.sent == ["start", "stop", "stop", "start", "start"]

    assert story.phase is Phase.STARTING
    assert story.record.confirmation is not None
    assert story.record.confirmation.check_at is not None


def test_what_a_doubtful_stop_may_have_paused_is_restarted_anew() -> None:
    story = accepted().stop().answer(InDoubt()).start()
    story.answer(ALREADY).passes(10 * SECOND).answer()
    assert story.sent == ["start", "stop", "start", "restart"]

    story.passes(50 * SECOND).answer(ALREADY).passes(10 * SECOND)
    assert story.sent[4:] == ["start", "restart"]


def test_an_adopted_start_with_a_report_without_a_time_is_confirmed_and_proved_by_one_start() -> (
    None
):
    story = adopted().happens(RUNS)
    assert story.record.confirmation is not None
    assert story.record.confirmation.is_confirmed

    assert story.passes(3 * MINUTE).answer(ALREADY).sent == ["start", "stop", "start", "start"]
    assert story.passes(HOUR_MS).sent == ["start", "stop", "start", "start"]


# --- stop, restart, cancel_delay -----------------------------------------------------------------


def test_a_stop_is_never_derived_from_unwanted_and_recording() -> None:
    story = Story().publish().happens(RUNS).seen(NOON).passes(HOUR_MS)
    story.unpublish().passes(SECOND).publish().happens(RUNS).happens(TimePassed())

    assert (story.phase, story.sent) == (Phase.UNMANAGED, [])


def test_a_stop_is_not_derived_for_what_was_stopped_and_runs_again_either() -> None:
    story = recording().stop().answer().pauses().passes(5 * MINUTE).happens(RUNS).passes(HOUR_MS)

    assert (story.phase, story.sent) == (Phase.UNMANAGED, ["start", "stop"])


def test_a_stop_answered_stream_not_found_is_repeated_once_within_the_merge_delay() -> None:
    story = recording().stop().answer(NOT_FOUND).passes(MINUTE).publish()
    assert story.sent == ["start", "stop", "stop"]

    assert story.answer().passes(SECOND).publish().passes(HOUR_MS).sent[3:] == []


def test_such_a_stop_is_not_repeated_after_the_merge_delay() -> None:
    story = recording().stop().answer(NOT_FOUND).passes(3 * MINUTE).publish()

    assert story.sent == ["start", "stop"]


def test_a_restart_is_sent_at_most_once() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).passes(HOUR_MS)

    assert story.sent.count("restart") == 1


def test_a_pending_restart_suppresses_a_start() -> None:
    story = recording().happens(RestartAsked("ann")).answer(SLOWLY)
    story.unpublish().passes(SECOND).publish()
    assert story.record.pending is not None
    assert story.record.pending.command is Command.RESTART

    assert story.passes(10 * SECOND).answer().sent == ["start", "restart", "restart"]


def test_a_cancel_delay_is_bound_to_its_generation() -> None:
    story = recording().stop().answer().passes(SECOND).happens(CancelDelayAsked("ann")).start()
    story.answer(SLOWLY).answer().confirm().passes(MINUTE).answer(ALREADY).passes(HOUR_MS)

    assert story.sent == ["start", "stop", "cancel_delay", "start", "start"]


def test_finalize_asks_for_the_file_once_its_stop_is_over() -> None:
    story = recording().happens(StopAsked("ann", finalize=True)).answer(NOT_FOUND).answer()

    assert story.passes(HOUR_MS).sent == ["start", "stop", "cancel_delay"]


# --- what a decision leaves as it is -------------------------------------------------------------


def test_since_does_not_change_with_each_decision() -> None:
    story = Story(by_rule())
    story.lane_is_free = False
    story.publish()
    for _ in range(3):
        story.now += SECOND
        story.seen(NOON).publish(NOON).happens(TimePassed())

    assert story.record.pending is not None
    assert story.record.pending.since == NOON


def test_since_is_that_of_the_first_attempt() -> None:
    story = recording().stop().passes(SECOND).answer(SLOWLY)
    assert story.record.pending is not None
    assert (story.record.pending.since, story.record.pending.attempts) == (NOON, 1)

    assert due_at(story.record) == NOON + 11 * SECOND


# --- what a failed session waits for -------------------------------------------------------------


def test_a_failed_session_is_started_by_the_next_one_alone() -> None:
    story = Story(by_rule()).publish().answer(NoRecordConfig("CodeConfigNotFound"))
    assert story.seen(NOON).passes(HOUR_MS).sent == ["start"]

    assert story.publish().sent == ["start", "start"]


def test_what_an_operator_has_to_fix_keeps_its_attempts() -> None:
    story = Story().publish().start().answer(OperatorActionNeeded("Forbidden.RAM"))
    story.passes(15 * SECOND).answer(OperatorActionNeeded("Forbidden.RAM"))

    assert story.record.pending is not None
    assert story.record.pending.not_before == story.now + 30 * SECOND


# --- and they can fail ---------------------------------------------------------------------------

NEEDS: dict[str, Callable[[], None]] = {
    "nothing starts what has ended": (
        test_a_start_asked_before_the_session_ended_is_not_sent_for_it
    ),
    "presence starts once more": test_once_more_when_the_stream_is_present_after_ending,
    "a refused start is checked": (
        test_once_more_when_the_stream_is_present_after_stream_not_found
    ),
    "reassert": test_once_more_at_the_end_of_a_doubt,
    "early re-assertion of a stop": (
        test_an_early_reassertion_does_not_replace_the_one_at_the_end_of_the_doubt
    ),
    "an early re-assertion does not end the doubt": (
        test_an_early_reassertion_does_not_replace_the_one_at_the_end_of_the_doubt
    ),
    "an unconfirmed start is repeated": (
        test_an_unconfirmed_start_is_repeated_until_live_shows_that_it_records
    ),
    "one restart for what is unproved": test_an_adopted_start_is_restarted_once_a_session,
    "adopted is unproved": test_an_adopted_start_is_restarted_once_a_session,
    "unmanaged is left alone": test_a_stop_is_never_derived_from_unwanted_and_recording,
    "a missed stop is repeated": (
        test_a_stop_answered_stream_not_found_is_repeated_once_within_the_merge_delay
    ),
    "restart at most once": test_a_restart_is_sent_at_most_once,
    "cancel_delay belongs to its intent": test_a_cancel_delay_is_bound_to_its_generation,
}


@pytest.mark.parametrize("rule", NEEDS)
def test_a_case_fails_without_its_rule(rule: str) -> None:
    with RULES[rule].removed(), pytest.raises(AssertionError):
        NEEDS[rule]()
