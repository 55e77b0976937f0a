"""The faults of a storm: an instance killed each second, a restart of the store, lost answers.

benchmarks.storm starts it with --chaos.
"""

from __future__ import annotations

import random
import threading

from benchmarks.storm.stage import Stage

FUNCTIONS = ("stream_events", "reconcile")


class Chaos(threading.Thread):
    def __init__(self, stage: Stage, restart_after_s: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self.restarts = 0
        self._stage = stage
        self._restart_after_s = restart_after_s
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self) -> None:
        self._stage.live.fail(transport="reset_after_acting", every=5, times=1_000_000)
        second = 0
        while not self._over.wait(1.0):
            second += 1
            self._kill()
            if self._stage.engine and second == round(self._restart_after_s):
                self._stage.engine.kill()
                self._stage.engine.start()
                self.restarts += 1

    def _kill(self) -> None:
        name = self._random.choice(FUNCTIONS)
        instances = self._stage.function(name)["instances"]
        if instances:
            which = self._random.choice(instances)["id"]
            self.kills += len(self._stage.fc("kill", function=name, which=which)["killed"])

    def end(self) -> None:
        self._over.set()
        self.join()
        self._stage.live.ask("DELETE", "fail", b"")
