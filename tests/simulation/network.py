"""Carries requests, answers and callbacks between the instances and ApsaraVideo Live: some are
lost, late or double."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared.config.path_tokens import CallbackKind, path_token_of
from shared.outbound.live import CONNECT_MS, READ_MS
from shared.outbound.live.error_codes import Refusal
from shared.protocol import Accepted, CommandSettled, Flight, StreamKey
from shared.protocol.command_errors import InDoubt, LiveError, NeverSent
from tests.simulation.chances import Fault
from tests.simulation.requests import TOKEN, Request, body_of
from tests.simulation.world import Answer, Callback, Stream, Trouble

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

PATIENCE = CONNECT_MS + READ_MS
TROUBLES = {
    Fault.API_ACTED_500: Trouble.ACTED_500,
    Fault.API_IDLE_500: Trouble.IDLE_500,
    Fault.API_UNAVAILABLE: Trouble.IDLE_503,
    Fault.API_THROTTLED: Trouble.THROTTLED,
}
CommandResult = Callable[[Accepted | LiveError], None]


class Wire:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self._lost: set[int] = set()
        self._taken: set[int] = set()
        self._also_undelivered: list[tuple[str, int]] = []

    # --- commands -------------------------------------------------------------------------------

    def send(self, key: StreamKey, flight: Flight, heard: CommandResult) -> None:
        """Carry a command. Without an answer, the sender hears after its patience that the command
        is in doubt."""
        strikes, clock, random = self.sim.lots.strikes, self.sim.clock, self.sim.random
        where = key.stream
        self.sim.tell("the wire", f"{flight.command.value} for {where}", flight.reason.value)
        if strikes(Fault.REQUEST_UNSENT, where):
            clock.after(5, heard, NeverSent("ConnectionRefused"))
        elif strikes(Fault.REQUEST_LOST, where):
            clock.after(PATIENCE, heard, InDoubt())
        elif strikes(Fault.REQUEST_LATE, where):
            late = self.sim.lots.chance("late", where).uniform(PATIENCE, 55_000)
            clock.after(late, self._arrive, key, flight, None)
            clock.after(PATIENCE, heard, InDoubt())
        else:
            clock.after(5 + 100 * random(), self._arrive, key, flight, heard)

    def _arrive(self, key: StreamKey, flight: Flight, heard: CommandResult | None) -> None:
        sim = self.sim
        sim.events += 1
        answer = self._told(key, flight)
        acted = sim.live.arrived and sim.live.arrived[-1].acted
        if acted and sim.lots.strikes(Fault.REQUEST_TWICE, key.stream):
            far = 20_000 if sim.live.switches.nonce_refused else 4
            sim.clock.after(1 + far * sim.random(), self._again, key, flight)
        if heard is None:
            return
        gone = isinstance(answer, InDoubt) and not answer.status
        if gone or sim.lots.strikes(Fault.ANSWER_LOST, key.stream):
            sim.clock.after(PATIENCE, heard, InDoubt())
            return
        slow = sim.lots.strikes(Fault.ANSWER_LATE, key.stream)
        takes = (700 if slow else 5) + (700 if slow else 100) * sim.random()
        sim.clock.after(takes, heard, answer)
        if sim.lots.strikes(Fault.ANSWER_TWICE, key.stream):
            sim.clock.after(takes + 3_000 * sim.random(), sim.heard_again, key, flight, answer)

    def _again(self, key: StreamKey, flight: Flight) -> None:
        self.sim.events += 1
        self._told(key, flight)

    def _told(self, key: StreamKey, flight: Flight) -> Accepted | LiveError:
        sim = self.sim
        if sim.lots.strikes(Fault.API_REFUSED, key.stream):
            sim.judge.refused(key, flight)
            return Refusal("NobodyKnows.WhatThisMeans", status=400, request_id="R").error()
        struck = (t for f, t in TROUBLES.items() if sim.lots.strikes(f, key.stream))
        answer = sim.live.command(
            sim.clock.now,
            stream_of(key),
            flight.command.value,
            trouble=next(struck, Trouble.NONE),
            nonce=flight.id,
            signed_at=sim.clock.now,
        )
        sim.lots.counts["request dropped by Live"] += answer is None
        sim.tell("Live", f"{flight.command.value} for {key.stream} arrives", _said(answer))
        sim.judge.arrived(key, flight, answer)
        return _meaning(answer)

    # --- queries --------------------------------------------------------------------------------

    def find(self, key: StreamKey) -> int | LiveError | None:
        failed = self._fails(key.stream)
        if failed:
            return failed
        found = self.sim.live.online(self.sim.clock.now, key.domain, app=key.app, name=key.stream)
        return max((row.publish_time for row in found), default=None)

    def online(self, domain: str) -> Mapping[StreamKey, int] | LiveError:
        failed = self._fails("")
        if failed:
            return failed
        rows = self.sim.live.online(self.sim.clock.now, domain)
        return {StreamKey(*row.stream): row.publish_time for row in rows}

    def undelivered(self, domain: str, since: int, until: int) -> list[tuple[str, int]] | LiveError:
        """Return Live's records of lost callbacks: the content of each, and the time of its
        attempt."""
        failed = self._fails("")
        if failed:
            return failed
        rows = self.sim.live.undelivered(self.sim.clock.now, domain, since, until)
        also = [row for row in self._also_undelivered if since <= row[1] < until]
        return [*((json.dumps(dict(row.fields)), row.at) for row in rows), *also]

    def list_undelivered(self, content: str) -> None:
        """Have Live list this callback as undelivered, too."""
        self._also_undelivered.append((content, self.sim.clock.now))

    def _fails(self, where: str) -> LiveError | None:
        if self.sim.lots.strikes(Fault.LOOK_FAILED, where):
            return InDoubt()
        refusal = self.sim.live.refusal(self.sim.clock.now)
        said = _meaning(refusal) if refusal else None
        return said if isinstance(said, LiveError) else None

    # --- callbacks ------------------------------------------------------------------------------

    def carry(self, callback: Callback) -> None:
        """Deliver the callback now, late, twice or never. If its first attempt is lost, so are its
        retries."""
        sim, where = self.sim, callback.stream.name
        strikes, chance = sim.lots.strikes, sim.lots.chance("callback", where)
        sim.accounts.left(callback)
        if callback.event in self._taken:
            return
        if callback.event in self._lost or (
            callback.attempt == 0 and strikes(Fault.CALLBACK_LOST, where)
        ):
            self._lost.add(callback.event)
            sim.tell("Live", f"{_words(callback)}: lost")
            return
        wait = 5 + 95 * sim.random()
        if callback.attempt == 0 and strikes(Fault.CALLBACK_LATE, where):
            self._taken.add(callback.event)
            wait = chance.uniform(20_000, 280_000)
        elif strikes(Fault.CALLBACK_REORDERED, where):
            wait = chance.uniform(500, 4_500)
        sim.clock.after(wait, self.deliver, callback)
        if strikes(Fault.CALLBACK_DOUBLED, where):
            sim.clock.after(wait + chance.uniform(10, 20_000), self.deliver, callback)

    def deliver(self, callback: Callback) -> None:
        sim = self.sim
        sim.events += 1
        sim.tell("Live", f"{_words(callback)}", callback.fields.get("time", ""))
        sim.judge.delivered(callback)

        def answered(status: int, need_record: bool) -> None:
            live = sim.live
            if status == 200:
                sim.accounts.heard(callback)
            live.answered(sim.clock.now, callback.number, status, need_record=need_record)

        sim.invoke(request_of(callback), answered)


def request_of(callback: Callback) -> Request:
    """Return the request by which the callback reaches its function."""
    kind: CallbackKind = "on-demand" if callback.method == "GET" else "record"
    if "action" in callback.fields:
        kind = "stream"
    return Request(
        {"stream": "stream_events", "on-demand": "on_demand"}.get(kind, "record_events"),
        path=f"/callbacks/{kind}/{path_token_of(kind, TOKEN)}",
        headers=callback.headers,
        fields=callback.fields,
        body=body_of(callback.fields) if callback.method == "POST" else b"",
        key=StreamKey(*callback.stream),
    )


def stream_of(key: StreamKey) -> Stream:
    return Stream(key.domain, key.app, key.stream)


def sent_again(flight: Flight, answer: object) -> CommandSettled:
    assert isinstance(answer, (Accepted, LiveError))
    return CommandSettled(flight.id, answer)


def _meaning(answer: Answer | None) -> Accepted | LiveError:
    """Return the result by the deployed table of codes; in doubt without an answer."""
    if answer is None:
        return InDoubt()
    if not answer.code:
        return Accepted(answer.request_id)
    return Refusal(
        answer.code,
        status=answer.status,
        request_id=answer.request_id,
        retry_after=answer.retry_after_ms,
    ).error()


def _said(answer: Answer | None) -> str:
    return "dropped" if answer is None else answer.code or "200"


def _words(callback: Callback) -> str:
    again = f", attempt {callback.attempt + 1}" if callback.attempt else ""
    return f"says {callback.kind} of {callback.stream.name}{again}"
