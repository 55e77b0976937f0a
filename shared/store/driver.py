"""redis-py, imported without what the store never uses: its asyncio side, clusters, modules."""

from __future__ import annotations

from types import ModuleType

from shared.fast import first_that_works, standing_in, without_collector

LATER = ("asyncio", "importlib.metadata")
UNUSED = (
    "cryptography",
    *("redis.asyncio", "redis.cluster", "redis.commands.cluster", "redis.keyspace_notifications"),
    *(f"redis.commands.{name}" for name in ("bf", "json", "search", "timeseries", "vectorset")),
    *("redis.multidb", "redis.ocsp", "redis.sentinel"),
)


def driver(*, fast: bool) -> ModuleType:
    ways = (_fast, _plain) if fast else (_plain, _fast)
    return first_that_works(ways, ["redis"])


def _fast() -> ModuleType:
    with without_collector(), standing_in([*UNUSED, *LATER]):
        return _plain()


def _plain() -> ModuleType:
    import redis
    import redis.backoff
    import redis.retry

    return redis
