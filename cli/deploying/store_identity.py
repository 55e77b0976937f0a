"""The id by which a stage knows its store: made at the first deploy, kept in the stage's
environment.

The deploy command calls this module. No function ever makes an id or puts one into a store by
itself: an emptied store would look like a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from gettext import gettext as _

import click

from cli import stage_registry
from cli.api import Api
from cli.deploying.deployed import Commands, Deployed
from cli.deploying.stage import Stage
from cli.errors import Failure, clause_of

VARIABLE = "LIVE_RECORD_STORE_ID"
FUNCTION = "record_command"
"""The function whose environment is read; all have the same id."""


@dataclass(frozen=True, slots=True)
class StoreId:
    """The id of a stage's store. `is_new`: no release of the stage has used this id yet, so no
    store can have it."""

    value: str
    is_new: bool


def store_id_of(s: Commands, stage: Stage) -> StoreId:
    """Return the id that the deployer's environment names, or else the deployed one, or else a new
    one. Raise a Failure if the deployed id cannot be read: a new id would differ from the store's,
    and the stage would then send nothing (`ForeignStore`)."""
    named = stage.environment.get(VARIABLE, "").strip()
    if named:
        return StoreId(named, is_new=False)
    known = Deployed(s)
    deployed = known.ask(FUNCTION, "info")
    if not deployed:
        return StoreId(_new(stage), is_new=True)
    found = [row[VARIABLE] for row in deployed if row.get(VARIABLE)]
    if found:
        return StoreId(str(found[0]), is_new=known.serving(FUNCTION) is None)
    if not any("environmentVariables" in row for row in deployed):
        sentence = _(
            "`s {function} info` shows no environment variables, so the id of the stage's store is"
            " unknown. Set {variable} to what `live-record doctor --json` shows as `expected_id`."
        )
        raise Failure(sentence.format(function=FUNCTION, variable=VARIABLE))
    return StoreId(_new(stage), is_new=True)


def _new(stage: Stage) -> str:
    account = stage.environment.get("AccountID", "").strip() or "account"
    region = stage.environment.get("LIVE_RECORD_REGION", "").strip() or "cn-shanghai"
    return f"{account}.{region}.{stage.name}.{secrets.token_hex(8)}"


def with_store_id(stage: Stage, store_id: StoreId) -> Stage:
    environment: Mapping[str, str] = {**stage.environment, VARIABLE: store_id.value}
    return replace(stage, environment=environment)


def accept_store(stage: str, store_id: StoreId, say: Callable[[str], None]) -> None:
    """Have the deployed stage put the id into its store if the id is new. If that fails, say what
    to do.

    The store may be in a VPC that only the functions reach. An id that was deployed before is never
    put there again: if the store lacks it, the store was emptied, and a person decides.
    """
    if not store_id.is_new:
        return
    try:
        target = stage_registry.resolve_target(stage, None, None, changes=True)
        Api(target.url, target.token).accept_store(None)
    except click.ClickException as error:
        sentence = _(
            "warning: the store is not accepted yet: {error}. Run `live-record store accept --stage"
            " {stage}`. Until then, no rule records a stream that is live already"
        )
        say(sentence.format(error=clause_of(error), stage=stage))
    else:
        say(_("the store is accepted as {value}").format(value=store_id.value))
