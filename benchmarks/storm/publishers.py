"""The encoders: they connect at an even pace, and so does a second process that spends of the
account's rate."""

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
    """One connection, one stream after the other, none sooner than its turn."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    began = time.monotonic()
    for number in range(streams):
        time.sleep(max(began + number / per_second - time.monotonic(), 0))
        body = {"domain": "push.example.com", "app": "app", "stream": NAME.format(number)}
        connection.request("POST", "/_control/publish", json.dumps(body))
        connection.getresponse().read()
    connection.close()


def steal(address: str, per_second: float) -> None:
    """Spends of the rate, for streams that nobody has, until it is killed."""
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
