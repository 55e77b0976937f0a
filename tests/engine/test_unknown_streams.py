"""What a callback leaves in the store of a stream that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    FileFailed,
    FileLeft,
    Polled,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    TimePassed,
)
from tests.conftest import KEY, NOON, Clock
from tests.support.scripted_stage import Stage


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Stage:
    return Stage(tmp_path, clock)


@pytest.mark.parametrize(
    "event",
    [
        Remarked(is_exception=True, what="StreamFrozen"),
        Reported("record_started", recording=True),
        RecordFailed("AccessDenied", "no"),
        FileFailed("transformat_error", "C", "m", "a.mp4"),
        CommandSettled("of-a-forgotten-record", Accepted("R")),
        Polled(None, NOON),
        TimePassed(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_decides_nothing_writes_nothing(stage: Stage, event: Event) -> None:
    stage.happens(event)

    assert stage.store.load(KEY).version == 0
    assert stage.store.history(KEY, 9) == []


@pytest.mark.parametrize(
    "event",
    [
        Published(NOON),
        FileLeft("a.mp4", NOON, NOON + 1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_may_be_needed_is_kept_and_forgotten_in_its_time(stage: Stage, event: Event) -> None:
    stage.happens(event)

    assert stage.store.history(KEY, 9) != []
    due_in = stage.store.next_due()
    assert due_in is not None
    assert due_in == stage.app.settings.keep


def test_a_quiet_stream_is_deleted_by_whoever_is_handed_it(stage: Stage, clock: Clock) -> None:
    stage.happens(Published(NOON))
    stage.happens(Polled(NOON, NOON))
    for ms in (61_000, 10_000, 10_000):
        clock.pass_ms(ms)
        stage.happens(Polled(None, clock.now))
    clock.pass_ms(stage.app.settings.keep)

    assert stage.store.take_due(9, 2000) == [KEY]
    stage.happens(TimePassed())

    assert stage.store.load(KEY).version == 0
    assert stage.store.next_due() is None
    assert any('"stream.forgotten"' in line for line in stage.lines)
