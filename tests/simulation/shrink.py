"""Makes a failing seed shorter, with fewer streams, deeds, strikes and odd switches, as long as it
breaks the same promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.simulation.chances import Strike
from tests.simulation.plan import Deed, Plan
from tests.simulation.simulation import Result, Simulation
from tests.simulation.world import Switches

T = TypeVar("T")
MOST_RUNS = 400


@dataclass(slots=True)
class Shrinker:
    """`words` are the broken promise, which each shorter plan must break too."""

    plan: Plan
    words: str
    without: frozenset[Strike] = frozenset()
    runs: int = field(default=0)

    def run(self) -> Result:
        """Shrink the plan and return the result of the shortest one found, with its story."""
        self._plainer()
        for number in range(len(self.plan.streams)):
            self._try(replace(self.plan, deeds=self._deeds_but(number)), self.without)
        self._fewer_strikes()
        self._fewer_deeds()
        self._fewer_strikes()
        return Simulation(self.plan, without=self.without, story=True).run()

    def _plainer(self) -> None:
        """Set each switch to the plain reading of the documents, if the promise still breaks."""
        plain = Switches()
        self._try(replace(self.plan, switches=plain), self.without)
        for name in Switches.names():
            if getattr(self.plan.switches, name) != getattr(plain, name):
                one = replace(self.plan.switches, **{name: getattr(plain, name)})
                self._try(replace(self.plan, switches=one), self.without)

    def _deeds_but(self, number: int) -> tuple[Deed, ...]:
        return tuple(deed for deed in self.plan.deeds if deed.stream != number)

    def _fewer_deeds(self) -> None:
        def fails(deeds: Sequence[Deed]) -> bool:
            return self._try(replace(self.plan, deeds=tuple(deeds)), self.without)

        fewer(self.plan.deeds, fails)

    def _fewer_strikes(self) -> None:
        struck = Simulation(self.plan, without=self.without).run().struck

        def fails(kept: Sequence[Strike]) -> bool:
            return self._try(self.plan, frozenset({*self.without, *(set(struck) - set(kept))}))

        fewer(struck, fails)

    def _try(self, plan: Plan, without: frozenset[Strike]) -> bool:
        """Take over the plan and return True if it breaks the same promise."""
        if self.runs >= MOST_RUNS:
            return False
        self.runs += 1
        broken = Simulation(plan, without=without).run().broken
        same = broken is not None and str(broken) == self.words
        if same:
            self.plan, self.without = plan, without
        return same


def fewer(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Return the items without halves, quarters and so on that are not needed to fail."""
    size = max(len(items) // 2, 1)
    while items:
        begin = 0
        while begin < len(items):
            rest = [*items[:begin], *items[begin + size :]]
            if fails(rest):
                items = rest
            else:
                begin += size
        if size == 1:
            return items
        size //= 2
    return items
