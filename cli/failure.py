"""What a command ends with when it cannot do what it was told: one sentence, exit code 1."""

from __future__ import annotations

import click


class Failure(click.ClickException):
    """The sentence says what to do next."""
