"""The commands check, deploy and rollback.

cli.main adds them. They ask for confirmation and print; cli.deploying.release does the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import click

from cli import stage_registry
from cli.api import Api
from cli.deploying.checks import faults
from cli.deploying.fingerprints import fingerprints
from cli.deploying.release import plan_rollback, release, roll_back
from cli.deploying.serverless import Serverless
from cli.deploying.stage import policy_of, runtime_of, stage_named
from cli.deploying.store_identity import accept_store, store_id_of, with_store_id
from cli.errors import Failure
from cli.packaging import PACKAGES, Packaged, build, folder_of
from cli.paths import ROOT, need_checkout
from cli.policy_file import packed_policy, read_policy
from cli.variables import misspelt
from emulator.fc.template import BadTemplate, environments
from shared.config import example_faults

BUSY_PHASES = ("queued", "starting", "recording", "stopping")
Command = Callable[..., None]
_STAGE = click.option("--stage", required=True, help="name of a stage in env.yaml")
_YES = click.option("--yes", "sure", is_flag=True, help="do not ask for confirmation")


@click.command()
def check() -> None:
    """Check s.yaml and env.yaml as every stage would be deployed."""
    need_checkout("check")
    template = ROOT / "s.yaml"
    try:
        names = list(environments(template.with_name("env.yaml")))
    except BadTemplate as error:
        raise Failure(str(error)) from None
    found = {name: faults(stage_named(name, os.environ).resources()) for name in names}
    wrong = [f"{name}: {fault}" for name, each in found.items() for fault in each]
    _fail_on([*misspelt(os.environ), *wrong, *_policy_faults(names)], "s.yaml")
    click.echo(f"s.yaml is sound in every stage: {', '.join(names)}")
    for name in names:
        for fault in example_faults(read_policy(policy_of(name))):
            click.echo(f"{name}: {fault.detail}. A deploy refuses it.")
    click.echo("The settings of a stage are checked by its deploy, which has the secrets.")


def _policy_faults(names: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the stages' policies, each file once."""
    for file in dict.fromkeys(policy_of(name) for name in names):
        yield from _faults_of(file)


def _faults_of(policy: Path) -> Iterator[str]:
    try:
        read_policy(policy)
    except Failure as failure:
        yield failure.message


@click.command()
@_STAGE
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="policy file; policy.STAGE.toml by default, or else policy.toml",
)
@_YES
def deploy(stage: str, policy_file: Path | None, sure: bool) -> None:
    """Check, package and deploy STAGE.

    At the end its triggers and routes point to the new release.
    """
    need_checkout("deploy")
    runtime = runtime_of(os.environ)
    code, files_code = (folder_of(each, runtime) for each in PACKAGES)
    target_stage = stage_named(stage, os.environ, code=code, files_code=files_code)
    policy = policy_file or policy_of(stage)
    found = target_stage.faults(packed_policy(policy))
    _fail_on([*misspelt(os.environ), *found], f"the stage {stage}")
    s = Serverless(target_stage)
    _confirm(f"Deploy {stage}?", stage, sure)
    store_id = store_id_of(s, target_stage)
    target_stage = with_store_id(target_stage, store_id)
    s = Serverless(target_stage)
    made = [build(runtime, each, policy=policy, warn=_say) for each in PACKAGES]
    named = _named(made[0], datetime.now(timezone.utc), target_stage.environment)
    release(s, target_stage.functions(), named, _say)
    accept_store(stage, store_id, _say)


@click.command()
@_STAGE
@_YES
def rollback(stage: str, sure: bool) -> None:
    """Roll STAGE back to the previous release."""
    need_checkout("rollback")
    target_stage = stage_named(stage, os.environ)
    s = Serverless(target_stage)
    plan = plan_rollback(s, target_stage.functions())
    for warning in plan.warnings:
        _say(f"warning: {warning}")
    _confirm(f"Roll {stage} back to {plan.release}?", stage, sure)
    roll_back(s, plan, _say)


def _fail_on(found: list[str], subject: str) -> None:
    if found:
        listed = "".join(f"\n  {fault}" for fault in found)
        raise Failure(f"{subject} cannot be deployed:{listed}")


def _named(made: Packaged, now: datetime, environment: Mapping[str, str]) -> str:
    """Return the description of a release's versions: Function Compute takes 256 characters."""
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    code = f"live-record {made.manifest['live_record']} {made.manifest['tree'][:12]}"
    return f"{at} {code} secrets: {fingerprints(environment)}"


def _confirm(question: str, stage: str, sure: bool) -> None:
    """Ask for confirmation, with a warning if the stage is recording."""
    warning = _activity_warning(stage)
    if warning:
        _say(f"warning: {warning}")
    if not sure:
        click.confirm(question, abort=True)


def _activity_warning(stage: str) -> str:
    """Return a warning if the stage is recording or does not answer, else nothing."""
    try:
        target = stage_registry.resolve_target(stage, None, None, changes=True)
        phases = Api(target.url, target.token).list_recordings(1)["phases"]
    except click.ClickException as error:
        return f"whether {stage} is recording is unknown: {error.format_message()}"
    counts = [f"{phases[phase]} {phase}" for phase in BUSY_PHASES if phases.get(phase)]
    return f"{stage} is in use: {', '.join(counts)}" if counts else ""


def _say(text: str) -> None:
    click.echo(text, err=True)
