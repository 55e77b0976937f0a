"""The errors that end a command: a text on stderr and an exit code.

Every module of the command line raises these; click prints them. They must not hold secrets.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click

from cli.texts import N_

_COMMANDS: Mapping[str, str] = {
    "GET /v1/schedules/{schedule}/next": "live-record schedule next",
    "GET /v1/schedules": "live-record schedule list",
    "PUT /v1/schedules/{schedule}": "live-record schedule apply",
    "GET /v1/alerts": "live-record alerts list",
    "GET /v1/deliveries": "live-record deliveries list",
    "GET /v1/health": "live-record health",
    "GET /v1/policy": "live-record policy show",
    "GET /v1/state": "live-record state export",
    "GET /v1/tokens": "live-record token list",
    "GET /v1/webhooks": "live-record webhook list",
}
"""The command for each request that a hint of the API names, the longer path first."""


class Failure(click.ClickException):
    """The command cannot go on. The text says what was wrong, then what to do."""


class NoAnswer(Failure):
    """The stage did not answer as a stage does, or it was not asked, because its address is not
    allowed."""


def clause_of(error: click.ClickException) -> str:
    """Return the error's text without its full stop, to stand within a sentence."""
    return error.format_message().rstrip(".。")


_CAUSES: Mapping[int | None, str] = {
    errno.ENOENT: N_("it does not exist"),
    errno.EACCES: N_("you are not allowed to"),
    errno.EPERM: N_("you are not allowed to"),
    errno.EISDIR: N_("it is a folder"),
    errno.ENOTDIR: N_("its path leads through a file that is no folder"),
    errno.ENAMETOOLONG: N_("its name is too long"),
    errno.ENOSPC: N_("the disk is full"),
    errno.EROFS: N_("the disk is read-only"),
}


def cause_of(error: OSError | ValueError) -> str:
    """Return why a file could not be read or written, in the language in use. The text of `error`
    itself is in English and for programmers, so it is used only if the cause is not a common one.
    """
    if isinstance(error, UnicodeError):
        return _("it is not UTF-8")
    if isinstance(error, json.JSONDecodeError):
        return _("it is not JSON")
    if not isinstance(error, OSError):
        return str(error)
    known = _CAUSES.get(error.errno)
    return _(known) if known else error.strerror or str(error)


def unreadable(
    file: Path, error: OSError | ValueError, *, kind: type[Failure] = Failure
) -> Failure:
    """Return a Failure of type `kind` which says that the file cannot be read, and why."""
    return kind(_("{file} cannot be read: {cause}.").format(file=file, cause=cause_of(error)))


class StageRefusal(Failure):
    """The stage refused the request. `problem` is its problem document (RFC 9457). `hint` is the
    hint of that document, with commands of live-record in place of HTTP requests."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.hint = _with_commands(str(problem.get("hint") or ""))
        hint = _(" ({hint})").format(hint=self.hint) if self.hint else ""
        names = [str(error["field"]) for error in _field_errors(problem) if "detail" not in error]
        fields = _(": {names}").format(names=_(", ").join(names)) if names else ""
        code = problem.get("code", problem.get("title"))
        sentence = _("{code}: {detail}{fields}{hint}")
        super().__init__(
            sentence.format(code=code, detail=problem["detail"], fields=fields, hint=hint)
        )
        self.problem = dict(problem)


def _with_commands(hint: str) -> str:
    for request, command in _COMMANDS.items():
        hint = hint.replace(request, command)
    return hint


def _field_errors(problem: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the well-formed field errors; something other than a stage may have answered."""
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and "field" in error:
            yield error
