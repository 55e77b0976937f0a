"""`live-record doctor`: checks whether a stage and the account around it are ready to record.

cli.main adds the command. It must change nothing, and must report findings even if nothing answers.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from cli import exit_codes, output, stage_registry, texts
from cli.doctor.snapshot import DEFAULT_INSTANCES, StageRef
from cli.errors import Failure, clause_of
from cli.runtimes import DEFAULT_REGION
from cli.stage_command import stage_options
from cli.stage_registry import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.doctor.finding import Finding
    from cli.doctor.sources import Sources

STAGE_TIMEOUT_S = 8.0
"""Time limit for the stage's answers; a cold instance needs some seconds."""


@click.command()
@stage_options(changes=False, many=True)
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option(
    "--instances",
    default=DEFAULT_INSTANCES,
    show_default=True,
    type=click.IntRange(1),
    help="your quota of Function Compute instances in the region",
)
@click.option(
    "--region",
    envvar="LIVE_RECORD_REGION",
    default=DEFAULT_REGION,
    show_default=True,
    help="region in which the stage is deployed",
)
@click.option("--fc", help="address of an emulator to use instead of Function Compute")
def doctor(
    *,
    targets: Sequence[Target],
    live: str | None,
    instances: int,
    region: str,
    fc: str | None,
    as_json: bool,
) -> None:
    """Check what recording depends on, and print the fixes.

    The command changes nothing. The API token needs the scopes `read` and `control`. Exit codes: 0
    if all is well, 3 if there is something to fix, 4 if something could not be checked. Of several
    stages, the largest code counts.
    """
    sys.exit(
        max(
            _report(stage_registry.with_live(each, live), region, fc, instances, as_json=as_json)
            for each in targets
        )
    )


def _report(target: Target, region: str, fc: str | None, instances: int, *, as_json: bool) -> int:
    """Print the findings of one stage, and return the exit code."""
    from cli.doctor import report

    output.name_stage(target.name, plain=not as_json)
    try:
        findings = _findings(_sources(target, region, fc), target, instances)
    except Failure as error:
        error.show()
        return exit_codes.NOT_ASKED
    if as_json:
        output.as_json(report.as_json(findings))
    else:
        click.echo("\n".join(report.lines(findings)))
    return report.exit_code(findings)


def inspect(target: Target, *, region: str = DEFAULT_REGION) -> Sequence[Finding]:
    """Return the findings of all checks. Raise Failure if the stage's address is not allowed,
    because the token would go there unencrypted."""
    return _findings(_sources(target, region, None), target, DEFAULT_INSTANCES)


def _sources(target: Target, region: str, fc: str | None) -> Sources:
    from cli.api import Api
    from cli.doctor.bucket import bucket
    from cli.doctor.sources import Sources
    from cli.function_compute import address_in

    language = texts.current_language()
    api = Api(target.url, target.token, language=language, timeout_s=STAGE_TIMEOUT_S)
    compute = fc or ("" if target.is_emulated else address_in(region))
    return Sources(api, None, bucket, compute=compute, region=region)


def _findings(sources: Sources, target: Target, instances: int) -> Sequence[Finding]:
    from cli.account import account_at
    from cli.doctor.checks import CHECKS
    from cli.doctor.collect import collect
    from cli.doctor.finding import examine

    try:
        sources.account = account_at(target.live)
    except Failure as error:
        sources.why = clause_of(error)
    stage_ref = StageRef(target.url, target.options, target.live_option, instances, target.is_local)
    return examine(CHECKS, collect(sources, stage_ref, now_ms=_now_ms))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
