"""Asks a person before a command changes what others rely on.

Commands with the option --yes use this module. If nobody can answer, the command ends, and a script
has to pass --yes.
"""

from __future__ import annotations

import sys
from gettext import gettext as _

import click

YES = click.option("--yes", "is_sure", is_flag=True, help="do not ask for confirmation")


def confirm(question: str, *, is_sure: bool, as_json: bool = False) -> None:
    """Ask the person, unless `is_sure`. End the command if the person does not agree, or if nobody
    can be asked, because of `as_json` or because there is no terminal."""
    if is_sure:
        return
    if as_json or not sys.stdin.isatty():
        raise _nobody()
    click.confirm(question, abort=True)


def agrees(question: str) -> bool:
    """Ask the person, and return True if the answer is yes. The answer may also come from a pipe.
    End the command if nobody answers."""
    try:
        return click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        click.echo()
        raise _nobody() from None


def _nobody() -> click.UsageError:
    return click.UsageError(
        _("Nothing was changed, because nobody confirmed it. To confirm, pass `--yes`.")
    )
