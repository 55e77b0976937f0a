"""`live-record setup`: shows how Live's configuration differs from a stage's needs, and changes it.

cli.main adds the command. It parses options and prints; cli.setup.plan decides, cli.setup.apply
changes. It must not print a key or the end of a callback URL.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from cli import output, stage_registry
from cli.account import Declined, account_at
from cli.api import Api
from cli.errors import Failure
from cli.printable import printable
from cli.setup.apply import Applier, Outcome
from cli.setup.backup import Backup, load_backup
from cli.setup.configurations import KEY, Value
from cli.setup.plan import Change, Plan, SetupOptions, compare, redacted
from cli.setup.stage import stage_of

_FORMATS = ("mp4", "flv")


@click.command()
@click.option("--stage", help="name of a stage in .live-record/stages.toml; make dev registers dev")
@click.option(
    "--url", envvar="LIVE_RECORD_URL", help="address of a stage that is not in stages.toml"
)
@click.option(
    "--token", envvar="LIVE_RECORD_TOKEN", help="API token; overrides the one in stages.toml"
)
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option("--yes", is_flag=True, help="apply the changes without asking")
@click.option(
    "--take-over",
    is_flag=True,
    help="also replace callback URLs of other receivers; the stage forwards callbacks to them",
)
@click.option("--undo", is_flag=True, help="restore the configuration from before the first setup")
@click.option(
    "--manual",
    is_flag=True,
    help="also switch automatic recording configurations to manual if no policy rule covers them",
)
@click.option("--bucket", default="", help="OSS bucket for recording configurations to add")
@click.option(
    "--endpoint", default="", help="endpoint of the bucket, such as oss-cn-shanghai.aliyuncs.com"
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    default=["mp4"],
    help="file format of recording configurations to add; repeatable",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="print the result as JSON; changes nothing without --yes",
)
def setup(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    yes: bool,
    take_over: bool,
    undo: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - the rest is SetupOptions'
) -> None:
    """Configure Live as a stage needs it, or undo that.

    Setup shows the changes to recording configurations and callbacks, asks, and applies them.
    """
    if bool(options["bucket"]) != bool(options["endpoint"]) and options["bucket"]:
        raise click.UsageError(
            "--bucket needs --endpoint. Pass one such as oss-cn-shanghai.aliyuncs.com."
        )
    target = stage_registry.with_live(
        stage_registry.resolve_target(stage, url, token, changes=True), live
    )
    found = stage_of(target, Api(target.url, target.token), os.environ)
    account = account_at(target.live)
    backup = load_backup(found.name, found.url)
    say = _silent if as_json else _say
    applier = Applier(found, account, backup, say, _wait(), take_over)
    try:
        if undo:
            _undo(applier, yes=yes, as_json=as_json)
        else:
            _setup(applier, SetupOptions(take_over=take_over, **options), yes=yes, as_json=as_json)
    except Declined as declined:
        raise Failure(_advice(declined)) from None


def _wait() -> Callable[[float], None]:
    """Return the function to sleep with; a program may pass its own as click's `obj`."""
    wait = click.get_current_context().obj
    return wait if callable(wait) else time.sleep


def _silent(_line: str) -> None:
    """Print nothing: with --json the result is printed once, at the end."""


def _setup(applier: Applier, options: SetupOptions, *, yes: bool, as_json: bool) -> None:
    plan = compare(applier.stage, applier.account, options)
    for line in plan_lines(plan):
        applier.say(line)
    outcome = Outcome(left=[str(change.target) for change in plan.changes])
    if plan.changes and _is_confirmed(yes=yes, as_json=as_json):
        outcome = applier.apply(plan)
    _finish(plan, outcome, applier.backup, as_json=as_json)


def _undo(applier: Applier, *, yes: bool, as_json: bool) -> None:
    for entry in reversed(applier.backup.entries):
        applier.say(f"to restore: {entry.target}")
    outcome = Outcome(left=[str(entry.target) for entry in applier.backup.entries])
    if not applier.backup.is_empty and _is_confirmed(yes=yes, as_json=as_json):
        outcome = applier.undo()
    _finish(Plan(), outcome, applier.backup, as_json=as_json)


def _say(line: str) -> None:
    click.echo(printable(line))


def _is_confirmed(*, yes: bool, as_json: bool) -> bool:
    return yes or (not as_json and click.confirm("Apply these changes?"))


def _finish(plan: Plan, outcome: Outcome, backup: Backup, *, as_json: bool) -> None:
    """Print the result; exit with 1 if anything was left, failed or is blocked."""
    if as_json:
        output.as_json(_document(plan, outcome, backup))
    else:
        for line in _summary(plan, outcome, backup):
            _say(line)
    if outcome.left or outcome.failed or plan.blocked:
        sys.exit(1)


def _summary(plan: Plan, outcome: Outcome, backup: Backup) -> Iterator[str]:
    if outcome.failed:
        yield f"failed: {outcome.failed}"
    for target in outcome.left:
        yield f"left: {target}"
    if not (plan.changes or plan.blocked or outcome.done or outcome.left):
        yield "nothing to do"
    if outcome.done and not backup.is_empty:
        yield f"the previous configuration is stored in {backup.path}, for --undo"
    if outcome.done:
        yield "streams that are live now keep the old configuration until their next publish"


def _document(plan: Plan, outcome: Outcome, backup: Backup) -> dict[str, Any]:
    return {
        "changes": [
            {"target": str(change.target), "what": list(_differences(change))}
            for change in plan.changes
        ],
        "forward_to": {kind: redacted(url) for kind, url in plan.forward.items()},
        "blocked": plan.blocked,
        "notes": plan.notes,
        "done": outcome.done,
        "left": outcome.left,
        "failed": outcome.failed,
        "backup": "" if backup.is_empty else str(backup.path),
    }


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the whole plan as lines, without secrets."""
    for change in plan.changes:
        yield f"{change.target}" + ("" if change.before else ": does not exist, will be added")
        for difference in _differences(change):
            yield f"  {difference}"
    for kind, url in plan.forward.items():
        yield f"policy: forward_to.{kind} will be {redacted(url)}"
    for note in plan.notes:
        yield f"note: {note}"
    for sentence in plan.blocked:
        yield f"blocked: {sentence}"


def _differences(change: Change) -> Iterator[str]:
    before, after = change.before or {}, change.after or {}
    for name in (*after, *(name for name in before if name not in after)):
        if before.get(name) != after.get(name):
            yield f"{name}: {_shown_value(before, name)} -> {_shown_value(after, name)}"


def _shown_value(value: Value, name: str) -> str:
    if value.get(name) in (None, ""):
        return "none"
    if name == KEY:
        return "(hidden)"
    shown = value[name]
    if isinstance(shown, list):
        return ", ".join(_format(entry) for entry in shown)
    return redacted(str(shown)) if name.endswith("Url") else str(shown)


def _format(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return f"{entry.get('Format')} as {entry.get('OssObjectPrefix') or 'named by Live'}"


def _advice(declined: Declined) -> str:
    if declined.is_forbidden:
        return f"{declined}. Grant these credentials the action live:{declined.action}."
    return str(declined)
