"""The edges at which others answer us: Live over HTTP, and a Redis over its protocol."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from hypothesis import strategies as st

from shared.inbound import live_events
from shared.outbound.live import Credentials, LiveClient
from shared.protocol import Command
from shared.protocol.command_errors import LiveError
from shared.store.redis import RedisStore
from shared.store.store_errors import StoreUnavailable, Unreadable
from tests.conftest import KEY, NOON
from tests.fuzz.corpus import Case, numbers, texts, values
from tests.fuzz.function_edges import Check
from tests.support.raw_server import Step, Wire, http

# --- Live ---------------------------------------------------------------------------------------

MAX_ERROR_CHARS = 2_000
SECRET = "a-secret-that-nobody-may-see"
_CREDENTIALS = Credentials("an-id", SECRET, "sts-token-that-nobody-may-see")
_error = st.fixed_dictionaries(
    {},
    optional={
        "Code": st.sampled_from(["TaskAlreadyStarted", "Throttling.User", "StreamNotFound"])
        | values,
        "Message": st.just(f"SignatureDoesNotMatch: {SECRET}") | values,
        "RequestId": texts | values,
        "HostId": values,
        "Recommend": values,
    },
)
_row = st.fixed_dictionaries(
    {},
    optional={
        "AppName": texts | values,
        "StreamName": texts | values,
        "DomainName": values,
        "PublishTime": st.just("2025-11-22T08:26:40Z") | values,
        "NotifyContent": texts | values,
        "NotifyTime": st.just("2025-11-22T08:26:40Z") | values,
    },
)
_online = st.fixed_dictionaries(
    {"RequestId": st.just("R-1") | values},
    optional={
        "OnlineInfo": st.fixed_dictionaries(
            {}, optional={"LiveStreamOnlineInfo": st.lists(_row, max_size=3) | values}
        )
        | values,
        "TotalNum": numbers | values,
        "TotalPage": st.just(1) | values,
        "PageNum": values,
        "PageSize": values,
        "NotifyRecordsInfo": values,
    },
)
live_cases = st.fixed_dictionaries(
    {
        "call": st.sampled_from(["send", "find", "online", "stream_events", "record_events"]),
        "status": st.sampled_from([200, 400, 404, 409, 429, 500, 503, 302]) | st.integers(100, 599),
        "headers": st.dictionaries(
            st.sampled_from(["x-acs-retry-after", "x-acs-request-id", "Content-Type"]),
            st.sampled_from(["500", "-1", "9" * 30, "text/html", "1e3", ""]),
            max_size=2,
        ),
        "body": _error.map(json.dumps) | _online.map(json.dumps) | values.map(json.dumps) | texts,
    }
)


def _ask_live(live: LiveClient, call: str) -> object:
    own: dict[str, Any] = {"credentials": _CREDENTIALS}
    span = (KEY.domain, NOON - 60_000, NOON)
    if call == "send":
        return live.send(Command.START, KEY, **own)
    if call == "find":
        return live.find(KEY, **own)
    if call == "online":
        return live.online(KEY.domain, pace=_Pages(), **own)
    own["take_poll_slot"] = _Pages()
    if call == "record_events":
        found = live.undelivered_record_events(*span, **own)
    else:
        found = live.undelivered_stream_events(*span, **own)
    return live_events.undelivered([(one.content, one.at) for one in found], lambda name: name)


def _error_of(live: LiveClient, call: str) -> str:
    """Return the error of the request as text, "" for an answer."""
    try:
        _ask_live(live, call)
    except LiveError as error:
        return str(error)
    return ""


def _header(text: str) -> str:
    """Return the text as it can stand in a header at all."""
    return "".join(one for one in text if one.isascii() and one.isprintable()) or "x"


class _Pages:
    """Ends a reading that would go on for ever, as the deadline of a call does."""

    def __init__(self) -> None:
        self._left = 20

    def __call__(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise LiveError("NoTime", "the time of this run is up")


@contextmanager
def live_answers() -> Iterator[Check]:
    with closing(Wire()) as wire:
        live = LiveClient(
            endpoint=wire.endpoint, protocol="http", connect_timeout=2_000, read_timeout=2_000
        )

        def check(case: Case) -> None:
            body = case["body"].encode("utf-8", "surrogatepass")
            headers = {_header(name): _header(str(text)) for name, text in case["headers"].items()}
            wire.script(Step(http(case["status"], body, headers=headers)))
            error = _error_of(live, case["call"])
            assert SECRET not in error, error
            assert len(error) <= MAX_ERROR_CHARS, error

        yield check


# --- Redis --------------------------------------------------------------------------------------

_document = st.fixed_dictionaries(
    {},
    optional={
        "format": st.just(2) | values,
        "intent": values,
        "session": values,
        "flight": values,
        "pending": values,
        "doubts": values,
    },
)
_stored = _document.map(json.dumps) | values.map(json.dumps) | texts
_refusals = st.sampled_from(
    [
        *("NOSCRIPT no", "READONLY no", "MOVED 1 127.0.0.1:9", "MOVED 1 :0", "OOM no", "LOADING x"),
        *("CLUSTERDOWN x", "NOAUTH x", "WRONGTYPE x", "ERR unknown command", "BUSY x", "MOVED"),
    ]
)
_NO_ANSWERS = (
    *("", "x", "*1\r\n$9\r\nx", "*x\r\n", "$x\r\n", ":x\r\n", "\x16\x03\x01\x02"),
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
)
_calls = st.sampled_from(["load", "history", "policy"])
redis_cases = st.one_of(
    st.fixed_dictionaries({"call": _calls, "stored": _stored}),
    st.fixed_dictionaries({"call": _calls, "refusal": _refusals | texts}),
    st.fixed_dictionaries({"call": _calls, "raw": st.sampled_from(_NO_ANSWERS)}),
)
"""What was stored, by whatever release; a refusal; or bytes that are no answer of any engine."""
_HANDSHAKES = (b"HELLO", b"CLIENT", b"SELECT", b"AUTH", b"PING")


class _Engine:
    """Greets each client as an engine does, answers all else with the bytes it was given, and
    closes the connection then."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        while data := client.recv(1 << 16):
            greetings = sum(data.count(word) for word in _HANDSHAKES)
            client.sendall(b"+OK\r\n" * greetings if greetings else self.answer)
            if not greetings:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def _encoded(reply: object) -> bytes:
    """Return the reply in the protocol of Redis."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_encoded, reply))
    if isinstance(reply, str):
        data = reply.encode("utf-8", "surrogatepass")
        return b"$%d\r\n%s\r\n" % (len(data), data)
    number = reply if isinstance(reply, int) else 0
    return b":%d\r\n" % max(min(number, 2**63 - 1), -(2**63))


def _bytes_of(case: Case) -> bytes:
    if "refusal" in case:
        return f"-{case['refusal']}\r\n".encode("utf-8", "surrogatepass")
    if "raw" in case:
        return str(case["raw"]).encode("utf-8", "surrogatepass")
    stored = case["stored"]
    replies: dict[str, object] = {
        "load": ["1", stored, None, None, NOON, [""] * 4],
        "history": [f"{NOON} {NOON} 1 {code} {stored}" for code in ("published", "of_later")],
        "policy": [1, f"{NOON} {stored}"],
    }
    return _encoded(replies[case["call"]])


def _ask_store(store: RedisStore, call: str) -> object:
    if call == "load":
        return store.load(KEY)
    return store.history(KEY, 9) if call == "history" else store.get_policy()


@contextmanager
def redis_answers() -> Iterator[Check]:
    with closing(_Engine()) as engine:
        url = f"redis://127.0.0.1:{engine.port}/0?socket_timeout=0.3&socket_connect_timeout=0.3"

        def check(case: Case) -> None:
            engine.answer = _bytes_of(case)
            store = RedisStore(url, stage="fuzz", rate=50, clock=lambda: NOON)
            with closing(store), suppress(StoreUnavailable, Unreadable):
                _ask_store(store, case["call"])

        yield check
