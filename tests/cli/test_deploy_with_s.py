"""A deploy and the way back with the real `s`, whose fc3 is tests/fixtures/fc3.js."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from cli.deploying.fingerprints import fingerprints
from cli.deploying.release import CODE_STEPS, Release, release
from cli.deploying.rollback import plan_rollback, roll_back
from cli.deploying.serverless import Serverless
from cli.deploying.stage import Stage, stage_named
from cli.errors import Failure
from emulator.fc_control.account import Account
from emulator.fc_control.server import running
from tests.support.fc3 import FakeServerless, calls_to
from tests.support.real_serverless_devs import (
    add_access,
    calls,
    environment,
    put_component,
    small_template,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]

FUNCTIONS = ("stream_events", "reconcile")
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
    return Serverless(
        stage_named("prod", {**environment(home), **more}, codes={"LIVE_RECORD_CODE": home})
    )


def key_used(home: Path, **more: str) -> str:
    """Return the id of the key that a command of `s` was given."""
    serverless(home, **more).run("reconcile", "deploy", "--function", "-y")
    key: str = calls(home)[-1]["key"]
    return key


def test_a_first_deploy_goes_on_where_it_failed_and_an_upgrade_is_rolled_back(home: Path) -> None:
    add_access(home, "default")
    account = Account()
    with running(account) as control:
        deploy = partial(deployed, home, small_template(home), control)
        with pytest.raises(Failure, match="DomainNameNotResolved"):
            deploy(1)
        account.cnames.add("record.example.com")
        account.filed.add("record.example.com")
        upgrade = deploy(2, LIVE_RECORD_WAKE_KEY="unguessable-wake-1")
        again = deploy(3, LIVE_RECORD_WAKE_KEY="unguessable-wake-1")
        reconcile = account.functions["live-record-reconcile-dev"]
        url = reconcile.at("release")["environmentVariables"]["LIVE_RECORD_WAKE_URL"]
        s = Serverless(stage(home, small_template(home), control))
        roll_back(s, plan_rollback(s, ("reconcile",)), lambda _text: None)

    assert url == reconcile.triggers["wake"]["httpTrigger"]["urlInternet"]
    assert [change.partition(":")[0] for change in upgrade] == [
        "functions reconcile",
        "alias reconcile",
        "domain domain",
    ]
    assert again == []
    assert reconcile.aliases["release"]["versionId"] == "1"


def test_a_rollback_names_the_secrets_that_it_revives(home: Path) -> None:
    """Once it revived them without a word. A double of `s` makes the two releases."""
    add_access(home, "default")
    account = Account()
    revealed = {"LIVE_RECORD_WAKE_KEY": "revealed-wake-1", "LIVE_RECORD_STORE": "redis://old:1/0"}
    later = {**revealed, "LIVE_RECORD_WAKE_KEY": "unguessable-wake-2"}
    with running(account) as control:
        for day, secrets in ((1, revealed), (2, later)):
            target = stage(home, small_template(home), control, **secrets)
            label = f"2026-11-2{day}T20:00:00Z live-record secrets: "
            wanted = Release(
                label + fingerprints(target.environment), lambda _props: "tree", CODE_STEPS
            )
            release(target, partial(double, account), wanted, lambda _text: None)
        warnings = plan_rollback(Serverless(target), ("reconcile",)).warnings

    (warning,) = [line for line in warnings if "has other secrets than the present release" in line]
    assert "release: LIVE_RECORD_WAKE_KEY." in warning
    assert not any("-wake-" in line for line in warnings)


def double(account: Account, target: Stage) -> FakeServerless:
    return FakeServerless(target, calls_to(account), lambda _words: None)


def stage(home: Path, template: Path, control: str, **more: str) -> Stage:
    domain = {"LIVE_RECORD_DOMAIN": "record.example.com", "S_CONTROL": control}
    codes = {"LIVE_RECORD_CODE": home}
    return stage_named(
        "dev", {**environment(home), **domain, **more}, template=template, codes=codes
    )


def deployed(home: Path, template: Path, control: str, day: int, **more: str) -> Sequence[str]:
    """Deploy and return what changed."""
    label = f"2026-11-2{day}T20:00:00Z live-record secrets: 012345.-"
    wanted = Release(label, lambda _props: "tree")
    target = stage(home, template, control, **more)
    return release(target, Serverless, wanted, lambda _text: None).changes


def test_a_stage_gets_its_overlays_its_settings_and_its_alias(home: Path) -> None:
    add_access(home, "default")
    given = {"LIVE_RECORD_WAKE_KEY": "of-the-environment", "LIVE_RECORD_VPC": "vpc-1"}
    serverless(home, **given).run("deploy", "-y")
    made = {call["name"]: call["props"] for call in calls(home)}
    reconcile = made["reconcile"]

    assert reconcile["functionName"] == "live-record-reconcile-prod"
    assert reconcile["vpcConfig"]["vpcId"] == "vpc-1"
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

    with pytest.raises(Failure, match="Set LIVE_RECORD_ACCESS to a name that `s config get` lists"):
        s.run("reconcile", "deploy", "--function", "-y")
    with pytest.raises(Failure, match="Set LIVE_RECORD_ACCESS to a name that `s config get` lists"):
        plan_rollback(s, FUNCTIONS)


def shown_by(home: Path, **more: str) -> str:
    """Return all that a person sees of a command: what it returned, or the failure."""
    try:
        return serverless(home, **SECRETS, **more).run("reconcile", "deploy", "--function", "-y")
    except Failure as error:
        return error.format_message()


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        ("", "functionName"),
        ("reconcile deploy", "`s reconcile deploy --function -y` ended with 101: refused:"),
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
