"""`live-record webhook`: the receivers of events, and what each answers to a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from emulator.webhook_receiver import WebhookReceiver
from functions import notify
from shared.inbound import function_compute
from shared.invocation.serve import answer_in
from tests.cli.test_tokens_cli import POLICY
from tests.functions.test_notify import TIMER
from tests.functions.test_webhooks import PASS_S, SECRET
from tests.support.http_stage import TOKEN, HttpStage, http_stage

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET) as there:
        yield there


@pytest.fixture
def stage(tmp_path: Path, receiver: WebhookReceiver) -> Iterator[HttpStage]:
    hook = f'\n[[webhook]]\nname = "crm"\nurl = "{receiver.address}/crm"\n'
    known = {
        "LIVE_RECORD_WEBHOOK_HOSTS": "127.0.0.1",
        "LIVE_RECORD_WEBHOOK_SECRETS": f"crm:{SECRET}",
    }
    with http_stage(tmp_path, POLICY + hook, known) as stage:
        yield stage


def run(stage: HttpStage, *command: str) -> Result:
    options = ("--url", stage.url, "--token", TOKEN)
    return CliRunner().invoke(main, ["webhook", *command, *options])


def with_notify(stage: HttpStage, *command: str) -> Result:
    """Run the command, and notify whenever there is something to send: one run may be too short on
    a slow machine."""

    def notified() -> None:
        while not over.wait(0.01):
            if stage.app.store.outbox().open:
                notify_once(stage)

    over = threading.Event()
    thread = threading.Thread(target=notified)
    thread.start()
    try:
        return run(stage, "test", *command)
    finally:
        over.set()
        thread.join()


def notify_once(stage: HttpStage) -> None:
    context = SimpleNamespace(request_id="1-77")
    answer = function_compute.answer_any
    answer_in(stage.app, answer, notify.respond, TIMER, context, seconds=PASS_S)


def test_it_lists_the_receivers_and_their_state(stage: HttpStage) -> None:
    _heading, line = run(stage, "list").output.splitlines()
    assert line == "crm  active  http://127.0.0.1  */*/*  *"


def test_the_state_of_a_receiver_is_in_chinese_too(stage: HttpStage) -> None:
    _heading, line = run(stage, "list", "--lang", "zh").output.splitlines()
    run(stage, "list", "--lang", "en")  # the language of later tests

    assert line.startswith("crm  正常  ")


def test_a_test_says_what_the_receiver_answered(
    stage: HttpStage, receiver: WebhookReceiver
) -> None:
    result = with_notify(stage, "crm")
    assert result.exit_code == 0
    assert "webhook crm accepted the test event in " in result.output
    receiver.behave("/crm", "status:503")
    failed = with_notify(stage, "--json")
    assert failed.exit_code != 0
    (answer,) = json.loads(failed.stdout)["tests"]
    assert (answer["receiver"], answer["test"]["why"]) == ("crm", "status 503")


def test_without_an_answer_it_says_who_sends_it(stage: HttpStage) -> None:
    result = run(stage, "test", "--wait", "0")
    assert result.exit_code != 0
    assert "webhook crm: no answer yet; the timer of `notify` sends the event within a minute" in (
        result.output
    )


def test_a_receiver_that_is_not_there_is_said(stage: HttpStage) -> None:
    assert "NotFound" in run(stage, "test", "erp").output
