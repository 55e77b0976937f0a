"""The roles and policies of deploy/account.ros.yaml, written from deploy/ram.

`python -m tests.repository.account_template` renews them. A test compares the two.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from cli.paths import ROOT

FILE = ROOT / "deploy" / "account.ros.yaml"
RAM = ROOT / "deploy" / "ram"
_BEGIN, _END = "  # <roles>", "  # </roles>"
PEOPLE = ("deployer", "operator", "inspector", "prober")
"""Policies of whoever runs commands; the other policies are those of functions' roles."""
ELSEWHERE = ("trust", "trial", "rehearser")
NAMES = {
    "project/live-record-logs/": "project/live-record-logs-*/",
    ":BUCKET/": ":live-record-${ALIYUN::TenantId}-*/",
}
"""How the stack names what it makes, where deploy/ram has a name to be replaced. Roles are the
account's and not the region's: a second region uses the same."""
Json = dict[str, Any]


def roles() -> list[str]:
    """Return the functions that have a role, named as deploy/ram names them."""
    names = (file.stem for file in sorted(RAM.glob("*.json")))
    return [name for name in names if name not in (*PEOPLE, *ELSEWHERE)]


def resources() -> Iterator[tuple[str, Json]]:
    """Yield the resources: a policy for each file, and a role for each function."""
    trust = json.loads((RAM / "trust.json").read_text())
    for name in (*roles(), *PEOPLE):
        document = json.loads((RAM / f"{name}.json").read_text())
        yield f"{_id(name)}Policy", _policy(name, document)
    for name in roles():
        yield f"{_id(name)}Role", _role(name, trust)


def _id(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _policy(name: str, document: Json) -> Json:
    for statement in document["Statement"]:
        statement["Resource"] = [_named(resource) for resource in statement["Resource"]]
    properties = {"PolicyName": f"live-record-{name}", "IgnoreExisting": True}
    return {
        "Type": "ALIYUN::RAM::ManagedPolicy",
        "Properties": {**properties, "PolicyDocument": document},
    }


def _named(resource: str) -> str | Json:
    for ours, stacks in NAMES.items():
        resource = resource.replace(ours, stacks)
    return {"Fn::Sub": resource} if "${" in resource else resource


def _role(name: str, trust: Json) -> Json:
    attached = {"Custom": [{"Fn::GetAtt": [f"{_id(name)}Policy", "PolicyName"]}]}
    return {
        "Type": "ALIYUN::RAM::Role",
        "Properties": {
            "RoleName": f"live-record-{name}",
            "IgnoreExisting": True,
            "AssumeRolePolicyDocument": trust,
            "PolicyAttachments": attached,
        },
    }


class _Plain(yaml.SafeDumper):
    """Repeats what occurs twice: the service may not know anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as yaml calls it
        return True


def rendered(text: str) -> str:
    """Return the template with its roles renewed."""
    dumped = yaml.dump(
        dict(resources()), Dumper=_Plain, sort_keys=False, width=110, default_flow_style=None
    )
    body = textwrap.indent(dumped, "  ")
    first = next(line for line in text.splitlines() if line.startswith(_BEGIN))
    pattern = f"{re.escape(first)}\n.*?{re.escape(_END)}"
    return re.sub(pattern, lambda _match: f"{first}\n{body}{_END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    FILE.write_text(rendered(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{FILE}: {FILE.stat().st_size} bytes")
