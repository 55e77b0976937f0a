"""The naive loop to compare with: each callback calls the API, and tenacity retries.

benchmarks.storm runs it on the same emulator.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tenacity import RetryError, retry, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from benchmarks.storm.publishers import NAME
from shared.outbound.live import Credentials, LiveClient
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import LiveError

THREADS = 100
"""The default quota of instances of an account."""
ATTEMPTS = 5


class Naive:
    def __init__(self, address: str) -> None:
        self._live = LiveClient(endpoint=urlsplit(address).netloc, protocol="http")
        self._lock = threading.Lock()
        self.gave_up = 0

    def storm(self, streams: int, per_second: float) -> None:
        """Start the same streams at the same rate; return when each has succeeded or given up."""
        self._live.prepare()
        began = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(streams):
                time.sleep(max(began + number / per_second - time.monotonic(), 0))
                pool.submit(self._start, NAME.format(number))

    def _start(self, stream: str) -> None:
        try:
            self._send(StreamKey("live.example.com", "app", stream))
        except RetryError:
            with self._lock:
                self.gave_up += 1

    @retry(
        retry=retry_if_exception_type(LiveError),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        stop=stop_after_attempt(ATTEMPTS),
    )
    def _send(self, key: StreamKey) -> None:
        self._live.send(Command.START, key, credentials=Credentials("dev", "dev-secret"))
