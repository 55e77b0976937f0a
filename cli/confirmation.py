"""Asks a person before a command changes what others rely on.

Commands with the option --yes use it. Without a terminal nobody can be asked, so that a script has
to pass --yes.
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
        raise click.UsageError(
            _("Nothing was changed: there is nobody to ask. Pass --yes to confirm.")
        )
    click.confirm(question, abort=True)
