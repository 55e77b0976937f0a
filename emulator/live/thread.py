"""The stand-in inside a test: in a thread of its own, on a port of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, final

from emulator.live.account import Account, load_account
from emulator.live.server import serve

LONGEST_WAIT_S = 10


class _Ready(NamedTuple):
    address: str
    loop: asyncio.AbstractEventLoop
    enough: asyncio.Event


@final
class LiveInThread:
    """A context manager; `address` holds within it."""

    def __init__(self, account: Account | None = None, clock_file: Path | None = None) -> None:
        self.address = ""
        self._account = account or load_account()
        self._clock_file = clock_file
        self._ready: Future[_Ready] = Future()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def __enter__(self) -> LiveInThread:
        self._thread.start()
        self.address = self._ready.result(LONGEST_WAIT_S).address
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ready = self._ready.result(LONGEST_WAIT_S)
        ready.loop.call_soon_threadsafe(ready.enough.set)
        self._thread.join(LONGEST_WAIT_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        enough = asyncio.Event()
        try:
            running = await serve(self._account, port=0, clock_file=self._clock_file)
        except OSError as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(_Ready(running.address, asyncio.get_running_loop(), enough))
        await enough.wait()
        await running.close()
