"""A lock that lets one deploy or rollback of a stage run at a time, on one machine.

The deploy and rollback commands hold it. No lock works between machines; instead, a deploy reads
the alias again before it moves the alias.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _

from cli.errors import Failure
from cli.stage_registry import STATE


@contextmanager
def only_one(stage: str) -> Iterator[None]:
    """Hold the stage's lock file while the block runs; raise a Failure if another process holds it.
    The lock ends with this process, even if the process is killed."""
    file = STATE / f"deploy-{stage}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            sentence = _(
                "{stage} is being deployed or rolled back on this machine already, by"
                " process {holder}. Wait until it has ended."
            )
            raise Failure(sentence.format(stage=stage, holder=holder)) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
