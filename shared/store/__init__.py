"""Where records are kept: `open_store(url)` and the engines behind it."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.stream import StreamKey
from shared.errors import Fault, Misconfigured
from shared.store.sqlite import SqliteStore

__all__ = ["SqliteStore", "StreamKey", "open_store"]

SQLITE = "sqlite:///"


def open_store(url: str, *, rate: float, clock: Callable[[], int]) -> SqliteStore:
    """`rate` is the lane's, in commands a second; nothing is opened before the first use.

    `clock` (ms) is the clock of an engine that has none of its own.
    """
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return SqliteStore(url.removeprefix("sqlite://"), rate=rate, clock=clock)
    raise Misconfigured(
        [Fault("LIVE_RECORD_STORE", f"write it as {SQLITE}absolute/path of the database file")]
    )
