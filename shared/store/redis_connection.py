"""Finds the Redis node that accepts writes, and keeps connections to it.

RedisStore uses this module. The module knows no record. It imports redis-py without the parts that
the store never uses: its client, its asyncio side, clusters, modules.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from threading import Lock, local
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.lazy_imports import first_working, stub_imports, without_collector
from shared.store.engine_answers import ELSEWHERE, problem_of
from shared.store.store_url import Address, StoreUrl, Tls

if TYPE_CHECKING:
    from redis.connection import Connection
    from redis.exceptions import AskError

LATER = ("asyncio", "importlib.metadata")
UNUSED = (
    "cryptography",
    *("redis.asyncio", "redis.client", "redis.cluster", "redis.commands"),
    *("redis.keyspace_notifications", "redis.multidb", "redis.ocsp", "redis.sentinel"),
)
IDLE_S = 15
"""s without use after which a connection is checked before its next use: the instance may have been
frozen."""
WAITS_NUMBER = 2
"""How many time-outs one call allows; a callback has to be answered within 3 s."""
Command: TypeAlias = "Sequence[str | float]"


def import_redis(*, lazy_imports: bool) -> ModuleType:
    ways = (_lazy, _plain) if lazy_imports else (_plain, _lazy)
    return first_working(ways, ["redis"])


def _lazy() -> ModuleType:
    with without_collector(), stub_imports([*UNUSED, *LATER]):
        return _plain()


def _plain() -> ModuleType:
    import redis
    import redis.connection

    return redis


class Unsent(Exception):
    """No connection could be made. `error` is the exception of redis-py or of the system."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class PooledConnection:
    """A connection that is kept from command to command. `era` is the number of times that the pool
    had been emptied when this connection was opened. A connection of an earlier era is closed."""

    __slots__ = ("address", "connection", "era")

    def __init__(self, connection: Connection, address: Address, era: int) -> None:
        self.connection = connection
        self.address = address
        self.era = era

    @property
    def is_open(self) -> bool:
        return self.connection.is_connected

    def check(self, *, thoroughly: bool) -> None:
        """Raise RedisError or OSError if the connection has ended. If `thoroughly` is False, check
        it only if it was idle for IDLE_S."""
        self.connection.check_health()  # type: ignore[no-untyped-call] # redis-py's own
        if thoroughly and self.connection.can_read(0):
            raise ConnectionError("the engine closed the connection")

    def answers(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands; return one answer for each. Raise RedisError or OSError if a command
        is refused or gets no answer. After an error, the connection is closed. It stays open only
        if a single command was sent, and the engine refused it in a way that leaves the connection
        usable."""
        connection = self.connection
        try:
            packed = b"".join(map(_packed, commands))
            connection.send_packed_command([packed], check_health=False)  # type: ignore[no-untyped-call] # as above
            return [_response(connection) for _ in commands]
        except BaseException as error:
            if len(commands) > 1 or not _leaves_connection(error):
                self.close()
            raise

    def close(self) -> None:
        self.connection.disconnect()  # type: ignore[no-untyped-call] # as above


class RedisConnection:
    """Executes commands on the node that accepts writes, and returns the engine's answers.

    Connections are kept from command to command, as many as there were threads at once. A pool
    would check before each command whether its connection still works, which costs as much CPU as
    the command. Here the command itself finds out that its connection has ended.

    If a command fails, and it has certainly changed nothing, or doing it twice does no harm, it is
    executed again within the same call, on a new connection:

        kept connection --- MOVED, ASK -------------------------------------> that node
          | has ended, READONLY, LOADING, CLUSTERDOWN, MASTERDOWN, ...
          +--> each configured address in turn, until one does it --- MOVED, ASK ---> that node
    """

    def __init__(self, url: StoreUrl, *, folder: Path, lazy_imports: bool) -> None:
        """Keep the URL; its relative paths start at `folder`."""
        self._url = url
        self._folder = folder
        self._lazy_imports = lazy_imports
        self._free: list[PooledConnection] = []
        self._seeds = url.seeds
        """The configured addresses; one that failed moves to the end."""
        self._moved: Address | None = None
        """The cluster node to which we were redirected."""
        self._era = 0
        self._lock = Lock()
        self._context: ssl.SSLContext | None = None
        self._of_thread = local()
        self.failures: tuple[type[Exception], ...] = ()
        """The exceptions that a command may raise, once the client is imported."""

    def prepare(self) -> None:
        """Import the client now, so that the first event need not wait for it."""
        if not self.failures:
            redis = import_redis(lazy_imports=self._lazy_imports)
            self.failures = (redis.RedisError, OSError)

    def execute(self, commands: Sequence[Command], *, repeatable: bool = True) -> list[Any]:
        """Execute the commands in one round trip, and return one answer for each. Call `prepare`
        first. Raise one of `failures` if a command is refused or gets no answer. With `repeatable`
        False, do not send commands again that may have been carried out."""
        kept, was_sent = self._free_one(), False
        if kept is None:
            return self._on_new(commands, WAITS_NUMBER)
        try:
            kept.check(thoroughly=not repeatable)
            was_sent = True
            return self._answers(kept, commands)
        except self.failures as error:
            if not was_sent:
                kept.close()
            if not kept.is_open and not _is_ask(error):
                self._start_over(kept, error)
            if was_sent and not _may_repeat(error, repeatable=repeatable):
                raise
        answers = self._on_new(commands, WAITS_NUMBER - 1)
        self._of_thread.kept = None  # a repeated save may have written on the new connection
        return answers

    def note_save(self) -> None:
        """Remember that this thread's last command was a save. `replicated` then asks over the
        connection of that command."""
        self._of_thread.saved = self._of_thread.kept

    def replicated(self, most_ms: int) -> int | None:
        """Wait at most `most_ms` until the replicas have the saves that this thread has made since
        it last called this. Return how many replicas have these saves. Return None if there are no
        such saves or no replicas, or if the number cannot be found out."""
        from redis.exceptions import RedisError

        saved: PooledConnection | None = getattr(self._of_thread, "saved", None)
        self._of_thread.saved = None
        try:
            if saved:
                self._free.remove(saved)
        except ValueError:
            return None  # it has ended, and WAIT on another one counts that one's writes
        if saved is None:
            return None
        try:
            return _replicated(saved, most_ms)
        except (RedisError, OSError):
            return None
        finally:
            if saved.is_open:
                self._free.append(saved)

    def close(self) -> None:
        self._era += 1
        while self._free:
            self._free.pop().close()

    def _free_one(self) -> PooledConnection | None:
        while self._free:
            kept = self._free.pop()
            if kept.era == self._era:
                return kept
            kept.close()
        return None

    def _on_new(self, commands: Sequence[Command], timeouts: int) -> list[Any]:
        """Execute the commands on a new connection, at the first address where that works. If none
        works, raise the error of the last address; give up after too many time-outs."""
        from redis.exceptions import RedisError
        from redis.exceptions import TimeoutError as TimedOut

        error: Exception = OSError("no address")
        for address in self._addresses():
            try:
                return self._follow(address, commands)
            except Unsent as unsent:
                error = unsent.error
            except (RedisError, OSError) as answered:
                error = answered
                if problem_of(error) not in ELSEWHERE:
                    break
            self._avoid(address)
            timeouts -= isinstance(error, TimedOut)
            if not timeouts:
                break
        raise error

    def _addresses(self) -> Iterator[Address]:
        if self._moved:
            yield self._moved
        yield from self._seeds

    def _follow(self, address: Address, commands: Sequence[Command]) -> list[Any]:
        """Execute the commands at the address, or at the node to which it redirects us."""
        from redis.exceptions import AskError

        try:
            return self._answers(self._connect(address), commands)
        except AskError as sent_on:  # MovedError is a subclass
            target = _target(address, sent_on)
            if _is_ask(sent_on):
                return self._ask(target, commands)
        try:
            answers = self._answers(self._connect(target), commands)
        except AskError as sent_on:
            if not _is_ask(sent_on):
                raise
            answers = self._ask(_target(target, sent_on), commands)
        self._moved = target
        return answers

    def _ask(self, address: Address, commands: Sequence[Command]) -> list[Any]:
        """Execute the commands at the node to which their hash slot is moving. That node takes only
        commands announced by ASKING; until the move ends, the slot stays with the first node."""
        kept = self._connect(address)
        announced = [one for command in commands for one in (["ASKING"], command)]
        self._of_thread.kept = None
        try:
            return kept.answers(announced)[1::2]
        finally:
            kept.close()

    def _answers(self, kept: PooledConnection, commands: Sequence[Command]) -> list[Any]:
        try:
            answers = kept.answers(commands)
            self._of_thread.kept = kept
            return answers
        finally:
            if kept.is_open:
                self._free.append(kept)

    def _start_over(self, kept: PooledConnection, error: Exception) -> None:
        """Drop every connection, unless another thread has done so since `kept` was opened."""
        from redis.exceptions import MovedError

        with self._lock:
            if kept.era != self._era:
                return
            self._era += 1
            self._moved = None
        if isinstance(error, MovedError):
            self._moved = _target(kept.address, error)
        else:
            self._avoid(kept.address)

    def _avoid(self, address: Address) -> None:
        """Try every other address first from now on."""
        with self._lock:
            if address == self._moved:
                self._moved = None
            if address in self._seeds:
                others = tuple(seed for seed in self._seeds if seed != address)
                self._seeds = (*others, address)

    def _connect(self, address: Address) -> PooledConnection:
        """Connect to the address. Raise Unsent if no connection can be made, or if several
        addresses are configured and this one leads to a replica."""
        from redis.exceptions import RedisError

        era, connection = self._era, None
        try:
            connection = self._new(address)
            connection.connect()  # type: ignore[no-untyped-call] # redis-py's own
            if len(self._seeds) > 1:
                _require_primary(connection)
        except (RedisError, OSError, ValueError) as error:
            if connection is not None:
                connection.disconnect()  # type: ignore[no-untyped-call] # as above
            unsent = _unreadable(error) if isinstance(error, ValueError) else error
            raise Unsent(unsent) from error
        return PooledConnection(connection, address, era)

    def _new(self, address: Address) -> Connection:
        from redis.backoff import NoBackoff
        from redis.connection import Connection
        from redis.retry import Retry

        url = self._url
        options: dict[str, Any] = {
            "host": address.host,
            "port": address.port,
            "db": url.database,
            "username": url.username or None,
            "password": url.password or None,
            "socket_timeout": url.answer_s,
            "socket_connect_timeout": url.connect_s,
            "health_check_interval": IDLE_S,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": True,
            "protocol": 2,
            "driver_info": None,
        }
        if url.tls is None:
            return Connection(**options)  # type: ignore[no-untyped-call] # as above
        names = address.name, address.host
        connection: Connection = _encrypted()(self._context_of(url.tls), names, options)
        return connection

    def _context_of(self, tls: Tls) -> ssl.SSLContext:
        """Return the same context to every thread: reading the system's roots takes 20 ms or more
        (docs/platform/sdk.md §A4)."""
        with self._lock:
            if self._context is None:
                self._context = _context(tls, self._folder)
            return self._context


def _packed(command: Command) -> bytes:
    """Return the command as it goes over the wire. The client would copy what it has packed so far
    once for each argument, and a save has 29."""
    parts = [str(part).encode() for part in command]
    head = b"*%d\r\n" % len(parts)
    return head + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def _response(connection: Connection) -> Any:  # noqa: ANN401 - whatever the engine answers
    """Return one answer. Raise an error of the client if the command was refused, if no answer
    came, or for invalid bytes, for which the client itself raises ValueError."""
    try:
        return connection.read_response()
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(error: ValueError) -> Exception:
    from redis.exceptions import InvalidResponse

    return InvalidResponse(f"the answer cannot be read: {error}")


def is_unknown_script(error: BaseException | None) -> bool:
    """Return True if this error of the engine says that it does not know a script by its digest."""
    from redis.exceptions import NoScriptError

    return isinstance(error, NoScriptError)


def _leaves_connection(error: BaseException) -> bool:
    """Return True if the connection can still be used after this error."""
    from redis.exceptions import ResponseError

    return isinstance(error, ResponseError) and problem_of(error) not in ELSEWHERE


def _may_repeat(error: Exception, *, repeatable: bool) -> bool:
    """Return True if nothing was done, or if repeating does no harm. After a time-out there is no
    time left."""
    from redis.exceptions import ConnectionError as Disconnected
    from redis.exceptions import TimeoutError as TimedOut

    if problem_of(error) in ELSEWHERE:
        return True
    is_gone = isinstance(error, Disconnected | OSError) and not isinstance(error, TimedOut)
    return repeatable and is_gone


def _is_ask(error: Exception) -> bool:
    """Return True if the key's slot is moving, and another node has this key already."""
    from redis.exceptions import AskError, MovedError

    return isinstance(error, AskError) and not isinstance(error, MovedError)


def _target(asked: Address, moved: AskError) -> Address:
    """Return the node that MOVED or ASK names. If the answer names no host, only the port differs.
    The node's certificate may have the configured name or the node's host."""
    host = asked.host if moved.host in ("", "?") else moved.host
    return Address(host, moved.port, asked.name)


def _replicated(kept: PooledConnection, most_ms: int) -> int | None:
    """Return how many replicas have the writes of the connection that saved; None if there is no
    replica. WAIT counts the writes of its own connection only."""
    from redis.exceptions import ResponseError

    try:
        role = kept.answers([["ROLE"]])[0]
    except ResponseError:  # this user may not ask; wait for one replica
        return kept.answers([["WAIT", 1, most_ms]])[0] or None
    replicas = len(role[2]) if role[0] == "master" else 0  # it lost its role since the save
    return int(kept.answers([["WAIT", replicas, most_ms]])[0]) if replicas else None


def _require_primary(connection: Connection) -> None:
    """Raise ReadOnlyError for a replica. If the user may not ask for the role, count the node as a
    primary."""
    from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

    try:
        connection.send_command("ROLE", check_health=False)  # type: ignore[no-untyped-call] # as above
        role = connection.read_response()
    except (NoPermissionError, ResponseError):
        return
    if role[0] != "master":
        raise ReadOnlyError("this node is a replica", status_code="READONLY")


def _context(tls: Tls, folder: Path) -> ssl.SSLContext:
    """Return the TLS context that verifies servers. If the URL names a certificate authority, no
    other is trusted."""
    context = ssl.create_default_context(cafile=folder / tls.ca if tls.ca else None)
    context.check_hostname = tls.check_hostname
    if tls.cert:
        context.load_cert_chain(folder / tls.cert, folder / tls.key)
    return context


@cache
def _encrypted() -> Any:  # noqa: ANN401 - a class whose base is imported late
    """Return redis-py's connection class with our encryption. Redis-py's own encryption takes no
    context, builds a new one for each connection, and verifies the name that MOVED gave."""
    from redis.connection import Connection

    if not hasattr(
        Connection, "_connect"
    ):  # else nobody would call the override, and nothing would be encrypted
        raise OSError("redis-py has no Connection._connect: use a release that the tests ran with")

    class Encrypted(Connection):
        """An encrypted connection. `names` are the names that the certificate may have, the
        configured one first."""

        def __init__(
            self, context: ssl.SSLContext, names: Sequence[str], options: dict[str, Any]
        ) -> None:
            super().__init__(**options)  # type: ignore[no-untyped-call] # as above
            self._context = context
            self._names = names

        def _connect(self) -> ssl.SSLSocket:
            configured, other = self._names[0], self._names[-1]
            try:
                return self._wrapped(configured)
            except ssl.SSLCertVerificationError as error:
                if problem_of(error) != "store_wrong_name" or other == configured:
                    raise
            return self._wrapped(other)

        def _wrapped(self, name: str) -> ssl.SSLSocket:
            plain = super()._connect()  # type: ignore[no-untyped-call] # redis-py's own
            try:
                return self._context.wrap_socket(plain, server_hostname=name)
            except BaseException:
                plain.close()
                raise

    return Encrypted
