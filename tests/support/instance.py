"""One instance of live-record without Function Compute: real store, real SDK, effect by effect.

`python -m tests.support.instance FOLDER LIVE KILL_AT WHAT` does WHAT and kills itself with SIGKILL
before its effect number KILL_AT; it prints `done` if it got to the end first.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.engine.dispatcher import Dispatcher
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import CallbackSource, Effect, Steps, T, Undelivered, run
from shared.engine.recorder import HandlingOptions, Recorder
from shared.engine.step_marks import StepMarks
from shared.engine.worker_lease import BackfillTimer, WorkerLease
from shared.engine.workers import ThreadWorkers
from shared.invocation.composition import dev_clock
from shared.outbound.live import Credentials, LiveClient, Online
from shared.protocol import (
    Command,
    Event,
    Published,
    StartAsked,
    StopAsked,
    StreamKey,
    StreamSettings,
)
from shared.store import open_store

KEY = StreamKey("live.example.com", "app", "room1")
DEV = Credentials("dev", "dev-secret")
OPTIONS = HandlingOptions(slot_wait_ms=250)


@dataclass(frozen=True)
class AsDev:
    client: LiveClient

    def prepare(self) -> None:
        self.client.prepare()

    def send(self, command: Command, key: StreamKey) -> str:
        return self.client.send(command, key, credentials=DEV)

    def find(self, key: StreamKey) -> int | None:
        return self.client.find(key, credentials=DEV)

    def online(self, domain: str) -> Sequence[Online]:
        return self.client.online(domain, credentials=DEV)

    def undelivered(
        self, _source: CallbackSource, _since: int, _until: int, _pace: Callable[[], None]
    ) -> Sequence[Undelivered]:
        return ()


class Instance:
    def __init__(self, folder: Path, live: str) -> None:
        clock = dev_clock(str(folder / "clock.json"))
        self.store = open_store(f"sqlite:///{folder}/records.db", rate=50, clock=clock)
        client = LiveClient(endpoint=live.partition("://")[2], protocol="http")
        ids = itertools.count()
        self.recorder = Recorder(
            lambda _key: StreamSettings(), lambda: f"{os.getpid()}-{next(ids)}", client.lease
        )
        self.effect_handler = EffectHandler(
            self.store,
            AsDev(client),
            monotonic=time.monotonic,
            wait=time.sleep,
            report=lambda _event, _error: None,
        )

    def does(self, steps: Steps[T], perform: Callable[[Effect[Any]], Any] | None = None) -> T:
        return run(steps, perform or self.effect_handler.perform)


def killed_at(number: int, perform: Callable[[Effect[Any]], Any]) -> Callable[[Effect[Any]], Any]:
    """Return a `perform` that kills the process before the effect of that number, after the effects
    before it."""
    effects = itertools.count()

    def perform_or_die(effect: Effect[Any]) -> Any:  # noqa: ANN401 - as the effect says
        if next(effects) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return perform(effect)

    return perform_or_die


def reconcile(instance: Instance, perform: Callable[[Effect[Any]], Any]) -> None:
    """Send what is due now, with the dispatcher and the workers that are deployed."""
    drain_one = lambda: run(instance.recorder.drain_one(OPTIONS), perform)  # noqa: E731 - as the invocation's
    Dispatcher(
        instance.store,
        drain_one,
        slot_wait_ms=OPTIONS.slot_wait_ms,
        lease=WorkerLease(instance.store, str(os.getpid()), time.monotonic),
        marks=StepMarks(instance.store),
        backfill_timer=BackfillTimer(instance.store),
        backfill=lambda: 0,
        put_in_order=lambda: 0,
        wake=lambda: None,
        wait=time.sleep,
        report=lambda _event, _error: None,
    ).drain(ThreadWorkers())


def steps_of(instance: Instance, what: str) -> Steps[Any]:
    events: dict[str, Event] = {
        "start": StartAsked("ann"),
        "stop": StopAsked("ann", finalize=True),
        "publish": Published(int(time.time()) * 1000 + 60_000),
    }
    return instance.recorder.handle(KEY, events[what], OPTIONS)


def main(folder: str, live: str, number: str, what: str) -> None:
    instance = Instance(Path(folder), live)
    perform = killed_at(int(number), instance.effect_handler.perform)
    if what == "reconcile":
        reconcile(instance, perform)
    else:
        instance.does(steps_of(instance, what), perform)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
