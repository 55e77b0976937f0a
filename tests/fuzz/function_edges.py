"""The functions' edges: the callbacks of each kind, the HTTP API, wake-up calls and timers."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from functions import (
    files,
    on_demand,
    reconcile,
    record_command,
    record_events,
    relay,
    stream_events,
)
from functions.record_command.all_routes import ROUTES
from functions.record_command.routes import Route
from shared.inbound import function_compute
from shared.inbound.request_fields import Field
from shared.protocol import StartAsked, StreamKey
from tests.conftest import KEY, Clock
from tests.fuzz.answers import MAX_ANSWER_BYTES, check_answer
from tests.fuzz.corpus import Case, half, numbers, texts, values
from tests.support.callback_stage import (
    HOST,
    INGEST,
    LESSON,
    POLICY,
    RECORD_KEY,
    STREAM_KEY,
    TOKEN,
    Edge,
)
from tests.support.reconciling import ReconcilingStage

CASES_OF_ONE_STAGE = 200
"""Cases after which a stage is built anew: what is proved is stored, and a full store is slow."""
DOCUMENT_BYTES = 256 * 1024
RELAY_KEY, WAKE_KEY = "dev-relay-key-0000", "dev-wake-key-00000"
OPS_TOKEN = "ops-token-0000000"
API_TOKENS = (
    f"ops:read+control+policy+tokens:{OPS_TOKEN},"
    "eye:read@live.example.com/app/*:eye-token-0000000,"
    "hand:read+control@live.example.com/app/*:hand-token-000000"
)
NOT_FOR_BOUND = "of-another-tenant"
"""In all that the store has of a stream that neither bound token is for, and in no request."""
FORWARDING = (
    POLICY
    + """
[forward_to]
stream = "http://127.0.0.1:9/old"
record = "http://127.0.0.1:9/old?a=b"
on_demand = "http://127.0.0.1:9/old"
"""
)
"""Forwards to an address at which nobody answers, at once."""
Check = Callable[[Case], None]


class StoredRows:
    """The rows of a stage's store, read again only when it was written to: most cases write
    nothing, and to read all of it took a third of the time of a case."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._database = sqlite3.connect(edge.database)
        self._version = -1
        self._rows: Sequence[str] = ()

    def __call__(self) -> Sequence[str]:
        # SQLite counts it up whenever another connection has committed.
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version, self._rows = version, self._edge.dump()
        return self._rows

    def close(self) -> None:
        self._database.close()
        self._edge.app.store.close()


_PROOFS = ("none", "guessed", "token", "signed", "both")

_streams = st.sampled_from([KEY.stream, LESSON.stream, "room2"]) | texts
_apps = st.sampled_from([KEY.app, LESSON.app]) | texts
_times = st.sampled_from(["1763800000", "1763799990", "1763800060", "1763800061"]) | texts
_ingest = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["publish", "publish_done"]) | texts,
        "app": st.just(INGEST) | texts,
        "appname": _apps,
        "id": _streams,
        "time": _times,
        "usrargs": texts,
    },
)
_events = ("record_started", "record_paused", "record_resumed", "record_error")
_failures = ("transformat_error", "record_force_transcode_fail")
_record_body = st.fixed_dictionaries(
    {},
    optional={
        "domain": st.just(KEY.domain) | values,
        "app": _apps | values,
        "stream": _streams | values,
        "event": st.sampled_from([*_events, *_failures]) | values,
        "uri": st.just("record/app/room1/x.mp4") | values,
        "time": st.just("2025-11-22T08:26:40Z") | values,
        "duration": numbers | values,
        "start_time": numbers | values,
        "stop_time": numbers | values,
        "VideoId": values,
        "EventType": st.just("AddLiveRecordVideoComplete") | values,
        "Status": values,
        "error_info": st.fixed_dictionaries({"code": values, "message": values}) | values,
        "file_info": st.fixed_dictionaries({"uri": values}) | values,
    },
)
_bodies = st.one_of(
    _record_body.map(json.dumps),
    st.dictionaries(texts, values, max_size=5).map(json.dumps),
    values.map(json.dumps),
    texts,
    st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
)
_headers = st.dictionaries(
    st.sampled_from(["Host", "X-Live-Record-Relay", "Accept-Language", "Content-Type"]) | texts,
    texts,
    max_size=3,
)


def callback_cases(methods: str) -> st.SearchStrategy[Case]:
    return st.fixed_dictionaries(
        {
            "method": st.sampled_from(methods.split()) | st.sampled_from(["PUT", "HEAD", ""]),
            "kind": st.sampled_from(["stream", "record", "on-demand", "stream/switch"]),
            "proof": half(st.just("both"), st.sampled_from(_PROOFS)),
            "query": _ingest
            | st.fixed_dictionaries(
                {"domain": st.just(KEY.domain), "app": _apps, "stream": _streams}
            )
            | st.dictionaries(texts, texts, max_size=4),
            "headers": _headers,
            "body": _bodies,
        }
    )


_any_bytes = _bodies.map(lambda body: b64encode(body.encode("utf-8", "replace")).decode())
_handover = st.fixed_dictionaries(
    {
        "key": st.just(RELAY_KEY),
        "kind": st.sampled_from(["stream", "record", "on_demand"]),
        "headers": half(st.just({"ALI-LIVE-TIMESTAMP": "1763800000"}), _headers),
        "query": half(_ingest, st.dictionaries(texts, texts, max_size=4)),
        "body": half(_any_bytes, texts),
    }
)
relayed_cases = st.builds(
    lambda case, body: {**case, "body": body},
    callback_cases("POST"),
    half(_handover.map(json.dumps), _bodies),
)


@dataclass
class Callbacks:
    """One function that Live calls, or that forwards its calls. What is not proved leaves the store
    as it is."""

    function: ModuleType
    edge: Edge
    rows: StoredRows

    def __call__(self, case: Case) -> None:
        edge, proof = self.edge, case["proof"]
        before = self.rows()
        del edge.lines[:]
        answer = invoke(edge, self.function, self._event(case))
        status = check_answer(answer, edge.lines)
        if proof == "both" and self.function not in _STORES_NOTHING:
            assert status in {200, 400, 401, 404, 405, 413}, answer
        else:
            assert self.rows() == before

    def _event(self, case: Case) -> Mapping[str, object]:
        proof = case["proof"]
        token = TOKEN if proof in {"token", "both"} else "guessed-token"
        headers = dict(case["headers"])
        if proof in {"signed", "both"}:
            headers |= self.edge.signed(*_SIGNED[self.function])
        elif proof == "guessed":
            headers |= self.edge.signed(INGEST, "not-the-key-00000")
        query = dict(case["query"])
        if proof in {"signed", "both"} and self.function is stream_events and "app" in query:
            query["app"] = INGEST
        return _http(
            case["method"], f"/callbacks/{case['kind']}/{token}", query, headers, case["body"]
        )


_STORES_NOTHING = (on_demand, relay)
_SIGNED = {
    stream_events: (INGEST, STREAM_KEY),
    record_events: (HOST, RECORD_KEY),
    on_demand: (HOST, RECORD_KEY),
    relay: (HOST, RECORD_KEY),
}


def _http(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: str,
) -> Mapping[str, object]:
    return {
        "rawPath": path,
        "body": body,
        "headers": headers,
        "queryParameters": query,
        "requestContext": {"http": {"method": method}, "requestId": "1-77"},
    }


def invoke(edge: Edge, function: ModuleType, event: Any) -> dict[str, Any]:  # noqa: ANN401 - bytes or JSON
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    context = SimpleNamespace(request_id="1-77")
    many = function in {reconcile, relay}
    takes = function_compute.answer_any if many else function_compute.answer
    answer: Any = takes(
        lambda trigger: function.respond(edge.invocation(), trigger),
        data,
        context,
        log=edge.app.log,
    )
    return dict(answer)


def stage_with_something(folder: Path, **settings: str) -> Edge:
    """Something is wanted, something is live, something was reported."""
    own = {"LIVE_RECORD_RELAY_KEY": RELAY_KEY, "LIVE_RECORD_RELAY_URL": "http://127.0.0.1:1/relay"}
    edge = Edge(folder, Clock(), policy=FORWARDING, **own, **settings)
    edge.happens(StartAsked("ann"))
    edge.ingest()
    edge.ingest(key=LESSON)
    edge.record_callback(event="record_started")
    return edge


@contextmanager
def renewed(make: Callable[[Path], tuple[Check, Callable[[], None]]]) -> Iterator[Check]:
    """Yield a check whose stage is another one after some cases."""
    with ExitStack() as whole:
        state: dict[str, Any] = {"left": 0, "stage": whole.enter_context(ExitStack())}

        def check(case: Case) -> None:
            if state["left"] == 0:
                state["stage"].close()
                name = state["stage"].enter_context(tempfile.TemporaryDirectory(prefix="fuzz-"))
                state["run"], close = make(Path(name))
                state["stage"].callback(close)
                state["left"] = CASES_OF_ONE_STAGE
            state["left"] -= 1
            state["run"](case)

        yield check


@contextmanager
def callbacks(function: ModuleType) -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        edge = stage_with_something(folder)
        rows = StoredRows(edge)
        return Callbacks(function, edge, rows), rows.close

    with renewed(make) as check:
        yield check


# --- the HTTP API -------------------------------------------------------------------------------

_START_FAULTS = {
    "max_duration": "4",
    "on_interruption": "explode",
    "if_not_live": "pray",
    "until": "tomorrow",
    "note": 7,
    "made_up": 1,
    "another": [],
}
"""Fields of a start's body with a value that no reader takes: each has to be named."""
_api_body = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(_START_FAULTS, values),
            "finalize": values,
            "hold": st.sampled_from(["session", "12h"]) | values,
            "policy": values,
            "replaces": values,
            "streams": values,
            "name": st.just("brand-a") | texts,
            "digest": st.just("0123456789abcdef" * 4) | texts,
            "scopes": st.just(["read"]) | values,
        },
    ).map(json.dumps),
    _bodies,
    st.integers(1, 3000).map(lambda n: json.dumps({f"field{i}": i for i in range(n)})),
)


def _parts(fields: Sequence[Field], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what a client may send of the fields: their examples, and anything else."""
    return st.fixed_dictionaries(
        {},
        optional={
            field.name: odd if field.example is None else half(st.just(field.example), odd)
            for field in fields
        },
    )


def _request_to(route: Route) -> st.SearchStrategy[Case]:
    query = _parts(route.query, texts).map(_as_texts)
    body = _parts(route.body, values).map(json.dumps)
    return st.fixed_dictionaries(
        {
            "method": st.just(route.method),
            "path": st.just(route.path),
            "query": half(query, st.dictionaries(texts, texts, max_size=3)),
            "body": half(body, _api_body),
        }
    )


def _as_texts(query: Mapping[str, object]) -> Mapping[str, str]:
    return {name: str(value) for name, value in query.items()}


_to_nowhere = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "get", ""]),
        "path": st.sampled_from(["/v1/files/{domain}/{app}", "/", "/v1", "//v1/recordings", "/v2"])
        | st.sampled_from([route.path for route in ROUTES]),
        "query": st.dictionaries(texts, texts, max_size=3),
        "body": _api_body,
    }
)
_sender = st.fixed_dictionaries(
    {
        "names": st.tuples(
            half(st.just(KEY.domain), texts), half(st.just(KEY.app), _apps), _streams
        ).map(list),
        "token": st.sampled_from(
            [OPS_TOKEN, "eye-token-0000000", "hand-token-000000", "guessed", ""]
        ),
        "headers": st.dictionaries(
            st.sampled_from(
                ["Idempotency-Key", "Accept-Language", "Content-Type", "Prefer", "If-None-Match"]
            ),
            texts,
            max_size=3,
        ),
        "faults": st.lists(st.sampled_from(sorted(_START_FAULTS)), unique=True, max_size=7),
    }
)
api_cases = st.builds(
    lambda request, sender: {**request, **sender},
    st.one_of(*map(_request_to, ROUTES), _to_nowhere),
    _sender,
)


@dataclass
class Api:
    """Whoever has no token changes nothing; who is bound to some streams neither sees nor changes
    anything of others; whoever sends several faults is told each of them."""

    edge: Edge
    rows: StoredRows

    def __call__(self, case: Case) -> None:
        before = self.rows()
        del self.edge.lines[:]
        # The OpenAPI document is long, and the same whatever is sent.
        longest = DOCUMENT_BYTES if case["path"] == "/v1/openapi.json" else MAX_ANSWER_BYTES
        answer = self._send(case)
        status = check_answer(answer, self.edge.lines, longest=longest)
        if case["token"] != OPS_TOKEN:
            assert NOT_FOR_BOUND not in str(answer), answer
            after = self.rows()
            assert _of_others(after) == _of_others(before), status
            changes = case["token"] == "hand-token-000000"
            assert changes or _but_health(after) == _but_health(before), status
        self._names_every_fault(case["faults"])

    def _send(self, case: Case) -> dict[str, Any]:
        path, names = case["path"], case["names"]
        for name, value in zip(("domain", "app", "stream"), names, strict=True):
            path = path.replace(f"{{{name}}}", _quoted(value))
        path = _OTHER_PARAMETER.sub(lambda _: _quoted(names[-1]), path)
        headers = {"Content-Type": "application/json", **case["headers"]}
        headers |= {"Authorization": f"Bearer {case['token']}"} if case["token"] else {}
        function = files if path.startswith("/v1/files/") else record_command
        event = _http(case["method"], path, case["query"], headers, case["body"])
        return invoke(self.edge, function, event)

    def _names_every_fault(self, faults: list[str]) -> None:
        if not faults:
            return
        body = json.dumps({name: _START_FAULTS[name] for name in faults})
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {OPS_TOKEN}"}
        path = f"/v1/recordings/{KEY}/start"
        answer = invoke(self.edge, record_command, _http("POST", path, {}, headers, body))
        assert check_answer(answer, self.edge.lines) == 400
        named = {fault["field"] for fault in json.loads(answer["body"])["errors"]}
        assert named == set(faults), (named, faults)


_OTHER_PARAMETER = re.compile(r"\{\w+\}")


def _but_health(rows: Sequence[str]) -> Sequence[str]:
    """Return the rows without that which health writes, to learn whether the store can be written
    to; the overview asks health."""
    return [row for row in rows if not row.startswith("INSERT INTO \"timestamp\" VALUES('health'")]


def _of_others(rows: Sequence[str]) -> Sequence[str]:
    return [row for row in rows if NOT_FOR_BOUND in row]


def _quoted(name: str) -> str:
    """Return the name as a client may send it; half a character cannot be sent at all."""
    return quote(name, safe="*%", errors="replace")


def _add_another_tenant(edge: Edge) -> None:
    """Let two streams that are not for the bound tokens have a note, one of them whose name no
    request knows, with a file and a schedule."""
    key = StreamKey(LESSON.domain, LESSON.app, NOT_FOR_BOUND)
    edge.ingest(key=key)
    edge.record_callback(
        app=key.app, stream=key.stream, uri=f"record/{key.app}/{key.stream}/x.mp4", duration=60
    )
    schedule = {"streams": [str(key)], "start": "2025-11-23T10:00:00", "end": "2025-11-23T11:00:00"}
    for method, path, body in (
        ("POST", f"/v1/recordings/{key}/start", {"note": NOT_FOR_BOUND}),
        ("POST", f"/v1/recordings/{LESSON}/start", {"note": NOT_FOR_BOUND}),
        ("PUT", f"/v1/schedules/{NOT_FOR_BOUND}", {**schedule, "timezone": "Asia/Shanghai"}),
    ):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {OPS_TOKEN}"}
        answer = invoke(edge, record_command, _http(method, path, {}, headers, json.dumps(body)))
        assert answer["statusCode"] < 300, answer


@contextmanager
def api() -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        edge = stage_with_something(folder, LIVE_RECORD_API_TOKENS=API_TOKENS)
        _add_another_tenant(edge)
        rows = StoredRows(edge)
        return Api(edge, rows), rows.close

    with renewed(make) as check:
        yield check


# --- reconcile ----------------------------------------------------------------------------------

_timer = st.fixed_dictionaries(
    {
        "triggerName": half(st.just("minute"), values),
        "triggerTime": half(st.just("2025-11-22T08:26:40Z"), values),
    },
    optional={"payload": values},
)
_key = half(st.just(WAKE_KEY), texts)
wake_cases = st.one_of(
    st.fixed_dictionaries(
        {
            "headers": st.fixed_dictionaries(
                {"X-Live-Record-Wake": _key}, optional={"X-Other": texts}
            ),
            "body": texts | _bodies,
        }
    ),
    st.fixed_dictionaries(
        {"event": half(st.fixed_dictionaries({"wake": _key}).map(json.dumps), _bodies)}
    ),
)
timer_cases = st.fixed_dictionaries({"event": half(_timer.map(json.dumps), _bodies)})


@dataclass
class Reconcile:
    """A call that has not the key changes nothing. A timer's event is believed by its shape, and
    does what the timer does."""

    stage: ReconcilingStage
    rows: StoredRows

    def __call__(self, case: Case) -> None:
        stage = self.stage
        data = case["event"] if "event" in case else json.dumps(_request(case))
        event = data.encode("utf-8", "surrogatepass")
        before = self.rows()
        del stage.lines[:]
        try:
            answer = invoke(stage, reconcile, event)
        except function_compute.InvocationFailed as failed:
            raise AssertionError(stage.lines) from failed
        status = check_answer(answer, stage.lines)
        if status != 200:
            assert self.rows() == before


def _request(case: Case) -> Mapping[str, object]:
    return _http("POST", "/", {}, case["headers"], case["body"])


@contextmanager
def reconciles() -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        stage = ReconcilingStage(folder, Clock())
        stage.ingest(key=LESSON)
        rows = StoredRows(stage)
        return Reconcile(stage, rows), rows.close

    with renewed(make) as check:
        yield check
