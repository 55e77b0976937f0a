"""What is said of a stream: it is true of the record, and it carries its age."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shared.protocol import Phase, Reason, Reported, StreamSettings
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    LiveError,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
)
from shared.protocol.derived.standing import Liveness, Standing, standing
from shared.protocol.events import RecordFailed
from tests.conftest import NOON
from tests.support.stream_story import RECORDS, SECOND, Story, accepted, recording

STARTED = Reported("record_started", recording=True)
PAUSED = Reported("record_paused", recording=False)
NO_CONFIG = NoRecordConfig("CodeConfigNotFound")
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def said(story: Story, listed_at: int | None = None) -> Standing:
    return standing(story.record, story.now, story.settings, listed_at=listed_at)


def test_a_recording_says_since_when_and_when_live_last_showed_it() -> None:
    story = recording().passes(SECOND).happens(STARTED).passes(MINUTE)
    found = said(story)

    assert (found.phase, found.is_confirmed, found.wrong) == (Phase.RECORDING, True, None)
    assert (found.since, found.shown_at) == (NOON, NOON + SECOND)
    assert found.reason.code is Reason.CONFIRMED


def test_an_accepted_start_is_no_recording_yet_and_no_loss_for_130_s() -> None:
    story = accepted(StreamSettings(status_known=True))
    assert (said(story).phase, said(story).reason.code) == (Phase.STARTING, Reason.ACCEPTED)
    assert said(story.passes(10 * SECOND)).reason.code is Reason.UNCONFIRMED
    story.now = NOON + 130 * SECOND - 1
    assert said(story).wrong is None
    story.now += 1

    assert said(story).wrong is not None


def test_where_no_report_is_known_to_come_a_second_start_shows_the_recording() -> None:
    story = accepted()
    assert said(story).next_attempt_at == NOON + MINUTE
    story.passes(MINUTE).answer(AlreadyStarted("TaskAlreadyStarted"))

    assert story.sent == ["start", "start"]
    assert (said(story).phase, said(story).reason.code) == (Phase.RECORDING, Reason.ALREADY)
    assert said(story).is_confirmed
    assert said(story.passes(10 * MINUTE)).wrong is None
    assert story.sent == ["start", "start"]


def test_a_pause_without_an_end_leads_to_one_start_when_no_pause_can_last() -> None:
    story = recording().passes(SECOND).happens(PAUSED)
    assert story.passes(3 * MINUTE - 1).sent == ["start"]
    assert story.passes(1).sent == ["start", "start"]
    story.answer(AlreadyStarted("TaskAlreadyStarted"))

    assert (said(story).phase, said(story).wrong) == (Phase.RECORDING, None)


@pytest.mark.parametrize("ends", [Story.unpublish, Story.missed])
def test_what_may_have_ended_is_recorded_no_more(ends: object) -> None:
    story = recording().happens(STARTED).passes(10 * SECOND)
    assert callable(ends)
    found = said(ends(story))

    assert (found.phase, found.is_confirmed, found.shown_at) == (Phase.WAITING, False, None)
    assert (found.live, found.live_at) == (Liveness.UNKNOWN, story.now)
    assert found.reason.code is Reason.MAY_HAVE_ENDED
    assert found.next_attempt_at == story.now + 5 * SECOND


def test_a_pause_that_live_reports_denies_the_recording() -> None:
    story = recording().happens(STARTED).passes(SECOND).happens(PAUSED)
    found = said(story)

    assert (found.phase, found.reason.code) == (Phase.WAITING, Reason.PAUSED)
    assert found.wrong is not None
    assert found.wrong.since == story.now


def test_a_report_that_it_records_ends_the_denial() -> None:
    story = recording().passes(SECOND).happens(PAUSED).passes(SECOND).happens(STARTED)

    assert (said(story).phase, said(story).wrong) == (Phase.RECORDING, None)


def test_what_cannot_be_polled_for_a_minute_is_wrong() -> None:
    story = recording().happens(STARTED).passes(SECOND).unpublish()
    story.now += MINUTE - 1
    assert said(story).wrong is None
    story.now += SECOND
    wrong = said(story).wrong

    assert wrong is not None
    assert wrong.reason.code is Reason.MAY_HAVE_ENDED


def test_a_throttled_start_says_its_cause_and_its_next_attempt() -> None:
    story = Story().publish().start().answer(Throttled("Throttling.User"))
    story.now += 300
    found = said(story)

    assert found.wrong is not None
    assert (found.wrong.since, found.wrong.reason.code) == (NOON, Reason.THROTTLED)
    assert (found.next_attempt_at, found.attempts) == (NOON + 500, 1)


@pytest.mark.parametrize(
    "refusal", [Throttled(), OperatorActionNeeded(), NO_CONFIG, StreamNotLive()]
)
def test_a_late_report_is_no_recording_while_every_start_is_refused(refusal: LiveError) -> None:
    story = Story().publish().start().answer(refusal)
    story.now += 300
    found = said(story.happens(STARTED))

    assert (found.phase is Phase.RECORDING, found.is_confirmed) == (False, False)
    assert found.wrong is not None
    assert found.wrong.since == NOON


def test_a_report_with_a_time_of_this_session_is_a_recording_though_the_start_was_refused() -> None:
    """Whether Live gives a time is UNCONFIRMED."""
    story = Story().publish().start().answer(Throttled())
    story.now += 300
    dated = Reported("record_started", recording=True, time=NOON + 200)

    assert said(story.happens(dated)).wrong is None


def test_a_report_is_a_recording_if_the_answer_to_a_start_was_lost() -> None:
    story = Story().publish().start().answer(InDoubt())
    story.now += 300

    assert said(story.happens(STARTED)).wrong is None


def test_while_a_start_is_sent_once_more_the_cause_is_the_last_answer() -> None:
    story = Story().publish().start().answer(Throttled("Throttling.User")).passes(500)
    found = said(story)

    assert (found.reason.code, found.next_attempt_at) == (Reason.SENT, None)
    assert found.wrong is not None
    assert found.wrong.reason.code is Reason.THROTTLED


def test_a_stage_that_observes_loses_what_its_rule_records() -> None:
    found = said(Story(StreamSettings(rule=RECORDS, observe=True)).publish())

    assert found.wrong is not None
    assert (found.phase, found.wrong.reason.code) == (Phase.WAITING, Reason.OBSERVED)


def test_a_second_request_does_not_reset_what_was_lost() -> None:
    story = Story().publish().start().answer(Throttled("Throttling.User"))
    story.now += 400
    story.start("bea")
    wrong = said(story).wrong

    assert wrong is not None
    assert wrong.since == NOON


def test_a_second_request_after_a_refusal_does_not_reset_what_was_lost() -> None:
    story = Story().publish().start().answer(NO_CONFIG).passes(10 * MINUTE)
    story.start("bea").answer(NO_CONFIG).passes(MINUTE)
    wrong = said(story).wrong

    assert story.record.has_failed
    assert wrong is not None
    assert wrong.since == NOON


def test_what_was_recorded_before_an_error_is_not_lost() -> None:
    story = recording().passes(60 * MINUTE)
    failed_at = story.now
    while not story.record.has_failed:
        story.happens(RecordFailed("BucketNotFound", "no such bucket")).passes(SECOND)
        if story.record.flight:
            story.answer().passes(SECOND)
    wrong = said(story).wrong

    assert wrong is not None
    assert wrong.since == failed_at


def test_a_later_error_does_not_restart_the_time_that_is_lost() -> None:
    story = recording(StreamSettings(status_known=True)).passes(60 * MINUTE)
    for after in range(3):
        story.happens(RecordFailed("BucketNotFound", "no such bucket")).passes(SECOND)
        wrong = said(story).wrong

        assert wrong is not None
        assert wrong.since == NOON + 60 * MINUTE, after
        if story.record.flight:
            story.answer().passes(14 * SECOND)


def test_what_an_error_denies_is_lost_since_live_accepted_its_start() -> None:
    story = accepted().passes(5 * SECOND).happens(RecordFailed("BucketNotFound", ""))
    wrong = said(story).wrong

    assert wrong is not None
    assert wrong.since == NOON


def test_nobody_knows_of_a_stream_that_was_never_seen_until_the_list_was_read() -> None:
    story = Story().start()

    assert (said(story).live, said(story).live_at) == (Liveness.UNKNOWN, None)
    assert (said(story, NOON).live, said(story, NOON).live_at) == (Liveness.NO, NOON)


def test_a_list_that_shows_nothing_new_makes_the_knowledge_as_young_as_itself() -> None:
    story = recording().passes(MINUTE)
    found = said(story, NOON + 50 * SECOND)

    assert (found.live, found.live_at) == (Liveness.YES, NOON + 50 * SECOND)


def test_what_went_off_is_not_wrong() -> None:
    found = said(recording().goes_off())

    assert (found.phase, found.live, found.wrong) == (Phase.WAITING, Liveness.NO, None)
    assert found.reason.code is Reason.NOT_LIVE


def test_a_belief_that_no_list_has_checked_for_two_minutes_carries_its_age() -> None:
    story = recording().passes(10 * MINUTE)
    assert said(story, story.now - 2 * MINUTE).reason.code is Reason.CONFIRMED
    found = said(story, story.now - 3 * MINUTE).reason

    assert (found.code, found.about) == (
        Reason.RECORDED_UNCHECKED,
        {"ago": "10m", "unread": "3m"},
    )
    gone = said(recording().goes_off().passes(HOUR), NOON).reason
    assert gone.code is Reason.NOT_LIVE_UNCHECKED


def test_a_belief_from_before_the_clock_was_set_back_has_no_age() -> None:
    story = recording()
    shown_at = said(story).shown_at
    story.now -= SECOND
    assert said(story).shown_at == shown_at is not None

    story.now -= 10 * MINUTE
    found = said(story)
    assert (found.phase, found.shown_at) == (Phase.RECORDING, None)
    assert found.reason.code is Reason.RECORDED_AGE_UNKNOWN


# --- Live answers StreamNotFound for what the online list shows


NOT_FOUND = StreamNotLive("StreamNotFound")


def contradicted() -> Story:
    """Wanted, live for long enough, and refused once; then the list shows it."""
    story = Story().publish().passes(MINUTE).start().answer(NOT_FOUND)
    return story.passes(5 * SECOND).seen(NOON)


def test_a_contradiction_between_list_and_start_is_named() -> None:
    story = contradicted().answer(NOT_FOUND)
    wrong = said(story).wrong

    assert wrong is not None
    assert wrong.reason.code is said(story).reason.code is Reason.LISTED_NOT_FOUND
    assert said(story).live is Liveness.YES


def test_the_distance_between_contradicted_starts_grows_to_a_minute() -> None:
    story, sent_at = contradicted(), list[int]()
    for _ in range(7):
        sent_at.append(story.now)
        story.answer(NOT_FOUND)
        story.passes((said(story).next_attempt_at or story.now) - story.now)
    apart = [(b - a) // SECOND for a, b in pairwise(sent_at)]

    assert apart == [5, 10, 20, 40, 60, 60]


def test_a_new_publish_starts_at_once_after_a_contradiction() -> None:
    story = contradicted().answer(NOT_FOUND).answer_when_due(NOT_FOUND).answer_when_due(NOT_FOUND)
    before = len(story.sent)

    assert len(story.publish().sent) == before + 1


def test_repeats_of_an_answer_are_lines_that_the_store_counts_as_one() -> None:
    story = contradicted().answer(NOT_FOUND)
    before = len(story.history)
    for _ in range(5):
        story.answer_when_due(NOT_FOUND)

    assert len({(line.code, str(line.about)) for line in story.history[before:]}) == 1
