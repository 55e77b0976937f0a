"""The emulator in a thread, on ports of its own.

Tests use it as a context manager.
It must not be used where other processes need a fixed port.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, final

from emulator.live.account import Account, load_account
from emulator.live.server import ListenOptions, serve

TIMEOUT_S = 10


class _Ready(NamedTuple):
    address: str
    rtmp: str
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


@final
class LiveInThread:
    """A context manager; `address` and `rtmp` are valid within it.

    With a folder for `buckets`, streams can be pushed over RTMP.
    """

    def __init__(
        self,
        account: Account | None = None,
        clock_file: Path | None = None,
        buckets: Path | None = None,
    ) -> None:
        self.address = self.rtmp = ""
        self._options = ListenOptions(port=0, rtmp_port=0 if buckets else None, buckets=buckets)
        self._account = account or load_account()
        self._clock_file = clock_file
        self._ready: Future[_Ready] = Future()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def __enter__(self) -> LiveInThread:
        self._thread.start()
        ready = self._ready.result(TIMEOUT_S)
        self.address, self.rtmp = ready.address, ready.rtmp
        return self

    def __exit__(self, *_raised: object) -> None:
        ready = self._ready.result(TIMEOUT_S)
        ready.loop.call_soon_threadsafe(ready.stop.set)
        self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        try:
            running = await serve(self._account, self._options, clock_file=self._clock_file)
        except OSError as error:
            self._ready.set_exception(error)
            return
        loop = asyncio.get_running_loop()
        self._ready.set_result(_Ready(running.address, running.rtmp, loop, stop))
        await stop.wait()
        await running.close()
