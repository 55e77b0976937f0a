"""What the protocol makes of Live's asking whether to record, and of its remarks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.protocol import (
    Event,
    FileFailed,
    Occurrence,
    Phase,
    Reason,
    RecordFailed,
    Remarked,
    Reported,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
)
from shared.protocol.command_errors import AlreadyStarted, StreamNotLive, Throttled
from shared.protocol.policy import OnInterruption
from shared.protocol.rules.on_demand import is_asked
from tests.conftest import KEY, NOON
from tests.support.stream_story import SECOND, Story, by_rule

RUNS = Reported("record_started", recording=True)


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


# --- an answer is no command --------------------------------------------------------------------


def test_a_report_from_before_the_publish_confirms_nothing() -> None:
    """Anybody may ask, and a report may be a replay: the session gets its start all the same."""
    story = Story(by_rule()).happens(RUNS).passes(2 * SECOND).publish()

    assert story.sent == ["start"]
    confirmation = story.answer().record.confirmation
    assert confirmation is not None
    assert not confirmation.is_confirmed


def test_where_live_records_on_our_yes_the_start_finds_it_so() -> None:
    story = Story(by_rule()).happens(RUNS).publish().answer(AlreadyStarted()).happens(RUNS)

    assert (story.sent, story.phase) == (["start"], Phase.RECORDING)
    assert story.passes(120 * SECOND).sent == ["start"]


def test_its_end_is_sent_a_stop() -> None:
    story = Story(by_rule(max_duration=20 * SECOND)).happens(RUNS).publish()

    assert story.answer(AlreadyStarted()).passes(20 * SECOND).sent == ["start", "stop"]


@pytest.mark.parametrize(
    "story", [Story(), Story().start().answer(StreamNotLive("StreamNotFound"))]
)
def test_a_stop_between_the_ask_and_the_publish_goes_out_again_at_the_publish(story: Story) -> None:
    """Live may record on our yes, and nobody has to know that it asked: it denied the stream when
    it was stopped, so that the stop is repeated once the stream is there."""
    story.stop().answer(StreamNotLive("StreamNotFound"))
    before = len(story.sent)

    assert story.passes(2 * SECOND).publish().sent[before:] == ["stop"]


def test_an_end_between_the_ask_and_the_publish_is_carried_out_at_the_publish() -> None:
    story = (
        Story()
        .happens(StartAsked("ann", until=NOON + 60 * SECOND))
        .answer(StreamNotLive("StreamNotFound"))
    )
    story.passes(60 * SECOND).answer(StreamNotLive("StreamNotFound"))
    before = len(story.sent)

    assert story.passes(2 * SECOND).publish().sent[before:] == ["stop"]


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


def test_terms_know_of_no_status_callbacks_at_first() -> None:
    assert not StreamSettings().status_known


# --- what the random histories found ------------------------------------------------------------

PAUSED = Reported("record_paused", recording=False)


@pytest.mark.parametrize(
    "event",
    [
        PAUSED,
        Reported("record_started", recording=True),
        RecordFailed("AccessDenied", "no"),
        FileFailed("transformat_error", "code", "message", "a.mp4"),
        Remarked(is_exception=True, what="1001"),
    ],
)
def test_a_report_about_a_stream_that_nobody_knows_leaves_nothing(event: Event) -> None:
    story = Story().happens(event)

    assert (story.record.is_blank, story.history) == (True, [])


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


def test_a_pattern_answers_for_a_stream_that_nothing_bars() -> None:
    show = Occurrence("show@1", "show", NOON, NOON, NOON + 9, NOON + 9, by_pattern=True)
    barred = StreamRecord(KEY, begun=(replace(show, is_over=True),))

    assert is_asked(StreamRecord(KEY), NOON, (show,)) is True
    assert is_asked(StreamRecord(KEY), NOON + 9, (show,)) is None
    assert is_asked(StreamRecord(KEY), NOON, (replace(show, is_over=True),)) is None
    assert is_asked(barred, NOON, (show,)) is None
