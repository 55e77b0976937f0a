"""The functions' edges: the callbacks of each kind, the HTTP API, wake-up calls and timers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
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
from functions.record_command import ROUTES
from shared.inbound import function_compute
from shared.protocol import StartAsked
from tests.conftest import KEY, Clock
from tests.fuzz.answers import MAX_ANSWER_BYTES, check_answer
from tests.fuzz.corpus import Case, numbers, texts, values
from tests.support.callback_stage import HOST, INGEST, LESSON, RECORD_KEY, STREAM_KEY, TOKEN, Edge
from tests.support.reconciling import ReconcilingStage

CASES_OF_ONE_STAGE = 200
"""Cases after which a stage is built anew: what is proved is stored, and a full store is slow."""
DOCUMENT_BYTES = 256 * 1024
RELAY_KEY = "dev-relay-key-0000"
API_TOKENS = (
    "ops:read+control+policy+tokens:ops-token-0000000,"
    "eye:read@live.example.com/app/*:eye-token-0000000"
)
Check = Callable[[Case], None]
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
            "proof": st.sampled_from(_PROOFS),
            "query": _ingest
            | st.fixed_dictionaries(
                {"domain": st.just(KEY.domain), "app": _apps, "stream": _streams}
            )
            | st.dictionaries(texts, texts, max_size=4),
            "headers": _headers,
            "body": _bodies,
        }
    )


@dataclass
class Callbacks:
    """One function that Live calls. What is not proved leaves the store as it is."""

    function: ModuleType
    edge: Edge
    before: Any = None

    def __call__(self, case: Case) -> None:
        edge, proof = self.edge, case["proof"]
        before = edge.dump()
        del edge.lines[:]
        answer = _invoke(edge, self.function, self._event(case))
        status = check_answer(answer, edge.lines)
        if proof == "both" and self.function is not on_demand:
            assert status in {200, 400, 401, 404, 405, 413}, answer
        else:
            assert edge.dump() == before

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


def _invoke(edge: Edge, function: ModuleType, event: Any) -> dict[str, Any]:  # noqa: ANN401 - bytes or JSON
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


def _stage_with_something(folder: Path, **settings: str) -> Edge:
    """Something is wanted, something is live, something was reported."""
    edge = Edge(folder, Clock(), LIVE_RECORD_RELAY_KEY=RELAY_KEY, **settings)
    edge.happens(StartAsked("ann"))
    edge.ingest()
    edge.ingest(key=LESSON)
    edge.record_callback(event="record_started")
    return edge


@contextmanager
def _renewed(make: Callable[[Path], tuple[Check, Callable[[], None]]]) -> Iterator[Check]:
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
        edge = _stage_with_something(folder)
        return Callbacks(function, edge), edge.app.store.close

    with _renewed(make) as check:
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
_paths = st.sampled_from([route.path for route in ROUTES]) | st.sampled_from(
    ["/v1/files/{domain}/{app}/{stream}", "/", "/v1", "/v1/recordings/{domain}/{app}"]
)
_query = st.dictionaries(
    st.sampled_from(["limit", "cursor", "phase", "domain", "app", "for"]) | texts, texts, max_size=4
)
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
api_cases = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "get", ""]),
        "path": _paths,
        "names": st.tuples(st.just(KEY.domain) | texts, _apps, _streams).map(list),
        "token": st.sampled_from(["ops-token-0000000", "eye-token-0000000", "guessed", ""]),
        "query": _query,
        "headers": st.dictionaries(
            st.sampled_from(["Idempotency-Key", "Accept-Language", "Content-Type", "Prefer"]),
            texts,
            max_size=3,
        ),
        "body": _api_body,
        "faults": st.lists(st.sampled_from(sorted(_START_FAULTS)), unique=True, max_size=7),
    }
)


@dataclass
class Api:
    """Whoever has no token changes nothing; whoever sends several faults is told each of them."""

    edge: Edge

    def __call__(self, case: Case) -> None:
        edge = self.edge
        # Health writes to the store, to learn whether it can: that is its one key.
        writes = case["token"] == "ops-token-0000000" or "health" in case["path"]
        before = None if writes else edge.dump()
        del edge.lines[:]
        path = case["path"]
        for name, value in zip(("domain", "app", "stream"), case["names"], strict=True):
            path = path.replace(f"{{{name}}}", _quoted(value))
        path = path.replace("{name}", _quoted(case["names"][-1]))
        headers = {"Content-Type": "application/json", **case["headers"]}
        headers |= {"Authorization": f"Bearer {case['token']}"} if case["token"] else {}
        function = files if path.startswith("/v1/files/") else record_command
        event = _http(case["method"], path, case["query"], headers, case["body"])
        # The OpenAPI document is long, and the same whatever is sent.
        longest = DOCUMENT_BYTES if case["path"] == "/v1/openapi.json" else MAX_ANSWER_BYTES
        status = check_answer(_invoke(edge, function, event), edge.lines, longest=longest)
        if before is not None:
            assert edge.dump() == before, status
        self._names_every_fault(case["faults"])

    def _names_every_fault(self, faults: list[str]) -> None:
        if not faults:
            return
        body = json.dumps({name: _START_FAULTS[name] for name in faults})
        headers = {"Content-Type": "application/json", "Authorization": "Bearer ops-token-0000000"}
        path = f"/v1/recordings/{KEY}/start"
        answer = _invoke(self.edge, record_command, _http("POST", path, {}, headers, body))
        assert check_answer(answer, self.edge.lines) == 400
        named = {fault["field"] for fault in json.loads(answer["body"])["errors"]}
        assert named == set(faults), (named, faults)


def _quoted(name: str) -> str:
    """Return the name as a client may send it; half a character cannot be sent at all."""
    return quote(name, safe="*%", errors="replace")


@contextmanager
def api() -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        edge = _stage_with_something(folder, LIVE_RECORD_API_TOKENS=API_TOKENS)
        return Api(edge), edge.app.store.close

    with _renewed(make) as check:
        yield check


# --- reconcile ----------------------------------------------------------------------------------

_timer = st.fixed_dictionaries(
    {},
    optional={
        "triggerName": st.just("minute") | values,
        "triggerTime": st.just("2025-11-22T08:26:40Z") | values,
        "payload": values,
    },
)
wake_cases = st.one_of(
    st.fixed_dictionaries(
        {
            "headers": st.dictionaries(
                st.sampled_from(["X-Live-Record-Wake", "X-Fc-Invocation-Type"]) | texts,
                texts | st.just("dev-wake-key-00000"),
                max_size=3,
            ),
            "body": texts | _bodies,
        }
    ),
    st.fixed_dictionaries({"event": _bodies | st.just("dev-wake-key-00000")}),
)
timer_cases = st.fixed_dictionaries({"event": _timer.map(json.dumps) | _bodies})


@dataclass
class Reconcile:
    """A call that has not the key changes nothing. A timer's event is believed by its shape, and
    does what the timer does."""

    stage: ReconcilingStage

    def __call__(self, case: Case) -> None:
        stage = self.stage
        data = case["event"] if "event" in case else json.dumps(_request(case))
        event = data.encode("utf-8", "surrogatepass")
        before = stage.dump()
        del stage.lines[:]
        try:
            answer = _invoke(stage, reconcile, event)
        except function_compute.InvocationFailed as failed:
            raise AssertionError(stage.lines) from failed
        status = check_answer(answer, stage.lines)
        if status != 200:
            assert stage.dump() == before


def _request(case: Case) -> Mapping[str, object]:
    return _http("POST", "/", {}, case["headers"], case["body"])


@contextmanager
def reconciles() -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        stage = ReconcilingStage(folder, Clock())
        stage.ingest(key=LESSON)
        return Reconcile(stage), stage.app.store.close

    with _renewed(make) as check:
        yield check
