"""redis-py, imported without what the store never uses: its asyncio side, clusters, modules."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from shared.lazy_imports import first_working, stub_imports, without_collector

if TYPE_CHECKING:
    import redis as redis_py
    from redis.connection import AbstractConnection

LATER = ("asyncio", "importlib.metadata")
UNUSED = (
    "cryptography",
    *("redis.asyncio", "redis.cluster", "redis.commands.cluster", "redis.keyspace_notifications"),
    *(f"redis.commands.{name}" for name in ("bf", "json", "search", "timeseries", "vectorset")),
    *("redis.multidb", "redis.ocsp", "redis.sentinel"),
)


def import_redis(*, lazy_imports: bool) -> ModuleType:
    ways = (_lazy, _plain) if lazy_imports else (_plain, _lazy)
    return first_working(ways, ["redis"])


def _lazy() -> ModuleType:
    with without_collector(), stub_imports([*UNUSED, *LATER]):
        return _plain()


def _plain() -> ModuleType:
    import redis
    import redis.backoff
    import redis.retry

    return redis


class RawConnection:
    """Says a command over a connection of the client's pool that is kept from command to command,
    and gives what the engine answers as it is.

    The pool would ask each time whether its connection is still there, which with the rest that it
    does costs as much CPU as the command. Here one that is not there any more is found by the
    command itself, which is said once more, as the client's own policy has it; one that was long
    idle is tried first, as ever.
    """

    def __init__(self, client: redis_py.Redis) -> None:
        self._pool = client.connection_pool
        self._free: list[AbstractConnection] = []  # as many as there were threads at once

    def execute(self, *command: str | float) -> Any:  # noqa: ANN401 - as the command says
        connection = self._taken()
        try:
            connection.connect()  # type: ignore[no-untyped-call] # redis-py's own
            return connection.retry.call_with_retry(
                lambda: _answer(connection, command),
                lambda _: connection.disconnect(),  # type: ignore[no-untyped-call] # as above
            )
        finally:
            self._free.append(connection)

    def _taken(self) -> AbstractConnection:
        try:
            return self._free.pop()
        except IndexError:
            return self._pool.get_connection()


def _answer(connection: AbstractConnection, command: tuple[str | float, ...]) -> Any:  # noqa: ANN401 - as the command says
    connection.send_command(*command)  # type: ignore[no-untyped-call] # as above
    return connection.read_response()
