"""Opens the store that a URL names: on Redis or on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.errors import Fault, Misconfigured
from shared.protocol.stream import StreamKey

if TYPE_CHECKING:
    from shared.store.redis import RedisStore
    from shared.store.sqlite import SqliteStore

__all__ = ["Store", "StreamKey", "open_store"]

Store: TypeAlias = "SqliteStore | RedisStore"
SQLITE, REDIS = "sqlite:///", ("redis://", "rediss://")


def open_store(  # noqa: PLR0913 - what every engine is made of
    url: str,
    *,
    rate: float,
    clock: Callable[[], int],
    stage: str = "dev",
    ahead: Callable[[], int] | None = None,
    folder: Path = Path(),
    lazy_imports: bool = True,
    store_id: str = "",
) -> Store:
    """Return the store at the URL. `rate` is the rate limit, in commands a second. Relative paths
    in the URL start at `folder`.

    Nothing is opened before the first use, and only the engine that the URL names is imported.

    SQLite uses `clock`, in ms. Redis uses its own clock plus `ahead`, in ms; without `ahead`, Redis
    uses `clock` too.

    The deploy writes `store_id` into the store. If it is missing there, the store counts as
    emptied. An empty `store_id` turns this check off.
    """
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        from shared.store.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite://"), rate=rate, clock=clock, store_id=store_id)
    if url.startswith(REDIS):
        from shared.store.redis import RedisStore

        options: Any = {"stage": stage, "rate": rate, "lazy_imports": lazy_imports}
        options |= {"clock": clock} if ahead is None else {"ahead": ahead}
        return RedisStore(url, folder=folder, store_id=store_id, **options)
    raise Misconfigured(
        [Fault("LIVE_RECORD_STORE", f"write the address as `redis://…` or `{SQLITE}absolute/path`")]
    )
