"""`live-record deliveries`: the stage's tasks that failed for good, or that are still to be done.

cli.main adds the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from gettext import gettext as _

import click

from cli import output, texts
from cli.api import ALL_ROWS, Api
from cli.output import Json
from cli.stage_command import limited, of_stage

"""A limit above the number of tasks that a stage keeps."""


@click.group()
def deliveries() -> None:
    """List the tasks of a stage, and retry those that failed for good.

    A task verifies a file, copies it, or sends a message or an event. The stage retries a task
    automatically. If the last attempt fails too, the task has failed for good.
    """


@deliveries.command("list")
@click.option(
    "--state",
    default="dead",
    type=click.Choice(["dead", "open"]),
    show_default=True,
    help="`dead` lists the tasks that failed for good, `open` those that are still to be done",
)
@limited(100)
@of_stage(changes=False)
def list_deliveries(api: Api, state: str, limit: int, as_json: bool) -> None:
    """List the tasks that failed for good, with their causes, or those still to be done."""
    answer = api.deliveries(state, limit)
    nothing = _("no task has failed for good") if state == "dead" else _("no task is open")
    output.rows(answer, "deliveries", _line_of, as_json, nothing=nothing, limit=limit)


@deliveries.command("redrive")
@click.argument("ids", nargs=-1)
@click.option("--all", "of_all", is_flag=True, help="retry every task that failed for good")
@of_stage(changes=True)
def redrive(api: Api, ids: Sequence[str], of_all: bool, as_json: bool) -> None:
    """Retry tasks that failed for good.

    IDS are the ids that `deliveries list` shows.
    """
    if bool(ids) is of_all:
        raise click.UsageError(_("Name the tasks by their ids, or pass `--all`."))
    if of_all:
        ids = [row["id"] for row in api.deliveries("dead", ALL_ROWS)["deliveries"]]
    opened = [api.redrive(each) for each in ids]
    if as_json:
        output.as_json({"deliveries": opened})
        return
    click.echo(_("tasks that are tried again: {count}").format(count=len(opened)))


def _line_of(row: Json) -> str:
    line = _("{id}  {stream}  {kind}  {at}  attempts: {count}  {why}")
    why = texts.detail(row["why"] or "")
    return line.format(**{**row, "count": row["attempts"], "why": why}).rstrip()
