"""A command on its way to Live, and all that can go wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from shared.protocol import Accepted, Command, Flight
from shared.protocol.command_errors import LiveError
from tests.explorer import live_model as truth
from tests.explorer import promises
from tests.explorer.move_context import Ground, Step
from tests.explorer.world import NOW, UNCLEAR, Fault, Instance, Live, Request, Task, World

IN_DOUBT_MS = 59_000
"""ms after its slot in which a request may still land."""
UNSEEN = 60_000
"""ms after a publish in which the recorder may not know the stream: longer than the protocol
assumes."""
SLOT = 250
"""ms after its slot in which a command may be sent."""


class Wire(Ground):
    def sends(self, rest: World, one: Instance, flight: Flight) -> Iterator[Step]:
        if flight.sent_at < NOW - SLOT:
            yield self._answered(rest, one, truth.SLOT_MISSED)
            if flight.sent_at < NOW - IN_DOUBT_MS:
                return
        request = Request(
            flight.command, flight.reason, flight.session, max(flight.sent_at + IN_DOUBT_MS, NOW)
        )
        yield self._arrives(rest, one, request)
        yield from self._goes_wrong(rest, one, request)

    def _answered(self, rest: World, one: Instance, answer: Accepted | LiveError) -> Step:
        result = self.stepper.answered(one, answer)._replace(publish=self._true_session(rest))
        return ("answered", one, answer), self.joined(rest, result)

    def _true_session(self, world: World) -> int:
        """Return the session that Live answers for, if the record means the same one."""
        session, live = self.stepper.records[world.record].session, world.live
        if session is None or (session.time is None and session.publish_time is None):
            return live.publish
        same = live.published_at == session.time or live.listed == session.publish_time
        return live.publish if same else UNCLEAR

    def _arrives(self, rest: World, one: Instance, request: Request) -> Step:
        after, answer = self._land(rest, request)
        return self._answered(after, one, answer)

    def _land(self, world: World, request: Request) -> tuple[World, Accepted | LiveError]:
        switches = self.scenario.switches
        reaction = truth.perform(world.live, request.command, switches, self.delay)
        record = self.stepper.records[world.record]
        memory = promises.landed(world.memory, record, request, world.live, reaction.live)
        after = world._replace(live=reaction.live, memory=memory, quiet=False)
        return self.reports(after, reaction.says), reaction.answer

    def _goes_wrong(self, rest: World, one: Instance, request: Request) -> Iterator[Step]:
        if (left := self.spend(rest, Fault.LOST_REQUEST)) is not None:
            yield self._answered(rest._replace(faults=left), one, truth.NO_ANSWER)
        if (left := self.spend(rest, Fault.LOST_ANSWER)) is not None:
            late = self._on_the_wire(rest._replace(faults=left), request)
            yield self._answered(late, one, truth.NO_ANSWER)
        if (left := self.spend(rest, Fault.KILL)) is not None:
            killed = rest._replace(faults=left)
            yield ("killed before it sends", one), killed
            yield ("killed as it sends", one), self._on_the_wire(killed, request)
        yield from self._live_fails(rest, one, request)

    def _live_fails(self, rest: World, one: Instance, request: Request) -> Iterator[Step]:
        live, starts = rest.live, request.command is Command.START
        if (left := self.spend(rest, Fault.THROTTLED)) is not None:
            yield self._answered(rest._replace(faults=left), one, truth.THROTTLED)
        if (left := self.spend(rest, Fault.FORBIDDEN)) is not None:
            yield self._answered(rest._replace(faults=left), one, truth.FORBIDDEN)
        just = starts and live.listed is not None and NOW - live.event_at <= UNSEEN
        if just and (left := self.spend(rest, Fault.NOT_YET)) is not None:
            yield self._answered(rest._replace(faults=left), one, truth.NOT_LIVE)
        vain = _may_be_swallowed(live, request.command)
        if vain and (left := self.spend(rest, Fault.MUTE)) is not None:
            yield self._answered(rest._replace(faults=left), one, truth.ACCEPTED)

    def _on_the_wire(self, world: World, request: Request) -> World:
        return world._replace(wire=tuple(sorted((*world.wire, request))))

    def landings(self, world: World) -> Iterator[Step]:
        for place, request in enumerate(world.wire):
            rest = world._replace(wire=world.wire[:place] + world.wire[place + 1 :])
            after, _ = self._land(rest, request)
            yield ("lands late", request), after


def _may_be_swallowed(live: Live, command: Command) -> bool:
    """Return True if Live could carry the command out, and so may accept it in vain."""
    if live.listed is None:
        return False
    if command is Command.START:
        return live.task is Task.NONE
    return command is Command.STOP and live.task is Task.RUNS
