"""A record that breaks an invariant, in a running stage: one log line, and the request succeeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shared.engine.recorder import HandlingOptions
from shared.engine.resync import ONLY_STORE
from shared.protocol import Published, StreamKey
from shared.store.contract import Save
from tests.conftest import KEY, Clock
from tests.support.callback_stage import LESSON, Edge
from tests.support.scripted_stage import Stage

NAME = "doubted_restart_implies_doubt"


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Iterator[Edge]:
    edge = Edge(tmp_path, clock)
    yield edge
    edge.app.store.close()


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


def break_record(there: Edge | Stage, key: StreamKey = KEY) -> None:
    """As a rule would that is wrong."""
    loaded = there.app.store.load(key)
    there.app.store.save_or_claim(
        Save(loaded.version, replace(loaded.record, restart_doubted=True))
    )


def logged(lines: Sequence[str]) -> list[dict[str, Any]]:
    entries = [json.loads(line) for text in lines for line in text.splitlines()]
    return [entry for entry in entries if entry["event"] == "invariant.broken"]


def test_a_request_succeeds_and_one_line_names_the_stream_and_what_is_broken(
    stage: Stage,
) -> None:
    break_record(stage)

    assert stage.start().status == 200
    assert [command.value for command in stage.live.sent] == ["start"]
    (line,) = logged(stage.lines)
    assert line["level"] == "error"
    assert (line["stream"], line["names"]) == (str(KEY), [NAME])
    assert line["request_id"] == "1-77"


def test_a_request_that_only_reads_writes_no_line(stage: Stage) -> None:
    break_record(stage)

    assert stage.status().status == 200
    assert logged(stage.lines) == []


def test_a_callback_succeeds_too(edge: Edge) -> None:
    break_record(edge, LESSON)

    assert edge.ingest(key=LESSON).status == 200
    assert [command.value for command in edge.live.sent] == ["start"]
    assert [line["stream"] for line in logged(edge.lines)] == [str(LESSON)]


@pytest.mark.slow
def test_so_does_a_reconcile_that_sends_what_is_due(edge: Edge) -> None:
    invocation = edge.invocation()
    invocation.handle(LESSON, Published(edge.clock.now), ONLY_STORE)
    break_record(edge, LESSON)

    options = HandlingOptions(may_send=invocation.has_time)
    dispatcher, nothing_beside = invocation.dispatcher(options), invocation.side_steps({})
    assert dispatcher.run(edge.app.workers(), invocation.has_time, nothing_beside) > 0
    assert [command.value for command in edge.live.sent] == ["start"]
    assert [line["stream"] for line in logged(edge.lines)] == [str(LESSON)]


def test_nothing_is_written_while_all_hold(stage: Stage) -> None:
    stage.start()
    stage.stop()

    assert logged(stage.lines) == []
