"""From a publish to a program that is told: over HTTP, through the deployed functions, verified by
the specification's own package for Node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.local.stack import running
from emulator.live import Remote
from emulator.webhook_receiver import Delivery, WebhookReceiver
from tests.support.journey import Stage
from tests.support.node_packages import install, run_node

pytestmark = pytest.mark.slow
SECRET = "whsec_ZGV2LXdlYmhvb2stc2VjcmV0LTAwMDAwMDAwMDAwMDA="
NODE = Path(__file__).parents[1] / "outbound" / "node"
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]

[[webhook]]
name = "crm"
url = "ADDRESS/crm"
secrets = ["dev"]

[[webhook]]
name = "down"
url = "ADDRESS/down"
secrets = ["dev"]
"""


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET) as there:
        there.behave("/down", "sleep:30")
        yield there


def fire(stage: Stage) -> None:
    """Let notify begin a run, which goes on for a minute."""
    answer = requests.post(f"{stage.stack.fc}/_fc/timer/notify", json={"wait": False}, timeout=60)
    answer.raise_for_status()


def kill(stage: Stage) -> None:
    """End the instance of notify with SIGKILL, in the middle of what it does."""
    dying = {"function": "notify", "which": "busy"}
    answer = requests.post(f"{stage.stack.fc}/_fc/kill", json=dying, timeout=60)
    answer.raise_for_status()


def types(deliveries: list[Delivery]) -> set[str]:
    return {each.payload["type"] for each in deliveries}


def test_a_program_is_told_of_each_change_while_another_one_is_down(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("ADDRESS", receiver.address))
    with running(tmp_path / "stage", policy=policy) as stack:
        stage = Stage(stack, Remote(stack.live))
        fire(stage)
        stage.publish("room1")
        stage.record("room1")
        stage.until(lambda: "recording.started" in types(receiver.of("/crm")))
        assert stage.ask("room1", "stop").status_code in {200, 202}
        wanted = {"session.started", "recording.requested", "recording.started"}
        wanted |= {"recording.withdrawn"}
        stage.until(lambda: wanted <= types(receiver.of("/crm")))
        stage.until(lambda: bool(receiver.of("/down")))
        kill(stage)
        stage.publish("room2")
        stage.record("room2")
        fire(stage)
        stage.until(lambda: "recording.requested" in types(of(receiver, "room2")))
        arrived = receiver.of("/crm")
        assert all(each.is_genuine for each in arrived)
        sequences = {each.id: each.payload["sequence"] for each in arrived}
        assert len(set(sequences.values())) == len(sequences)
        assert verified(arrived) == [each.id for each in arrived]


def of(receiver: WebhookReceiver, stream: str) -> list[Delivery]:
    return [each for each in receiver.of("/crm") if f"/{stream}" in each.body]


def verified(arrived: list[Delivery]) -> list[str]:
    """Return the ids of what the specification's own package takes for genuine."""
    install(NODE)
    read = [{"secret": SECRET, "headers": each.headers, "body": each.body} for each in arrived]
    ended = run_node(NODE, "node", "verify.js", json.dumps(read))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()
