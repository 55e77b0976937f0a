"""GET …/coverage and GET /v1/report: what is there of a stream, what is missing and why."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions import record_command
from shared.ledger.coverage import START_GRACE_MS
from shared.ledger.edges import Edge as LedgerEdge
from shared.ledger.edges import EdgeKind
from shared.outbox.settlement import Next, Settlement
from shared.protocol import (
    Command,
    FileLeft,
    Published,
    StopAsked,
    StreamKey,
    StreamRecord,
    TimePassed,
)
from shared.protocol.command_errors import NoRecordConfig
from shared.protocol.durations import rfc3339
from shared.protocol.file import FileVerdict
from shared.store.contract import DAY_MS, Save
from tests.conftest import KEY, NOON, Clock
from tests.support.callback_stage import LESSON, Edge
from tests.support.scripted_stage import ROOM, Stage
from tests.support.settling import settle

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


VERIFIED = {
    "LIVE_RECORD_BUCKET": "example-bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


def lost_a_minute(stage: Stage, key: StreamKey = KEY) -> None:
    """Let Live refuse the first start, and take the next one a minute later."""
    stage.live.answers(Command.START, NoRecordConfig("CodeConfigNotFound"))
    stage.happens(Published(stage.clock.now), key)
    stage.ask("POST", f"/v1/recordings/{key}/start")
    stage.clock.pass_ms(MINUTE_MS)
    assert stage.ask("POST", f"/v1/recordings/{key}/start").json["outcome"] == "accepted"


def test_a_gap_is_told_with_its_length_and_its_cause(stage: Stage) -> None:
    lost_a_minute(stage)
    stage.clock.pass_ms(MINUTE_MS)
    answer = stage.ask("GET", f"{ROOM}/coverage").json

    assert answer["stream"] == str(KEY)
    assert (answer["due_ms"], answer["missing_ms"]) == (2 * MINUTE_MS, 55_000)
    assert answer["start_latency_ms"] == 5_000
    assert answer["ratio"] == pytest.approx(1 - 55 / 120, abs=1e-6)
    (gap,) = answer["gaps"]
    assert (gap["start"], gap["ms"]) == (rfc3339(NOON + 5_000), 55_000)
    assert gap["reason"]["code"] == "no_record_config"


def test_an_account_names_what_its_rule_expects(stage: Stage) -> None:
    rule = {"match": {"app": "app"}, "coverage_target": 99.5, "max_gap": "30s"}
    policy = {"domain": [{"streaming": "live.example.com"}], "rule": [rule]}
    assert stage.ask("GET", f"{ROOM}/coverage").json["coverage_target"] is None
    body = {"policy": policy, "replaces": 0}
    assert stage.ask("POST", "/v1/policy/apply", body).status == 200
    answer = stage.ask("GET", f"{ROOM}/coverage").json
    assert (answer["coverage_target"], answer["max_gap_ms"]) == (99.5, 30_000)


def test_a_file_shows_what_was_recorded(stage: Stage) -> None:
    stage.happens(Published(NOON))
    stage.ask("POST", f"{ROOM}/start")
    stage.clock.pass_ms(HOUR_MS)
    stage.happens(FileLeft("a.flv", NOON + 10_000, NOON + 20 * MINUTE_MS))
    going_on = stage.ask("GET", f"{ROOM}/coverage").json
    assert [span["ms"] for span in going_on["recorded"]] == [HOUR_MS - 10_000]
    assert [gap["ms"] for gap in going_on["gaps"]] == [5_000]

    stage.ask("POST", f"{ROOM}/stop")
    stage.clock.pass_ms(HOUR_MS)
    over = stage.ask("GET", f"{ROOM}/coverage").json
    assert [span["ms"] for span in over["recorded"]] == [20 * MINUTE_MS - 10_000]
    assert [gap["ms"] for gap in over["gaps"]] == [5_000, 40 * MINUTE_MS]
    assert {gap["reason"]["code"] for gap in over["gaps"]} == {"no_file"}


def test_a_recording_that_left_no_file_is_missing_once_others_have_left_theirs(
    tmp_path: Path, clock: Clock
) -> None:
    edge = Edge(tmp_path, clock, LIVE_RECORD_API_TOKENS="eye:read:eye-token")

    def gaps() -> list[tuple[int, str]]:
        room = f"/v1/recordings/{LESSON}/coverage"
        bearer = {"Authorization": "Bearer eye-token"}
        answer = edge.call(record_command, "GET", room, headers=bearer).json
        return [(gap["ms"], gap["reason"]["code"]) for gap in answer["gaps"]]

    edge.ingest(key=LESSON)
    edge.happens(TimePassed(), LESSON)
    clock.pass_ms(10 * MINUTE_MS)
    edge.happens(StopAsked("ann"), LESSON)
    clock.pass_ms(HOUR_MS)
    assert gaps() == []

    times = {"start_time": NOON // 1000, "stop_time": clock.now // 1000}
    edge.record_callback(app=LESSON.app, stream="other", uri="o.flv", **times)
    assert gaps() == [(10 * MINUTE_MS - START_GRACE_MS, "no_file")]


def test_the_files_of_the_stretch_are_counted_by_what_was_found_of_them(
    tmp_path: Path, clock: Clock
) -> None:
    stage = Stage(tmp_path, clock, **VERIFIED)
    for number, outcome in enumerate(("verified", "truncated", "unknown", "")):
        file = FileLeft(f"{number}.flv", NOON, NOON + MINUTE_MS)
        stage.happens(file)
        (task,) = stage.store.take_tasks("verify_file", limit=9, lease_ms=1)
        verdict = FileVerdict(outcome, NOON) if outcome else None
        settle(stage.store, task, Settlement(Next.DONE, uri=file.uri, verdict=verdict))
    stage.happens(FileLeft("old.flv", NOON - 2 * DAY_MS, NOON - 2 * DAY_MS + 1))
    clock.pass_ms(2 * MINUTE_MS)
    found = stage.ask("GET", f"{ROOM}/coverage").json["files"]
    assert found == {"reported": 4, "verified": 1, "wrong": 1, "unverified": 2} | {
        "delivered": 0,
        "undelivered": 0,
    }


def test_a_stretch_is_asked_for_by_its_ends(stage: Stage) -> None:
    lost_a_minute(stage)
    stretch = {"from": rfc3339(NOON + 10_000), "to": rfc3339(NOON + 20_000)}
    answer = stage.ask("GET", f"{ROOM}/coverage", query=stretch).json
    assert (answer["due_ms"], answer["missing_ms"], answer["ratio"]) == (10_000, 10_000, 0.0)
    assert (answer["start"], answer["stop"]) == (stretch["from"], stretch["to"])


def test_a_stretch_may_begin_so_long_before_its_end(stage: Stage) -> None:
    lost_a_minute(stage)
    answer = stage.ask("GET", f"{ROOM}/coverage", query={"from": "30s"}).json
    assert (answer["due_ms"], answer["missing_ms"]) == (30_000, 30_000)


def test_a_stretch_that_does_not_begin_before_its_end_is_refused(stage: Stage) -> None:
    got = stage.ask("GET", f"{ROOM}/coverage", query={"from": rfc3339(stage.clock.now)})
    assert (got.status, got.json["errors"][0]["field"]) == (400, "from")


def test_a_stream_that_nobody_knows_has_nothing_due(stage: Stage) -> None:
    answer = stage.ask("GET", f"{ROOM}/coverage").json
    assert (answer["due_ms"], answer["ratio"], answer["gaps"]) == (0, None, [])


def test_a_report_has_every_stream_once_whatever_its_pages(stage: Stage) -> None:
    keys = [StreamKey("live.example.com", "app", f"room{number}") for number in range(5)]
    for key in keys:
        lost_a_minute(stage, key)
    seen, query = list[str](), {"limit": "2"}
    while True:
        page = stage.ask("GET", "/v1/report", query=query).json
        seen += [row["stream"] for row in page["streams"]]
        assert all(row["missing_ms"] > 0 for row in page["streams"])
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [str(key) for key in keys]
    of_other = stage.ask("GET", "/v1/report", query={"app": "other"}).json
    assert of_other["streams"] == []


def test_the_cause_is_said_in_chinese_too(stage: Stage) -> None:
    lost_a_minute(stage)
    got = stage.ask("GET", f"{ROOM}/coverage", accept_language="zh-CN")
    assert "录制" in got.json["gaps"][0]["reason"]["text"]


MANY, PAGE_ROWS = 10_000, 200


def recorded_once(stage: Stage, name: str) -> None:
    key, edges = StreamKey("live.example.com", "app", name), (EdgeKind.LIVE, EdgeKind.WANTED)
    ends = (EdgeKind.NOT_RECORDED, EdgeKind.OFF)
    account = (
        *(LedgerEdge(kind, NOON) for kind in (*edges, EdgeKind.RECORDED)),
        *(LedgerEdge(kind, NOON + 10 * MINUTE_MS) for kind in ends),
    )
    stage.store.save_or_claim(Save(0, StreamRecord(key, changed_at=NOON), edges=account))


@pytest.mark.slow
def test_a_page_of_ten_thousand_streams_takes_no_more_memory_than_one_of_few(stage: Stage) -> None:
    for number in range(MANY):
        recorded_once(stage, f"room{number:05}")
    stage.clock.pass_ms(HOUR_MS)
    query, names, peaks_bytes = {"limit": str(PAGE_ROWS)}, list[str](), list[int]()
    stage.ask("GET", "/v1/report", query=query)  # what is imported and cached once
    tracemalloc.start()
    try:
        while "cursor" not in query or query["cursor"]:
            tracemalloc.reset_peak()
            before_bytes, _ = tracemalloc.get_traced_memory()
            page = stage.ask("GET", "/v1/report", query=query).json
            peaks_bytes.append(tracemalloc.get_traced_memory()[1] - before_bytes)
            names += [row["stream"] for row in page["streams"]]
            query["cursor"] = page["next"] or ""
    finally:
        tracemalloc.stop()
    assert len(set(names)) == len(names) == MANY
    assert len(peaks_bytes) == MANY // PAGE_ROWS
    assert max(peaks_bytes) < 2 * peaks_bytes[0]
