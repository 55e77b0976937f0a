"""Where records are kept: `open_store(url)` and the engines behind it."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.stream import StreamKey
from shared.errors import Fault, Misconfigured
from shared.store.redis import RedisStore
from shared.store.sqlite import SqliteStore

__all__ = ["RedisStore", "SqliteStore", "Store", "StreamKey", "open_store"]

Store = SqliteStore | RedisStore
SQLITE, REDIS = "sqlite:///", ("redis://", "rediss://")


def open_store(
    url: str,
    *,
    rate: float,
    clock: Callable[[], int],
    stage: str = "dev",
    ahead: Callable[[], int] | None = None,
) -> Store:
    """`rate` is the lane's, in commands a second; nothing is opened before the first use.

    `clock` (ms) is for an engine that has none of its own; with `ahead`, in ms, one that has goes
    by its own clock and that, and stages may share it.
    """
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return SqliteStore(url.removeprefix("sqlite://"), rate=rate, clock=clock)
    if url.startswith(REDIS):
        if ahead is None:
            return RedisStore(url, stage=stage, rate=rate, clock=clock)
        return RedisStore(url, stage=stage, rate=rate, ahead=ahead)
    raise Misconfigured(
        [Fault("LIVE_RECORD_STORE", f"write it as redis://… or {SQLITE}absolute/path")]
    )
