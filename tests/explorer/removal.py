"""A rule of the protocol, the way to remove it from the code, and the scenarios that must notice
that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

from tests.explorer.scenario import Scenario

Patch = tuple[object, str, object]
"""The object, the name of its attribute, and the replacement."""


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
