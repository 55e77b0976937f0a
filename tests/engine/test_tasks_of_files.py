"""The task that follows from a reported file: made in the save that stores the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from shared.engine.recorder import HandlingOptions
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import OUTBOX_MAX_BYTES, NewTask, TaskKind
from shared.outbox.verify_file import verify_file
from shared.protocol import FileLeft, StreamRecord, TimePassed
from shared.protocol.file import VOD
from shared.store.contract import DAY_MS, Save
from tests.conftest import KEY, NOON, Clock
from tests.support.scripted_stage import Stage
from tests.support.settling import settle

OSS = {
    "LIVE_RECORD_BUCKET": "example-bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}
FILE = FileLeft("record/1.flv", NOON - 60_000, NOON)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Stage:
    return Stage(tmp_path, clock, **OSS)


def tasks(stage: Stage) -> list[str]:
    return [one.task.body for one in stage.store.open_tasks(after="", limit=9)]


def test_a_reported_file_makes_one_task_however_often_it_is_reported(stage: Stage) -> None:
    for _ in range(3):
        stage.happens(FILE)
    place = "example-bucket/oss-cn-shanghai.aliyuncs.com"
    assert tasks(stage) == [f'{{"uri":"record/1.flv","place":"{place}"}}']


def test_a_file_in_vod_makes_none(stage: Stage) -> None:
    stage.happens(replace(FILE, uri=f"{VOD}17"))
    assert tasks(stage) == []


def test_a_stage_that_does_not_know_its_bucket_makes_none(tmp_path: Path, clock: Clock) -> None:
    stage = Stage(tmp_path, clock)
    stage.happens(FILE)
    assert tasks(stage) == []


def test_a_task_that_is_dropped_is_logged(stage: Stage) -> None:
    (task,) = verify_file(KEY, "")
    body = "x" * (OUTBOX_MAX_BYTES - task.size_bytes)
    fill = (NewTask("fill", TaskKind.VERIFY_FILE, body),)
    stage.store.save_or_claim(
        Save(0, StreamRecord(replace(KEY, stream="other"), changed_at=1), tasks=fill)
    )
    stage.happens(FILE)
    assert any("outbox.dropped" in line and str(KEY) in line for line in stage.lines)
    assert stage.store.outbox().dropped == 1
    assert len(stage.store.files(KEY, 9)) == 1


def test_an_open_task_puts_off_that_its_stream_is_forgotten(stage: Stage, clock: Clock) -> None:
    stage.happens(FILE)
    poll = HandlingOptions(may_query_live=True, must_save=True)

    def pass_days(days: int) -> None:
        for _ in range(days):
            clock.pass_ms(DAY_MS)
            for _ in range(3):
                stage.call().handle(KEY, TimePassed(), poll)

    pass_days(40)
    assert stage.store.load(KEY).version > 0
    forget_at = stage.store.load(KEY).record.forget_at
    assert forget_at is not None
    assert clock.now < forget_at <= clock.now + DAY_MS
    (task,) = stage.store.take_tasks(TaskKind.VERIFY_FILE.value, limit=1, lease_ms=1)
    settle(stage.store, task, Settlement(Next.DONE))
    pass_days(3)
    assert stage.store.load(KEY).version == 0
