"""Our own check of s.yaml refuses what Serverless Devs' schema lets pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_fc20230330 import models

from cli.deploying.checks import CLEARED, faults
from cli.deploying.content import BESIDE
from cli.deploying.steps import covers
from emulator.fc.template import load_template

S_YAML = Path(__file__).parents[2] / "s.yaml"
Resources = dict[str, Any]
Spoil = Callable[[Any], object]


@pytest.fixture(scope="module")
def sound() -> Resources:
    return load_template(S_YAML, {})


def spoilt(sound: Resources, spoil: Spoil) -> list[str]:
    resources = copy.deepcopy(sound)
    spoil(resources["reconcile"]["props"])
    return faults(resources)


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_our_own_s_yaml_is_sound_in_every_stage(stage: str) -> None:
    assert faults(load_template(S_YAML, {}, stage)) == []


WRONG: dict[str, tuple[Spoil, str]] = {
    "an unknown property": (
        lambda props: props.update(memory=512),
        "reconcile has no property memory",
    ),
    "a hook that 3.0 has no more": (
        lambda props: props["instanceLifecycleConfig"].update(preFreeze={"handler": "a.b"}),
        "reconcile.instanceLifecycleConfig has no property preFreeze",
    ),
    "a wrong key of a timer": (
        lambda props: props["triggers"][0]["triggerConfig"].update(cron="@every 1m"),
        "reconcile.triggers[0].triggerConfig has no property cron",
    ),
    "a timer that is not said to be on": (
        lambda props: props["triggers"][0]["triggerConfig"].pop("enable"),
        "reconcile.triggers[0].triggerConfig needs enable",
    ),
    "a method that is none": (
        lambda props: props["triggers"][1]["triggerConfig"].update(methods=["FOO"]),
        "reconcile.triggers[1].triggerConfig.methods[0] is 'FOO'",
    ),
    "too much memory for its cpu": (
        lambda props: props.update(cpu=0.1),
        "reconcile has 512 MB for 0.1 vCPU",
    ),
    "too little memory for its cpu": (
        lambda props: props.update(cpu=1),
        "reconcile has 512 MB for 1 vCPU",
    ),
    "a cpu between the steps": (
        lambda props: props.update(cpu=0.33),
        "reconcile.cpu is 0.33",
    ),
    "a cron line that does not parse": (
        lambda props: props["triggers"][0]["triggerConfig"].update(cronExpression="0 4 * * *"),
        "cronExpression '0 4 * * *' has 5 fields, not 6",
    ),
    "several requests at once on a built-in runtime": (
        lambda props: props.update(instanceConcurrency=10),
        "reconcile has no property instanceConcurrency",
    ),
    "a number for a variable": (
        lambda props: props["environmentVariables"].update(LIVE_RECORD_RATE=45),
        "reconcile.environmentVariables.LIVE_RECORD_RATE is 45",
    ),
    "more variables than fit": (
        lambda props: props["environmentVariables"].update(LIVE_RECORD_API_TOKENS="x" * 5000),
        "reconcile.environmentVariables hold",
    ),
    "both ways to keep instances": (
        lambda props: props.update(
            scalingConfig={},
            provisionConfig={
                "defaultTarget": 1,
                "alwaysAllocateCPU": False,
                "alwaysAllocateGPU": False,
                "scheduledActions": [],
                "targetTrackingPolicies": [],
            },
        ),
        "reconcile has both `provisionConfig` and `scalingConfig`",
    ),
    "a role that fc3 would write in lower case": (
        lambda props: props.update(role="Live-Record-reconcile"),
        "reconcile.role is 'Live-Record-reconcile', but fc3 changes the name to lower case",
    ),
    "a time-out as text": (lambda props: props.update(timeout="90"), "reconcile.timeout is '90'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_it_is_refused(sound: Resources, case: str) -> None:
    spoil, message = WRONG[case]

    found = spoilt(sound, spoil)

    assert len(found) == 1
    assert found[0].startswith(message) or message in found[0]


@pytest.mark.parametrize("name", CLEARED)
def test_what_a_deploy_would_clear_without_a_word_is_refused(sound: Resources, name: str) -> None:
    (fault,) = spoilt(sound, lambda props: props.pop(name))
    assert fault.startswith(f"reconcile omits `{name}`, so a deploy would clear this setting")


def test_every_fault_is_said_at_once(sound: Resources) -> None:
    found = spoilt(sound, lambda props: (props.pop("layers"), props.update(cpu="1", x=1)))

    assert len(found) == 3


def test_a_route_without_a_path_is_refused(sound: Resources) -> None:
    resources = copy.deepcopy(sound)
    del resources["domain"]["props"]["routeConfig"]["routes"][0]["path"]

    assert faults(resources) == ["domain.routeConfig.routes[0] needs path"]


def domain_faults(**changed: object) -> list[str]:
    given = {"LIVE_RECORD_DOMAIN": "record.example.com", "LIVE_RECORD_CERTIFICATE": "a"}
    domain = load_template(S_YAML, given, "prod")["domain"]
    return faults({"domain": {**domain, "props": {**domain["props"], **changed}}})


@pytest.mark.parametrize("certificate", [1234567, "1234567-cn-hangzhou"])
def test_a_certificate_of_alibaba_cloud_may_be_named_by_its_id(certificate: object) -> None:
    assert domain_faults(certConfig={"certId": certificate}) == []


def test_a_certificate_of_one_s_own_needs_its_three_parts() -> None:
    assert domain_faults(certConfig={"certName": "a", "certificate": "b"}) == [
        "domain.certConfig lacks privateKey. Add what is missing, or write only `certId`."
    ]


def test_a_route_may_rewrite_the_path() -> None:
    rules = [{"match": "/a/*", "replacement": "/$1"}]
    route = {"path": "/a/*", "functionName": "f", "rewriteConfig": {"wildcardRules": rules}}

    assert domain_faults(routeConfig={"routes": [route]}) == []


def test_the_official_sdk_knows_every_property_that_is_deployed() -> None:
    """What it does not know, it drops: from_map() and to_map() give back what they know."""
    for resource in load_template(S_YAML, {}, "prod").values():
        props = resource["props"]
        if resource["component"] == "fc3":
            own = {name: value for name, value in props.items() if name not in BESIDE}
            calls = {**props.get("asyncInvokeConfig", {})}
            calls.pop("qualifier", None)
            assert covers(kept(models.CreateFunctionInput, own), own)
            assert covers(kept(models.PutAsyncInvokeConfigInput, calls), calls)
            for each in props.get("triggers", []):
                trigger = {**each, "triggerConfig": "{}"}
                assert covers(kept(models.CreateTriggerInput, trigger), trigger)
        else:
            own = {name: value for name, value in props.items() if name != "region"}
            assert covers(kept(models.CreateCustomDomainInput, own), own)


def kept(model: Any, properties: Resources) -> Resources:  # noqa: ANN401 - the SDK is untyped
    found: Resources = model().from_map(properties).to_map()
    return found
