"""`live-record setup`: shows how Live's configuration differs from a stage's needs, and changes it.

cli.main adds the command. It parses options and prints; cli.setup.plan decides, cli.setup.apply
changes. It must not print a key, nor the end of a callback URL without --callback-urls.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from gettext import gettext as _
from typing import Any

import click

from cli import output, stage_registry
from cli.account import Declined, account_at
from cli.confirmation import agrees
from cli.errors import Failure
from cli.exit_codes import FAILED
from cli.option_rules import exclusive, without_effect
from cli.printable import printable
from cli.refusals import refusal
from cli.setup.apply import Applier, Outcome
from cli.setup.backup import Backup, load_backup
from cli.setup.configurations import KEY, Value
from cli.setup.plan import Change, Plan, SetupOptions, compare, redacted, url_parts_that_differ
from cli.setup.stage import Stage, Unusable, stage_of
from cli.stage_command import STAGE, TOKEN, URL, api_of
from shared.config.path_tokens import KINDS
from shared.protocol.policy import Mode

_FORMATS = ("mp4", "flv", "m3u8")
_OF_CONFIGURATIONS = ("--manual", "--bucket", "--endpoint", "--format")


@click.command()
@STAGE
@URL
@TOKEN
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option("--yes", is_flag=True, help="apply the changes without asking")
@click.option(
    "--take-over",
    is_flag=True,
    help="also replace callback URLs of other receivers; the stage then forwards callbacks to those"
    " receivers. With `--undo`, also restore what somebody has changed since",
)
@click.option("--undo", is_flag=True, help="restore the configuration from before the first setup")
@click.option(
    "--manual",
    is_flag=True,
    help="also switch automatic recording configurations to manual if no policy rule covers them",
)
@click.option(
    "--act",
    is_flag=True,
    help=(
        "switch the stage from observing to acting; a configuration that records automatically"
        " becomes manual once the stage records all live streams that the configuration covers"
    ),
)
@click.option(
    "--observe",
    is_flag=True,
    help="make the configurations automatic again that `--act` made manual, then let the stage only"
    " observe",
)
@click.option(
    "--bucket", default="", help="OSS bucket for recording configurations that `setup` adds"
)
@click.option(
    "--endpoint", default="", help="endpoint of the bucket, such as oss-cn-shanghai.aliyuncs.com"
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    help="file format that recording configurations must have; `setup` adds it where it is missing;"
    " repeatable. Without this option, new configurations get `mp4`",
)
@click.option(
    "--callback-urls",
    is_flag=True,
    help="print the stage's callback URLs, which another stage's `forward_to` may name, and change"
    " nothing; the URLs are secret",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="print the result as JSON; without `--yes`, change nothing",
)
@exclusive("--undo", "--callback-urls", "--act", "--observe")
@without_effect("--undo", *_OF_CONFIGURATIONS)
@without_effect("--callback-urls", *_OF_CONFIGURATIONS, "--take-over")
def setup(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    yes: bool,
    take_over: bool,
    undo: bool,
    callback_urls: bool,
    as_json: bool,
    act: bool,
    observe: bool,
    **options: Any,  # noqa: ANN401 - the rest is SetupOptions'
) -> None:
    """Configure Live as a stage needs it, or undo that.

    The command shows the changes to recording configurations and callbacks, asks for confirmation,
    and applies them. While the stage only observes, the command leaves recording configurations
    unchanged, and says what it would change.
    """
    if bool(options["bucket"]) != bool(options["endpoint"]) and options["bucket"]:
        raise click.UsageError(
            _("`--bucket` needs `--endpoint`. Pass one such as oss-cn-shanghai.aliyuncs.com.")
        )
    target = stage_registry.with_live(
        stage_registry.resolve_target(stage, url, token, changes=True), live
    )
    api = api_of(target)
    output.name_stage(target.name, plain=not as_json)
    found = stage_of(target, api, os.environ)
    if callback_urls:
        _print_callback_urls(found, as_json=as_json)
        return
    account = account_at(target.live)
    backup = load_backup(found.name, found.url)
    say = _silent if as_json else _say
    applier = Applier(found, account, backup, say, _wait(), take_over)
    try:
        if undo:
            _undo(applier, yes=yes, as_json=as_json)
        else:
            mode = Mode.ACT if act else Mode.OBSERVE if observe else None
            setup_options = SetupOptions(take_over=take_over, mode=mode, **options)
            _setup(applier, setup_options, yes=yes, as_json=as_json)
    except Declined as declined:
        raise Failure(refusal(declined, live=account.live)) from None


def _print_callback_urls(stage: Stage, *, as_json: bool) -> None:
    """Print the URL of each kind of callback, under the names of forward_to."""
    try:
        urls = {kind.replace("-", "_"): stage.callback(kind) for kind in KINDS}
    except Unusable as why:
        raise Failure(str(why)) from None
    if as_json:
        output.as_json({"callback_urls": urls})
        return
    for name, url in urls.items():
        click.echo(f'{name} = "{url}"')


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
    outcome = Outcome(left=[change.target for change in plan.changes])
    if not plan.is_empty and _is_confirmed(yes=yes, as_json=as_json):
        outcome = applier.apply(plan)
    _finish(plan, outcome, applier.backup, as_json=as_json)


def _undo(applier: Applier, *, yes: bool, as_json: bool) -> None:
    for entry in reversed(applier.backup.entries):
        applier.say(_("to restore: {target}").format(target=entry.target))
    outcome = Outcome(left=[entry.target for entry in applier.backup.entries])
    if not applier.backup.is_empty and _is_confirmed(yes=yes, as_json=as_json):
        outcome = applier.undo()
    _finish(Plan(), outcome, applier.backup, as_json=as_json)


def _say(line: str) -> None:
    click.echo(printable(line))


def _is_confirmed(*, yes: bool, as_json: bool) -> bool:
    return yes or (not as_json and agrees(_("Apply these changes?")))


def _finish(plan: Plan, outcome: Outcome, backup: Backup, *, as_json: bool) -> None:
    """Print the result; exit with FAILED if anything was left, failed or is blocked."""
    if as_json:
        output.as_json(_document(plan, outcome, backup))
    else:
        for line in _summary(plan, outcome, backup):
            _say(line)
    if outcome.left or outcome.failed or plan.blocked:
        sys.exit(FAILED)


def _summary(plan: Plan, outcome: Outcome, backup: Backup) -> Iterator[str]:
    if outcome.failed:
        yield _("failed: {why}").format(why=outcome.failed)
    for target in outcome.left:
        yield _("not done: {target}").format(target=target)
    if plan.is_empty and not (plan.blocked or outcome.done or outcome.left or outcome.notes):
        yield _("nothing to do")
    if outcome.done and not backup.is_empty:
        sentence = _("the previous configuration is stored in {file}, for `--undo`")
        yield sentence.format(file=backup.path)
    if outcome.done:
        yield _("streams that are live now keep the old configuration until their next publish")


def _document(plan: Plan, outcome: Outcome, backup: Backup) -> dict[str, Any]:
    return {
        "changes": _change_rows(plan.changes),
        "later": _change_rows(plan.later),
        "mode": plan.mode and plan.mode.value,
        "forward_to": {kind: redacted(url) for kind, url in plan.forward.items()},
        "blocked": plan.blocked,
        "notes": [*plan.notes, *outcome.notes],
        "done": [target.id for target in outcome.done],
        "left": [target.id for target in outcome.left],
        "failed": outcome.failed,
        "backup": "" if backup.is_empty else str(backup.path),
    }


def _change_rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {
            "target": change.target.id,
            "text": str(change.target),
            "fields": {name: _field_row(change, name) for name in _changed_fields(change)},
        }
        for change in changes
    ]


def _field_row(change: Change, name: str) -> dict[str, Any]:
    """Return a field's values before and after the change, as Live has them; None for no value."""
    before, after = change.before or {}, change.after or {}
    return {"before": _machine_value(before, name), "after": _machine_value(after, name)}


def _machine_value(value: Value, name: str) -> Any:  # noqa: ANN401 - as the API has it
    found = value.get(name)
    if found in (None, ""):
        return None
    if name == KEY:
        return "(hidden)"
    return redacted(str(found)) if name.endswith("Url") else found


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the whole plan as lines, without secrets."""
    for change in plan.changes:
        yield from _change_lines(change)
        if change.hands_over:
            yield "  " + _(
                "this changes only once the stage records each live stream of this configuration"
            )
    for kind, url in plan.forward.items():
        sentence = _("policy: `forward_to.{kind}` will be {url}")
        yield sentence.format(kind=kind, url=redacted(url))
    if plan.mode is not None:
        yield _mode_line(plan.mode)
    if plan.later:
        yield _(
            "the stage observes; with `--act` these recording configurations would change, too:"
        )
    for change in plan.later:
        yield from _change_lines(change)
    for note in plan.notes:
        yield _("note: {text}").format(text=note)
    for text in plan.blocked:
        yield _("blocked: {text}").format(text=text)


def _mode_line(mode: Mode) -> str:
    act = _("policy: first the stage is set to act; the recording configurations change after that")
    observe = _(
        "policy: first the configurations that `setup` made manual become automatic again; after"
        " that, the stage only observes"
    )
    return act if mode is Mode.ACT else observe


def _change_lines(change: Change) -> Iterator[str]:
    absent = _("{target}: does not exist, will be added").format(target=change.target)
    yield str(change.target) if change.before else absent
    for difference in _differences(change):
        yield f"  {difference}"


def _differences(change: Change) -> Iterator[str]:
    before, after = change.before or {}, change.after or {}
    for name in _changed_fields(change):
        shown, wanted = _shown_value(before, name), _shown_value(after, name)
        yield f"{name}: {shown} -> {wanted}{_hidden_difference(before, after, name)}"


def _changed_fields(change: Change) -> list[str]:
    before, after = change.before or {}, change.after or {}
    names = dict.fromkeys((*after, *before))
    return [name for name in names if before.get(name) != after.get(name)]


def _hidden_difference(before: Value, after: Value, name: str) -> str:
    """Return which parts of two URLs differ if both are shown alike: their ends are secret."""
    old, new = str(before.get(name, "")), str(after.get(name, ""))
    if not name.endswith("Url") or redacted(old) != redacted(new):
        return ""
    parts = _(", ").join(url_parts_that_differ(old, new))
    return _(" (parts that differ: {parts})").format(parts=parts)


def _shown_value(value: Value, name: str) -> str:
    if value.get(name) in (None, ""):
        return _("none")
    if name == KEY:
        return _("(hidden)")
    shown = value[name]
    if isinstance(shown, list):
        return ", ".join(_format(entry) for entry in shown)
    return redacted(str(shown)) if name.endswith("Url") else str(shown)


def _format(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    name = entry.get("OssObjectPrefix") or _("named by Live")
    return _("{format} as {name}").format(format=entry.get("Format"), name=name)
