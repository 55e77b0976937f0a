"""`live-record doctor`: checks whether a stage and the account around it are ready to record.

cli.main adds the command. It must change nothing, and must report findings even if nothing answers.
"""

from __future__ import annotations

import sys
import time

import click

from cli import output, stage_registry
from cli.doctor.snapshot import DEFAULT_INSTANCES, StageRef
from cli.errors import Failure
from cli.stage_registry import Target

STAGE_TIMEOUT_S = 8.0
"""Time limit for the stage's answers; a cold instance needs some seconds."""


class NothingInspected(Failure):
    """No stage was checked: exit code 2, like a fault and like click's usage errors."""

    exit_code = 2


@click.command()
@click.option("--stage", help="name of a stage in .live-record/stages.toml; make dev registers dev")
@click.option(
    "--url", envvar="LIVE_RECORD_URL", help="address of a stage that is not in stages.toml"
)
@click.option(
    "--token",
    envvar="LIVE_RECORD_TOKEN",
    help="API token with the scope control; overrides the one in stages.toml",
)
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option(
    "--instances",
    default=DEFAULT_INSTANCES,
    show_default=True,
    type=click.IntRange(1),
    help="your quota of Function Compute instances in the region",
)
@click.option("--json", "as_json", is_flag=True, help="print the findings as JSON")
def doctor(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    instances: int,
    as_json: bool,
) -> None:
    """Check what recording depends on, and print the fixes.

    The command changes nothing. It exits with 0 if all is well, 1 if there are warnings, 2 if there
    are faults or nothing could be checked.
    """
    try:
        target = stage_registry.with_live(
            stage_registry.resolve_target(stage, url, token, changes=False), live
        )
    except Failure as error:
        raise NothingInspected(error.message) from None
    options = f"--url {url}" if url else f"--stage {stage or stage_registry.DEV}"
    stage_ref = StageRef(target.url, options, f" --live {live}" if live else "", instances)
    sys.exit(_inspect(target, stage_ref, as_json=as_json))


def _inspect(target: Target, stage_ref: StageRef, *, as_json: bool) -> int:
    """Run all checks, print the findings and return the exit code."""
    from cli.account import account_at
    from cli.api import Api
    from cli.doctor import report
    from cli.doctor.bucket import bucket
    from cli.doctor.checks import CHECKS
    from cli.doctor.collect import collect
    from cli.doctor.finding import examine, worst
    from cli.doctor.sources import Sources

    sources = Sources(Api(target.url, target.token, timeout_s=STAGE_TIMEOUT_S), None, bucket)
    try:
        sources.account = account_at(target.live)
    except Failure as error:
        sources.why = error.message
    snapshot = collect(sources, stage_ref, now_ms=_now_ms)
    findings = examine(CHECKS, snapshot)
    if as_json:
        output.as_json(report.as_json(findings))
    else:
        click.echo("\n".join(report.lines(findings)))
    return int(worst(findings))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
