"""Status, list, why and health never disagree, whatever has happened to the streams."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    LiveError,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
)
from shared.protocol.derived.wrong import REPORTED_AFTER_MS
from tests.conftest import Clock
from tests.inbound.test_catalogue import event
from tests.support.scripted_stage import Stage

KEYS = [StreamKey("live.example.com", app, name) for app in ("app", "classroom") for name in "abc"]
"""The packaged policy records what comes up in `classroom`."""
ANSWERS: tuple[LiveError, ...] = (
    AlreadyStarted("TaskAlreadyStarted"),
    StreamNotLive("StreamNotFound"),
    NoRecordConfig("CodeConfigNotFound"),
    Throttled("Throttling.User"),
    NeverSent("SlotMissed"),
    Unavailable("ServiceUnavailable"),
    InDoubt("InternalError"),
    OperatorActionNeeded("Forbidden.RAM"),
)
PASSES = (0, 500, 6_000, 15_000, 70_000, 200_000)


def happen(stage: Stage, lots: Random) -> None:
    """Let something happen to some stream, and Live answer as it likes."""
    key = lots.choice(KEYS)
    for command in Command:
        stage.live.answers(command, *lots.choices(ANSWERS, k=lots.randrange(3)))
    loaded = stage.store.load(key)
    stage.happens(event(lots, loaded.record, stage.clock.now), key)
    stage.clock.pass_ms(lots.choice(PASSES))


def pages(stage: Stage, **query: str) -> dict[str, dict[str, Any]]:
    got = stage.ask("GET", "/v1/recordings", query={"limit": "100", **query}).json
    return {row["stream"]: row for row in got["recordings"]}


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_about_a_stream_says_the_same(tmp_path: Path, clock: Clock, seed: int) -> None:
    stage, lots = Stage(tmp_path, clock), Random(seed)  # noqa: S311 - the same walk each time
    stage.app = replace(stage.app, wait=lambda s: clock.pass_ms(round(s * 1000)))
    for _ in range(6):
        for _ in range(6):
            happen(stage, lots)
        agree(stage)
    stage.store.close()


def agree(stage: Stage) -> None:
    rows, lost = pages(stage), pages(stage, wrong="true")
    health = stage.ask("GET", "/v1/health", token="").json
    for name, row in rows.items():
        status = stage.ask("GET", f"/v1/recordings/{name}").json
        assert {field: status[field] for field in row} == row
        assert (row["phase"] == "recording") <= (row["live"] == "yes" and row["wrong"] is None)
        assert (row["confirmed_at"] is not None) is (row["phase"] == "recording")
        if row["wrong"]:
            assert row["wanted"]
    assert set(lost) == {name for name, row in rows.items() if row["wrong"]}
    lost_ms = [row["wrong"]["lost_ms"] for row in lost.values()]
    assert lost_ms == sorted(lost_ms, reverse=True)
    counted = [row for row in lost.values() if row["wrong"]["lost_ms"] >= REPORTED_AFTER_MS]
    assert (health["not_recorded"] or {"count": 0})["count"] == len(counted)
    assert Counter(row["phase"] for row in rows.values()) == +Counter(health["phases"])
