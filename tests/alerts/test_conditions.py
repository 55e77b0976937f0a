"""What is wrong with one stream, and since when: from its record alone."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from shared.alerts.condition import Condition
from shared.alerts.conditions import (
    UNVERIFIED_MS,
    ClosedReceiver,
    FailingTarget,
    Room,
    StageFacts,
    conditions,
    conditions_of_stage,
    live_at,
    scheduled_not_live,
    unmanaged,
    unverified,
)
from shared.protocol import (
    Occurrence,
    OccurrencesPlanned,
    Reported,
    StreamSettings,
    TimePassed,
)
from shared.protocol.command_errors import Throttled
from shared.protocol.durations import TIMER_SILENT_MS
from shared.protocol.events import HOUR_MS
from shared.protocol.policy import AlertSeverity
from shared.protocol.reason import Reason
from tests.conftest import KEY, NOON
from tests.support.stream_story import OK, RECORDS, Story

STATUS = StreamSettings(rule=RECORDS, status_known=True)


def of(story: Story, after_ms: int) -> list[Condition]:
    return list(conditions(story.record, story.settings, story.now + after_ms))


def test_a_stream_that_is_live_and_not_recorded_counts_after_20_s() -> None:
    story = Story(STATUS).publish()
    assert of(story, 19_999) == []
    (found,) = of(story, 20_000)
    assert (found.code, found.severity) == ("not_recorded", AlertSeverity.CRITICAL)
    assert (found.since, found.subject, found.stream) == (NOON, str(KEY), KEY)


def test_its_cause_is_what_live_answered_last() -> None:
    story = Story(STATUS).publish().answer(Throttled("Throttling", "too many"))
    (found,) = of(story, 60_000)
    assert found.cause is not None
    assert found.cause.code is Reason.THROTTLED


def test_a_start_that_live_accepted_and_shows_nothing_of_counts_after_60_s() -> None:
    story = Story(STATUS).publish().answer(OK)
    since = story.record.confirmation.at if story.record.confirmation else 0
    assert of(story, 59_999 - (story.now - since)) == []
    (found,) = of(story, 60_000)
    assert (found.code, found.severity, found.since) == (
        "unconfirmed",
        AlertSeverity.WARNING,
        since,
    )
    assert found.cause is not None
    assert found.cause.code is Reason.UNCONFIRMED


def test_where_live_reports_nothing_no_start_is_called_unconfirmed() -> None:
    story = Story(replace(STATUS, status_known=False)).publish().answer(OK)
    assert of(story, 60_000) == []


def test_a_stream_that_is_recorded_has_no_condition() -> None:
    story = Story(STATUS).publish().answer(OK)
    story.happens(Reported("record_started", recording=True, time=story.now))
    assert of(story, 3_600_000) == []


def test_a_stage_that_observes_finds_nothing_wrong_with_a_stream() -> None:
    story = Story(replace(STATUS, observe=True)).publish()
    assert of(story, 3_600_000) == []


def test_a_recording_of_somebody_else_is_told_of_its_application() -> None:
    story = Story(StreamSettings()).publish()
    story.happens(Reported("record_started", recording=True, time=story.now))
    (found,) = unmanaged(story.record)
    assert (found.code, found.subject) == ("unmanaged", f"{KEY.domain}/{KEY.app}")


def test_a_file_counts_once_it_has_not_been_verified_for_ten_minutes() -> None:
    uri = "record/1.mp4"
    assert list(unverified(KEY, uri, NOON, NOON + UNVERIFIED_MS - 1, "")) == []
    (found,) = unverified(KEY, uri, NOON, NOON + UNVERIFIED_MS, "OSS refuses")
    assert (found.code, found.about) == ("file_unverified", {"uri": uri, "why": "OSS refuses"})


def test_of_several_streams_the_last_that_was_live_counts() -> None:
    draw, seen = random.Random(5), set[bool]()  # noqa: S311 - lots, not keys
    for _ in range(200):
        stories = [scheduled(draw) for _ in range(draw.randrange(1, 4))]
        now = max(story.now for story in stories) + draw.randrange(300_000)
        late_ms = draw.randrange(1, 300_000)
        last = max(live_at(story.record, now) for story in stories)
        is_late = now - max(last, NOON) >= late_ms
        for story in stories:
            found = list(scheduled_not_live(story.record, SCHEDULED, now, late_ms, last))
            assert bool(found) is (is_late and not story.record.is_live)
        seen.add(is_late)
    assert seen == {True, False}


SCHEDULED = StreamSettings()


def scheduled(draw: random.Random) -> Story:
    """Return a stream whose occurrence began at noon, and which came and went since, or did not."""
    story = Story(SCHEDULED)
    show = Occurrence("a@1", "a", NOON, NOON, ends_at=NOON + HOUR_MS, until=NOON + HOUR_MS)
    story.happens(OccurrencesPlanned("a", (show,))).happens(TimePassed())
    for _ in range(draw.randrange(4)):
        story.passes(draw.randrange(1_000, 60_000))
        if story.record.is_live:
            story.goes_off()
        else:
            story.publish()
    return story


MB = 1_000_000
WELL = StageFacts(
    now=NOON,
    queue_oldest_ms=30_000,
    timers={"reconcile": TIMER_SILENT_MS, "notify": 0},
    unreported_since=None,
    room=Room(79 * MB, 100 * MB),
    emptied_at=None,
    tasks_open=3,
    tasks_oldest_ms=300_000,
    tasks_dead=0,
    dead_since=None,
    tasks_dropped=0,
    dropped_ms_ago=None,
)


def test_a_stage_that_is_well_has_no_condition() -> None:
    assert list(conditions_of_stage(WELL)) == []
    assert list(conditions_of_stage(replace(WELL, room=None, timers={"reconcile": None}))) == []


@pytest.mark.parametrize(
    ("fault", "code", "since"),
    [
        ({"queue_oldest_ms": 30_001}, "queue_late", NOON - 30_001),
        ({"timers": {"reconcile": 150_001}}, "timer_silent", NOON - 150_001),
        ({"unreported_since": NOON - 120_000}, "callbacks_silent", NOON - 120_000),
        ({"room": Room(81 * MB, 100 * MB)}, "store_nearly_full", NOON),
        ({"room": Room(100 * MB - 9, 100 * MB)}, "store_full", NOON),
        ({"emptied_at": NOON - 5}, "store_emptied", NOON - 5),
        ({"tasks_oldest_ms": 300_001}, "tasks_late", NOON - 300_001),
        ({"tasks_dead": 2, "dead_since": NOON - 7}, "tasks_dead", NOON - 7),
        ({"closed_receivers": [ClosedReceiver("shop", 7, "status 410")]}, "webhook_closed", 7),
        (
            {"failing_targets": [FailingTarget("s3://a/", NOON - 600_000, 2, "refuses")]},
            "copies_fail",
            NOON - 600_000,
        ),
        ({"tasks_dropped": 1, "dropped_ms_ago": 9}, "tasks_dropped", NOON - 9),
        ({"unplanned_ms": 9}, "schedules_unplanned", NOON - 9),
        ({"unset_receivers": ("ops (LIVE_RECORD_ROBOTS)",)}, "receivers_unset", NOON),
        ({"unusable": 2, "unusable_ms": 9}, "names_unusable", NOON - 9),
    ],
)
def test_each_fault_of_the_stage_is_one_condition(
    fault: dict[str, object], code: str, since: int
) -> None:
    (found,) = conditions_of_stage(replace(WELL, **fault))
    assert (found.code, found.since) == (code, since)


def test_a_timer_that_never_ran_counts_once_something_is_late() -> None:
    never = replace(WELL, timers={"reconcile": None}, queue_oldest_ms=TIMER_SILENT_MS + 1)
    assert [one.code for one in conditions_of_stage(never)] == ["queue_late", "timer_silent"]
