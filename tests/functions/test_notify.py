"""The function notify: its timer works through what there is to tell."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from functions import notify
from shared.inbound.function_compute import answer_any
from shared.invocation.invocation import Invocation
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import NewTask, TaskKind
from shared.protocol import StreamRecord
from shared.store.contract import DAY_MS, Save
from tests.conftest import KEY, Clock
from tests.support.scripted_stage import Stage
from tests.support.settling import settle

TIMER = b'{"triggerTime":"2026-11-29T12:00:00Z","triggerName":"every-minute","payload":""}'


def run(stage: Stage, event: bytes = TIMER) -> Any:  # noqa: ANN401 - JSON
    context = SimpleNamespace(request_id="1-77")
    call = Invocation(stage.app, context, seconds=notify.BUDGET_S)
    answer: Any = answer_any(
        lambda trigger: notify.respond(call, trigger), event, context, log=call.app.log
    )
    return msgspec.json.decode(answer["body"])


def test_a_dead_letter_goes_once_it_is_older_than_the_stage_keeps_things(
    tmp_path: Path, clock: Clock
) -> None:
    stage = Stage(tmp_path, clock, LIVE_RECORD_KEEP="9d")
    tasks = (NewTask("a", TaskKind.VERIFY_FILE, "{}"),)
    stage.store.save_or_claim(Save(0, StreamRecord(KEY, changed_at=clock.now), tasks=tasks))
    (task,) = stage.store.take_tasks("verify_file", limit=1, lease_ms=9_000)
    settle(stage.store, task, Settlement(Next.DEAD, why="OSS refuses"))
    clock.pass_ms(9 * DAY_MS)
    assert run(stage)["dropped_letters"] == 0
    clock.pass_ms(1)
    assert run(stage)["dropped_letters"] == 1
    assert stage.store.dead_letters(after="", limit=9) == []


def test_nothing_but_its_timer_may_call_it(tmp_path: Path, clock: Clock) -> None:
    assert run(Stage(tmp_path, clock), b"{}")["status"] == 400
