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
    """Return if the person agrees, or has agreed with --yes; otherwise end the command."""
    if is_sure:
        return
    if as_json or not sys.stdin.isatty():
        raise _nobody()
    click.confirm(question, abort=True)


def agrees(question: str) -> bool:
    """Return the answer, which may also come from a pipe; end the command if nobody answers."""
    try:
        return click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        click.echo()
        raise _nobody() from None


def _nobody() -> click.UsageError:
    return click.UsageError(
        _("Nothing was changed: there is nobody to ask. Pass `--yes` to confirm.")
    )
