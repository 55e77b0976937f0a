"""When a stream is forgotten, and when it is not."""

from __future__ import annotations

import pytest

from shared.protocol import (
    CommandSettled,
    FileLeft,
    Polled,
    Reason,
    Remarked,
    Reported,
    StartAsked,
    StopAsked,
    StreamRecord,
    TimePassed,
    command_priority,
    due_at,
)
from shared.protocol.command_errors import InDoubt, LiveError, NoRecordConfig, StreamNotLive
from shared.protocol.continuity import Continuity
from shared.protocol.state.intent import IdempotencyKey
from tests.conftest import KEY
from tests.support.stream_story import OK, SECOND, Story, by_rule, recording

MINUTE, DAY = 60 * SECOND, 24 * 3600 * SECOND
KEEP = 30 * DAY
BLANK = StreamRecord(KEY)
NO_CONFIG = NoRecordConfig("CodeConfigNotFound")
NOT_FOUND = StreamNotLive("StreamNotFound")


def over() -> Story:
    """Return a stream that was recorded, was stopped, and has gone."""
    story = recording().stop().answer()
    return story.goes_off()


def test_a_stream_is_forgotten_thirty_days_after_the_last_change() -> None:
    story = over()
    changed_at = story.record.changed_at

    assert due_at(story.record) == changed_at + KEEP
    story.passes(KEEP - 1 * DAY)
    assert story.record.changed_at == changed_at
    story.passes(1 * DAY)

    assert story.record == BLANK
    assert story.reasons[-1] is Reason.FORGOTTEN
    assert due_at(BLANK) is None


def test_a_stream_that_nobody_wanted_is_forgotten_too() -> None:
    assert Story().publish().goes_off().passes(KEEP + DAY).record == BLANK


@pytest.mark.parametrize("answer", [NO_CONFIG, NOT_FOUND])
def test_a_stream_of_a_rule_that_live_never_recorded_is_forgotten_too(answer: LiveError) -> None:
    """Nothing ended the rule's intent: only an accepted start has an end."""
    story = Story(by_rule()).publish().answer(answer).goes_off()
    assert story.record.intent.wanted
    story.passes(DAY)
    assert story.record.intent.reason is Reason.NEVER_RECORDED

    story.answer(NOT_FOUND).passes(MINUTE)
    assert story.passes(KEEP).record == BLANK


def test_what_a_person_wants_is_kept_until_the_stream_comes() -> None:
    story = Story().start().publish().answer(NO_CONFIG).goes_off().passes(KEEP + DAY)

    assert story.record.intent.wanted


def test_what_happens_meanwhile_puts_it_off() -> None:
    story = over().passes(20 * DAY)
    story.publish().goes_off().passes(20 * DAY)

    assert story.record.session_number == 2
    assert story.passes(11 * DAY).record == BLANK


def test_a_file_is_kept_as_long_as_if_the_stream_had_just_gone() -> None:
    story = over().passes(20 * DAY)
    story.happens(FileLeft("a.mp4", story.now - DAY, story.now))

    assert story.passes(29 * DAY).record != BLANK
    assert story.passes(1 * DAY).record == BLANK


def test_a_stream_that_is_wanted_is_never_forgotten() -> None:
    story = Story().start().answer(StreamNotLive()).passes(400 * DAY)

    assert story.record.intent.wanted
    assert story.record.forget_at is None


def test_a_stream_that_is_being_recorded_is_never_forgotten() -> None:
    story = recording()

    assert due_at(story.record) == story.record.intent.until
    assert story.record.forget_at is None


def test_a_hold_outlasts_the_time() -> None:
    story = Story().publish()
    story.happens(StopAsked("ann", hold=90 * DAY)).answer().goes_off()

    assert story.passes(89 * DAY).record.held_at(story.now)
    assert story.passes(2 * DAY).record == BLANK


def test_an_idempotency_key_is_remembered_for_a_day_however_short_the_time_is() -> None:
    story = Story(by_rule())
    story.happens(StopAsked("ann", hold=1, idempotency_key=IdempotencyKey("k", "d"))).answer()
    (key,) = story.record.asked

    assert story.record.forget_at == story.record.changed_at + KEEP
    assert key.at + DAY <= story.record.forget_at


def test_a_command_in_doubt_keeps_the_record() -> None:
    story = recording().stop().answer(InDoubt())

    assert story.record.doubts
    assert story.record.forget_at is None


def test_a_stream_that_was_never_seen_is_polled_before_it_is_forgotten() -> None:
    story = Story().stop().answer().passes(KEEP)
    polls = story.polls

    story.passes(3 * DAY)
    assert story.polls == polls + 3
    assert story.record != BLANK
    assert story.missed().record == BLANK


def test_a_stream_that_was_never_seen_and_is_live_after_all_is_not_forgotten() -> None:
    story = Story().stop().answer().passes(KEEP)

    story.seen(story.now - 60 * SECOND)
    assert story.record.session is not None
    assert story.record.intent.generation == 1


def test_a_poll_of_before_the_time_proves_no_absence() -> None:
    story = Story().stop().answer().passes(KEEP)

    assert story.missed(asked_at=story.now - DAY).record != BLANK


def test_a_live_stream_that_nobody_polls_any_more_is_polled_and_then_forgotten() -> None:
    """Its domain is no longer in the policy, so that no online list shows that it has gone."""
    story = Story().publish().passes(KEEP)
    assert story.polls == 1

    story.missed().passes(5 * SECOND).missed().passes(10 * SECOND).missed()
    assert story.record.is_off
    assert story.passes(KEEP).record == BLANK


def test_a_longer_time_that_was_set_meanwhile_holds_for_what_is_there() -> None:
    story = over()
    story.settings = by_rule()
    story.settings = type(story.settings)(keep=60 * DAY)

    assert story.passes(59 * DAY).record != BLANK
    assert story.passes(2 * DAY).record == BLANK


def test_what_is_to_be_forgotten_goes_last() -> None:
    assert command_priority(over().record) > command_priority(Story().start().record)


@pytest.mark.parametrize(
    "event",
    [
        CommandSettled("flight-0", OK),
        Remarked(is_exception=True, what="StreamFrozen"),
        Polled(None, 0),
        TimePassed(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_late_changes_nothing_of_a_forgotten_stream(event: object) -> None:
    story = over().passes(KEEP)

    assert story.happens(event).record == BLANK  # type: ignore[arg-type] # one of the union


def test_what_comes_after_begins_anew() -> None:
    story = over().passes(KEEP)
    assert story.record == BLANK

    story.publish().happens(StartAsked("ann")).answer()
    assert story.record.intent.generation == 1
    assert story.record.session_number == 1
    story.happens(Reported("record_started", recording=True))
    assert story.record.confirmation is not None


def test_keys_leave_the_record_one_by_one() -> None:
    story = Story().stop().answer()
    for day in range(4):
        asked = StopAsked("ann", idempotency_key=IdempotencyKey(f"k{day}", "d"))
        story.happens(asked).answer().passes(DAY)

    assert len(story.record.asked) == 1
    assert story.publish().record.asked == ()


def test_a_clock_that_jumps_a_month_ahead_forgets_nothing_for_an_hour() -> None:
    story = over().passes(DAY)
    story.now += 40 * DAY
    story.continuity = Continuity(story.now, gap_from=story.now - 40 * DAY)

    story.happens(TimePassed())
    assert story.record != BLANK
    assert due_at(story.record) == story.now + 3600 * SECOND
    assert story.passes(3600 * SECOND).record == BLANK
