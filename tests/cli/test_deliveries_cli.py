"""`live-record deliveries`: what failed for good, and trying it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import NewTask, TaskKind
from shared.protocol import StreamRecord
from shared.store.contract import Save
from tests.cli.test_tokens_cli import POLICY
from tests.conftest import KEY
from tests.support.http_stage import TOKEN, HttpStage, http_stage
from tests.support.settling import settle


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY) as stage:
        store = stage.app.store
        tasks = tuple(NewTask(name, TaskKind.VERIFY_FILE, "{}") for name in ("a", "b", "c"))
        store.save_or_claim(Save(0, StreamRecord(KEY, changed_at=1), tasks=tasks))
        for task in store.take_tasks("verify_file", limit=9, lease_ms=9_000):
            settle(store, task, Settlement(Next.DEAD, why="OSS refuses"))
        yield stage


def run(stage: HttpStage, *command: str) -> Result:
    options = ("--url", stage.url, "--token", TOKEN)
    return CliRunner().invoke(main, ["deliveries", *command, *options])


def test_each_says_what_it_is_and_why_it_failed(stage: HttpStage) -> None:
    _heading, *lines = run(stage, "list").output.splitlines()
    assert len(lines) == 3
    assert all(line.endswith("attempts: 1  OSS refuses") for line in lines)
    assert lines[0].startswith(f"a  {KEY}  verify_file  ")
    assert run(stage, "list", "--state", "open").output.splitlines()[1:] == ["no task is open"]


def test_as_json_it_is_what_the_stage_answered(stage: HttpStage) -> None:
    answer = json.loads(run(stage, "list", "--limit", "2", "--json").stdout)
    assert [row["id"] for row in answer["deliveries"]] == ["a", "b"]


def test_some_or_all_are_tried_again(stage: HttpStage) -> None:
    assert "tasks that are tried again: 1" in run(stage, "redrive", "a").output
    assert stage.app.store.outbox().open == 1
    assert "tasks that are tried again: 2" in run(stage, "redrive", "--all").output
    assert (stage.app.store.outbox().open, stage.app.store.outbox().dead) == (3, 0)
    assert run(stage, "list").output.splitlines()[1:] == ["no task has failed for good"]


def test_one_that_is_not_there_is_said(stage: HttpStage) -> None:
    result = run(stage, "redrive", "x/y")
    assert result.exit_code != 0
    assert "NotFound" in result.output


@pytest.mark.parametrize("command", [(), ("a", "--all")])
def test_it_is_said_which_to_try_again(stage: HttpStage, command: tuple[str, ...]) -> None:
    result = run(stage, "redrive", *command)
    assert result.exit_code == 2
    assert stage.app.store.outbox().dead == 3
