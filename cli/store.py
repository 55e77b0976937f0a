"""`live-record store`: accept the store of a stage as its own.

cli.main adds the group. It reaches a stage only over HTTP: a laptop may not reach the store.
"""

from __future__ import annotations

from gettext import gettext as _

import click

from cli import output
from cli.api import Api
from cli.stage_command import of_stage


@click.group()
def store() -> None:
    """Manage the store of a stage."""


@store.command("accept")
@click.option(
    "--replaces",
    help="id of the stage to which the store belongs now, if you take the store over from it",
)
@of_stage(changes=True)
def accept(api: Api, replaces: str | None, as_json: bool) -> None:
    """Accept the store after it was emptied, or after the first deploy.

    Before you accept it, stop each stream that must not be recorded, because an emptied store has
    lost earlier stops and ends. Afterwards the policy records every live stream that it covers.
    """
    answer = api.accept_store(replaces)
    if as_json:
        output.as_json(answer)
        return
    sentence = _("The store is accepted as {store_id}. The policy applies to every live stream.")
    click.echo(sentence.format(store_id=answer["store_id"]))
