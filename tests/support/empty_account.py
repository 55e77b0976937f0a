"""An account with nothing in it, for tests: the programs `aliyun`, `s`, `make` and `live-record` as
docs/deploy.md types them.

`python -m tests.support.empty_account PROGRAM ARGUMENTS` is one call. A JSON file in the working
folder holds the account's state; a call that needs something missing fails as the service would.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cli.paths import ROOT

STATE = Path("account.json")
ACCOUNT, REGION = "1234567890123456", "cn-shanghai"
STACK = "00000000-0000-0000-0000-000000000000"
POLICIES = ("deployer", "operator", "inspector", "prober")
VALUES = {
    "Account": ACCOUNT,
    "Region": REGION,
    "StorePort": "6379",
    "Bucket": f"live-record-{ACCOUNT}-{REGION}",
    "OssEndpoint": f"oss-{REGION}.aliyuncs.com",
    "Failures": f"acs:mns:{REGION}:{ACCOUNT}:/queues/live-record-failures/messages",
}
Json = dict[str, Any]


class Refused(Exception):
    """The service refuses the call."""


def ros(state: Json, action: str, options: Json) -> Json:
    if action in ("GetTemplateEstimateCost", "CreateStack"):
        outputs = _validated(options)
        if action == "GetTemplateEstimateCost":
            return {"Resources": {"Redis": {"Success": True}}}
        state["outputs"] = outputs
        return {"StackId": STACK}
    if options["StackId"] != STACK or "outputs" not in state:
        raise Refused("StackNotFound")
    if action == "DeleteStack":
        if "deployed" in state:
            raise Refused("DependencyViolation: functions use the vSwitch")
        return {}
    rows = [
        {"OutputKey": name, "OutputValue": VALUES.get(name, f"{name.lower()}-1")}
        for name in state["outputs"]
    ]
    return {"Status": "CREATE_COMPLETE", "Outputs": rows}


def _validated(options: Json) -> list[str]:
    """Return the names of the template's outputs; raise Refused for a fault of it."""
    import yaml

    from tests.support.ros_template import faults

    document = yaml.safe_load(options["TemplateBody"])
    given = _parameters(options)
    for name, parameter in document["Parameters"].items():
        if "Default" not in parameter and not given.get(name):
            raise Refused(f"StackValidationFailed: {name} is missing")
    described = ROOT / "tests" / "fixtures" / "ros_types.json"
    types = json.loads(described.read_text(encoding="utf-8"))["types"]
    if wrong := list(faults(document, types)):
        raise Refused(f"StackValidationFailed: {wrong[0]}")
    return list(document["Outputs"])


def _parameters(options: Json) -> Json:
    numbers = range(1, 10)
    return {
        options[f"Parameters.{number}.ParameterKey"]: options[f"Parameters.{number}.ParameterValue"]
        for number in numbers
        if f"Parameters.{number}.ParameterKey" in options
    }


def ram(state: Json, action: str, options: Json) -> Json:
    if action == "CreateUser":
        state["user"] = options["UserName"]
    elif state.get("user") != options["UserName"]:
        raise Refused("EntityNotExist.User")
    elif action == "AttachPolicyToUser":
        if "outputs" not in state:
            raise Refused("EntityNotExist.Policy")
        state.setdefault("attached", []).append(options["PolicyName"])
    else:
        state["key"] = True
    return {}


def alidns(state: Json, _action: str, options: Json) -> Json:
    state["cname"] = [f"{options['RR']}.{options['DomainName']}", options["Value"]]
    return {}


PRODUCTS: dict[str, Callable[[Json, str, Json], Json]] = {"ros": ros, "ram": ram, "alidns": alidns}


def aliyun(state: Json, words: Sequence[str]) -> None:
    product, action, *rest = words
    rest = rest[: rest.index("--waiter")] if "--waiter" in rest else rest
    named = (name.removeprefix("--") for name in rest[::2])
    options = dict(zip(named, rest[1::2], strict=True))
    print(json.dumps(PRODUCTS[product](state, action, options)))


def s(state: Json, words: Sequence[str]) -> None:
    if [*words[:2]] == ["config", "add"]:
        if not state.get("key"):
            raise Refused("there is no key to enter")
        state["access"] = words[3]
    elif words[0] == "remove":
        state.pop("deployed", None)


def live_record(_state: Json, words: Sequence[str]) -> None:
    """Run the command line itself; a deploy's own tests have it call Function Compute."""
    if words[0] == "deploy":
        _refuse_unfit()
        return
    os.execv(sys.executable, [sys.executable, "-m", "cli.main", *words])  # noqa: S606 - no shell is meant


def make(state: Json, words: Sequence[str]) -> None:
    """Deploy: make the checks that come before a deploy, and refuse what the services would."""
    if words[0] == "rollback":
        return
    _refuse_unfit()
    if state.get("access") != os.environ.get("LIVE_RECORD_ACCESS"):
        raise Refused("step functions: there is no such access")
    if sorted(state.get("attached", ())) != sorted(f"live-record-{name}" for name in POLICIES):
        raise Refused("step functions: NoPermission")
    domain = os.environ["LIVE_RECORD_DOMAIN"]
    if state.get("cname") != [domain, f"{ACCOUNT}.{REGION}.fc.aliyuncs.com"]:
        raise Refused("step domain: DomainNameNotResolved")
    state["deployed"] = True


def _refuse_unfit() -> None:
    """Raise Refused with every fault that a deploy names before it begins."""
    from cli.deploying.stage import Stage
    from cli.policy_file import packed_policy

    policy = packed_policy(Path("policy.prod.toml"))
    if wrong := Stage("prod", ROOT / "s.yaml", os.environ).faults(policy):
        raise Refused("\n".join(wrong))


PROGRAMS = {"aliyun": aliyun, "s": s, "make": make, "live-record": live_record}


def main(program: str, *words: str) -> int:
    state = json.loads(STATE.read_text()) if STATE.exists() else {}
    try:
        PROGRAMS[program](state, words)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    STATE.write_text(json.dumps(state))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
