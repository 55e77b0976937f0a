"""live-record doctor: whether a stage and the account around it are ready, before it matters."""

from __future__ import annotations

import sys
import time

import click

from cli import output, stage_registry
from cli.doctor.snapshot import INSTANCES, Where
from cli.errors import Failure
from cli.stage_registry import Target

PATIENCE = 8.0
"""s that the stage may take for an answer: a cold instance needs some of them."""


class Unlooked(Failure):
    """There is no such stage: no better than a fault, and click's own exit code too."""

    exit_code = 2


@click.command()
@click.option("--stage", help="one of .live-record/stages.toml; make dev registers dev")
@click.option("--url", envvar="LIVE_RECORD_URL", help="of a stage that the file does not name")
@click.option("--token", envvar="LIVE_RECORD_TOKEN", help="of the API, with the scope control")
@click.option("--live", help="the address of ApsaraVideo Live, where it is a stand-in")
@click.option(
    "--instances",
    default=INSTANCES,
    show_default=True,
    type=click.IntRange(1),
    help="of Function Compute that the region has",
)
@click.option("--json", "as_json", is_flag=True, help="the findings as JSON")
def doctor(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    instances: int,
    as_json: bool,
) -> None:
    """Look at all that recording rests on, and say what mends it.

    Changes nothing. Exits with 0 when all is well, 1 when there are warnings, 2 when there are
    faults or nothing could be looked at.
    """
    try:
        target = stage_registry.with_live(
            stage_registry.chosen(stage, url, token, changes=False), live
        )
    except Failure as error:
        raise Unlooked(error.message) from None
    named = f"--url {url}" if url else f"--stage {stage or stage_registry.DEV}"
    where = Where(target.url, named, f" --live {live}" if live else "", instances)
    sys.exit(_looked(target, where, as_json=as_json))


def _looked(target: Target, where: Where, *, as_json: bool) -> int:
    """The severity of the worst that was found."""
    from cli.account import account_at
    from cli.api import Api
    from cli.doctor import report
    from cli.doctor.bucket import bucket
    from cli.doctor.checks import CHECKS
    from cli.doctor.collect import look
    from cli.doctor.finding import examine, worst
    from cli.doctor.sources import Reader

    reader = Reader(Api(target.url, target.token, patience=PATIENCE), None, bucket)
    try:
        reader.account = account_at(target.live)
    except Failure as error:
        reader.why = error.message
    seen = look(reader, where, now=_now)
    findings = examine(CHECKS, seen)
    if as_json:
        output.as_json(report.as_json(findings))
    else:
        click.echo("\n".join(report.lines(findings)))
    return int(worst(findings))


def _now() -> int:
    return time.time_ns() // 1_000_000
