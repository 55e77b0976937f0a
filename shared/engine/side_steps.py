"""Runs the other steps of a reconcile while the dispatcher sends. All of them begin immediately. If
one fails, the others go on.

The dispatcher runs them. The caller defines each step and its time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType

from shared.engine.worker_lease import HEARTBEAT_S
from shared.engine.workers import Workers
from shared.store.store_errors import StoreUnavailable

Report = Callable[[str, Exception], None]


class SideSteps:
    """A context manager that runs steps at the same time. Leaving the block waits for the steps
    that still run. Each step returns how many things it did, and ends by itself when the time is
    up."""

    def __init__(
        self,
        steps: Mapping[str, Callable[[], int]],
        workers: Workers,
        report: Report,
        waits_for_store: Callable[[], bool],
    ) -> None:
        """Keep the steps, which begin when the block is entered. `report` gets the name of a log
        event and the error of a failed step. `waits_for_store` waits a moment and returns True
        while there is time to repeat a step.
        """
        self._steps = steps
        self._workers = workers
        self._report = report
        self._waits_for_store = waits_for_store
        self._running = 0
        self.results: dict[str, int] = {}
        self.failed: list[str] = []
        self.unavailable: StoreUnavailable | None = None

    @property
    def are_running(self) -> bool:
        return self._running > 0

    def __enter__(self) -> None:
        self._workers.__enter__()
        for name, step in self._steps.items():
            self.start(name, step)

    def start(self, name: str, step: Callable[[], int]) -> None:
        """Start one more step, with this name for its result and its errors."""
        with self._workers.signal as _:
            self._running += 1
        self._workers.start(lambda: self._run(name, step))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        signal = self._workers.signal
        with signal as _:
            while not signal.wait_for(lambda: self._running == 0, HEARTBEAT_S):
                pass
        self._workers.__exit__(kind, error, at)

    def _run(self, name: str, step: Callable[[], int]) -> None:
        try:
            self.results[name] = self._repeat_until_stored(step)
        except StoreUnavailable as error:
            self.failed.append(name)
            self.unavailable = error
        except Exception as error:  # noqa: BLE001 - the others go on, and so does the drain
            self._report(f"{name}.crashed", error)
            self.failed.append(name)
        finally:
            with self._workers.signal as _:
                self._running -= 1
                self._workers.signal.notify()

    def _repeat_until_stored(self, step: Callable[[], int]) -> int:
        """Return how much the step did. Repeat it while the store does not answer, so that changes
        are found as soon as it is back, not a minute later."""
        is_reported = False
        while True:
            try:
                return step()
            except StoreUnavailable as error:  # noqa: PERF203 - a step takes seconds
                if not is_reported:
                    self._report("store.unavailable", error)
                is_reported = True
                if not self._waits_for_store():
                    raise
