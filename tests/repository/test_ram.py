"""The RAM policies allow every call to Live that the code makes, and none that it does not."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from emulator.fc.template import load_template
from shared.outbound.live.sdk_import import Action
from tests.repository.rooms import parsed

ROOT = Path(__file__).parents[2]
RAM = ROOT / "deploy" / "ram"
FUNCTIONS = (
    "record_command",
    "stream_events",
    "record_events",
    "on_demand",
    "files",
    "relay",
    "reconcile",
    "notify",
    "deliver",
    "console",
)
EFFECTS = {
    "Send": "send",
    "QueryOnline": "find",
    "ListOnline": "online",
    "ReadUndelivered": "undelivered",
}
"""What of the Live API performs the effects that need it."""
COMMANDS = {"setup": "operator", "doctor": "inspector", "probe": "prober"}
"""Which policy is for whoever runs which command."""
OF_A_DOMAIN = {
    "AddLiveAppRecordConfig",
    "DescribeLiveRecordConfig",
    "DescribeLiveRecordNotifyRecords",
    "DescribeLiveStreamsNotifyRecords",
    "DescribeLiveStreamsOnlineList",
    "RealTimeRecordCommand",
}
"""Those whose resource the documentation prints, as acs:cdn here and as acs:live there
(docs/platform/live.md §1.4). The others are documented for all resources, or for none that is
known."""
BOTH_FORMS = {"acs:cdn:*:*:domain/*", "acs:live:*:*:domain/*"}


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RAM / f"{policy}.json").read_text())["Statement"]
    return found


def allowed(policy: str, service: str) -> set[str]:
    actions = {action for each in statements(policy) for action in each["Action"]}
    return {action.partition(":")[2] for action in actions if action.startswith(f"{service}:")}


def resources_of(policy: str, service: str) -> set[str]:
    of_service = (each for each in statements(policy) if each["Action"][0].startswith(service))
    return {resource for each in of_service for resource in each["Resource"]}


# --- what the code calls


def tree(*path: str) -> ast.Module:
    return parsed(Path(ROOT, *path))


def classed(module: ast.Module, name: str) -> dict[str, ast.FunctionDef]:
    (found,) = (n for n in module.body if isinstance(n, ast.ClassDef) and n.name == name)
    return {n.name: n for n in found.body if isinstance(n, ast.FunctionDef)}


def attributes(node: ast.AST) -> set[str]:
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} | attributes(node)


Defined = Mapping[str, ast.FunctionDef]


def reached(defined: Defined, first: set[str]) -> set[str]:
    """Those of the first that are defined there, and whatever these use of it, and so on."""
    found = first & defined.keys()
    while more := {n for m in found for n in names(defined[m]) & defined.keys()} - found:
        found |= more
    return found


def used(defined: Defined, first: set[str]) -> set[str]:
    return {name for each in reached(defined, first) for name in names(defined[each])}


@cache
def actions() -> frozenset[str]:
    """Every one that Live's SDK has a request for."""
    spec = importlib.util.find_spec("alibabacloud_live20161101")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or [])))
    listed = (folder / "models" / "__init__.py").read_text()
    return frozenset(re.findall(r"import (\w+)Request$", listed, re.MULTILINE))


def of_the_function(function: str) -> set[str]:
    """From what it does with its invocation to the effects that the engine yields, and from those
    to what the one adapter asks the client of Live."""
    files = [*ROOT.glob(f"functions/{function}.py"), *ROOT.glob(f"functions/{function}/*.py")]
    asked = {name for file in files for name in attributes(parsed(file))}
    of_recorder = used(classed(tree("shared", "invocation", "invocation.py"), "Invocation"), asked)
    engine = {
        each.name: each
        for module in ("recorder.py", "resync.py")
        for each in ast.walk(tree("shared", "engine", module))
        if isinstance(each, ast.FunctionDef)
    }
    effects = used(engine, of_recorder) & EFFECTS.keys()
    if not any("may_query_live=True" in file.read_text() for file in files):
        effects -= {"QueryOnline"}
    adapter = classed(tree("shared", "invocation", "invocation.py"), "_LiveAsRole")
    of_client = used(adapter, {EFFECTS[effect] for effect in effects})
    client = classed(tree("shared", "outbound", "live", "client.py"), "LiveClient")
    return {text for m in reached(client, of_client) for text in texts(client[m])} & actions()


def of_the_command(package: str) -> set[str]:
    files = (ROOT / "cli" / package).rglob("*.py")
    return {text for file in files for text in texts(parsed(file))} & actions()


# --- what it may


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_call_of_live_what_its_code_can_call_and_nothing_more(
    function: str,
) -> None:
    assert allowed(function.replace("_", "-"), "live") == of_the_function(function)


def test_what_the_policies_are_compared_with_is_what_the_sdk_is_told_of() -> None:
    assert {action for each in FUNCTIONS for action in of_the_function(each)} == set(
        get_args(Action)
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_whoever_runs_a_command_may_call_what_it_calls_and_nothing_more(command: str) -> None:
    assert allowed(COMMANDS[command], "live") == of_the_command(command)


@pytest.mark.parametrize("policy", [each.stem for each in sorted(RAM.glob("*.json"))])
def test_what_belongs_to_a_domain_is_allowed_in_both_forms_and_for_domains_alone(
    policy: str,
) -> None:
    for each in statements(policy):
        named = {action.removeprefix("live:") for action in each["Action"]}
        if named & OF_A_DOMAIN:
            assert set(each["Resource"]) == BOTH_FORMS
            assert named <= OF_A_DOMAIN


@pytest.mark.parametrize("function", FUNCTIONS)
def test_beside_live_a_function_may_only_log_reach_its_vpc_and_leave_what_failed(
    function: str,
) -> None:
    policy = function.replace("_", "-")
    is_asynchronous = function in {"relay", "reconcile"}

    assert allowed(policy, "log") == {"PostLogStoreLogs"}
    assert allowed(policy, "mns") == ({"SendMessage"} if is_asynchronous else set())
    assert resources_of(policy, "log") == {
        "acs:log:*:*:project/live-record-logs/logstore/live-record"
    }
    assert resources_of(policy, "mns") <= {"acs:mns:*:*:/queues/live-record-failures/messages"}
    assert allowed(policy, "vpc") == {"DescribeVSwitchAttributes"}
    assert all("NetworkInterface" in action for action in allowed(policy, "ecs"))
    services = {
        action.partition(":")[0] for each in statements(policy) for action in each["Action"]
    }
    assert services <= {"live", "log", "mns", "oss", "vpc", "ecs"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_of_oss_only_those_that_sign_and_copy_may_read_and_the_stage_s_own_bucket_alone(
    function: str,
) -> None:
    """BUCKET is for the deployer to fill in: no bucket can be called so."""
    policy = function.replace("_", "-")

    assert allowed(policy, "oss") == ({"GetObject"} if function in ("files", "deliver") else set())
    for each in statements(policy):
        if each["Action"] == ["oss:GetObject"]:
            assert each["Resource"] == ["acs:oss:*:*:BUCKET/*"]


def test_every_function_has_a_role_of_its_own_with_a_policy_of_that_name() -> None:
    resources = load_template(ROOT / "s.yaml", {})
    roles = {key: resources[key]["props"]["role"] for key in FUNCTIONS}

    assert len(set(roles.values())) == len(FUNCTIONS)
    for role in roles.values():
        assert (RAM / f"{role.removeprefix('live-record-')}.json").exists()


def test_a_deployer_may_hand_over_our_roles_to_function_compute_alone() -> None:
    (handed,) = (each for each in statements("deployer") if "ram:PassRole" in each["Action"])

    assert handed["Resource"] == ["acs:ram::*:role/live-record-*"]
    assert handed["Condition"] == {"StringEquals": {"acs:Service": "fc.aliyuncs.com"}}


def test_only_function_compute_may_take_the_roles() -> None:
    (statement,) = statements("trust")

    assert statement["Principal"] == {"Service": ["fc.aliyuncs.com"]}
