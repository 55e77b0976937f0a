"""`make demo`: a stream is recorded, interrupted, resumed and stopped, and the wire tells it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.api import Api
from cli.stack import TOKEN, Stack, running

STREAM = "live.example.com/app/room1"
PLACE = {"domain": "push.example.com", "app": "app", "stream": "room1"}
PATIENCE = 10.0
"""s that any one step may take."""


def run(store: str) -> int:
    """0 when the wire shows what was promised."""
    with (
        tempfile.TemporaryDirectory(prefix="live-record-") as folder,
        running(Path(folder), store=store) as stack,
    ):
        api = Api(stack.fc, TOKEN)
        _say("ApsaraVideo Live and Function Compute stand in on this machine.")
        _play(stack, api)
        result = _report(stack, api)
    click.echo(json.dumps(result))
    return 0 if result["result"] == "ok" else 1


def _play(stack: Stack, api: Api) -> None:
    _say(f"An operator asks for {STREAM}, which is not live yet.")
    _told(api.ask(STREAM, "start", reason="morning show"))
    _say("The encoder connects; Live's signed callback reaches the function.")
    stack.control("publish", **PLACE, wait=True)
    _until(api, "recording")
    _say("The network drops: Live stops the recording, and would never start it again.")
    stack.control("unpublish", **PLACE, wait=True)
    _say("The encoder reconnects; its callback comes twice, as callbacks may.")
    stack.control("callbacks", do="duplicate", event="publish", times=1)
    stack.control("publish", **PLACE, wait=True, time=_a_second_later(stack))
    _until(api, "recording")
    _until_told(api, "published_twice")
    _say("The operator stops it.")
    _told(api.ask(STREAM, "stop", reason="show is over"))
    _until(api, "idle")


def _a_second_later(stack: Stack) -> int:
    """Live's times are whole seconds, and no encoder reconnects within the same one."""
    sessions = [call for call in stack.calls()["callbacks"] if call["event"] == "publish"]
    return int(sessions[-1]["at_ms"]) // 1000 + 1


def _until(api: Api, phase: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (answer := api.status(STREAM))["phase"] != phase:
        if time.monotonic() > deadline:
            raise click.ClickException(
                f"{STREAM} is {answer['phase']} and not {phase}: {answer['because']['text']}"
            )
        time.sleep(0.02)
    _told(answer)


def _until_told(api: Api, code: str) -> None:
    """The duplicate is on its way for itself; nothing but the history will show it."""
    deadline = time.monotonic() + PATIENCE
    while code not in [line["code"] for line in api.history(STREAM)["history"]]:
        if time.monotonic() > deadline:
            raise click.ClickException(f"the history of {STREAM} never said {code}")
        time.sleep(0.02)


def _report(stack: Stack, api: Api) -> dict[str, Any]:
    calls, told = _wire(stack), stack.calls()
    _say("What happened, by the stream's own history:")
    history = list(reversed(api.history(STREAM)["history"]))
    for line in history:
        click.echo(f"    {line['at'][11:23]}  {line['text']}")
    _say("What went over the wire, counted by the stand-in, and why:")
    causes = [line["text"].partition("because: ")[2] for line in history if line["code"] == "sent"]
    for call, cause in zip(calls, causes, strict=True):
        answer = f"{call['status']} {call['code'] or 'OK'}"
        click.echo(f"    {call['command']:<6} {answer:<20} because {cause}")
    publishes = [_ms(c) for c in told["callbacks"] if c["event"] == "publish"]
    gone = next(_ms(c) for c in told["callbacks"] if c["event"] == "publish_done")
    first, again = [_ms(call) for call in calls if call["code"] is None][:2]
    duplicates = len(told["duplicates"])
    expected = ["start", "start", "start", "stop"]
    right = [call["command"] for call in calls] == expected and duplicates == 0
    return {
        "result": "ok" if right else "wrong",
        "publish_to_start_ms": first - publishes[0],
        "interruption_to_restart_ms": again - gone,
        "commands_sent": len(calls),
        "duplicates_sent": duplicates,
    }


def _wire(stack: Stack) -> Sequence[Mapping[str, Any]]:
    calls: list[Mapping[str, Any]] = stack.calls()["calls"]
    return [call for call in calls if call["action"] == "RealTimeRecordCommand"]


def _ms(event: Mapping[str, Any]) -> int:
    return int(event["at_ms"])


def _say(text: str) -> None:
    click.echo(f"\n{text}")


def _told(answer: Mapping[str, Any]) -> None:
    click.echo(f"    -> {answer['phase']}: {answer['because']['text']}")
