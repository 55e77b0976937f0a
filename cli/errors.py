"""What a command ends with when it cannot do what it was told: one sentence, exit code 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click


class Failure(click.ClickException):
    """The sentence says what to do next."""


class Refused(Failure):
    """The stage answered with a problem; `told` is its JSON."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        hint = f" ({told['hint']})" if told.get("hint") else ""
        named = [str(one["field"]) for one in _faults(told) if "detail" not in one]
        fields = f": {', '.join(named)}" if named else ""
        super().__init__(f"{told.get('code', told.get('title'))}: {told['detail']}{fields}{hint}")
        self.told = dict(told)


def _faults(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Something else than a stage may have answered."""
    errors = told.get("errors")
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict) and "field" in one:
            yield one
