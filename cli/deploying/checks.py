"""Checks a stage's s.yaml before it is deployed and reports every fault at once.

The commands check and deploy call faults(). This module calls no cloud service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from gettext import gettext as _
from typing import Any

from cli.deploying.shapes import CERTIFICATE, DOMAIN, FUNCTION, HTTP, TIMER, misfits
from emulator.fc.schedule import parse_schedule

CLEARED = (
    "vpcConfig",
    "nasConfig",
    "ossMountConfig",
    "logConfig",
    "environmentVariables",
    "layers",
    "tracingConfig",
)
"""Properties that a deploy sends empty if s.yaml omits them, which clears the remote value
(docs/platform/function-compute.md §6.1)."""
MAX_VARIABLES_BYTES = 4096
"""The limit of all names and values together (docs/platform/function-compute.md §1.5)."""
MIN_MEMORY_GB, MAX_MEMORY_GB = 1, 4
"""Memory per vCPU (docs/platform/function-compute.md §5)."""
Resource = Mapping[str, Any]


def faults(resources: Mapping[str, Resource]) -> list[str]:
    return [fault for key, resource in resources.items() for fault in _faults(key, resource)]


def _faults(key: str, resource: Resource) -> Iterator[str]:
    props = resource.get("props") or {}
    component = resource.get("component")
    if component == "fc3-domain":
        yield from misfits(props, DOMAIN, key)
        yield from _certificate(key, props)
    elif component == "fc3":
        shape = list(misfits(props, FUNCTION, key))
        yield from shape
        yield from _cleared(key, props)
        if not shape:  # what follows reads values
            yield from _function(key, props)
    else:
        sentence = _("{key} uses the component {component!r}. Use `fc3` or `fc3-domain`.")
        yield sentence.format(key=key, component=component)


def _certificate(key: str, props: Resource) -> Iterator[str]:
    config = props.get("certConfig")
    if not isinstance(config, dict) or config.get("certId"):
        return
    missing = [name for name in CERTIFICATE if name not in config]
    if missing:
        sentence = _("{key}.certConfig lacks {names}. Add what is missing, or write only `certId`.")
        yield sentence.format(key=key, names=", ".join(missing))


def _cleared(key: str, props: Resource) -> Iterator[str]:
    for name in CLEARED:
        if name not in props:
            sentence = _(
                "{key} omits `{name}`, so a deploy would clear this setting of the function. Write"
                " `{name}`, even if it is empty."
            )
            yield sentence.format(key=key, name=name)


def _function(key: str, props: Resource) -> Iterator[str]:
    yield from _ratio(key, props["cpu"], props["memorySize"])
    role = str(props.get("role", ""))
    if role != role.lower():
        sentence = _(
            "{key}.role is {role!r}, but fc3 changes the name to lower case. Use a role whose name"
            " is in lower case."
        )
        yield sentence.format(key=key, role=role)
    yield from _variables(key, props.get("environmentVariables", {}))
    if "provisionConfig" in props and "scalingConfig" in props:
        sentence = _("{key} has both `provisionConfig` and `scalingConfig`. Remove one of the two.")
        yield sentence.format(key=key)
    for number, trigger in enumerate(props.get("triggers", [])):
        yield from _trigger(f"{key}.triggers[{number}]", trigger)


def _ratio(key: str, cpu: float, memory: int) -> Iterator[str]:
    if not MIN_MEMORY_GB <= memory / 1024 / cpu <= MAX_MEMORY_GB:
        sentence = _(
            "{key} has {memory} MB for {cpu} vCPU. Set {min_memory_gb} to {max_memory_gb}"
            " GB for each vCPU."
        )
        yield sentence.format(
            key=key,
            memory=memory,
            cpu=cpu,
            min_memory_gb=MIN_MEMORY_GB,
            max_memory_gb=MAX_MEMORY_GB,
        )


def _variables(key: str, variables: Mapping[str, str]) -> Iterator[str]:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > MAX_VARIABLES_BYTES:
        sentence = _(
            "{key}.environmentVariables hold {size} bytes, more than"
            " {max_variables_bytes}. Shorten or remove some."
        )
        yield sentence.format(key=key, size=size, max_variables_bytes=MAX_VARIABLES_BYTES)


def _trigger(where: str, trigger: Resource) -> Iterator[str]:
    is_timer, config = trigger["triggerType"] == "timer", trigger["triggerConfig"]
    shape = list(misfits(config, TIMER if is_timer else HTTP, f"{where}.triggerConfig"))
    yield from shape
    if is_timer and not shape:
        yield from _cron(f"{where}.triggerConfig", config["cronExpression"])


def _cron(where: str, expression: str) -> Iterator[str]:
    try:
        parse_schedule(expression)
    except ValueError as error:
        yield f"{where}.cronExpression {expression!r} {error}"
