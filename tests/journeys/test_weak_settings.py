"""A stage is deployed with settings that somebody could guess or already knows: every function that
has one of them refuses to work, names it, and repeats none."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from cli.local.stack import Stack, running
from emulator.live import LiveInThread
from tests.support.journey import PATIENCE

pytestmark = pytest.mark.slow
CALLS = {
    "record_command": "/v1/recordings",
    "files": "/v1/files/live.example.com/app/room1",
    "console": "/console",
    "stream_events": "/callbacks/stream/dev-path",
    "record_events": "/callbacks/record/dev-path",
    "on_demand": "/callbacks/on-demand/dev-path",
    "relay": "/_fc/http/relay/",
    "reconcile": "/_fc/http/reconcile/",
    "notify": "/_fc/timer/notify",
    "deliver": "/_fc/timer/deliver",
}
"""How each function is called."""
SECRETS = ("STREAM_KEYS", "RECORD_KEYS", "PATH_TOKENS", "WAKE_KEY", "RELAY_KEY", "API_TOKENS")
PROD = {
    "STAGE": "prod",
    "LIVE_ENDPOINT": "",
    "WAKE_URL": "https://wake.example.com/",
    "RELAY_URL": "https://relay.example.com/",
    "OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
    "DEV_CLOCK": "",
    "WEBHOOK_SECRETS": "",
    **{name: f"unguessable0unguessable{n}" for n, name in enumerate(SECRETS)},
    "API_TOKENS": "ops:control:unguessable0unguessable",
}
"""The settings of a stage that works, but for the role's key, which is the emulator's."""
ROLE_KEY = ("--access-key-secret", "of-a-role")
OF_NOTHING = hashlib.sha256(b"").hexdigest()
SHORT, TWICE = "eightchr", "one-secret-for-everything"


@contextmanager
def stage(folder: Path, *options: str, **settings: str) -> Iterator[Stack]:
    given = {f"LIVE_RECORD_{name}": value for name, value in settings.items()}
    with (
        LiveInThread(clock_file=folder / "clock.json") as live,
        running(folder, live=live.address, settings=given, fc_options=options) as stack,
    ):
        yield stack


def called(stack: Stack, function: str) -> requests.Response:
    path = CALLS[function]
    method = "GET" if function in ("record_command", "files", "console", "on_demand") else "POST"
    body = {"wait": True} if "/timer/" in path else None
    return requests.request(method, stack.fc + path, json=body, timeout=PATIENCE)


def is_refused(answer: requests.Response) -> bool:
    """Return True for the answer to a request that finds the settings wrong, or for a timer's run
    that failed."""
    if "json" not in answer.headers["Content-Type"]:
        return False
    if "fired" in answer.json():
        return [fired["ok"] for fired in answer.json()["fired"]] == [False]
    return (answer.status_code, answer.json()["code"]) == (503, "Misconfigured")


def refusals(stack: Stack, functions: Sequence[str] = tuple(CALLS)) -> Mapping[str, set[str]]:
    """Call these functions; return the settings that each of them refuses, as its log names
    them."""
    with ThreadPoolExecutor(2) as callers:
        answers = [*callers.map(called, [stack] * len(functions), functions)]
    works = [name for name, got in zip(functions, answers, strict=True) if not is_refused(got)]
    assert works == []
    return {function: faults_of(stack, function) for function in functions}


def faults_of(stack: Stack, function: str) -> set[str]:
    query = {"function": function, "n": "1000"}
    lines: Sequence[Mapping[str, Any]] = requests.get(
        f"{stack.fc}/_fc/logs", params=query, timeout=PATIENCE
    ).json()["lines"]
    refused = [line["line"] for line in lines if "settings.refused" in line["line"]]
    named = (fault.partition(":")[0] for fault in json.loads(refused[-1])["faults"])
    return {name.removeprefix("LIVE_RECORD_") for name in named}


def asked_of_live(stack: Stack) -> Sequence[Mapping[str, Any]]:
    calls: Sequence[Mapping[str, Any]] = stack.calls()["calls"]
    return calls


def as_deployed(folder: Path) -> str:
    """Return a Python for the instances of a deployed stage: there nobody sets FC_EMULATOR."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nshift 2\nunset FC_EMULATOR\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_a_deployed_dev_with_the_development_clock_refuses_to_work(tmp_path: Path) -> None:
    """Once the clock passed for proof of the emulator, and all these secrets were accepted."""
    with stage(tmp_path / "stage", "--python", as_deployed(tmp_path)) as stack:
        refused = refusals(stack)
        assert asked_of_live(stack) == []

    for_all = {"STORE", "DEV_CLOCK", "LIVE_ENDPOINT", "OSS_ENDPOINT", "WAKE_URL", "RELAY_URL"}
    for_all |= {"ALIBABA_CLOUD_ACCESS_KEY_SECRET"}
    assert set.intersection(*refused.values()) == for_all
    assert refused["stream_events"] - for_all == {"API_TOKENS", "STREAM_KEYS", "PATH_TOKENS"}
    assert set.union(*refused.values()) - for_all == {*SECRETS[:3], "API_TOKENS", "WEBHOOK_SECRETS"}


def test_a_stage_with_secrets_of_eight_characters_refuses_to_work(tmp_path: Path) -> None:
    """Once they were accepted. All of them are named at once."""
    short = {name: f"{SHORT}{n}" for n, name in enumerate(SECRETS)}
    settings = {**PROD, **short, "API_TOKENS": f"ops:control:{SHORT}"}
    with stage(tmp_path, *ROLE_KEY, **settings) as stack:
        with_secrets = [name for name in CALLS if name not in ("notify", "deliver")]
        refused = refusals(stack, with_secrets)

    assert refused["record_command"] == {*SECRETS} - {"RELAY_KEY"}
    assert set.union(*refused.values()) == {*SECRETS}
    assert SHORT not in (tmp_path / "functions.log").read_text()


def test_a_token_whose_digest_is_of_nothing_is_refused(tmp_path: Path) -> None:
    """Once it was accepted: whoever sent no token would have had it."""
    settings = {**PROD, "API_TOKENS": f"ops:control:sha256:{OF_NOTHING}"}
    with stage(tmp_path, *ROLE_KEY, **settings) as stack:
        refused = refusals(stack, ["record_command", "stream_events", "files", "console"])

    assert {*map(tuple, refused.values())} == {("API_TOKENS",)}


def test_a_secret_that_is_used_twice_is_refused_by_whoever_has_both(tmp_path: Path) -> None:
    """Once it was accepted: whoever knew it for one purpose could use it for the other."""
    settings = {**PROD, "STREAM_KEYS": TWICE, "RECORD_KEYS": TWICE, "WAKE_KEY": TWICE}
    with stage(tmp_path, *ROLE_KEY, **settings) as stack:
        refused = refusals(stack, ["record_command", "stream_events", "record_events"])

    assert refused == {
        "record_command": {"RECORD_KEYS", "WAKE_KEY"},
        "stream_events": {"WAKE_KEY"},
        "record_events": {"WAKE_KEY"},
    }
    assert TWICE not in (tmp_path / "functions.log").read_text()
