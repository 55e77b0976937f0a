"""Which streams of schedules are called not live, of many at random: held against what was so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from functions.notify.evaluating import evaluate
from shared.alerts.book import book_from_text
from shared.protocol import (
    Occurrence,
    OccurrencesPlanned,
    Polled,
    Published,
    StreamKey,
    TimePassed,
    Unpublished,
)
from shared.protocol.events import HOUR_MS
from shared.protocol.policy import ConditionCode
from shared.schedule.schedule import Expect, Schedule, StoredSchedule, keys_of
from tests.conftest import NOON, Clock
from tests.support.alerting import AlertingStage, alerting

SECOND = 1_000
START, END = "2025-11-22T12:00:00", "2025-11-22T16:00:00"


class _Seen(Struct, frozen=True):
    """When a stream was live last, or that it is."""

    last_live_at: int = 0
    is_live: bool = False


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[AlertingStage]:
    with alerting(tmp_path, clock, "") as stage:
        yield stage


@pytest.mark.parametrize("seed", range(12))
def test_it_is_one_for_each_stream_or_one_for_all(stage: AlertingStage, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - lots, not keys
    schedules = [_schedule(draw, number) for number in range(4)]
    for schedule in schedules:
        _plan(stage, schedule)
    seen: dict[StreamKey, _Seen] = {}
    for _ in range(14):
        stage.clock.pass_ms(draw.randrange(1, 40) * SECOND)
        key = draw.choice(keys_of(draw.choice(schedules).streams))
        seen[key] = _flip(stage, key, seen.get(key, _Seen()))
    stage.clock.pass_ms(draw.randrange(1, 120) * SECOND)

    evaluate(stage.invocation())
    found = _called_not_live(stage)
    for schedule in schedules:
        keys = set(keys_of(schedule.streams))
        late = {key for key in keys if _is_late(seen, key, schedule, stage.clock.now)}
        if schedule.expect is Expect.ALL:
            assert found & keys == late
        else:
            assert len(found & keys) == (late == keys)


def _called_not_live(stage: AlertingStage) -> set[StreamKey]:
    alerts = book_from_text(stage.store.alerts().text).open
    return {
        one.stream
        for one in alerts
        if one.code == ConditionCode.SCHEDULED_NOT_LIVE.value and one.stream is not None
    }


def _schedule(draw: random.Random, number: int) -> Schedule:
    streams = tuple(f"live.example.com/show/{number}-{at}" for at in range(draw.randint(1, 3)))
    return Schedule(
        f"show{number}",
        streams,
        START,
        END,
        "UTC",
        late_after=draw.randrange(1, 240) * SECOND,
        expect=draw.choice(list(Expect)),
    )


def _plan(stage: AlertingStage, schedule: Schedule) -> None:
    show = Occurrence(
        f"{schedule.id}@1",
        schedule.id,
        NOON,
        NOON,
        ends_at=NOON + 4 * HOUR_MS,
        until=NOON + 4 * HOUR_MS,
    )
    text = StoredSchedule(schedule).to_text()
    stage.store.put_schedule(schedule.id, text, due_at=None, replaces=None)
    for key in keys_of(schedule.streams):
        stage.happens(OccurrencesPlanned(schedule.id, (show,)), key)
        stage.happens(TimePassed(), key)


def _flip(stage: AlertingStage, key: StreamKey, before: _Seen) -> _Seen:
    """Let a stream come up, or go off for good."""
    if not before.is_live:
        stage.happens(Published(stage.clock.now), key)
        return replace(before, is_live=True)
    stage.happens(Unpublished(stage.clock.now), key)
    for wait_ms in (5_000, 10_000):
        stage.clock.pass_ms(wait_ms)
        stage.happens(Polled(None, stage.clock.now), key)
    return _Seen(stage.clock.now)  # polls have shown it


def _is_late(seen: dict[StreamKey, _Seen], key: StreamKey, schedule: Schedule, now: int) -> bool:
    known = seen.get(key, _Seen())
    return not known.is_live and now - max(known.last_live_at, NOON) >= schedule.late_after
