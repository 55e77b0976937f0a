"""Faults of the store: its clock steps either way, it forgets everything, or it cannot read a
record."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from shared.protocol import StopAsked, StreamRecord
from shared.protocol.continuity import Continuity
from shared.protocol.state.recording import record_of_unknown
from tests.explorer.move_context import Step
from tests.explorer.normalize import FAR_AWAY_MS
from tests.explorer.passing_time import Clock, memory_later
from tests.explorer.promises import Broken
from tests.explorer.world import KEY, NEVER, NOW, Fault, Instance, World

STEP = 3_600_000
"""ms by which the clock steps: further than any rule looks back or ahead."""
UNREADABLE_STEPS = 2
"""How often time passes until a release that can read the record is there again."""
LONGEST_PAUSE = 300_000
"""No retry and no poll waits longer, in ms."""
decide = import_module("shared.protocol.rules.decide")  # removals patch the module


class StoreFaults(Clock):
    def store_faults(self, world: World) -> Iterator[Step]:
        if not world.steady and (left := self.spend(world, Fault.JUMP)) is not None:
            yield ("the clock jumps",), self._jumped(world._replace(faults=left))
        has_jumped = world.gap_from < world.steady  # if so, the clock may be set right again
        may_go_back = has_jumped or not world.steady
        if may_go_back and (left := self.spend(world, Fault.SET_BACK)) is not None:
            yield ("the clock is set back",), self._set_back(world._replace(faults=left))
        quiet = not (world.instances or world.wire or world.emptied)
        if quiet and (left := self.spend(world, Fault.EMPTIED)) is not None:
            yield ("the store is emptied",), self._emptied(world._replace(faults=left))

        if not world.unreadable and (left := self.spend(world, Fault.UNREADABLE)) is not None:
            yield ("the record cannot be read",), self._broken(world._replace(faults=left))
        if quiet and (left := self.spend(world, Fault.DAYS)) is not None:
            yield from self._days_pass(world._replace(faults=left))

    def meets_unreadable(self, rest: World, one: Instance) -> Iterator[Step]:
        """Let a person's stop replace the unreadable record with one of an unknown stream; end
        every other instance."""
        if not isinstance(self.stepper.events[one.event], StopAsked):
            yield ("cannot read", one), rest
            return
        unknown = self.stepper.record(record_of_unknown(KEY, NOW))
        yield from self._turns(rest._replace(record=unknown, unreadable=0), one)

    def _turns(self, rest: World, one: Instance) -> Iterator[Step]:
        raise NotImplementedError

    def _broken(self, world: World) -> World:
        """Let another release write the record: instances that have loaded it will meet a
        conflict."""
        instances = self.outrun(world.instances, True)
        return world._replace(instances=instances, unreadable=UNREADABLE_STEPS, quiet=False)

    def _days_pass(self, world: World) -> Iterator[Step]:
        """Let pass the time until something far away is due, an end or the forgetting of the
        stream, while nothing else happens."""
        due = self.stepper.due(world.record)
        if world.mail or world.unreadable or (due is not None and due <= NOW):
            return
        later = self.later(world, FAR_AWAY_MS)
        memory = later.memory._replace(held=False)
        yield ("400 days pass",), later._replace(memory=memory, quiet=False)

    def continuity(self, world: World) -> Continuity:
        """Return what the store reports about its own history with a record."""
        emptied_at = world.emptied or None
        return Continuity(world.steady, world.gap_from, emptied_at, emptied_at)

    def _jumped(self, world: World) -> World:
        """Step the store's clock an hour forward: the record's times are older; Live's are as they
        were."""
        moved = (self._one_later(one, STEP, 0) for one in world.instances)
        return world._replace(
            record=self.stepper.earlier("records", world.record, STEP, 0),
            memory=memory_later(world.memory, STEP),
            instances=tuple(
                one._replace(paused=before.paused)
                for one, before in zip(moved, world.instances, strict=True)
            ),
            steady=NOW,
            gap_from=NOW - STEP,
            quiet=False,
        )

    def _set_back(self, world: World) -> World:
        """Set the store's clock back an hour: the record's times are ahead, and the record is put
        in order. Earlier decisions will meet a conflict."""
        ahead = self.stepper.earlier("records", world.record, -STEP, 0)
        settings = self.scenario.settings
        in_order = decide.within_reach(self.stepper.records[ahead], NOW, settings)
        record = self.stepper.record(in_order)
        # Occurrences that are planned or under way are due at their own time.
        due = None if in_order.planned or in_order.begun else self.stepper.due(record)
        if due is not None and due > NOW + LONGEST_PAUSE:
            raise Broken("what is due waits for the time that was")
        return world._replace(
            record=record,
            memory=memory_later(world.memory, -STEP),
            instances=self.outrun(world.instances, True),
            steady=NOW,
            gap_from=NOW,
            quiet=False,
        )

    def _emptied(self, world: World) -> World:
        live = world.live.publish if world.live.listed is not None else NEVER
        forgotten = world.memory._replace(
            accepted_in=NEVER, held=False, stop_due=False, unfinished=False, emptied_in=live
        )
        record = self.stepper.record(StreamRecord(KEY))
        return world._replace(record=record, memory=forgotten, emptied=NOW, quiet=False)
