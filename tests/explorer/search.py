"""Searches every situation breadth first, so that the first violation has a shortest story."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from tests.explorer.move_context import Label, Step
from tests.explorer.moves import Moves
from tests.explorer.promises import Broken
from tests.explorer.scenario import Scenario, ScriptStep
from tests.explorer.stepper import PERSON, Stepper
from tests.explorer.world import MINUTE, NOW, World

LONG_AGO = 100_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, and the labels of the steps that lead there."""

    promise: str
    steps: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    scenario: str
    states: int
    steps: int
    violation: Violation | None = None


class Search:
    def __init__(self, scenario: Scenario, *, invariants: bool = True) -> None:
        self.scenario = scenario
        self.stepper = Stepper(scenario.settings)
        self.moves = Moves(scenario, self.stepper, invariants=invariants)
        self.worlds: list[World] = []
        self.numbers: dict[World, int] = {}
        self.parents: list[int] = []
        self.after: list[tuple[int, ...]] = []

    def run(self) -> Explored:
        """Search with the garbage collector off: a search keeps all that it makes, without cycles,
        and collecting takes a sixth of the time."""
        gc.disable()
        try:
            return self._run()
        finally:
            gc.enable()

    def _run(self) -> Explored:
        try:
            self._meet(self._first(), -1)
        except Broken as broken:
            return self._explored(Violation(str(broken), ()))
        place = 0
        while place < len(self.worlds):
            found = self._expand(place)
            if found is not None:
                return self._explored(found)
            place += 1
        return self._explored(self._goes_round())

    def _explored(self, violation: Violation | None) -> Explored:
        steps = sum(len(after) for after in self.after)
        return Explored(self.scenario.name, len(self.worlds), steps, violation)

    def _meet(self, world: World, parent: int) -> int:
        number = self.numbers.setdefault(world, len(self.worlds))
        if number == len(self.worlds):
            self.worlds.append(world)
            self.parents.append(parent)
        return number

    def _expand(self, place: int) -> Violation | None:
        after: list[int] = []
        try:
            for _, world in self.moves.successors(self.worlds[place]):
                after.append(self._meet(world, place))
        except Broken as broken:
            return Violation(str(broken), self._story(place))
        self.after.append(tuple(after))
        if len(self.worlds) > self.scenario.limit:
            return Violation("more states than the scenario allows", self._story(place))
        return None

    def _story(self, place: int) -> tuple[Label, ...]:
        """Return the steps that lead to a situation, by walking its path again."""
        labels: list[Label] = []
        while self.parents[place] >= 0:
            before, world = self.parents[place], self.worlds[place]
            steps = self.moves.successors(self.worlds[before])
            labels.append(next(label for label, after in steps if after == world))
            place = before
        return tuple(reversed(labels))

    def _goes_round(self) -> Violation | None:
        """Return a violation if a way never ends: remove each situation from which all steps lead
        to removed ones; what is left goes on for ever."""
        before: list[list[int]] = [[] for _ in self.worlds]
        left = [len(after) for after in self.after]
        for place, after in enumerate(self.after):
            for world in after:
                before[world].append(place)
        ended = [place for place, steps in enumerate(left) if not steps]
        for place in ended:
            for earlier in before[place]:
                left[earlier] -= 1
                if not left[earlier]:
                    ended.append(earlier)
        stuck = next((place for place, steps in enumerate(left) if steps), None)
        return None if stuck is None else self._round(stuck, left)

    def _round(self, place: int, left: list[int]) -> Violation:
        """Return the violation: follow the steps that never end until a situation comes again."""
        met: list[int] = []
        while place not in met:
            met.append(place)
            place = next(after for after in self.after[place] if left[after])
        return Violation("it goes on for ever", self._story(place))

    # what happens before the search

    def _first(self) -> World:
        scenario = self.scenario
        alone = replace(scenario, asks=(), script=(), fine=False)
        moves = Moves(alone, self.stepper, invariants=self.moves.judges_invariants)
        world = moves.start()._replace(faults=0, polls=0)
        for action in scenario.before:
            if isinstance(action, ScriptStep):
                world = moves.script_step(world, action)
            else:
                asked = self.stepper.event(action)
                world = next(moves.arrival(world, asked, PERSON))[1]
            world = _calm(moves, world)
        if scenario.aged and scenario.before:
            world = moves.later(_quiet(moves, world), LONG_AGO)
        return world._replace(
            faults=scenario.budget, polls=scenario.polls, minute=NOW + MINUTE, quiet=False
        )


def _calm(moves: Moves, world: World) -> World:
    """Return the world after all that can be done at once."""
    for label, after in _ways(moves, world):
        return world if label[0] == "time passes" else _calm(moves, after)
    return world


def _quiet(moves: Moves, world: World) -> World:
    for _, after in _ways(moves, world):
        return _quiet(moves, after)
    return world


def _ways(moves: Moves, world: World) -> Iterator[Step]:
    return islice(moves.successors(world), 1)
