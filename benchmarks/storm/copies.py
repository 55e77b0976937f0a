"""Verified files that are to be copied while a storm rages, and the store that gets them.

benchmarks.storm uses it with --copies. The files lie in the emulated bucket; the function `deliver`
copies them by its timer, as always.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delivery import Sink, sink
from benchmarks.storm.stage import Stage, yield_to_others
from shared.outbox.deliver_file import deliver_next
from shared.outbox.settlement import settlement
from shared.outbox.task import NewTask, TaskKind
from shared.protocol import StreamKey, StreamRecord
from shared.protocol.file import File, FileVerdict
from shared.store import Store, open_store
from shared.store.contract import Save

DELIVER = "deliver"
FILE_BYTES = 20_000
"""Small, because the emulated bucket is served by the process that emulates Live and counts
commands."""
BUCKET = "dev-bucket"
PATIENCE_S, RUN_S = 600.0, 150.0
_KEY = StreamKey("live.example.com", "app", "archive")


@dataclass
class Copies:
    """The files to copy, `count` of them, and the store that they are copied to."""

    count: int
    sink: Sink
    address: str
    took_s: float = 0.0

    @property
    def policy(self) -> str:
        return (
            f'[[deliver]]\ntarget = "s3://archive/tv"\nendpoint = "{self.address}"\n'
            'credentials = "archive"\npath_style = true\n'
        )

    @contextmanager
    def going_on(self, stage: Stage, folder: Path) -> Iterator[None]:
        """Have the files copied from now on; when the block ends, wait until all are copied."""
        # The first run starts the instance of the function.
        stage.fc(f"timer/{DELIVER}", timeout_s=RUN_S, wait=True)
        yield_to_others(stage, DELIVER)
        with closing(open_store(stage.store, rate=1, clock=_now_ms)) as store:
            for number in range(self.count):
                _add(store, folder / "buckets" / BUCKET, f"record/app/archive/{number:04}.mp4")
        timers = threading.Thread(target=self._fire, args=(stage,), name="deliver")
        timers.start()
        try:
            yield
        finally:
            timers.join()

    def _fire(self, stage: Stage) -> None:
        """Fire the timer, again and again, until each file is there."""
        began = time.monotonic()
        while len(self.sink.objects) < self.count and time.monotonic() - began < PATIENCE_S:
            stage.fc(f"timer/{DELIVER}", timeout_s=RUN_S, wait=True)
        self.took_s = time.monotonic() - began

    def figures(self) -> dict[str, object]:
        whole = sum(size == FILE_BYTES for size in self.sink.objects.values())
        return {"copies": self.count, "copied": whole, "copied_s": round(self.took_s, 1)}


@contextmanager
def copies(count: int) -> Iterator[Copies]:
    with sink() as (kept, address):
        yield Copies(count, kept, address)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _add(store: Store, bucket: Path, name: str) -> None:
    """Put a file into the bucket, and store that it was verified and is to be copied."""
    path, now = bucket / name, _now_ms()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode().ljust(FILE_BYTES, b"."))
    version = store.load(_KEY).version
    file, task = File(name, now - 1_000, now, 1_000), NewTask(name, TaskKind.VERIFY_FILE, "{}")
    record = StreamRecord(_KEY, changed_at=now)
    store.save_or_claim(Save(version, record, files=(file,), tasks=(task,)))
    (taken,) = store.take_tasks(TaskKind.VERIFY_FILE.value, limit=1, lease_ms=1_000)
    outcome = deliver_next(name, "s3://archive/tv", f"tv/{name}", FileVerdict("verified", now))
    store.settle_tasks([(taken, settlement(taken, outcome, 0.0))])
