"""A program that hands the callbacks of some streams to their functions, in one warm process.

benchmarks.callback_cost runs it as `program.py TREE STREAMS POLICY`. The callbacks of a stream are:
a publish, which sends a start; record_started; record_paused; publish_done; a file. It imports our
code from TREE alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

TREE, STREAMS, POLICY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path[:1] = [TREE]
FOLDER = tempfile.TemporaryDirectory(prefix="live-record-")
os.environ |= {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "dev",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "dev-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "dev-security-token",
    "FC_EMULATOR": "1",  # the secrets are those of development
    "LIVE_RECORD_STORE": f"sqlite:///{FOLDER.name}/records.db",
    "LIVE_RECORD_POLICY": POLICY,
    "LIVE_RECORD_API_TOKENS": "dev:read+control:dev-token",
    "LIVE_RECORD_PATH_TOKENS": "dev-path",
    "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000",
    "LIVE_RECORD_RECORD_KEYS": "dev-record-key-0000",
    "LIVE_RECORD_CALLBACK_HOST": "callbacks.example.com",
    "LIVE_RECORD_RATE": "50",
    "LIVE_RECORD_BUCKET": "example-bucket",  # so that each file is to be verified
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}

import index  # noqa: E402 - of TREE
from shared.inbound.live_callbacks import sign  # noqa: E402 - as above
from shared.invocation.composition import app  # noqa: E402 - as above

Call = tuple[str, dict[str, object]]
"""The name of the function, and the event that it is called with."""
STREAMS_OF_A_SECOND = 5
"""Streams whose callbacks have the same second, and so the same signature. A stage starts ten of
one signature at once; further ones wait for a poll."""
_numbers = count()


def request(
    method: str, path: str, query: dict[str, str], body: str, signed: dict[str, str]
) -> dict[str, object]:
    return {
        "rawPath": path,
        "headers": signed,
        "queryParameters": query,
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {"http": {"method": method}},
    }


def signature(host: str, at: int, key: str) -> dict[str, str]:
    return {"ALI-LIVE-TIMESTAMP": str(at), "ALI-LIVE-SIGNATURE": sign(host, str(at), key)}


def of_stream(action: str, stream: str, at: int) -> Call:
    domain = app().policy.domains[0]
    query = {"action": action, "app": domain.ingest[0], "appname": "app", "id": stream}
    signed = signature(domain.ingest[0], at, "dev-stream-key-0000")
    query["time"] = str(at)
    return "stream_events", request("GET", "/callbacks/stream/dev-path", query, "", signed)


def of_recording(stream: str, at: int, about: dict[str, object]) -> Call:
    named = {"domain": app().policy.domains[0].streaming, "app": "app", "stream": stream}
    signed = signature("callbacks.example.com", at, "dev-record-key-0000")
    body = json.dumps(named | about)
    return "record_events", request("POST", "/callbacks/record/dev-path", {}, body, signed)


def callbacks(stream: str) -> Iterator[Call]:
    at = int(time.time()) - next(_numbers) // STREAMS_OF_A_SECOND % 4
    yield of_stream("publish", stream, at)
    yield of_recording(stream, at, {"event": "record_started", "start_time": at})
    yield of_recording(stream, at, {"event": "record_paused", "start_time": at})
    yield of_stream("publish_done", stream, at)
    times: dict[str, object] = {"duration": 10.0, "start_time": at - 10, "stop_time": at}
    yield of_recording(stream, at, {**times, "event": "", "uri": f"record/app/{stream}/1.flv"})


def handle(function: str, event: dict[str, object]) -> None:
    name = SimpleNamespace(name=function, handler=f"index.{function}")
    context = SimpleNamespace(request_id="1", function=name)
    answer = getattr(index, function)(json.dumps(event).encode(), context)
    if answer["statusCode"] != 200:
        sys.exit(f"the callback was answered {answer}")


setattr(type(app().live), "send", lambda *_, **__: "R-1")  # noqa: B010 - Live answers at once
for number in range(STREAMS):
    for function, event in callbacks(f"stream{number}"):
        handle(function, event)
