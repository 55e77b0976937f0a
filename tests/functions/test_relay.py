"""Callbacks on their way to whoever had them before us."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from cli.local.stack import running
from cli.paths import ROOT
from emulator.live import Remote
from functions import relay as function
from functions import stream_events
from shared.config.policy_cache import RELAY_LOST
from shared.inbound.live_callbacks import sign
from shared.outbound.relay import TIMEOUT_S
from tests.conftest import KEY, Clock
from tests.support.callback_stage import (
    HOST,
    INGEST,
    POLICY,
    RECORD_KEY,
    STREAM_KEY,
    TOKEN,
    Edge,
    Got,
)
from tests.support.journey import Stage

RELAY_KEY = "dev-relay-key-0000"
SECRET = "vhost%3Dlive.example.com%26auth_key%3D17-hush"


class Arrived(NamedTuple):
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Theirs:
    """Whoever had the callbacks before: keeps what comes, and answers as told."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.statuses: list[int] = []
        self.is_silent = False
        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def until(self, count: int) -> list[Arrived]:
        deadline = time.monotonic() + 120
        while len(self.arrived) < count:
            assert time.monotonic() < deadline, f"only {len(self.arrived)} arrived"
            time.sleep(0.02)
        return self.arrived

    def _handler(theirs) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
                body = self.rfile.read(length)
                theirs.arrived.append(Arrived(self.command, query, headers, body))
                if theirs.is_silent:
                    theirs.over.wait()
                self.send_response(theirs.statuses.pop(0) if theirs.statuses else 200)
                self.send_header("Content-Length", "0")
                with suppress(ConnectionError):  # whoever asked waits no longer
                    self.end_headers()

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
                pass

        return Handler


@pytest.fixture
def theirs() -> Iterator[Theirs]:
    there = Theirs()
    thread = threading.Thread(target=there.server.serve_forever, args=(0.01,))
    thread.start()
    yield there
    there.over.set()
    there.server.shutdown()
    thread.join()
    there.server.server_close()


def forwarding(theirs: Theirs, **paths: str) -> str:
    paths = paths or {"stream": "/s?tenant=7", "record": "/r"}
    lines = [f'{kind} = "{theirs.address}{path}"' for kind, path in paths.items()]
    return "\n".join(["[forward_to]", *lines, POLICY])


@pytest.fixture
def edge(tmp_path: Path, clock: Clock, theirs: Theirs) -> Edge:
    return Edge(
        tmp_path,
        clock,
        policy=forwarding(theirs),
        LIVE_RECORD_RELAY_URL="http://127.0.0.1:1/relay",
        LIVE_RECORD_RELAY_KEY=RELAY_KEY,
    )


def handover(kind: str, *, key: str = RELAY_KEY, **parts: object) -> str:
    """Return the body with which our other functions hand a callback over."""
    body = base64.b64encode(str(parts.get("body", "")).encode()).decode()
    named = {"headers": parts.get("headers", {}), "query": parts.get("query", {}), "body": body}
    return json.dumps({"key": key, "kind": kind, **named})


def handed(
    edge: Edge,
    kind: str,
    headers: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    body: str = "",
) -> Got:
    """Return the answer of the function relay to a callback that is handed to it."""
    whole = handover(kind, headers=headers, query=query or {}, body=body)
    return edge.call(function, "POST", "/relay", body=whole)


# --- the function relay -------------------------------------------------------------------------


def test_an_ingest_callback_arrives_as_live_sent_it(edge: Edge, theirs: Theirs) -> None:
    query = {"action": "publish", "app": INGEST, "id": "room1", "usrargs": SECRET, "height": ""}
    headers = {**edge.signed(INGEST, STREAM_KEY), "User-Agent": "Go-http-client/1.1"}
    assert handed(edge, "stream", headers, query=query).status == 200

    came = theirs.arrived[0]
    assert (came.method, came.query) == ("GET", {**query, "tenant": "7"})
    assert came.headers["ali-live-signature"] == headers["Ali-Live-Signature"]
    assert came.headers["ali-live-timestamp"] == headers["Ali-Live-Timestamp"]
    assert came.headers["user-agent"] == "Go-http-client/1.1"


def test_a_recording_callback_is_signed_anew_for_its_targets_host(
    edge: Edge, theirs: Theirs
) -> None:
    body = '{"event": "record_started",  "x":1}'
    handed(edge, "record", edge.signed(HOST, RECORD_KEY), body=body)

    came = theirs.arrived[0]
    timestamp = came.headers["ali-live-timestamp"]
    assert (came.method, came.body.decode()) == ("POST", body)
    assert came.headers["ali-live-signature"] == sign("127.0.0.1", timestamp, RECORD_KEY)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_target_in_trouble_is_tried_again_by_function_compute(
    edge: Edge, theirs: Theirs, status: int
) -> None:
    theirs.statuses = [status]

    assert handed(edge, "stream", {}).status == function.UNDELIVERED_STATUS


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_target_that_refuses_is_not_asked_again(edge: Edge, theirs: Theirs, status: int) -> None:
    theirs.statuses = [status]

    assert handed(edge, "stream", {}).status == 200
    assert any("relay.refused" in line for line in edge.lines)


def test_what_is_undelivered_leaves_the_handler_as_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.invocation.serve.serve_any", lambda *_, **__: {"statusCode": 502})
    with pytest.raises(function.NotForwarded):
        function.handler(b"", None)


def test_a_kind_that_goes_nowhere_is_ignored(edge: Edge, theirs: Theirs) -> None:
    assert handed(edge, "on_demand", {}).status == 200
    assert theirs.arrived == []


NOT_HANDED_OVER = (
    "",
    "[]",
    "[" * 10_000,
    "\ud800",
    handover("stream", key="another"),
    handover("stream", key=""),
    handover("stream", key="\ud800"),
    handover("store"),
    handover("stream", headers=7),
    json.dumps({"key": RELAY_KEY}),
)


@pytest.mark.parametrize("body", NOT_HANDED_OVER, ids=lambda body: ascii(body)[:80])
def test_nobody_else_can_have_anything_sent_on(edge: Edge, theirs: Theirs, body: str) -> None:
    assert edge.call(function, "POST", "/relay", body=body).status == 401
    assert edge.event(function, body.encode("utf-8", "surrogatepass")).status == 401
    assert theirs.arrived == []


def test_a_callback_arrives_also_where_function_compute_hands_on_the_body_alone(
    edge: Edge, theirs: Theirs
) -> None:
    whole = handover("stream", query={"action": "publish", "usrargs": SECRET})
    assert edge.event(function, whole.encode()).status == 200

    assert theirs.arrived[0].query["usrargs"] == SECRET


# --- handing over -------------------------------------------------------------------------------


@pytest.fixture
def handing(tmp_path: Path, clock: Clock, theirs: Theirs) -> Edge:
    """Its relay's own trigger is the other side: what is handed over is seen there."""
    return Edge(
        tmp_path,
        clock,
        policy=forwarding(theirs, stream="/s", record="/r").replace(theirs.address, "http://t"),
        LIVE_RECORD_RELAY_URL=f"{theirs.address}/relay",
        LIVE_RECORD_RELAY_KEY=RELAY_KEY,
    )


def test_a_genuine_callback_is_handed_over_once_it_is_stored(handing: Edge, theirs: Theirs) -> None:
    handing.ingest(usrargs=SECRET)
    theirs.until(1)
    handing.record_callback(event="record_started")

    stream, record = theirs.until(2)
    assert [one.headers["x-fc-invocation-type"] for one in theirs.arrived] == ["Async"] * 2
    first, second = json.loads(stream.body), json.loads(record.body)
    assert (first["key"], first["kind"], first["query"]["usrargs"]) == (RELAY_KEY, "stream", SECRET)
    assert json.loads(base64.b64decode(second["body"]))["event"] == "record_started"


def test_a_callback_of_a_domain_that_is_not_ours_is_still_theirs(
    handing: Edge, theirs: Theirs
) -> None:
    handing.record_callback(event="record_started", domain="other.example.com")

    assert len(theirs.until(1)) == 1


def test_what_is_not_proved_is_handed_to_nobody(handing: Edge, theirs: Theirs) -> None:
    got = handing.call(
        stream_events,
        "GET",
        f"/callbacks/stream/{TOKEN}",
        query={"action": "publish", "app": INGEST, "appname": "app", "id": "a", "time": "1"},
        headers=handing.signed(INGEST, "another-key-000000"),
    )

    assert (got.status, theirs.arrived) == (401, [])


def test_what_was_sent_on_before_goes_no_further(handing: Edge, theirs: Theirs) -> None:
    time_ = str(handing.clock.now // 1000)
    query = {"action": "publish", "app": INGEST, "appname": "app", "id": "a", "time": time_}
    headers = {**handing.signed(INGEST, STREAM_KEY), "X-Live-Record-Relayed": "1"}
    got = handing.call(stream_events, "GET", f"/{TOKEN}", query=query, headers=headers)

    assert (got.status, theirs.arrived) == (200, [])


def test_a_relay_that_does_not_answer_costs_300_ms_and_is_counted(
    handing: Edge, theirs: Theirs
) -> None:
    """The callback is answered though the relay never answers: it waits no longer than that."""
    theirs.is_silent = True
    took = [seconds_of_a_callback(handing) for _ in range(3)]

    assert min(took) >= TIMEOUT_S == 0.3
    missed = [json.loads(line) for line in handing.lines if "relay.missed" in line]
    assert [line["missed"] for line in missed] == [1, 2, 3]
    assert handing.app.store.age_ms(RELAY_LOST) is not None


def seconds_of_a_callback(handing: Edge) -> float:
    began = time.monotonic()
    assert handing.ingest().status == 200
    return time.monotonic() - began


def test_neither_the_store_nor_a_log_keeps_what_was_handed_over(
    handing: Edge, theirs: Theirs
) -> None:
    handing.ingest(usrargs=SECRET)
    theirs.is_silent = True
    handing.ingest(usrargs=SECRET)

    assert "17-hush" not in "\n".join([*handing.dump(), *handing.lines])
    assert handing.history()[0] == "published"


def test_forwarding_needs_the_address_of_the_relay(tmp_path: Path, clock: Clock) -> None:
    policy = f'[forward_to]\nstream = "https://there/"\n{POLICY}'
    with pytest.raises(Exception, match="LIVE_RECORD_RELAY_URL is missing"):
        Edge(tmp_path, clock, policy=policy)


# --- the whole way ------------------------------------------------------------------------------


@contextmanager
def stage(folder: Path, theirs: Theirs) -> Iterator[Stage]:
    policy = folder / "forwards.toml"
    own = (ROOT / "policy.toml").read_text()
    target = f'[forward_to]\nstream = "{theirs.address}/s"\nrecord = "{theirs.address}/r"\n'
    policy.write_text(own + "\n" + target)
    with running(folder / "stage", policy=policy) as stack:
        yield Stage(stack, Remote(stack.live))


@pytest.mark.slow
def test_whoever_had_the_callbacks_before_has_them_still_also_after_trouble(
    tmp_path: Path, theirs: Theirs
) -> None:
    theirs.statuses = [500]
    with stage(tmp_path, theirs) as here:
        here.publish("theirs")
        came = theirs.until(2)
        assert [one.query["id"] for one in came] == ["theirs", "theirs"]

        here.ask("theirs", "start")
        record = theirs.until(3)[2]
        assert json.loads(record.body)["event"] == "record_started"
        timestamp = record.headers["ali-live-timestamp"]
        expected = sign("127.0.0.1", timestamp, "dev-record-key-0000")
        assert record.headers["ali-live-signature"] == expected
        assert KEY.domain in record.body.decode()
