"""The TCP port that publishers connect to.

emulator.live opens and closes it.
It must not read what comes over a connection.
"""

from __future__ import annotations

import asyncio

from emulator.media.ingest import Connection, Timeouts
from emulator.media.push import Host

BACKLOG = 1_024
CLOSED = "the emulator was ended"


class Port:
    def __init__(self, host: Host, timeouts: Timeouts) -> None:
        self._host = host
        self._timeouts = timeouts
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def open(self, name: str, number: int) -> str:
        """Listen and return the address; number 0 takes a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_connection, name, number, backlog=BACKLOG)
        bound, found = self._server.sockets[0].getsockname()[:2]
        return f"rtmp://{bound}:{found}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.end(CLOSED)

    def _new_connection(self) -> Connection:
        connection = Connection(self._host, self._timeouts, self._connections.discard)
        self._connections.add(connection)
        return connection
