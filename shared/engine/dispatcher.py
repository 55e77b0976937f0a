"""Who drains: the reconciles at work, and in each as many senders as rate and latency need."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import Protocol

MOST = 64
ENOUGH = 4
"""reconciles at work: one more that was woken would only stand in their way."""
OTHERS = 2
"""that stand by whoever sends a crowd."""
ALIVE = 2_000
"""ms for which one that fell silent counts as at work."""
PAUSE = 1_500
"""ms between two that are called, by however many instances: each start costs."""
BEAT = 1.0
"""s between two signs of life."""
TURN = 0.0005
"""s after which a thread that computes lets another on: while the list of a crowd is read, each of
a sender's dozen steps from its slot to the wire would else wait 5 ms."""
BACKFILL_AGAIN_MS = 10_000
"""ms between two looks at the online lists while a crowd is sent."""


class WorkerRegistry(Protocol):
    def register(self, name: str, who: str, ms: int) -> int: ...
    def deregister(self, name: str, who: str) -> None: ...
    def may_wake_one(self, name: str, enough: int, ms: int) -> bool: ...


class Timestamps(Protocol):
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...


class WorkerLease:
    """One reconcile at work, known to the others while it lives."""

    def __init__(self, roster: WorkerRegistry, who: str, monotonic: Callable[[], float]) -> None:
        self._roster = roster
        self._who = who
        self._monotonic = monotonic
        self._last = float("-inf")

    def begin(self) -> int:
        """How many others there are."""
        self._last = self._monotonic()
        return self._roster.register("reconcile", self._who, ALIVE)

    def heartbeat(self) -> None:
        if self._monotonic() - self._last >= BEAT:
            self.begin()

    def wants_one_more(self) -> bool:
        """Whether a reconcile is to be woken."""
        return self._roster.may_wake_one("reconcile", ENOUGH, PAUSE)

    def end(self) -> None:
        self._roster.deregister("reconcile", self._who)


class BackfillTimer:
    """Where a crowd comes up, callbacks are probably refused for want of instances: whoever sends
    it looks for those streams meanwhile, and once more at its end, whoever is killed in between."""

    def __init__(self, diary: Timestamps) -> None:
        self._diary = diary

    def sees_crowd(self) -> None:
        self._diary.touch("crowd")

    def looks(self) -> None:
        """From now on: what comes up later may be missed."""
        self._diary.touch("looked")

    def is_time(self) -> bool:
        """Nobody has looked for a while."""
        ago = self._diary.age_ms("looked")
        return ago is None or ago >= BACKFILL_AGAIN_MS

    def is_due(self) -> bool:
        """Nobody has looked since there was a crowd."""
        crowd, polled = self._diary.age_ms("crowd"), self._diary.age_ms("looked")
        return crowd is not None and (polled is None or crowd < polled)


class Dispatcher:
    """Begins with one; each that finds the lane nearly free calls one more, and each ends by itself
    when nothing is due any more or the others have the lane booked up."""

    def __init__(self, work: Callable[[], int], heartbeat: Callable[[], None]) -> None:
        self._work = work
        self._heartbeat = heartbeat
        self._changed = Condition()
        self.working = 0
        self._done = 0
        self._trouble: BaseException | None = None
        self._pool: ThreadPoolExecutor | None = None

    def drain(self) -> int:
        """How much was done. Raises what a sender raised, once all have ended."""
        sys.setswitchinterval(TURN)
        self._done, self._trouble = 0, None
        with ThreadPoolExecutor(MOST, thread_name_prefix="sender") as pool:
            self._pool = pool
            self.call_one_more()
            while not self._have_ended():
                self._heartbeat()
        if self._trouble is not None:
            raise self._trouble
        return self._done

    def _have_ended(self) -> bool:
        """Within a beat. From then on nobody is called any more."""
        with self._changed:
            ended = self._changed.wait_for(lambda: self.working == 0, BEAT)
            if ended:
                self._pool = None
        return ended

    def call_one_more(self) -> None:
        self.have_done(self._work)

    def have_done(self, work: Callable[[], int]) -> None:
        """Beside what the senders do; the drain does not end before."""
        with self._changed:
            if self._pool is not None and self.working < MOST and self._trouble is None:
                self.working += 1
                self._pool.submit(self._run, work)

    def _run(self, work: Callable[[], int]) -> None:
        done, trouble = 0, None
        try:
            done = work()
        except BaseException as error:  # noqa: BLE001 - raised again by `drain`
            trouble = error
        with self._changed:
            self.working -= 1
            self._done += done
            self._trouble = self._trouble or trouble
            self._changed.notify()
