"""A rule of the protocol with the way to take it out, and where that must be noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

from tests.explorer.scenario import Scenario

Patch = tuple[object, str, object]
"""Where, what, and by what it is replaced."""


@dataclass(frozen=True, slots=True)
class Removal:
    """`sentence` is the rule as docs/protocol-explored.md shows it. `patches` is called when the
    rule is taken out, so that it can wrap what is there by then."""

    name: str
    sentence: str
    patches: Callable[[], tuple[Patch, ...]]
    scenario: Scenario

    @contextmanager
    def removed(self) -> Iterator[None]:
        with ExitStack() as stack:
            for where, what, instead in self.patches():
                stack.enter_context(mock.patch.object(where, what, instead))
            yield
