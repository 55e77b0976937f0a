"""Lets time pass, and lets the stream do what its script says."""

from __future__ import annotations

from collections.abc import Iterator

from shared.protocol import FileLeft, Published, Unpublished
from shared.protocol.state.command import IN_DOUBT_MS
from tests.explorer import live_model as truth
from tests.explorer import promises
from tests.explorer.move_context import Ground, Step
from tests.explorer.scenario import ScriptStep
from tests.explorer.world import MINUTE, NOW, Fault, Instance, Live, Mail, Memory, World

LATEST = 35_000
"""ms after which Live gives up a callback."""
FROZEN = 70_000
"""ms for which an instance may stand still: longer than a lease and than a doubt."""
LONG_AGO = 100_000
"""Live's own times stop moving at this age in ms."""


PUBLISHES = (ScriptStep.PUBLISH, ScriptStep.SILENT_PUBLISH, ScriptStep.DOUBTED_PUBLISH)
DOUBTED = (ScriptStep.DOUBTED_PUBLISH, ScriptStep.DOUBTED_REPLAY)


class Clock(Ground):
    def script_steps(self, world: World) -> Iterator[Step]:
        if world.happened == len(self.scenario.script):
            return
        script_step = self.scenario.script[world.happened]
        if script_step in PUBLISHES and self.next_publish(world) > NOW:
            return
        yield (
            ("event", script_step),
            self.script_step(world._replace(happened=world.happened + 1), script_step),
        )

    def script_step(self, world: World, script_step: ScriptStep) -> World:
        live, says = world.live, None
        at = max(NOW, live.published_at + 1000) if live.published_at else NOW
        if script_step in PUBLISHES:
            skew = self.scenario.skew
            live, says = truth.publish(live, at, at + skew, self.scenario.switches)
            world = world._replace(live=live)
            if script_step is not ScriptStep.SILENT_PUBLISH:
                world = self.posted(world, Published(at, script_step in DOUBTED))
        elif script_step is ScriptStep.UNPUBLISH:
            live, says = truth.unpublish(live, self.delay)
            world = self.posted(world._replace(live=live), Unpublished(NOW))
        elif script_step in {ScriptStep.REPLAYED_PUBLISH, ScriptStep.DOUBTED_REPLAY}:
            world = self.posted(world, Published(at, script_step in DOUBTED))
        elif script_step is ScriptStep.REPLAYED_END:
            world = self.posted(world, Unpublished(at))
        elif script_step is ScriptStep.LATE_REPORT:
            says = "record_started"
        else:
            live, says = truth.foreign_start(live)
        return self.reports(world._replace(live=live, quiet=False), says)

    def passes(self, world: World) -> Iterator[Step]:
        record = self.stepper.records[world.record]
        due = self.stepper.due(world.record)
        if world.unreadable:
            due = None  # it is left alone for a while
        if (due is not None and due <= NOW) or world.minute <= NOW:
            return
        if not (world.mail or world.instances or world.unreadable):
            promises.at_rest(record, world.live, world.memory, self.scenario.settings)
            if self.scenario.says_so:
                promises.says_so(record, world.live)
        behind = self._left_behind(world)
        if behind is None:
            return
        times = [behind.instances[place].paused for place in range(len(behind.instances))]
        times += [mail.until for mail in behind.mail] + [request.until for request in world.wire]
        times += self._truths_times(world) + ([] if due is None else [due])
        if not world.quiet or world.unreadable:
            times.append(world.minute)
        if times and min(times) > NOW:
            ms = min(times) - NOW
            yield ("time passes", ms), self.later(behind, ms)
        elif not times and self.is_over(world):
            promises.at_the_end(record, world.live, world.memory)

    def _left_behind(self, world: World) -> World | None:
        """Return the world in which time passes although instances stand still and messages are
        late. Each of them costs a fault; return None if the budget does not allow that."""
        instances = tuple(
            one if one.paused else one._replace(paused=NOW + FROZEN) for one in world.instances
        )
        mail = tuple(
            one if one.until > NOW else one._replace(until=NOW + LATEST) for one in world.mail
        )
        still = sum(one is not other for one, other in zip(instances, world.instances, strict=True))
        late = sum(one is not other for one, other in zip(mail, world.mail, strict=True))
        if not still and not late:
            return world
        allowed = (self.may[Fault.PAUSE] or not still) and (self.may[Fault.LATE] or not late)
        if not allowed or still + late > world.faults:
            return None
        return world._replace(
            instances=instances, mail=tuple(sorted(mail)), faults=world.faults - still - late
        )

    def _truths_times(self, world: World) -> list[int]:
        live, times = world.live, []
        if live.until > NOW and (self.scenario.status or not self.is_over(world)):
            times.append(live.until)
        script = self.scenario.script[world.happened :]
        if script and script[0] in PUBLISHES and self.next_publish(world) > NOW:
            times.append(self.next_publish(world))
        return times

    def later(self, world: World, ms: int) -> World:
        """Return the world `ms` later: everything is further in the past. Live's own times, which
        are only compared with each other, stop moving once they are old."""
        stepper, live, memory = self.stepper, world.live, world.memory
        newest = max(live.published_at, live.event_at)
        true_ms = min(ms, max(newest - (NOW - LONG_AGO), 0))
        moved = world._replace(
            record=stepper.earlier("records", world.record, ms, true_ms),
            live=_live_later(live, ms, true_ms),
            memory=memory_later(memory, ms),
            minute=max(world.minute - ms, NOW),
            unreadable=max(world.unreadable - 1, 0),
            emptied=world.emptied and world.emptied - true_ms,
        )
        moved = self._steadier(moved, ms)
        if world.instances or world.wire or world.mail:
            moved = moved._replace(
                instances=tuple(self._one_later(one, ms, true_ms) for one in world.instances),
                wire=tuple(one._replace(until=one.until - ms) for one in world.wire),
                mail=tuple(sorted(self._mail_later(mail, ms, true_ms) for mail in world.mail)),
            )
        return self._expire(moved)

    def _steadier(self, world: World, ms: int) -> World:
        """Forget a step of the clock once no rule looks back so far."""
        steady = world.steady and world.steady - ms
        if steady and NOW - steady <= max(self.delay, IN_DOUBT_MS):
            return world._replace(steady=steady, gap_from=world.gap_from - ms)
        return world._replace(steady=0, gap_from=0)

    def _expire(self, world: World) -> World:
        live = world.live
        after = truth.expire(live)
        if after is live:
            return world
        world = world._replace(live=after)
        if not self.scenario.status:
            return world
        return self.posted(world, FileLeft("file.mp4", NOW - 2 * self.delay, NOW - self.delay))

    def _one_later(self, one: Instance, ms: int, true_ms: int) -> Instance:
        stepper = self.stepper
        return one._replace(
            paused=one.paused - ms,
            event=stepper.earlier("events", one.event, ms, true_ms),
            replies=tuple(stepper.earlier("replies", reply, ms, true_ms) for reply in one.replies),
        )

    def _mail_later(self, mail: Mail, ms: int, true_ms: int) -> Mail:
        event = self.stepper.earlier("events", mail.event, ms, true_ms)
        return mail._replace(event=event, until=mail.until - ms)


def memory_later(memory: Memory, ms: int) -> Memory:
    if not memory.over_until and not memory.ends_at:
        return memory
    over_until = memory.over_until - ms
    return memory._replace(
        over_until=over_until if over_until > NOW else 0,
        ends_at=memory.ends_at and max(memory.ends_at - ms, NOW - 2 * MINUTE),
    )


def _live_later(live: Live, ms: int, true_ms: int) -> Live:
    return live._replace(
        listed=None if live.listed is None else live.listed - true_ms,
        before=None if live.before is None else live.before - true_ms,
        published_at=live.published_at and live.published_at - true_ms,
        until=live.until and live.until - ms,
        event_at=live.event_at and max(live.event_at - ms, NOW - LONG_AGO),
    )
