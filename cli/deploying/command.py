"""The commands check, deploy and rollback.

cli.main adds them. They find what cannot be deployed, ask for confirmation, and print.
cli.deploying.release and cli.deploying.rollback change the stage.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from gettext import gettext as _
from pathlib import Path

import click

from cli import output, stage_registry, texts
from cli.api import Api
from cli.confirmation import agrees
from cli.deploying import limits
from cli.deploying.checks import faults
from cli.deploying.fingerprints import fingerprints
from cli.deploying.leftover import say_left_over
from cli.deploying.limits import INSTANCES
from cli.deploying.lock import only_one
from cli.deploying.release import CODE_STEPS, STEPS, Release, release
from cli.deploying.rollback import plan_rollback, roll_back
from cli.deploying.serverless import Serverless
from cli.deploying.smoke import smoke_test
from cli.deploying.stage import Stage, need_own_variables, policy_of, runtime_of, stage_named
from cli.deploying.store_identity import accept_store, store_id_of, with_store_id
from cli.errors import Failure, NoAnswer
from cli.packaging import PACKAGES, Packaged, build, folder_of
from cli.paths import ROOT, need_checkout
from cli.policy_file import packed_policy, read_policy
from cli.schedules import warn_of_unreadable
from cli.variables import misspelt
from emulator.fc.template import BadTemplate, environments
from shared.config import example_faults
from shared.protocol.durations import instant

STORE, SMOKE = "store", "smoke"
EVENT_MS = 30 * 60_000
"""A deploy is refused from this long before an occurrence of a schedule until its end."""
BUSY_PHASES = ("queued", "starting", "recording", "stopping")
Command = Callable[..., None]
_STAGE = click.option("--stage", default="", help="name of a stage in env.yaml")
"""Without it, the answer is the list of stages, as for `make deploy`."""
_YES = click.option("--yes", "sure", is_flag=True, help="do not ask for confirmation")


@click.command()
def check() -> None:
    """Check s.yaml, env.yaml and the policy file of every stage."""
    need_checkout("check")
    template = ROOT / "s.yaml"
    try:
        names = list(environments(template.with_name("env.yaml")))
    except BadTemplate as error:
        raise Failure(str(error)) from None
    found = {name: _stage_faults(stage_named(name, os.environ)) for name in names}
    wrong = [f"{name}: {fault}" for name, each in found.items() for fault in each]
    _fail_on([*misspelt(os.environ), *wrong, *_policy_faults(names)], "s.yaml")
    click.echo(_("s.yaml is sound in every stage: {names}").format(names=", ".join(names)))
    for file in dict.fromkeys(map(policy_of, names)):
        for fault in example_faults(read_policy(file)):
            sentence = _("{file}: {detail}. A deploy refuses this file.")
            click.echo(sentence.format(file=file.name, detail=texts.detail(fault.detail)))
    click.echo(
        _(
            "The settings of a stage are not checked here: only a deploy has the secrets, so the"
            " deploy checks the settings."
        )
    )


def _policy_faults(names: Sequence[str]) -> Iterator[str]:
    """Yield the faults of the stages' policies; check each file once."""
    for file in dict.fromkeys(policy_of(name) for name in names):
        yield from _faults_of(file)


def _faults_of(policy: Path) -> Iterator[str]:
    try:
        read_policy(policy)
    except Failure as failure:
        yield failure.message


def _stage_faults(stage: Stage) -> list[str]:
    return [*faults(stage.resources()), *limits.faults(stage, [])]


@click.command()
@_STAGE
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="policy file; policy.STAGE.toml by default, or else policy.toml",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*STEPS, STORE, SMOKE]),
    help="run only this step; repeatable",
)
@click.option("--dry-run", is_flag=True, help="show what would change, and change nothing")
@click.option(
    "--instances",
    default=INSTANCES,
    show_default=True,
    type=click.IntRange(1),
    help="your quota of Function Compute instances in the region",
)
@click.option(
    "--during-event",
    is_flag=True,
    help="deploy although an occurrence of a schedule is under way or begins within 30 minutes",
)
@_YES
def deploy(
    *,
    stage: str,
    policy_file: Path | None,
    only: tuple[str, ...],
    dry_run: bool,
    instances: int,
    during_event: bool,
    sure: bool,
) -> None:
    """Check, package and deploy a stage.

    At the end, the triggers and routes of the stage point to the new release. Each step changes
    only what differs. So if a deploy failed, a second deploy continues where the first one stopped.
    """
    need_checkout("deploy")
    policy = policy_file or policy_of(stage)
    target = _checked_stage(stage, policy, instances)
    if not (dry_run or during_event):
        _refuse_during_event(stage)
    if not dry_run:
        _confirm(_("Deploy {stage}?").format(stage=stage), stage, sure)
    chosen = only or (*STEPS, STORE, SMOKE)
    with only_one(stage):
        if any(step in (*CODE_STEPS, STORE) for step in chosen):
            store_id = store_id_of(Serverless(target), target)
            target = with_store_id(target, store_id)
        steps = [step for step in STEPS if step in chosen]
        wanted = _release_of(target, policy, steps, dry_run)
        changes = release(target, Serverless, wanted, _say).changes if steps else ()
        if not dry_run and STORE in chosen:
            accept_store(stage, store_id, _say)
    if not only:
        say_left_over(target, _say)
    _summarize(stage, changes, dry_run=dry_run)
    if not dry_run and SMOKE in chosen:
        smoke_test(stage, _say)


def _checked_stage(name: str, policy: Path, instances: int) -> Stage:
    """Return the stage if it can be deployed; raise a Failure with everything that prevents it."""
    runtime = runtime_of(os.environ)
    codes = {each.variable: folder_of(each, runtime) for each in PACKAGES}
    stage = stage_named(name, os.environ, codes=codes)
    whose = need_own_variables(name, os.environ)
    others = limits.other_shares(stage)
    for each in limits.unknown(others):
        _say(_("warning: {each}").format(each=each))
    found = [*stage.faults(packed_policy(policy)), *limits.faults(stage, others, instances)]
    _fail_on([*misspelt(os.environ), *found], _("the stage {name}").format(name=name))
    for each in whose:
        _warn(each)
    return stage


def _release_of(stage: Stage, policy: Path, only: Sequence[str], dry_run: bool) -> Release:
    """Return the release to deploy; its packages are built if a step needs them."""
    if not any(step in CODE_STEPS for step in only):
        return Release("", lambda _props: "", only, dry_run)
    runtime = runtime_of(os.environ)
    made = [build(runtime, each, policy=policy, warn=_say) for each in PACKAGES]
    trees = {str(each.folder): str(each.manifest["tree"]) for each in made}
    label = _named(made[0], datetime.now(timezone.utc), stage.environment)
    return Release(label, lambda props: trees[props["code"]], only, dry_run)


def _summarize(stage: str, changes: Sequence[str], *, dry_run: bool) -> None:
    done, planned = _("{stage}: nothing changed"), _("{stage}: nothing would change")
    if changes:
        done = _("{stage}: steps that changed something: {count}")
        planned = _("{stage}: steps that would change something: {count}")
    _say((planned if dry_run else done).format(stage=stage, count=len(changes)))


@click.command()
@_STAGE
@_YES
def rollback(stage: str, sure: bool) -> None:
    """Roll a stage back to its previous release."""
    need_checkout("rollback")
    target_stage = stage_named(stage, os.environ)
    need_own_variables(stage, os.environ)
    s = Serverless(target_stage)
    with only_one(stage):
        plan = plan_rollback(s, target_stage.functions())
        for warning in (*plan.warnings, *_suspended(stage)):
            _say(_("warning: {warning}").format(warning=warning))
        _confirm(
            _("Roll {stage} back to {release}?").format(stage=stage, release=plan.release),
            stage,
            sure,
        )
        roll_back(s, plan, _say)


def _fail_on(found: list[str], subject: str) -> None:
    if found:
        listed = "".join(f"\n  {fault}" for fault in found)
        sentence = _("{subject} cannot be deployed:{listed}")
        raise Failure(sentence.format(subject=subject, listed=listed))


def _named(made: Packaged, now: datetime, environment: Mapping[str, str]) -> str:
    """Return the label of a release. It is short, because it begins the description of each
    version, which has at most 256 characters (docs/platform/function-compute.md §6.1)."""
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    code = f"live-record {made.manifest['live_record']} {made.manifest['tree'][:12]}"
    return f"{at} {code} secrets: {fingerprints(environment)}"


def _refuse_during_event(stage: str) -> None:
    """Raise a Failure if an occurrence of a schedule is under way or begins soon. Schedules that
    cannot be read do not prevent the deploy, which may be their cure, and are named. Nor does a
    stage that does not answer, of which `_confirm` warns."""
    try:
        answer = _api(stage).schedule_list()
    except NoAnswer:
        return
    except click.ClickException as error:
        sentence = _("it is unknown whether an occurrence of a schedule is under way: {error}")
        _warn(sentence.format(error=error.format_message()))
        return
    warn_of_unreadable(answer)
    soon = time.time_ns() // 1_000_000 + EVENT_MS
    upcoming = [one for row in answer["schedules"] for one in row["next"]]
    near = [one["id"] for one in upcoming if instant(one["begins_at"]) <= soon]
    if near:
        sentence = _(
            "An occurrence of a schedule is under way or begins within 30 minutes: {names}. Deploy"
            " later, or pass `--during-event`."
        )
        raise Failure(sentence.format(names=", ".join(near)))


def _suspended(stage: str) -> Iterator[str]:
    """Yield a warning if the policy is suspended: an older release cannot read a suspended policy.
    Yield nothing if the stage does not answer; `_confirm` warns of that."""
    with suppress(click.ClickException):
        if "suspended" in _api(stage).policy()["policy"]:
            sentence = _(
                "the policy is suspended. If the earlier release does not know suspensions, it"
                " cannot read this policy, and uses the packaged policy instead. Before the"
                " rollback, run `live-record policy resume --stage {stage}`."
            )
            yield sentence.format(stage=stage)


def _api(stage: str) -> Api:
    target = stage_registry.resolve_target(stage, None, None, changes=True)
    return Api(target.url, target.token)


def _confirm(question: str, stage: str, sure: bool) -> None:
    """Ask for confirmation, with a warning if the stage is recording."""
    warning = _activity_warning(stage)
    if warning:
        _warn(warning)
    if not (sure or agrees(question)):
        raise click.Abort


def _activity_warning(stage: str) -> str:
    """Return a warning if the stage is recording or does not answer, else ""."""
    try:
        phases = _api(stage).list_recordings(1)["phases"]
    except NoAnswer:
        sentence = _(
            "{stage} does not answer, so it is unknown whether it is recording. Before the first"
            " deploy of a stage, this is normal."
        )
        return sentence.format(stage=stage)
    except click.ClickException as error:
        sentence = _("it is unknown whether {stage} is recording: {error}")
        return sentence.format(stage=stage, error=error.format_message())
    busy = [phase for phase in BUSY_PHASES if phases.get(phase)]
    counts = [f"{phases[phase]} {output.phase_word(phase)}" for phase in busy]
    return (
        _("{stage} is in use: {names}").format(stage=stage, names=_(", ").join(counts))
        if counts
        else ""
    )


def _warn(text: str) -> None:
    _say(_("warning: {warning}").format(warning=text))


def _say(text: str) -> None:
    click.echo(text, err=True)
