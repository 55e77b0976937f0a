"""A deploy and the way back with the real `s`, whose fc3 is tests/fixtures/fc3.js."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.deploying.release import plan_rollback, release, roll_back
from cli.deploying.serverless import Serverless
from cli.deploying.stage import stage_named
from cli.errors import Failure
from tests.support.real_serverless_devs import add_access, calls, environment, put_component

pytestmark = pytest.mark.slow

FUNCTIONS = ("stream_events", "reconcile")
FIRST, SECOND = (
    f"2026-11-2{day}T20:00:00Z live-record secrets: STORE=012345 RELAY_KEY=-" for day in (1, 2)
)
SECRETS = {
    "LIVE_RECORD_STORE": "rediss://user:hush-hush@store.example.com:6380/0",
    "LIVE_RECORD_API_TOKENS": 'ops:read+control:s3cr3t"s3cr3t',
    "LIVE_RECORD_STREAM_KEYS": "K3yK3yK3yK3yK3y0",
    "LIVE_RECORD_WAKE_KEY": "unguessable-wake-1",
}
PARTS = ("hush-hush", "s3cr3t", "K3yK3yK3yK3yK3y0", "unguessable-wake-1", "secret-of-default")
OTHER_KEY = {
    "AccountID": "1234567890123456",
    "AccessKeyID": "key-of-variables",
    "AccessKeySecret": "secret-of-variables",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    put_component(tmp_path)
    return tmp_path


def serverless(home: Path, **more: str) -> Serverless:
    return Serverless(stage_named("prod", {**environment(home), **more}, code=home))


def key_used(home: Path, **more: str) -> str:
    """Return the id of the key that a command of `s` was given."""
    serverless(home, **more).run("reconcile", "deploy", "--function", "-y")
    key: str = calls(home)[-1]["key"]
    return key


def words_of(call: dict[str, Any]) -> str:
    options = call["args"].index("-t")
    return " ".join([call["name"], call["command"], *call["args"][:options]])


def test_a_release_and_its_rollback_run_in_order(home: Path) -> None:
    add_access(home, "default")
    s = serverless(home)
    for named in (FIRST, SECOND):
        release(s, FUNCTIONS, named, lambda _text: None)
    made = calls(home)
    each_release = [words_of(call) for call in made[: len(made) // 2]]
    roll_back(s, plan_rollback(s, FUNCTIONS), lambda _text: None)

    assert each_release == [
        "stream_events deploy --function -y",
        "reconcile deploy --function -y",
        f"stream_events version publish --description {FIRST}",
        f"reconcile version publish --description {FIRST}",
        "stream_events alias publish --alias-name release --version-id latest",
        "reconcile alias publish --alias-name release --version-id latest",
        *(f"{name} deploy -y" for name in s_yaml_order()),
    ]
    for name in FUNCTIONS:
        assert json.loads((home / f"{name}.json").read_text())["alias"] == "1"


def s_yaml_order() -> tuple[str, ...]:
    return tuple(stage_named("prod", {}).resources())


def test_a_stage_gets_its_overlays_its_settings_and_its_alias(home: Path) -> None:
    add_access(home, "default")
    serverless(home, LIVE_RECORD_WAKE_KEY="of-the-environment").run("deploy", "-y")
    made = {call["name"]: call["props"] for call in calls(home)}
    reconcile = made["reconcile"]

    assert reconcile["functionName"] == "live-record-reconcile-prod"
    assert reconcile["concurrencyConfig"] == {"reservedConcurrency": 5}
    assert reconcile["environmentVariables"]["LIVE_RECORD_STAGE"] == "prod"
    assert reconcile["environmentVariables"]["LIVE_RECORD_WAKE_KEY"] == "of-the-environment"
    assert {each["qualifier"] for each in reconcile["triggers"]} == {"release"}
    assert {route["qualifier"] for route in made["domain"]["routeConfig"]["routes"]} == {"release"}


def test_without_a_name_it_is_the_access_called_default(home: Path) -> None:
    for name in ("live-record", "default"):
        add_access(home, name)

    assert key_used(home) == "key-of-default"


@pytest.mark.parametrize("more", [{}, OTHER_KEY], ids=["alone", "beside a key of the environment"])
def test_live_record_access_chooses_an_access(home: Path, more: dict[str, str]) -> None:
    for name in ("live-record", "default"):
        add_access(home, name)

    assert key_used(home, LIVE_RECORD_ACCESS="live-record", **more) == "key-of-live-record"


def test_a_key_may_come_from_the_three_variables(home: Path) -> None:
    assert key_used(home, **OTHER_KEY) == "key-of-variables"


def test_a_key_may_come_from_one_variable_that_is_named(home: Path) -> None:
    key = {"ci_serverless_devs_key": json.dumps(OTHER_KEY)}

    assert key_used(home, LIVE_RECORD_ACCESS="ci_serverless_devs_key", **key) == "key-of-variables"


@pytest.mark.parametrize("access", ["", "no-such"])
def test_without_a_key_a_deploy_and_a_rollback_say_how_to_name_one(home: Path, access: str) -> None:
    s = serverless(home, LIVE_RECORD_ACCESS=access)

    with pytest.raises(Failure, match="Set LIVE_RECORD_ACCESS to a name of `s config get`"):
        release(s, FUNCTIONS, FIRST, lambda _text: None)
    with pytest.raises(Failure, match="Set LIVE_RECORD_ACCESS to a name of `s config get`"):
        plan_rollback(s, FUNCTIONS)


def shown_by(home: Path, **more: str) -> str:
    """Return all that a person sees of a release: what is said, and the failure if it fails."""
    said: list[str] = []
    try:
        release(serverless(home, **SECRETS, **more), FUNCTIONS, FIRST, said.append)
    except Failure as error:
        said.append(error.format_message())
    return "\n".join(said)


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        ("", "urlInternet: https://reconcile.example.com"),
        ("reconcile deploy", "s reconcile deploy --function -y ended with 101: refused:"),
    ],
)
def test_no_secret_is_shown_or_left_in_a_file(home: Path, fails: str, expected: str) -> None:
    add_access(home, "default")
    shown = shown_by(home, S_FAILS=fails)
    records = [home / "calls", *home.glob("*.json")]
    left = [file for file in home.rglob("*") if file.is_file() and file not in records]
    texts = [shown, *(file.read_text(errors="replace") for file in left)]

    assert expected in shown
    assert [part for part in PARTS if any(part in text for text in texts)] == []
    assert list((home / ".s" / "logs").glob("live-record-*")) == []
