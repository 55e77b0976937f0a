"""`live-record alerts`: what is wrong, taking it over, and whether the robots answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from emulator.robots import Feishu, RobotsInThread
from functions import notify
from shared.alerts.book import AlertBook, book_to_text, observed
from shared.alerts.condition import of_stage, of_stream
from shared.inbound import function_compute
from shared.invocation.serve import answer_in
from shared.protocol.policy import ConditionCode
from shared.protocol.reason import HistoryEntry, Reason
from tests.cli.test_tokens_cli import POLICY
from tests.conftest import KEY
from tests.functions.test_notify import TIMER
from tests.support.http_stage import TOKEN, HttpStage, http_stage, now_ms

pytestmark = pytest.mark.slow

RULE = '\n[[notify]]\nsink = "talk"\n'


@pytest.fixture
def talk() -> Feishu:
    return Feishu("hook-1", "secret-1")


@pytest.fixture
def stage(tmp_path: Path, talk: Feishu) -> Iterator[HttpStage]:
    with RobotsInThread([talk], now_ms) as robots:
        known = {"LIVE_RECORD_ROBOTS": f"talk={robots.address(talk)}#secret-1"}
        with http_stage(tmp_path, POLICY + RULE, known) as stage:
            yield stage


def run(stage: HttpStage, *command: str) -> Result:
    options = ("--url", stage.url, "--token", TOKEN)
    return CliRunner().invoke(main, ["alerts", *command, *options])


def plant(stage: HttpStage) -> str:
    """Put two alerts into the book; return the id of the first."""
    now = now_ms()
    lost = of_stream(ConditionCode.NOT_RECORDED, KEY, now - 60_000, HistoryEntry(Reason.QUEUED))
    full = of_stage(ConditionCode.STORE_NEARLY_FULL, now, {"percent": 81})
    book = observed(AlertBook(), [full, lost], {"not_recorded": 7}, now)
    stage.app.store.put_alerts(book_to_text(book), replaces=0)
    return lost.id


def test_it_lists_what_is_wrong_the_gravest_first(stage: HttpStage) -> None:
    plant(stage)
    _heading, lost, full, more = run(stage, "list").output.splitlines()
    assert f"critical  not_recorded  {KEY}  since" in lost
    assert "warning  store_nearly_full  the store is nearly full  since" in full
    assert more == "further alerts with the condition not_recorded: 7"
    assert len(json.loads(run(stage, "list", "--json").stdout)["alerts"]) == 2


def test_in_chinese_the_severity_is_chinese_too(stage: HttpStage) -> None:
    plant(stage)
    _heading, lost, full, _more = run(stage, "list", "--lang", "zh").output.splitlines()
    run(stage, "list", "--lang", "en")  # the language of later tests
    assert f"严重  not_recorded  {KEY}  自" in lost
    assert "警告  store_nearly_full" in full


def test_it_says_if_nobody_evaluates_the_alerts(stage: HttpStage) -> None:
    lines = run(stage, "list").output.splitlines()[1:]
    assert lines[0] == "no alert is open"
    assert lines[1] == (
        "No robot gets a message: `notify` has not run yet. Its timer runs it once a minute."
        " If it has still not run after two minutes, check that the timer is enabled."
    )


def test_somebody_takes_one_over(stage: HttpStage) -> None:
    alert = plant(stage)
    assert run(stage, "ack", alert).output.splitlines()[-1].endswith("; dev takes care of it")
    assert "; dev takes care of it" in run(stage, "list").output
    refused = run(stage, "ack", "nobody's")
    assert refused.exit_code != 0
    assert "NotFound" in refused.output


def test_a_note_is_shown_beside_who_took_it_over(stage: HttpStage) -> None:
    alert = plant(stage)
    shown = run(stage, "ack", alert, "--note", "cable on its way").output
    assert shown.splitlines()[-1].endswith("; dev takes care of it: cable on its way")
    assert "cable on its way" in run(stage, "list").output


def run_test_beside_notify(stage: HttpStage) -> Result:
    """Run `alerts test` while the timer of `notify` fires again and again."""
    is_over = threading.Event()

    def runs_notify() -> None:
        while not is_over.is_set():
            answer: Any = answer_in(
                stage.app,
                function_compute.answer_any,
                notify.respond,
                TIMER,
                SimpleNamespace(request_id="1-77"),
                seconds=notify.BUDGET_S,
            )
            assert answer["statusCode"] == 200

    timer = threading.Thread(target=runs_notify)
    timer.start()
    tested = run(stage, "test")
    is_over.set()
    timer.join()
    return tested


def test_the_robots_answers_are_printed(stage: HttpStage) -> None:
    tested = run_test_beside_notify(stage)
    assert (
        tested.output.splitlines()[-1] == 'robot talk accepted the message and answered "0 success"'
    )
    assert tested.exit_code == 0


def test_a_robot_that_the_settings_lack_is_not_said_to_refuse(tmp_path: Path) -> None:
    with http_stage(tmp_path, POLICY + RULE, {}) as stage:
        tested = run_test_beside_notify(stage)
    assert tested.output.splitlines()[-1] == (
        "robot talk: the message was not delivered: LIVE_RECORD_ROBOTS has no robot of this name:"
        " add it there, and deploy"
    )
    assert tested.exit_code == 1


def test_a_robot_that_nobody_asked_yet_is_said(stage: HttpStage) -> None:
    tested = run(stage, "test", "--wait", "0")
    assert tested.output.splitlines()[-1].startswith("robot talk: no answer yet")
    assert tested.exit_code == 1
