"""The errors that end a command: a text on stderr and an exit code.

Every module of the command line raises these; click prints them. They must not hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from gettext import gettext as _
from typing import Any

import click


class Failure(click.ClickException):
    """The command cannot go on. The text says what was wrong, then what to do."""


class NoAnswer(Failure):
    """The stage did not answer, or its address could not be read."""


class StageRefusal(Failure):
    """The stage refused the request; `problem` is its problem document (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        hint = _(" ({hint})").format(hint=problem["hint"]) if problem.get("hint") else ""
        names = [str(error["field"]) for error in _field_errors(problem) if "detail" not in error]
        fields = _(": {names}").format(names=_(", ").join(names)) if names else ""
        code = problem.get("code", problem.get("title"))
        sentence = _("{code}: {detail}{fields}{hint}")
        super().__init__(
            sentence.format(code=code, detail=problem["detail"], fields=fields, hint=hint)
        )
        self.problem = dict(problem)


def _field_errors(problem: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the well-formed field errors; something other than a stage may have answered."""
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and "field" in error:
            yield error
