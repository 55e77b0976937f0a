"""Releases a stage: publishes a version of every function, and moves the alias that triggers and
routes use.

The deploy command calls this module. Whatever is slow or may fail comes first: until the aliases
move, the previous release serves. Each step compares before it acts, so that a failed deploy
continues where it stopped, and a deploy without changes changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from gettext import gettext as _
from typing import Any

from cli.deploying.content import content_of
from cli.deploying.deployed import Commands, Deployed
from cli.deploying.description import ADDRESSES, describe
from cli.deploying.stage import Stage
from cli.deploying.steps import (
    Alias,
    AsyncCalls,
    Code,
    Domain,
    Reservation,
    Step,
    Triggers,
    reserved_in,
)
from cli.errors import Failure

Say = Callable[[str], None]
Trees = Callable[[Mapping[str, Any]], str]
CODE_STEPS = ("functions", "alias")
"""The steps that need the packages."""
STEPS = (*CODE_STEPS, "triggers", "reservations", "domain")
ADDRESS_OF = {"LIVE_RECORD_WAKE_URL": "reconcile", "LIVE_RECORD_RELAY_URL": "relay"}
"""The variable that holds the address of each function's own http trigger."""
KEY_OF = {
    "LIVE_RECORD_WAKE_URL": "LIVE_RECORD_WAKE_KEY",
    "LIVE_RECORD_RELAY_URL": "LIVE_RECORD_RELAY_KEY",
}
"""The variable with the key of each such address. Without its key an address is useless: the
function refuses the call."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release to be deployed. `label` begins with the time and is part of each version's
    description. `trees` takes a function's properties in s.yaml, and returns the hash of the
    function's package. `only` names the steps to run."""

    label: str
    trees: Trees
    only: Sequence[str] = STEPS
    is_dry_run: bool = False

    def includes(self, step: str) -> bool:
        return step in self.only


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a release did. `stage` is the stage that was released; its environment now has the
    addresses of its own triggers. `changes` has a line for each change or, in a dry run, for each
    change that would be made."""

    stage: Stage
    changes: Sequence[str]


def release(
    stage: Stage, commands_of: Callable[[Stage], Commands], wanted: Release, say: Say
) -> Outcome:
    """Release the stage, and return what changed. `commands_of` returns Serverless Devs (`s`) for a
    stage. `release` calls it again once the stage's environment has the address of a trigger,
    because `s` has to know that."""
    changes: list[str] = []
    if any(wanted.includes(step) for step in CODE_STEPS):
        stage = _with_addresses(stage, commands_of, wanted, say, changes)
    s = commands_of(stage)
    _run(steps_of(stage, s, Deployed(s), wanted), wanted, say, changes)
    return Outcome(stage, changes)


def steps_of(stage: Stage, s: Commands, deployed: Deployed, wanted: Release) -> Iterator[Step]:
    """Yield the steps that `wanted` includes, in their order. A function is released before those
    that call it."""
    resources = stage.resources()
    functions = {key: each["props"] for key, each in resources.items() if is_function(each)}
    after = deployed.serving_time(functions) if _needs_code(wanted) else ""
    codes = [
        Code(s, deployed, key, content, describe(wanted.label, after, content))
        for key, props in functions.items()
        for content in [content_of(props, wanted.trees(props)) if _needs_code(wanted) else ""]
    ]
    serving = {key: deployed.serving(key) for key in functions} if _needs_code(wanted) else {}
    yield from _chosen(codes, wanted)
    aliases = [Alias(s, deployed, code, serving.get(code.subject)) for code in codes]
    yield from _chosen(aliases, wanted)
    for key, props in functions.items():
        yield from _chosen(_callers(s, deployed, key, props), wanted)
    if wanted.includes("reservations"):
        yield from _reservations(s, deployed, functions)
    yield from _chosen(
        [
            Domain(s, deployed, key, each["props"], asks=not wanted.is_dry_run)
            for key, each in resources.items()
            if not is_function(each)
        ],
        wanted,
    )


def is_function(resource: Mapping[str, Any]) -> bool:
    return resource.get("component") == "fc3"


def _needs_code(wanted: Release) -> bool:
    return any(wanted.includes(step) for step in CODE_STEPS)


def _chosen(steps: Sequence[Step], wanted: Release) -> Iterator[Step]:
    yield from (step for step in steps if wanted.includes(step.name))


def _callers(s: Commands, deployed: Deployed, key: str, props: Mapping[str, Any]) -> list[Step]:
    """Return the steps for the triggers and the asynchronous calls of a function."""
    steps: list[Step] = []
    if props.get("triggers"):
        steps.append(Triggers(s, deployed, key, props["triggers"]))
    if props.get("asyncInvokeConfig"):
        steps.append(AsyncCalls(s, deployed, key, props["asyncInvokeConfig"]))
    return steps


def _reservations(
    s: Commands, deployed: Deployed, functions: Mapping[str, Mapping[str, Any]]
) -> list[Reservation]:
    """Return the steps for reservations. Those that free instances come before those that need
    them, which Function Compute would refuse beyond the account's quota."""
    steps = [Reservation(s, deployed, key, reserved_in(props)) for key, props in functions.items()]
    return sorted(steps, key=Reservation.added)


def _run(steps: Iterator[Step], wanted: Release, say: Say, changes: list[str]) -> None:
    for step in steps:
        finding = step.look()
        where = f"{step.name} {step.subject}"
        if finding.is_so:
            say(_("{where}: nothing to do: {found}").format(where=where, found=finding.found))
            continue
        if wanted.is_dry_run:
            did = _("would {action} ({found})").format(action=finding.would, found=finding.found)
        else:
            did = step.act()
        say(f"{where}: {did}")
        changes.append(f"{where}: {did}")


def _with_addresses(
    stage: Stage,
    commands_of: Callable[[Stage], Commands],
    wanted: Release,
    say: Say,
    changes: list[str],
) -> Stage:
    """Return the stage with the addresses of its own triggers in its environment.

    A first deploy does not know the addresses. It deploys these functions once without them, as
    versions that belong to no release.
    """
    functions = stage.functions()
    for variable, function in ADDRESS_OF.items():
        if (
            function not in functions
            or stage.environment.get(variable, "").strip()
            or not _is_used(stage, variable)
        ):
            continue
        s = commands_of(stage)
        deployed = Deployed(s)
        address = deployed.http_address(function)
        if not address and not wanted.is_dry_run:
            sentence = _(
                "{function} has no address yet, so it is deployed twice: first to get an address,"
                " then as part of the release"
            )
            say(sentence.format(function=function))
            _run(_steps_to_an_address(stage, s, deployed, wanted, function), wanted, say, changes)
            address = deployed.http_address(function)
            if not address:
                sentence = _(
                    "`s {function} info` shows no address of its http trigger. Check in the"
                    " console that the trigger exists, then deploy again."
                )
                raise Failure(sentence.format(function=function))
        say(f"{variable}: {address or _('known once the function is deployed')}")
        stage = replace(stage, environment={**stage.environment, variable: address})
    return stage


def _is_used(stage: Stage, variable: str) -> bool:
    return bool(stage.environment.get(KEY_OF[variable], "").strip())


def _steps_to_an_address(
    stage: Stage, s: Commands, deployed: Deployed, wanted: Release, function: str
) -> Iterator[Step]:
    """Yield the steps after which one function has a trigger and its reservation. If the function
    serves already, no version is published."""
    props = stage.resources()[function]["props"]
    if deployed.serving(function) is None:
        content = content_of(props, wanted.trees(props))
        description = describe(ADDRESSES + wanted.label, "-", content)
        code = Code(s, deployed, function, content, description)
        yield from (code, Alias(s, deployed, code, None))
    yield from _callers(s, deployed, function, props)
    yield Reservation(s, deployed, function, reserved_in(props))
