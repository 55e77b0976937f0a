"""Finds out whether the store takes writes, by writing one fixed key now and then.

Each process has one probe, which GET /v1/health asks. It knows no stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from shared.store.store_errors import StoreUnavailable

PROBE_EVERY_MS = 5_000
"""ms between two writes of one process; until then the last result is returned."""
HEALTH = "health"
"""The name of the timestamp that is written. Nobody reads it."""


class WritableStore(Protocol):
    def try_write(self, name: str) -> bool: ...


class WriteResult(Struct, frozen=True):
    """The result of the probe. `error` is the error of the last try, if it failed. `written_ms_ago`
    is how long ago a write last worked; if none has worked yet, how long ago the first was tried.
    `locked_ms` is for how long another writer has locked the store, as all tries in that time have
    found; 0 if the last try did not find it locked. The probe tries only while somebody asks for
    its result."""

    error: StoreUnavailable | None
    written_ms_ago: int
    locked_ms: int = 0


class WriteProbe:
    def __init__(self, store: WritableStore, clock: Callable[[], int]) -> None:
        """Keep the store; `clock` gives ms since the epoch."""
        self._store = store
        self._clock = clock
        self._tried_at: int | None = None
        self._written_at = 0
        self._locked_at: int | None = None
        self._error: StoreUnavailable | None = None

    def result(self) -> WriteResult:
        """Try a write, unless this process did so within PROBE_EVERY_MS; return how the last try
        ended."""
        now = self._clock()
        if self._tried_at is None:
            self._written_at = now
        if self._tried_at is None or abs(now - self._tried_at) >= PROBE_EVERY_MS:
            self._tried_at = now
            self._try(now)
        locked_ms = 0 if self._locked_at is None else max(now - self._locked_at, 0)
        return WriteResult(self._error, max(now - self._written_at, 0), locked_ms)

    def _try(self, now: int) -> None:
        try:
            if self._store.try_write(HEALTH):
                self._written_at, self._locked_at = now, None
            elif self._locked_at is None:
                self._locked_at = now
            self._error = None
        except StoreUnavailable as error:
            self._error, self._locked_at = error, None
