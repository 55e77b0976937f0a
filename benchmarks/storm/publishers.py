"""The encoders, which publish at an even rate, and a thief of the account's rate limit.

benchmarks.storm calls publish() in a thread and starts the thief as a program of its own.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

from shared.outbound.live import Credentials, LiveClient
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import LiveError

NAME = "room{:05d}"


def publish(address: str, streams: int, per_second: float) -> None:
    """Publish one stream after the other over one connection, at `per_second`."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    began = time.monotonic()
    for number in range(streams):
        time.sleep(max(began + number / per_second - time.monotonic(), 0))
        body = {"domain": "push.example.com", "app": "app", "stream": NAME.format(number)}
        connection.request("POST", "/_control/publish", json.dumps(body))
        connection.getresponse().read()
    connection.close()


def steal(address: str, per_second: float) -> None:
    """Send starts of streams that do not exist, to use up part of the rate limit, until killed."""
    live = LiveClient(endpoint=urlsplit(address).netloc, protocol="http")
    live.prepare()
    print("ready", flush=True)
    began, number = time.monotonic(), 0
    while True:
        time.sleep(max(began + number / per_second - time.monotonic(), 0))
        key = StreamKey("live.example.com", "app", f"thief{number}")
        with suppress(LiveError):
            live.send(Command.START, key, credentials=Credentials("dev", "dev-secret"))
        number += 1


if __name__ == "__main__":
    steal(sys.argv[1], float(sys.argv[2]))
