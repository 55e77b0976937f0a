"""Every next step of a situation: what each instance, each message, Live and time may do."""

from __future__ import annotations

from collections.abc import Iterator

from shared.engine.effects import Load, QueryOnline, SaveOrClaim, Send
from shared.protocol import CommandSettled, Event, Polled, StopAsked
from tests.explorer import promises
from tests.explorer.in_transit import Wire
from tests.explorer.move_context import LAG, Step
from tests.explorer.passing_time import FROZEN
from tests.explorer.promises import Change
from tests.explorer.stepper import CALLBACK, PERSON, RECONCILE, Transition
from tests.explorer.store_faults import StoreFaults
from tests.explorer.world import MINUTE, NOW, Fault, Instance, Mail, World


class Moves(Wire, StoreFaults):
    def successors(self, world: World) -> Iterator[Step]:
        for place, one in enumerate(world.instances):
            yield from self._steps(world, place, one)
        if len(world.instances) < self.scenario.instances:
            yield from self._arrivals(world)
        yield from self.script_steps(world)
        yield from self.landings(world)
        yield from self.store_faults(world)
        yield from self.passes(world)

    # an instance's next effect

    def _steps(self, world: World, place: int, one: Instance) -> Iterator[Step]:
        wanted = self.stepper.wants(one)
        rest = world._replace(
            instances=world.instances[:place] + world.instances[place + 1 :], quiet=False
        )
        awake = one._replace(paused=0) if one.paused else one
        if wanted.what is Load:
            yield from self._load(rest, awake)
        elif wanted.what is SaveOrClaim:
            yield from self._save(rest, awake)
        elif wanted.what is Send and wanted.flight is not None:
            yield from self.sends(rest, awake, wanted.flight)
        elif wanted.what is QueryOnline:
            yield from self._look(rest, awake, wanted.asked_at)

    def _load(self, rest: World, one: Instance) -> Iterator[Step]:
        yield from self._is_killed(rest, one)
        if rest.unreadable:
            yield from self.meets_unreadable(rest, one)
            return
        if self.scenario.fine:
            yield ("loads", one), self.joined(rest, self._loaded(rest, one))
            return
        yield from self._turns(rest, one)
        if self.scenario.slow and (left := self.spend(rest, Fault.PAUSE)) is not None:
            loaded = self._loaded(rest, one)._replace(paused=NOW + FROZEN)
            yield ("loads, pauses", one), self.joined(rest._replace(faults=left), loaded)

    def _is_killed(self, rest: World, one: Instance) -> Iterator[Step]:
        """Kill an instance with an answer of Live that no other instance has."""
        left = self.spend(rest, Fault.KILL)
        if left is not None and isinstance(self.stepper.events[one.event], CommandSettled):
            yield ("killed", one), rest._replace(faults=left)

    def _loaded(self, world: World, one: Instance) -> Instance:
        return one._replace(
            replies=(self.stepper.load(world.record, self.continuity(world)),), outrun=False
        )

    def _turns(self, rest: World, one: Instance) -> Iterator[Step]:
        said = self.continuity(rest)
        transition = self.stepper.transition(rest.record, one, said, slot=True)
        yield ("handles", one, transition), self._turned(rest, one, transition)
        yield from self._refused(rest, one, transition)
        if transition.claimed and (left := self.spend(rest, Fault.NO_SLOT)) is not None:
            queued = self.stepper.transition(rest.record, one, said, slot=False)
            short = rest._replace(faults=left)
            yield ("finds no slot", one, queued), self._turned(short, one, queued)

    def _save(self, rest: World, one: Instance) -> Iterator[Step]:
        if one.outrun:
            again = self.stepper.conflicted(one)
            yield ("conflicts", one), self.joined(rest, again)
            return
        yield from self._is_killed(rest, one)
        transition = self.stepper.saving(rest.record, one, slot=True)
        yield ("saves", one, transition), self._turned(rest, one, transition)
        yield from self._refused(rest, one, transition)
        full = transition.claimed and not self.scenario.fine
        if full and (left := self.spend(rest, Fault.NO_SLOT)) is not None:
            queued = self.stepper.saving(rest.record, one, slot=False)
            short = rest._replace(faults=left)
            yield ("finds no slot", one, queued), self._turned(short, one, queued)

    def _refused(self, rest: World, one: Instance, transition: Transition) -> Iterator[Step]:
        """End the instance, whose save the store refuses: it takes no writes, or is full."""
        if not transition.saved:
            return
        if (left := self.spend(rest, Fault.REFUSED)) is not None:
            yield ("is refused", one), rest._replace(faults=left)
        left = self.spend(rest, Fault.FULL)
        if left is not None and not transition.must_fit:
            if isinstance(self.stepper.events[one.event], StopAsked):
                raise promises.Broken("a full store refused a stop")
            yield ("finds the store full", one), rest._replace(faults=left)

    def _turned(self, rest: World, one: Instance, transition: Transition) -> World:
        stepper, memory = self.stepper, rest.memory
        event = stepper.events[one.event]
        old, new = stepper.records[rest.record], stepper.records[transition.record]
        change = Change(old, new, event, one.publish, rest.live, self.scenario)
        memory = promises.handled(memory, change)
        if self.judges_invariants and transition.broken:
            raise promises.Broken(f"invariants: {', '.join(transition.broken)}")
        after = rest._replace(
            record=transition.record,
            memory=memory,
            instances=self.outrun(rest.instances, transition.saved),
        )
        if transition.replies is not None:
            return self.joined(after, one._replace(replies=transition.replies))
        return after._replace(quiet=True) if self._is_quiet(after, transition, event) else after

    def _is_quiet(self, world: World, transition: Transition, event: Event) -> bool:
        if transition.record != world.record or not isinstance(event, Polled):
            return False
        live, asked_at = world.live, event.asked_at
        fresh = event.published == live.listed and asked_at >= max(NOW - 1, live.event_at)
        return fresh and not (world.instances or world.wire or world.mail)

    # polls

    def _look(self, rest: World, one: Instance, asked_at: int) -> Iterator[Step]:
        for faults, publish, listed, how in self._lists(rest):
            seen = self.stepper.polled(one, Polled(listed, asked_at))
            assert seen is not None
            after = self.joined(rest._replace(faults=faults), seen._replace(publish=publish))
            yield (how, one, listed), after
        if (left := self.spend(rest, Fault.FAILED_LOOK)) is not None:
            yield ("looks in vain", one), rest._replace(faults=left)

    def _lists(self, world: World) -> Iterator[tuple[int, int, int | None, str]]:
        """Yield what the online list may show now."""
        live = world.live
        yield world.faults, live.publish, live.listed, "looks"
        stale = live.before != live.listed and NOW - live.event_at <= LAG and live.publish
        if stale and (left := self.spend(world, Fault.STALE)) is not None:
            yield left, live.publish, live.before, "looks at an old list"

    def _minute(self, world: World) -> Iterator[Step]:
        if world.minute <= NOW:
            world = world._replace(minute=NOW + MINUTE)
        elif world.polls:
            world = world._replace(polls=world.polls - 1)
        else:
            return
        for left, publish, listed, how in self._lists(world):
            event = self.stepper.event(Polled(listed, NOW - 1))
            one = Instance(event, RECONCILE, self._serial(world), publish=publish)
            yield (how, one, listed), self.joined(world._replace(faults=left), one)

    # what arrives

    def _arrivals(self, world: World) -> Iterator[Step]:
        busy = world._replace(quiet=False)
        if world.asked < len(self.asks):
            ask = self.asks[world.asked]
            yield from self.arrival(busy._replace(asked=world.asked + 1), ask, PERSON)
        yield from self._delivered(busy)
        at = self.stepper.due(world.record)
        if at is not None and at <= NOW and not world.unreadable:
            yield from self.arrival(busy, self.tick, RECONCILE)
        yield from self._minute(busy)

    def arrival(self, world: World, event: int, options: int, publish: int = -1) -> Iterator[Step]:
        one = Instance(event, options, self._serial(world), publish=publish)
        if self.scenario.fine:
            yield ("begins", one), self.joined(world, one)
        else:
            yield from self._load(world, one)

    def _serial(self, world: World) -> int:
        """Return the smallest number that no instance has and no flight refers to."""
        taken = {one.serial for one in world.instances}
        flight = self.stepper.records[world.record].flight
        if flight is not None:
            taken.add(int(flight.id.split(".")[0]))
        return next(serial for serial in range(9) if serial not in taken)

    def _delivered(self, world: World) -> Iterator[Step]:
        before = None
        for place, mail in enumerate(world.mail):
            if mail == before:
                continue
            before = mail
            rest = world.mail[:place] + world.mail[place + 1 :]
            taken = world._replace(mail=rest)
            yield from self.arrival(taken, mail.event, CALLBACK, mail.publish)
            yield from self._misdelivered(world, taken, mail)

    def _misdelivered(self, world: World, taken: World, mail: Mail) -> Iterator[Step]:
        if (left := self.spend(world, Fault.LOSE)) is not None:
            yield ("is lost", mail), taken._replace(faults=left)
        if (left := self.spend(world, Fault.UNSTORABLE)) is not None:
            yield ("cannot be stored", mail), taken._replace(faults=left)
        if (left := self.spend(world, Fault.TWICE)) is not None:
            copies = tuple(sorted((*world.mail, mail)))
            yield ("comes twice", mail), world._replace(faults=left, mail=copies)
