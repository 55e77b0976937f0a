"""Checks the limits that the stages of one account share: instances of a region, and calls to Live.

The deploy command refuses a stage that would exceed one, before anything is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any, Final

import click

from cli import stage_registry
from cli.api import Api
from cli.deploying.stage import Stage, stage_named
from cli.deploying.steps import reserved_in
from cli.function_compute import UNRESERVED

INSTANCES: Final = 100
"""The default quota of a region (docs/platform/function-compute.md §5)."""
ACCOUNT_RATE: Final = 50
"""Calls a second that Live takes from an account (docs/platform/live.md §1.5)."""
DEFAULT_RATE: Final = 45
ANSWER_WITHIN_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the account's limits that one stage uses: `rate` is how many calls to Live a
    second it may make, None if the stage does not answer; `reserved` is how many instances it
    reserves."""

    stage: str
    rate: float | None
    reserved: int


def faults(stage: Stage, others: Sequence[Share], instances: int = INSTANCES) -> list[str]:
    """Return a sentence for each limit that the stage, together with the others, would exceed."""
    return [*_of_instances(stage, others, instances), *_of_rates(stage, others)]


def unknown(others: Sequence[Share]) -> list[str]:
    """Return a warning for each stage whose number of calls is unknown and was not added up."""
    return [
        _(
            "{stage} does not answer, so its number of calls a second is unknown. Set"
            " LIVE_RECORD_RATE so that all stages of one account together make at most"
            " {account_rate} calls a second."
        ).format(stage=each.stage, account_rate=ACCOUNT_RATE)
        for each in others
        if each.rate is None
    ]


def _of_instances(stage: Stage, others: Sequence[Share], instances: int) -> Iterator[str]:
    taken = {stage.name: reserved(stage), **{each.stage: each.reserved for each in others}}
    most = instances - UNRESERVED
    if sum(taken.values()) > most:
        sentence = _(
            "{sum} instances would be reserved ({listed}), but at most {most} may be: of the"
            " region's {instances} instances, {unreserved} must stay for the other functions."
            " Reserve fewer in env.yaml. If your quota is larger, pass it as `--instances`."
        )
        yield sentence.format(
            sum=sum(taken.values()),
            listed=_listed(taken),
            most=most,
            instances=instances,
            unreserved=UNRESERVED,
        )


def _of_rates(stage: Stage, others: Sequence[Share]) -> Iterator[str]:
    ours = float(stage.environment.get("LIVE_RECORD_RATE") or DEFAULT_RATE)
    rates = {stage.name: ours, **{each.stage: each.rate for each in others if each.rate}}
    if sum(rates.values()) > ACCOUNT_RATE:
        sentence = _(
            "The stages of one account may make {account_rate} calls a second together, but"
            " LIVE_RECORD_RATE allows more: {listed}. Set the variable for each stage, such as 40"
            " for prod and 5 for staging. First deploy the stage whose value you lower. If a stage"
            ' is in another account, write `account = "NAME"` under its name in {path}.'
        )
        yield sentence.format(
            listed=_listed(rates), account_rate=ACCOUNT_RATE, path=stage_registry.path()
        )


def _listed(shares: Mapping[str, float]) -> str:
    return " + ".join(f"{name} {number:g}" for name, number in shares.items())


def reserved(stage: Stage) -> int:
    """Return how many instances the stage's functions reserve."""
    functions = [each["props"] for each in stage.resources().values() if "fc3" in each["component"]]
    return sum(reserved_in(props) or 0 for props in functions)


def other_shares(stage: Stage) -> list[Share]:
    """Return the shares of the other registered stages of the same account."""
    tables = stage_registry.tables()
    account = tables.get(stage.name, {}).get("account")
    return [
        Share(name, _rate(name), _reserved_by(name))
        for name, table in tables.items()
        if name != stage.name and not table.get("live") and table.get("account") == account
    ]


def _rate(name: str) -> float | None:
    try:
        target = stage_registry.target_of(name, None)
        settings: Any = Api(target.url, target.token, timeout_s=ANSWER_WITHIN_S).examine()
        return float(settings["settings"]["rate"])
    except (click.ClickException, KeyError, TypeError, ValueError):
        return None


def _reserved_by(name: str) -> int:
    try:
        return reserved(stage_named(name, {}))
    except click.ClickException:
        return 0  # a stage of another clone: env.yaml here does not know it
