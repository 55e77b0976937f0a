"""The live-record command: imports only the module of the command that is named, and runs it.

cli.entry, the console script, calls main(). This module must not import a slow
module, even indirectly, so that `--version` and each command start fast.
"""

from __future__ import annotations

import ast
import os
from difflib import get_close_matches
from gettext import gettext as _
from importlib import import_module
from pathlib import Path

import click
from click.exceptions import NoSuchCommand

from cli import texts
from cli.errors import Failure, cause_of
from cli.local.no_proxy import reach_directly

_MODULES = {
    "cli.deploying.command": ("check", "deploy", "rollback"),
    "cli.alerts": ("alerts",),
    "cli.webhooks": ("webhook",),
    "cli.deliveries": ("deliveries",),
    "cli.doctor": ("doctor",),
    "cli.emergency": ("emergency",),
    "cli.local.command": ("demo", "dev", "emulator"),
    "cli.packaging.command": ("package",),
    "cli.play": ("play",),
    "cli.policy": ("policy",),
    "cli.probe.command": ("probe",),
    "cli.push": ("push",),
    "cli.rehearsal.command": ("rehearse",),
    "cli.report.command": ("report",),
    "cli.schedules": ("schedule",),
    "cli.setup.command": ("setup",),
    "cli.store": ("store",),
    "cli.state": ("state",),
    "cli.trial.command": ("try_",),
    "cli.tokens": ("token",),
    "cli.stage_add": ("stage",),
    "cli.stream_commands": (
        *("cancel_delay", "extend", "files", "health", "history", "list_streams", "restart"),
        *("start", "status", "stop", "watch", "why"),
    ),
}
_NAMES = {"cancel_delay": "cancel-delay", "list_streams": "list", "try_": "try"}
_COMMANDS = {
    _NAMES.get(attribute, attribute): (module, attribute)
    for module, attributes in _MODULES.items()
    for attribute in attributes
}


class _Commands(click.Group):
    """Imports a command when it is asked for, in the reader's language, and reports its OSError as
    one sentence with the file's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        texts.use_language(texts.choose_language(args, os.environ))
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _summary(name)) for name in self.list_commands(ctx)]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group.format_help(texts.translated(self), ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        return texts.translated(command) if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:  # click knows no command that is not imported yet
            near = get_close_matches(error.command_name, _COMMANDS)
            text = error.message + ("" if near else _(" `live-record --help` lists all commands."))
            raise NoSuchCommand(error.command_name, text, near, ctx) from None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise texts.in_words(error) from None
        except OSError as error:
            if error.filename is None:
                raise
            sentence = _("{file} cannot be used: {cause}.")
            raise Failure(sentence.format(file=error.filename, cause=cause_of(error))) from None


def _summary(name: str) -> str:
    """Return the first line of a command's help, read from its source: to import every command
    takes most of a second."""
    module, attribute = _COMMANDS[name]
    file = Path(__file__).parents[1].joinpath(*module.split("."))  # find_spec would import packages
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    source = file.read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            documented = ast.get_docstring(node)
            return _(documented).partition("\n")[0] if documented else ""
    return ""


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[texts.language_option()],
)
@click.help_option("-h", "--help")  # among the parameters, which are translated at each call
@click.version_option(
    package_name="live-record", prog_name="live-record", message="%(prog)s %(version)s"
)
def main() -> None:
    """Record live streams. One start records a stream until you stop it or its time ends."""
    reach_directly()


if __name__ == "__main__":
    main()
