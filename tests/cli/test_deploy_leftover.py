"""A deploy names what it leaves in Function Compute, which nothing removes."""

from __future__ import annotations

import json

import pytest

from cli.deploying.leftover import credentials_in, say_left_over
from cli.deploying.stage import stage_named
from emulator.fc_control.function import Function
from emulator.fc_control.refusal import Refusal
from emulator.fc_control.server import running
from shared.outbound.live import Credentials
from tests.support.deploys import SOUND, Deploys, ready_account

KEY = {"AccountID": "1", "AccessKeyID": "id", "AccessKeySecret": "secret"}
OURS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "ours", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"}


@pytest.fixture
def deploys() -> Deploys:
    made = Deploys(ready_account())
    made.deploy()
    return made


def said(deploys: Deploys, environment: dict[str, str]) -> list[str]:
    lines: list[str] = []
    stage = stage_named("prod", {**SOUND, **environment})
    with running(deploys.account) as address:
        say_left_over(stage, lines.append, address=address)
    return lines


def test_after_a_deploy_nothing_is_left_over(deploys: Deploys) -> None:
    assert said(deploys, KEY) == []


def test_a_trigger_and_a_function_that_s_yaml_has_no_more_are_named(deploys: Deploys) -> None:
    functions = deploys.account.functions
    functions["live-record-files-prod"].triggers["http"] = {"triggerName": "http"}
    for name in ("live-record-old-prod", "live-record-old-staging", "live-record-files-eu-prod"):
        functions[name] = Function(name, {})

    assert [line.partition(" is left over")[0] for line in said(deploys, KEY)] == [
        "warning: the trigger live-record-files-prod/http",
        "warning: the function live-record-old-prod",
    ]


def test_what_cannot_be_asked_is_said(deploys: Deploys) -> None:
    deploys.account.fails["ListFunctions"] = Refusal(403, "AccessDenied", "no permission")

    assert "searched for leftovers: ListFunctions: AccessDenied" in said(deploys, KEY)[0]
    assert "Run `live-record doctor` to list the leftovers" in said(deploys, {})[0]


@pytest.mark.parametrize(
    ("environment", "credentials"),
    [
        (KEY, Credentials("id", "secret")),
        ({**KEY, **OURS}, Credentials("id", "secret")),
        (OURS, Credentials("ours", "secret")),
        ({**OURS, "LIVE_RECORD_ACCESS": "default"}, None),
        (
            {"LIVE_RECORD_ACCESS": "ci", "ci": json.dumps({**KEY, "SecurityToken": "token"})},
            Credentials("id", "secret", "token"),
        ),
        ({"LIVE_RECORD_ACCESS": "ci", "ci": "no JSON"}, None),
        ({}, None),
    ],
)
def test_it_asks_with_the_key_that_s_uses_where_the_environment_has_it(
    environment: dict[str, str], credentials: Credentials | None
) -> None:
    assert credentials_in(environment) == credentials
