"""A program that handles starts in a warm instance and prints medians of its CPU time, in us.

benchmarks.warm_call runs it as `ours.py CODE STARTS`. After each start of the handler, the official
client alone sends one. A pause before each start lets the slot of the rate limit come, and lets
other programs use the CPU's caches.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from statistics import median
from types import SimpleNamespace

CODE, STARTS = sys.argv[1], int(sys.argv[2])
sys.path[:1] = [CODE]

import index  # noqa: E402 - from the archive
from shared.invocation.composition import app  # noqa: E402 - as above
from shared.outbound.live.sdk_import import official  # noqa: E402 - as above

PAUSE_S = 0.025
"""A little longer than one slot of the rate limit of 45 commands a second."""
WARM_UP_STARTS = 20
EVENT = (
    '{"rawPath": "/v1/recordings/live.example.com/app/%s/start", "headers":'
    ' {"Authorization": "Bearer dev-token"}, "queryParameters": {}, "body": "",'
    ' "isBase64Encoded": false, "requestContext": {"http": {"method": "POST"}}}'
)
CONTEXT = SimpleNamespace(
    request_id="1", function=SimpleNamespace(name="f", handler="index.record_command")
)
STORE = ("load", "save_or_claim", "in_force", "age_ms", "touch", "may_wake_one", "phases")


def cpu(call: Callable[[], object]) -> float:
    time.sleep(PAUSE_S)
    began = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - began) / 1000


def handle_start(stream: str) -> None:
    answer = index.record_command((EVENT % stream).encode(), CONTEXT)
    if answer["statusCode"] != 200:
        sys.exit(f"the start was answered {answer}")


def send_start() -> None:
    """Send a start by the official client alone, as the handler does."""
    sdk, live = official(lazy_imports=True), app().live
    names = {"DomainName": "live.example.com", "AppName": "app", "StreamName": "room"}
    config = sdk.Config(
        access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        security_token=os.environ["ALIBABA_CLOUD_SECURITY_TOKEN"],
        endpoint=live.endpoint,
        protocol=live.protocol,
        region_id=live.region,
    )
    sdk.call(config, "RealTimeRecordCommand", {**names, "Command": "start"}, sdk.RuntimeOptions())


def time_store_calls() -> list[float]:
    """Wrap the store's methods that a start calls; return the list of their CPU times."""
    spent: list[float] = []

    def timed(method: Callable[..., object]) -> Callable[..., object]:
        @wraps(method)
        def run(*args: object, **named: object) -> object:
            began = time.thread_time_ns()
            try:
                return method(*args, **named)
            finally:
                spent.append((time.thread_time_ns() - began) / 1000)

        return run

    kind = type(app().store)
    for name in STORE:
        setattr(kind, name, timed(getattr(kind, name)))
    return spent


index.initialize(CONTEXT)
run = time.time_ns()
for number in range(WARM_UP_STARTS):
    handle_start(f"warming{run}-{number}")
    send_start()
pairs = [
    (cpu(lambda number=number: handle_start(f"stream{run}-{number}")), cpu(send_start))  # type: ignore[misc] # bound now
    for number in range(STARTS)
]
spent = time_store_calls()
per_start = []
for number in range(STARTS // 4):
    spent.clear()
    time.sleep(PAUSE_S)
    handle_start(f"timed{run}-{number}")
    per_start.append(sum(spent))
handler, sdk = (median(column) for column in zip(*pairs, strict=True))
figures = f'"handler_us": {handler:.0f}, "sdk_us": {sdk:.0f}, "store_us": {median(per_start):.0f}'
print(f"{{{figures}}}", flush=True)
