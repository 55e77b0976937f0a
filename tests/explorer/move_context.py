"""The parts that all moves of the model share."""

from __future__ import annotations

from typing import Any

from shared.engine.effects import SaveOrClaim, Send
from shared.protocol import Event, Reported, StreamRecord, TimePassed
from tests.explorer.scenario import Scenario
from tests.explorer.stepper import Stepper
from tests.explorer.world import KEY, NOW, Fault, Instance, Live, Mail, Memory, World

LAG = 30_000
"""ms by which the online list may be late."""

Label = tuple[Any, ...]
Step = tuple[Label, World]


class Ground:
    """A scenario, and the real Recorder under its settings. With `invariants`, a broken invariant
    is a violation."""

    def __init__(self, scenario: Scenario, stepper: Stepper, *, invariants: bool = True) -> None:
        self.scenario = scenario
        self.stepper = stepper
        self.judges_invariants = invariants
        self.delay = scenario.settings.merge_delay
        self.asks = tuple(stepper.event(ask) for ask in scenario.asks)
        self.tick = stepper.event(TimePassed())
        self.may = {fault: fault in scenario.faults for fault in Fault}

    def start(self) -> World:
        record = self.stepper.record(StreamRecord(KEY))
        scenario = self.scenario
        return World(record, Live(), Memory(), faults=scenario.budget, polls=scenario.polls)

    def spend(self, world: World, fault: Fault) -> int | None:
        """Return what is left of the budget when this fault strikes; None if it cannot."""
        return world.faults - 1 if world.faults and self.may[fault] else None

    def joined(self, world: World, one: Instance) -> World:
        return world._replace(instances=tuple(sorted((*world.instances, one))), quiet=False)

    def reports(self, world: World, says: str | None) -> World:
        if says is None or not self.scenario.status:
            return world
        return self.posted(world, Reported(says, recording=says != "record_paused"))

    def posted(self, world: World, event: Event) -> World:
        mail = Mail(self.stepper.event(event), world.live.publish, NOW)
        return world._replace(mail=tuple(sorted((*world.mail, mail))), quiet=False)

    def outrun(self, instances: tuple[Instance, ...], saved: bool) -> tuple[Instance, ...]:
        """Mark the instances that will meet a conflict: those that have loaded and not yet saved,
        and those that send what they claimed."""
        if not saved or not instances:
            return instances
        holds = (SaveOrClaim, Send)
        return tuple(
            one._replace(outrun=True) if self.stepper.wants(one).what in holds else one
            for one in instances
        )

    def is_over(self, world: World) -> bool:
        all_asked = world.asked == len(self.asks)
        return all_asked and world.happened == len(self.scenario.script)

    def next_publish(self, world: World) -> int:
        live = world.live
        return live.published_at + self.scenario.gap if live.published_at else NOW
