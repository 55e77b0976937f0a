"""Sends the commands that are due, in one run of reconcile, and runs the other steps of reconcile
meanwhile. It uses as many workers as the rate limit and Live's latency require.

The function reconcile runs the dispatcher. This module knows the store's queue and how to handle
one stream, and nothing of HTTP, policy, or how a command is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.engine.recorder import CHECK_SOON_MS, SOON_MS, Crashed, HandleResult
from shared.engine.side_steps import SideSteps
from shared.engine.step_marks import BACKFILL, DRAIN, StepMarks
from shared.engine.worker_lease import BackfillTimer, WorkerLease
from shared.engine.workers import MAX_WORKERS, Workers
from shared.store.store_errors import StoreUnavailable

HELPING_RECONCILES = 2
"""How many further reconciles help to send a burst."""
LINGER_MS = 2_000
"""How long (ms) a reconcile stays after its last work. Further work may come without a wake-up
call, because another call was made just before."""
IDLE_POLL_MS = 200
MIN_PAUSE_MS = 5
STORE_PAUSE_S = 0.5
"""s before an unavailable store is tried again: most are back soon (a fail-over)."""


class DueTimes(Protocol):
    def next_due(self) -> int | None: ...


class Dispatcher:
    """Sends due commands until nothing has been due for a while or the time is up."""

    def __init__(  # noqa: PLR0913 - everything that a reconcile touches
        self,
        queue: DueTimes,
        drain_one: Callable[[], HandleResult | Crashed | None],
        *,
        slot_wait_ms: int,
        lease: WorkerLease,
        marks: StepMarks,
        backfill_timer: BackfillTimer,
        backfill: Callable[[], int],
        put_in_order: Callable[[], int],
        wake: Callable[[], None],
        wait: Callable[[float], None],
        report: Callable[[str, Exception], None],
    ) -> None:
        """Keep the collaborators. `drain_one` handles the first stream that is due, and returns
        None if none is. `backfill` finds streams that no callback reported. `put_in_order` repairs
        some due entries if the store's clock was set back. `wait` takes seconds.
        """
        self._queue = queue
        self._drain_one = drain_one
        self._slot_wait_ms = slot_wait_ms
        self._lease = lease
        self._marks = marks
        self._backfill_timer = backfill_timer
        self._backfill = backfill
        self._put_in_order = put_in_order
        self._wake = wake
        self._wait = wait
        self._report = report
        self._has_time: Callable[[], bool] = lambda: True
        self._workers: Workers | None = None
        self._side_steps: SideSteps | None = None
        self.running = 0
        self.rounds = 0
        self._done = 0
        self._stay_ms = SOON_MS
        self._error: BaseException | None = None

    def run(self, workers: Workers, has_time: Callable[[], bool], side_steps: SideSteps) -> int:
        """Send all due commands while the side steps run; return how many streams were handled. If
        time runs out while more is due soon, wake another reconcile. If the store failed in every
        round, raise StoreUnavailable."""
        self._has_time, self._side_steps = has_time, side_steps
        done = self.rounds = 0
        failure: StoreUnavailable | None = None
        due_in_ms: int | None = 0
        with side_steps:
            # An invocation that left something due woke nobody while this run was registered. So
            # check again after each round.
            while has_time() and (_is_soon(due_in_ms) or side_steps.are_running):
                try:
                    done += self._run_round(workers, side_steps)
                    due_in_ms = self._queue.next_due()
                    self.rounds += 1
                except StoreUnavailable as error:  # noqa: PERF203 - each round is seconds long
                    failure = error
                    self._report("store.unavailable", error)
                    self._wait(STORE_PAUSE_S)
        failure = failure or side_steps.unavailable
        if failure is not None and not self.rounds:
            raise failure
        if not has_time() and _is_soon(due_in_ms):
            self._wake()
        return done

    def _run_round(self, workers: Workers, side_steps: SideSteps) -> int:
        self._lease.begin()
        self._marks.begin(DRAIN)
        done = self._run_until_idle(workers, side_steps)
        self._marks.end(DRAIN)
        self._lease.end()
        return done

    def _run_until_idle(self, workers: Workers, side_steps: SideSteps) -> int:
        done, idle_ms = 0, 0
        while self._has_time() and idle_ms < LINGER_MS:
            self._lease.heartbeat()
            drained = self._put_in_order() + self.drain(workers)
            if self._backfill_timer.is_due() and not side_steps.are_running:
                side_steps.start(BACKFILL, self._backfill)
            due_in_ms = self._queue.next_due()
            has_work = drained > 0 or (due_in_ms is not None and due_in_ms <= self._stay_ms)
            self._stay_ms = self._stay_ms if has_work else SOON_MS
            is_idle = not has_work and not side_steps.are_running
            done, idle_ms = done + drained, idle_ms + IDLE_POLL_MS if is_idle else 0
            pause_ms = IDLE_POLL_MS if due_in_ms is None else min(due_in_ms, IDLE_POLL_MS)
            self._wait(max(pause_ms, MIN_PAUSE_MS) / 1000)
        return done

    def drain(self, workers: Workers) -> int:
        """Send due commands until nothing is due; return how many streams were handled. If workers
        raised errors, raise one of the errors after all workers have ended.

        At first there is one worker. Each command takes a slot (a time) of the rate limit. If a
        worker gets a slot that is near, it starts one more worker. A worker ends if nothing is due,
        or if the other workers have taken so many slots that the next free one is too far away.
        """
        self._done, self._error = 0, None
        with workers:
            self._workers = workers
            self.start_worker()
            while not self._have_ended(workers):
                self._beat()
        if self._error is not None:
            raise self._error
        return self._done

    def start_worker(self) -> None:
        """Start one more worker if a drain is running and has room for it."""
        workers = self._workers
        if workers is None:
            return
        with workers.signal:
            if self._workers is not None and self.running < MAX_WORKERS and self._error is None:
                self.running += 1
                workers.start(lambda: self._run(workers))

    def _have_ended(self, workers: Workers) -> bool:
        """Wait for the workers, at most as long as a heartbeat; return True once all have ended. No
        worker starts after that."""
        with workers.signal as _:
            ended = workers.signal.wait_for(lambda: self.running == 0, self._lease.heartbeat_s)
            if ended:
                self._workers = None
        return ended

    def _beat(self) -> None:
        """At each heartbeat, wake helpers and read the lists again if needed. Only a burst lasts
        that long: three reconciles share it, and if some are killed, a surviving one wakes another.
        """
        if self._lease.begin() < HELPING_RECONCILES:
            self._wake()
        self._backfill_timer.note_burst()
        beside = self._side_steps
        if beside and not beside.are_running and self._backfill_timer.may_run_again():
            beside.start(BACKFILL, self._backfill)

    def _run(self, workers: Workers) -> None:
        done, error = 0, None
        try:
            done = self._drain_while_due()
        except BaseException as raised:  # noqa: BLE001 - raised again by `drain`
            error = raised
        with workers.signal:
            self.running -= 1
            self._done += done
            self._error = self._error or error
            workers.signal.notify()

    def _drain_while_due(self) -> int:
        """As one worker, handle streams that are due, until none is due or the others have booked
        the coming slots; return how many were handled."""
        done = 0
        while self._has_time() and (handled := self._drain_one()) is not None:
            booked_ms = handled.next_slot_in_ms - self._slot_wait_ms
            if booked_ms > 0:
                self._wait(min(round(booked_ms), IDLE_POLL_MS) / 1000)
                break
            done += 1
            if handled.awaits_check:
                self._stay_ms = CHECK_SOON_MS
        return done


def _is_soon(due_in_ms: int | None) -> bool:
    return due_in_ms is not None and due_in_ms <= SOON_MS
