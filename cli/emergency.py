"""`live-record emergency`: lets Live record an application by itself, and undoes that.

cli.main adds the command. It needs only Live's credentials: no stage, no store. It writes the
previous configuration to a backup before it changes anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from gettext import gettext as _
from urllib.parse import quote

import click

from cli.account import Account, Declined, account_at
from cli.confirmation import agrees
from cli.errors import Failure
from cli.exit_codes import FAILED
from cli.option_rules import need_both, only_with, without_effect
from cli.printable import printable
from cli.refusals import refusal
from cli.setup.apply import restore
from cli.setup.backup import Backup, load_backup
from cli.setup.configurations import ConfigTarget, Value, read, recordings, write

AUTOMATIC = 0
FORMATS = [
    {
        "Format": "mp4",
        "OssObjectPrefix": "record/{AppName}/{StreamName}/{EscapedStartTime}_{EscapedEndTime}",
    }
]
Change = tuple[ConfigTarget, Value | None, Value]
"""A target, its value now, and the value to write."""


@dataclass(frozen=True, slots=True)
class Application:
    domain: str
    app: str

    def __str__(self) -> str:
        return f"{self.domain}/{self.app}"


class ApplicationType(click.ParamType[Application]):
    name = "domain/app"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Application:
        domain, _slash, app = str(value).strip("/").partition("/")
        if not (domain and app) or "/" in app or any(map(str.isspace, str(value))):
            sentence = _("Name the application as DOMAIN/APP, such as live.example.com/app.")
            self.fail(sentence, param, ctx)
        return Application(domain.lower(), app)


@click.command()
@click.argument("application", type=ApplicationType(), metavar="DOMAIN/APP")
@click.option("--undo", is_flag=True, help="restore the configuration from before the emergency")
@click.option(
    "--take-over",
    is_flag=True,
    help="with `--undo`, also restore what somebody has changed meanwhile",
)
@click.option(
    "--bucket",
    default="",
    help=(
        "OSS bucket to record into; needed if the domain has no recording configuration that could"
        " be copied"
    ),
)
@click.option(
    "--endpoint", default="", help="endpoint of the bucket, such as oss-cn-shanghai.aliyuncs.com"
)
@click.option(
    "--live",
    envvar="LIVE_RECORD_LIVE_ENDPOINT",
    help="address of an emulator to use instead of ApsaraVideo Live",
)
@click.option("--yes", is_flag=True, help="apply the changes without asking")
@without_effect("--undo", "--bucket", "--endpoint")
@only_with("--take-over", "--undo")
def emergency(
    *,
    application: Application,
    undo: bool,
    take_over: bool,
    bucket: str,
    endpoint: str,
    live: str | None,
    yes: bool,
) -> None:
    """Let Live record an application without live-record.

    The change takes effect from each stream's next publish on. A stream that is live now keeps the
    configuration with which it began. You need your access key, but no stage and no store.
    """
    need_both(bucket, endpoint)
    account = account_at(live or "")
    name = f"emergency-{application.domain}-{quote(application.app, safe='')}"
    backup = load_backup(name, account.live)
    try:
        if undo:
            _undo(account, backup, yes=yes, take_over=take_over)
        else:
            where = {"OssBucket": bucket, "OssEndpoint": endpoint} if bucket else {}
            _begin(account, backup, application, where, yes=yes)
    except Declined as declined:
        raise Failure(_refusal(account, declined, application)) from None


def _begin(
    account: Account, backup: Backup, application: Application, where: Value, *, yes: bool
) -> None:
    changes = list(changes_for(list(recordings(account, application.domain)), application, where))
    for target, now, _after in changes:
        line = (
            _("{target} becomes automatic (OnDemand 0)")
            if now
            else _("{target} is added as automatic (OnDemand 0)")
        )
        click.echo(printable(line.format(target=target)))
    if not changes:
        click.echo(_("Live already records {app} automatically.").format(app=application))
        return
    _ask(yes=yes)
    _change_all(account, backup, application, changes)
    sentence = _(
        "Done: Live records {app} automatically from each stream's next publish on. A stream that"
        " is live now keeps its present configuration: push the stream again, or start its"
        " recording by RealTimeRecordCommand."
    )
    click.echo(sentence.format(app=application))
    line = _(
        "The previous configuration is stored in {file}. To restore it: live-record emergency"
        " {app} --undo"
    )
    click.echo(line.format(file=backup.path, app=application) + account.live_option)


def _change_all(
    account: Account, backup: Backup, application: Application, changes: Sequence[Change]
) -> None:
    """Make the changes one after the other. Raise Declined if Live refuses the first, Failure if it
    refuses a later one or does not answer."""
    number = 0
    try:
        for number, (target, now, after) in enumerate(changes):  # noqa: B007
            _change(account, backup, target, now, after)
    except Declined as declined:
        if not (number or declined.is_unanswered):
            raise
        sentence = _(
            "{refusal} The changes before this error are in the backup {file}. To make the other"
            " changes, run the same command again. To undo those that were made, add `--undo`."
        )
        why = _refusal(account, declined, application)
        raise Failure(sentence.format(refusal=why, file=backup.path)) from None


def _change(
    account: Account, backup: Backup, target: ConfigTarget, now: Value | None, after: Value
) -> None:
    """Write one configuration, after its backup; then store in the backup the value that Live
    returns."""
    backup.before(target, now, after)
    write(account, target, now, after)
    for entry in backup.entries:
        if entry.target == target:
            entry.after = read(account, target)
    backup.store()


def changes_for(
    found: Sequence[tuple[ConfigTarget, Value]], application: Application, where: Value
) -> Iterator[Change]:
    """Yield the changes after which Live records every stream of the application without a command.

    The application's own configurations become automatic. Manual configurations for all
    applications stay as they are; the application gets an automatic copy of each that covers
    streams without a configuration of their own.

    `found` are the domain's recording configurations. `where` names the bucket and endpoint of a
    new configuration for the whole application, or is empty: then an existing configuration is
    copied. Raise Failure if there is none to copy.
    """
    ours = [(target, value) for target, value in found if target.app == application.app]
    for target, value in ours:
        if not _is_automatic(value):
            yield target, value, {**value, "OnDemand": AUTOMATIC}
    own = {target.streams for target, _value in ours}
    general = [(target, value) for target, value in found if target.app == "*"]
    yield from _copies(
        application,
        [
            (target, value)
            for target, value in general
            if target.streams not in {"*", *own} and not _is_automatic(value)
        ],
    )
    if "*" not in own:
        whole = [(target, value) for target, value in general if target.streams == "*"]
        yield from _whole_application(application, whole, where)


def _whole_application(
    application: Application, general: Sequence[tuple[ConfigTarget, Value]], where: Value
) -> Iterator[Change]:
    """Yield the configuration to add for the whole application, which has none: one for the bucket
    of `where`, or else a copy of the domain's. Yield nothing if the domain's is automatic already.
    """
    if general and all(_is_automatic(value) for _target, value in general):
        return
    if where:
        new = ConfigTarget("oss", application.domain, application.app, "*")
        yield new, None, {**where, "OnDemand": AUTOMATIC, "RecordFormat": FORMATS}
        return
    if not general:
        raise Failure(_nothing_to_copy(application))
    yield from _copies(application, general)


def _copies(
    application: Application, general: Sequence[tuple[ConfigTarget, Value]]
) -> Iterator[Change]:
    """Yield automatic copies for the application. Live prefers them to the configurations for all
    applications, which stay unchanged."""
    for target, value in general:
        copy = ConfigTarget(target.kind, target.domain, application.app, target.streams)
        yield copy, None, {**value, "OnDemand": AUTOMATIC}


def _is_automatic(value: Value) -> bool:
    return str(value.get("OnDemand", AUTOMATIC)) == str(AUTOMATIC)


def _nothing_to_copy(application: Application) -> str:
    sentence = _(
        "{app} has no recording configuration, and its domain has none to copy. Pass `--bucket"
        " BUCKET --endpoint oss-REGION.aliyuncs.com`."
    )
    return sentence.format(app=application)


def _undo(account: Account, backup: Backup, *, yes: bool, take_over: bool) -> None:
    if backup.is_empty:
        sentence = _("There is nothing to restore: the backup {file} does not exist.")
        click.echo(sentence.format(file=backup.path))
        return
    for entry in reversed(backup.entries):
        click.echo(_("to restore: {target}").format(target=entry.target))
    _ask(yes=yes)
    for entry in tuple(reversed(backup.entries)):
        click.echo(printable(restore(account, backup, entry, take_over=take_over)))
    if backup.entries:
        sys.exit(FAILED)
    click.echo(_("Done: the restored configuration applies from each stream's next publish on."))


def _ask(*, yes: bool) -> None:
    if not (yes or agrees(_("Apply these changes?"))):
        raise click.Abort


def _refusal(account: Account, declined: Declined, application: Application) -> str:
    return refusal(declined, live=account.live, domain=application.domain)
