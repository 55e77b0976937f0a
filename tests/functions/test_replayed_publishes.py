"""A captured pair of signature headers fits any stream: what it starts, and what a poll decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions import stream_events
from functions.stream_events import MAX_SIGNED_STREAMS, SIGNED_LATELY_MS, SIGNED_WITH_MS
from shared.protocol import Command, StreamKey
from tests.conftest import KEY, Clock
from tests.support.callback_stage import INGEST, LESSON, STREAM_KEY, TOKEN
from tests.support.reconciling import ReconcilingStage


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> ReconcilingStage:
    return ReconcilingStage(tmp_path, clock)


def publish(stage: ReconcilingStage, stream: str, *, age_s: int = 0, time_s: int = 0) -> None:
    """Send a publish whose signature is `age_s` old, and that happened at `time_s` from it."""
    signed_at = stage.clock.now // 1000 - age_s
    query = {"action": "publish", "app": INGEST, "appname": LESSON.app, "id": stream}
    got = stage.call(
        stream_events,
        "GET",
        f"/callbacks/stream/{TOKEN}",
        query={**query, "time": str(signed_at + time_s)},
        headers=stage.signed(INGEST, STREAM_KEY, age=age_s),
    )
    assert got.status == 200


def test_what_one_signature_publishes_beyond_a_few_streams_starts_nothing(
    stage: ReconcilingStage,
) -> None:
    for number in range(3 * MAX_SIGNED_STREAMS):
        publish(stage, str(number))
        stage.clock.pass_ms(30)

    assert stage.live.sent == [Command.START] * MAX_SIGNED_STREAMS


def test_of_those_beyond_the_live_ones_start_as_soon_as_the_list_is_read(
    stage: ReconcilingStage,
) -> None:
    for number in range(3 * MAX_SIGNED_STREAMS):
        publish(stage, str(number))
    genuine = StreamKey(LESSON.domain, LESSON.app, str(2 * MAX_SIGNED_STREAMS))
    stage.listing.up[genuine] = stage.clock.now
    began = stage.clock.now
    started_at: list[int] = []
    stage.listing.sends = lambda key: started_at.append(stage.clock.now) if key == genuine else None
    stage.woken()

    assert len(started_at) == 1
    assert started_at[0] - began <= 2_000
    assert len(stage.listing.carried) <= MAX_SIGNED_STREAMS + 1


@pytest.mark.parametrize(
    ("age_s", "time_s", "is_started"),
    [
        (SIGNED_LATELY_MS // 1000, 0, True),
        (SIGNED_LATELY_MS // 1000 + 1, 0, False),
        (0, SIGNED_WITH_MS // 1000, True),
        (0, SIGNED_WITH_MS // 1000 + 1, False),
        (0, -SIGNED_WITH_MS // 1000 - 1, False),
        (299, 50, False),
    ],
)
def test_a_publish_that_is_not_of_its_signature_s_time_starts_nothing_before_a_poll(
    stage: ReconcilingStage, age_s: int, time_s: int, *, is_started: bool
) -> None:
    publish(stage, LESSON.stream, age_s=age_s, time_s=time_s)
    assert stage.live.sent == [Command.START] * is_started

    stage.listing.up[LESSON] = stage.clock.now
    stage.woken()
    assert stage.live.sent == [Command.START]


def test_of_a_stream_that_nobody_wants_it_leaves_nothing(stage: ReconcilingStage) -> None:
    before = stage.app.store.load(KEY)
    query = {"action": "publish", "app": INGEST, "appname": KEY.app, "id": KEY.stream}
    stage.call(
        stream_events,
        "GET",
        f"/callbacks/stream/{TOKEN}",
        query={**query, "time": str(stage.clock.now // 1000 - 20)},
        headers=stage.signed(INGEST, STREAM_KEY, age=20),
    )

    assert stage.app.store.load(KEY) == before
    assert stage.history(KEY) == []


def test_a_publish_with_a_time_to_come_makes_no_real_one_late(stage: ReconcilingStage) -> None:
    """Once a reconnect within the next minute was taken for one of before, and not recorded."""
    publish(stage, LESSON.stream)
    publish(stage, LESSON.stream, time_s=50)
    stage.listing.up[LESSON] = stage.clock.now
    stage.woken()
    stage.clock.pass_ms(20_000)
    before = len(stage.live.sent)
    publish(stage, LESSON.stream)

    assert stage.live.sent[before:] == [Command.START]
