"""deploy/account.ros.yaml: each type, property and attribute is one that Alibaba describes, and the
rights are those of deploy/ram."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.paths import ROOT
from tests.repository import account_template, ros_types
from tests.support.ros_template import faults

TYPES: dict[str, Any] = json.loads(ros_types.FILE.read_text(encoding="utf-8"))["types"]
MAX_BYTES = 51_200
"""The longest TemplateBody that the service took before it took more."""


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(account_template.FILE.read_text(encoding="utf-8"))
    return document


def test_every_type_property_and_attribute_is_described(template: dict[str, Any]) -> None:
    assert list(faults(template, TYPES)) == []


def misspell(template: dict[str, Any]) -> None:
    properties = template["Resources"]["Redis"]["Properties"]
    properties["EvictionPolice"] = properties.pop("EvictionPolicy")


def invent_value(template: dict[str, Any]) -> None:
    template["Resources"]["Redis"]["Properties"]["EvictionPolicy"] = "no-eviction"


def leave_out(template: dict[str, Any]) -> None:
    del template["Resources"]["VSwitch"]["Properties"]["ZoneId"]


def invent_type(template: dict[str, Any]) -> None:
    template["Resources"]["Failures"]["Type"] = "ALIYUN::MNS::Queues"


def misspell_inside(template: dict[str, Any]) -> None:
    index = template["Resources"]["LogIndex"]["Properties"]["KeyIndices"][0]
    index["JsonKeyIndices"][0]["Names"] = index["JsonKeyIndices"][0].pop("Name")


def quote_number(template: dict[str, Any]) -> None:
    template["Resources"]["LogStore"]["Properties"]["TTL"] = "30"


def ask_for_no_attribute(template: dict[str, Any]) -> None:
    template["Outputs"]["StoreHost"]["Value"] = {"Fn::GetAtt": ["Redis", "Host"]}


def misspell_condition(template: dict[str, Any]) -> None:
    template["Resources"]["AlertCrashed"]["Condition"] = "HasAlert"


def refer_to_nothing(template: dict[str, Any]) -> None:
    template["Outputs"]["Vpc"]["Value"] = {"Ref": "Vpcs"}


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (misspell, "Redis: there is no property EvictionPolice"),
        (invent_value, "Redis.EvictionPolicy: no-eviction is none of"),
        (leave_out, "VSwitch: ZoneId is missing"),
        (invent_type, "Failures: there is no type ALIYUN::MNS::Queues"),
        (misspell_inside, "LogIndex.KeyIndices[0].JsonKeyIndices[0]: there is no property Names"),
        (quote_number, "LogStore.TTL: it has to be a number"),
        (ask_for_no_attribute, "Fn::GetAtt: Redis has no attribute Host"),
        (refer_to_nothing, "Ref: there is no Vpcs"),
        (misspell_condition, "AlertCrashed: there is no condition HasAlert"),
    ],
)
def test_a_mistake_put_in_on_purpose_is_found(
    template: dict[str, Any], mistake: Callable[[dict[str, Any]], None], found: str
) -> None:
    wrong = copy.deepcopy(template)
    mistake(wrong)
    assert any(fault.startswith(found) for fault in faults(wrong, TYPES))


def test_the_rights_are_those_of_the_folder_ram() -> None:
    text = account_template.FILE.read_text(encoding="utf-8")
    assert account_template.rendered(text) == text


def test_every_policy_is_the_stack_s_or_for_somebody_without_a_stack(
    template: dict[str, Any],
) -> None:
    names = {file.stem for file in account_template.RAM.glob("*.json")}
    made = {
        resource["Properties"]["PolicyName"].removeprefix("live-record-")
        for resource in template["Resources"].values()
        if resource["Type"] == "ALIYUN::RAM::ManagedPolicy"
    }
    assert names - made == set(account_template.ELSEWHERE)


def test_the_store_keeps_what_it_is_given(template: dict[str, Any]) -> None:
    redis = template["Resources"]["Redis"]["Properties"]
    assert (redis["EvictionPolicy"], redis["VpcPasswordFree"]) == ("noeviction", False)
    assert redis["Password"] == {"Ref": "StorePassword"}
    assert template["Parameters"]["StorePassword"]["NoEcho"] is True


def test_no_output_shows_the_password(template: dict[str, Any]) -> None:
    assert "StorePassword" not in json.dumps(template["Outputs"])


def test_it_may_be_sent_within_one_call() -> None:
    assert account_template.FILE.stat().st_size <= MAX_BYTES


@pytest.mark.prove
def test_the_descriptions_are_those_of_the_pinned_packages(tmp_path: Path) -> None:
    pins = ROOT / "requirements" / "ros.txt"
    options = ["--quiet", "--no-deps", "--require-hashes", "--dest", str(tmp_path)]
    program = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(pins)]
    subprocess.run(program, check=True, timeout=600)
    described = ros_types.described(list(tmp_path.glob("*.whl")))
    assert ros_types.written(described) == ros_types.FILE.read_text(encoding="utf-8")
