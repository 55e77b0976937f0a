"""Whatever the bytes, the answer is ours; and nothing unproved changes the store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions import on_demand, record_events, relay, stream_events
from shared.protocol import StartAsked, StreamKey
from tests.conftest import KEY, Clock
from tests.support.callback_stage import HOST, INGEST, LESSON, RECORD_KEY, STREAM_KEY, TOKEN, Edge

pytestmark = pytest.mark.slow

FUNCTIONS = (stream_events, record_events, on_demand, relay)
ANSWERS = {200, 400, 401, 413}
quick = settings(
    max_examples=50 if os.environ.get("EXAMPLES") == "quick" else 150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [KEY.app, KEY.stream, KEY.domain, INGEST, "publish", "publish_done", "record_started", "-1"]
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["action", "app", "appname", "id", "time", "domain", "stream", "event", "uri", "VideoId"]
)
queries = st.dictionaries(names | words, words, max_size=7)
bodies = st.one_of(
    st.text(max_size=40),
    json_values.map(json.dumps),
    st.dictionaries(names, json_values).map(json.dumps),
)
headers = st.dictionaries(
    st.sampled_from(["ALI-LIVE-TIMESTAMP", "ali-live-signature", "X-Live-Record-Relay", "Host"])
    | words,
    words,
    max_size=5,
)
paths = st.one_of(
    st.text(max_size=20), st.sampled_from([f"/callbacks/stream/{TOKEN}", f"/{TOKEN}", "/", ""])
)
methods = st.sampled_from(["GET", "POST", "PUT", ""])
functions = st.sampled_from(FUNCTIONS)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Something is wanted, something is live, something was said."""
    edge = Edge(
        tmp_path_factory.mktemp("proof"), Clock(), LIVE_RECORD_RELAY_KEY="dev-relay-key-0000"
    )
    edge.happens(StartAsked("ann"))
    edge.ingest()
    edge.ingest(key=LESSON)
    edge.record_callback(event="record_started")
    yield edge
    edge.app.store.close()


@quick
@given(functions, st.binary(max_size=200))
def test_whatever_bytes_come_the_answer_is_one_of_ours(
    edge: Edge, function: ModuleType, event: bytes
) -> None:
    before = edge.dump()
    got = edge.event(function, event)

    assert (got.status in ANSWERS, edge.dump()) == (True, before)


@quick
@given(functions, methods, paths, queries, headers, bodies)
def test_no_unproved_request_changes_the_store(  # noqa: PLR0913, PLR0917 - a request has as many
    edge: Edge,
    function: ModuleType,
    method: str,
    path: str,
    query: dict[str, str],
    sent: dict[str, str],
    body: str,
) -> None:
    path = "/" if function is on_demand and path.endswith(TOKEN) else path  # its token is its proof
    before = edge.dump()
    got = edge.call(function, method, path, query=query, headers=sent, body=body)

    assert (got.status in ANSWERS, edge.dump()) == (True, before)
    assert "Traceback" not in json.dumps(got.json)


@quick
@given(paths.filter(lambda path: not path.rstrip("/").endswith(TOKEN)), queries)
def test_a_signature_alone_is_no_proof(edge: Edge, path: str, query: dict[str, str]) -> None:
    before = edge.dump()
    payload = {**query, "app": INGEST}
    got = edge.call(
        stream_events, "GET", path, query=payload, headers=edge.signed(INGEST, STREAM_KEY)
    )

    assert (got.status, edge.dump()) == (401, before)


@quick
@given(st.sampled_from([stream_events, record_events]), queries, bodies)
def test_a_path_token_alone_is_no_proof(
    edge: Edge, function: ModuleType, query: dict[str, str], body: str
) -> None:
    before = edge.dump()
    got = edge.call(function, "GET", f"/x/{TOKEN}", query=query, body=body)

    assert (got.status, edge.dump()) == (401, before)


@quick
@given(bodies, queries)
def test_what_is_proved_is_answered_whatever_it_says(
    edge: Edge, body: str, query: dict[str, str]
) -> None:
    record = edge.call(
        record_events, "POST", f"/{TOKEN}", headers=edge.signed(HOST, RECORD_KEY), body=body
    )
    remark = edge.call(
        stream_events, "POST", f"/{TOKEN}", headers=edge.signed(INGEST, STREAM_KEY), body=body
    )
    stream = edge.call(
        stream_events,
        "GET",
        f"/{TOKEN}",
        headers=edge.signed(INGEST, STREAM_KEY),
        query={**query, "app": INGEST},
    )

    assert {record.status, remark.status, stream.status} <= {200, 400}


@quick
@given(queries, headers)
def test_live_s_question_is_always_answered_in_fewer_than_2048_bytes(
    edge: Edge, query: dict[str, str], sent: dict[str, str]
) -> None:
    got = edge.call(on_demand, "GET", f"/{TOKEN}", query=query, headers=sent)

    assert (got.status, type(got.json["NeedRecord"])) == (200, bool)
    assert got.size < 2048


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_the_window_is_five_minutes_both_ways(tmp_path: Path, clock: Clock, age: int) -> None:
    edge = Edge(tmp_path, clock)
    query = {"action": "publish", "app": INGEST, "appname": "a", "id": "b", "time": "1763799000"}
    statuses = [
        edge.call(
            stream_events,
            "GET",
            f"/{TOKEN}",
            query=query,
            headers=edge.signed(INGEST, STREAM_KEY, age=age + more),
        ).status
        for more in (0, 1 if age >= 0 else -1)
    ]

    assert statuses == [200, 401 if abs(age) == 300 else 200]


@pytest.mark.parametrize(("age", "status"), [(60, 200), (61, 401)])
def test_the_window_is_as_narrow_as_the_stage_has_it(
    tmp_path: Path, clock: Clock, age: int, status: int
) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_SIGNATURE_WINDOW="60s")
    path, ingest = f"/callbacks/record/{TOKEN}", f"/callbacks/stream/{TOKEN}"
    body = json.dumps({"domain": KEY.domain, "app": "a", "stream": "b", "uri": "a.mp4"})
    query = {"action": "publish", "app": INGEST, "appname": "a", "id": "b", "time": "1763799000"}
    record = edge.signed(HOST, RECORD_KEY, age=age)
    stream = edge.signed(INGEST, STREAM_KEY, age=age)

    assert edge.call(record_events, "POST", path, headers=record, body=body).status == status
    assert edge.call(stream_events, "GET", ingest, headers=stream, query=query).status == status
    assert edge.call(stream_events, "POST", ingest, headers=stream, body="{}").status == status


@pytest.mark.parametrize(("ahead", "status"), [(0, 200), (60, 200), (61, 401), (4_000_000, 401)])
def test_a_replayed_signature_proves_no_event_of_the_future(
    tmp_path: Path, clock: Clock, ahead: int, status: int
) -> None:
    edge = Edge(tmp_path, clock)
    got = edge.ingest(time=str(clock.now // 1000 + ahead))

    assert got.status == status


def test_no_name_that_an_unproved_request_claims_is_repeated(tmp_path: Path, clock: Clock) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_API_TOKENS="ops:read:ops-token-0000000")
    edge.ingest(key=StreamKey(KEY.domain, KEY.app, "call-this-number"), app="guessed.example.com")
    edge.ingest(id=KEY.stream, time="99999999999")
    answers = {
        stream: edge.call(
            stream_events,
            "GET",
            "/callbacks/stream/refused",
            query={"stream": stream},
            headers={"Authorization": "Bearer ops-token-0000000"},
        ).json
        for stream in ("", str(KEY))
    }

    assert "call-this-number" not in json.dumps(answers)
    assert answers[""]["last"] == []
    assert "later than its signature" in answers[str(KEY)]["last"][0]["why"]
