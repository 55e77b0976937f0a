"""What a command ends with when it cannot do what it was told: one sentence, exit code 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Failure(click.ClickException):
    """The sentence says what to do next."""


class Refused(Failure):
    """The stage answered with a problem; `told` is its JSON."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        hint = f" ({told['hint']})" if told.get("hint") else ""
        super().__init__(f"{told.get('code', told.get('title'))}: {told['detail']}{hint}")
        self.told = dict(told)
