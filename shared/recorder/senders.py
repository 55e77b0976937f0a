"""As many senders as rate and latency need: threads that live for one drain and no longer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import Protocol

MOST = 64
ENOUGH = 4
"""reconciles at work: one more that was kicked would only stand in their way."""
ALIVE = 3_000
"""ms for which one that fell silent counts as at work."""
PAUSE = 1_500
"""ms between two that are called, by however many instances: each start costs."""
BEAT = 1.0
"""s between two signs of life."""


class Roster(Protocol):
    def join(self, name: str, who: str, ms: int) -> int: ...
    def leave(self, name: str, who: str) -> None: ...
    def summon(self, name: str, enough: int, ms: int) -> bool: ...


class Shift:
    """One reconcile at work, known to the others while it lives."""

    def __init__(self, roster: Roster, who: str, monotonic: Callable[[], float]) -> None:
        self._roster = roster
        self._who = who
        self._monotonic = monotonic
        self._last = float("-inf")

    def begin(self) -> int:
        """How many others there are."""
        self._last = self._monotonic()
        return self._roster.join("reconcile", self._who, ALIVE)

    def beat(self) -> None:
        if self._monotonic() - self._last >= BEAT:
            self.begin()

    def wants_one_more(self) -> bool:
        """Whether a reconcile is to be kicked."""
        return self._roster.summon("reconcile", ENOUGH, PAUSE)

    def end(self) -> None:
        self._roster.leave("reconcile", self._who)


class Senders:
    """Begins with one; each that finds the lane nearly free calls one more, and each ends by itself
    when nothing is due any more or the others have the lane booked up."""

    def __init__(self, work: Callable[[], int], beat: Callable[[], None]) -> None:
        self._work = work
        self._beat = beat
        self._changed = Condition()
        self.working = 0
        self._done = 0
        self._trouble: BaseException | None = None
        self._pool: ThreadPoolExecutor | None = None

    def drain(self) -> int:
        """How much was done. Raises what a sender raised, once all have ended."""
        self._done, self._trouble = 0, None
        with ThreadPoolExecutor(MOST, thread_name_prefix="sender") as pool:
            self._pool = pool
            self.call_one_more()
            with self._changed:
                while not self._changed.wait_for(lambda: self.working == 0, BEAT):
                    self._beat()
                self._pool = None
        if self._trouble is not None:
            raise self._trouble
        return self._done

    def call_one_more(self) -> None:
        with self._changed:
            if self._pool is not None and self.working < MOST and self._trouble is None:
                self.working += 1
                self._pool.submit(self._run)

    def _run(self) -> None:
        done, trouble = 0, None
        try:
            done = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `drain`
            trouble = error
        with self._changed:
            self.working -= 1
            self._done += done
            self._trouble = self._trouble or trouble
            self._changed.notify()
