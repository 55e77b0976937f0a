"""What the stages of one account share: its instances in a region, and its calls to Live.

The deploy command refuses what does not fit, before anything is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import stage_registry
from cli.api import Api
from cli.deploying.stage import Stage, stage_named
from cli.deploying.steps import reserved_in

INSTANCES: Final = 100
"""The default quota of a region (docs/platform/function-compute.md §5)."""
UNRESERVED: Final = 40
"""Instances that stay for the functions without a reservation, of all stages."""
ACCOUNT_RATE: Final = 50
"""Calls a second that Live takes from an account (docs/platform/live.md §1.5)."""
DEFAULT_RATE: Final = 45
ANSWER_WITHIN_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a registered stage takes; `rate` is None if it does not answer."""

    stage: str
    rate: float | None
    reserved: int


def faults(stage: Stage, others: Sequence[Share], instances: int = INSTANCES) -> list[str]:
    """Return why the stage does not fit into the account beside the others."""
    return [*_of_instances(stage, others, instances), *_of_rates(stage, others)]


def unknown(others: Sequence[Share]) -> list[str]:
    """Return what could not be added up."""
    return [
        f"how many calls a second {each.stage} makes is unknown: it does not answer. All stages of"
        f" one account together may make {ACCOUNT_RATE}"
        for each in others
        if each.rate is None
    ]


def _of_instances(stage: Stage, others: Sequence[Share], instances: int) -> Iterator[str]:
    taken = {stage.name: reserved(stage), **{each.stage: each.reserved for each in others}}
    most = instances - UNRESERVED
    if sum(taken.values()) > most:
        yield (
            f"{sum(taken.values())} instances would be reserved ({_listed(taken)}), more than"
            f" {most}: of the region's {instances}, {UNRESERVED} stay for the other functions."
            " Reserve fewer in env.yaml, or pass --instances with your larger quota."
        )


def _of_rates(stage: Stage, others: Sequence[Share]) -> Iterator[str]:
    ours = float(stage.environment.get("LIVE_RECORD_RATE") or DEFAULT_RATE)
    rates = {stage.name: ours, **{each.stage: each.rate for each in others if each.rate}}
    if sum(rates.values()) > ACCOUNT_RATE:
        yield (
            f"LIVE_RECORD_RATE: {_listed(rates)} calls a second are more than the {ACCOUNT_RATE} of"
            " an account. Set the variable for each stage, such as 40 for prod and 5 for staging,"
            " and deploy the stage that gets fewer first. A stage of another account says so in"
            f' {stage_registry.path()}: account = "NAME".'
        )


def _listed(shares: Mapping[str, float]) -> str:
    return " + ".join(f"{name} {number:g}" for name, number in shares.items())


def reserved(stage: Stage) -> int:
    """Return the instances that the stage's functions reserve."""
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
