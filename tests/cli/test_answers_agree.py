"""What the doctor and `live-record why` say of a stream is what the API says of it, whatever has
happened to the streams."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner
from msgspec.structs import replace as with_fields

from cli.doctor.finding import Finding, Severity
from cli.doctor.recording import RULE_PENDING, recorded
from cli.doctor.snapshot import Online, Snapshot
from cli.exit_codes import NOT_AS_WANTED
from cli.main import main as live_record
from cli.output import is_as_wanted, reason_sentence, wrong_words
from shared.engine.step_marks import list_read
from shared.engine.unusable_names import note
from shared.protocol import Command, Published, Reported, StreamKey
from shared.protocol.command_errors import InDoubt, NoRecordConfig
from shared.protocol.derived.wrong import REPORTED_AFTER_MS
from shared.protocol.events import TimePassed
from tests.cli.test_doctor_checks import DOMAIN, HEALTHY, policy
from tests.conftest import KEY, Clock
from tests.functions.test_agreement import happen, pages
from tests.support.scripted_stage import Stage

pytestmark = pytest.mark.slow

ROUNDS, EVENTS = 4, 9
RULE = """
[[domain]]
streaming = "live.example.com"
[[rule]]
match = { app = "classroom" }
on_publish = "record"
"""


@contextmanager
def served(stage: Stage) -> Iterator[str]:
    """Serve the API of a stage in a thread; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            token = self.headers["Authorization"].partition(" ")[2]
            got = stage.ask("GET", parts.path, token=token, query=dict(parse_qsl(parts.query)))
            body = json.dumps(got.json).encode()
            self.send_response(got.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as the base has it
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    stage.app = with_fields(stage.app, wait=lambda s: clock.pass_ms(round(s * 1000)))
    yield stage
    stage.store.close()


def rounds(stage: Stage, seed: int) -> Iterator[dict[str, dict[str, Any]]]:
    """Let things happen to some streams; yield what the API lists after each round."""
    lots = Random(seed)  # noqa: S311 - the same walk each time
    for _ in range(ROUNDS):
        for _ in range(EVENTS):
            happen(stage, lots)
        yield pages(stage)


# --- the doctor ---------------------------------------------------------------------------------


def snapshot_of(row: dict[str, Any], now_ms: int) -> Snapshot:
    """Return what the doctor reads of a stage with this stream, which the online list shows unless
    the stage says that it is not live."""
    key = StreamKey.parse(row["stream"])
    online = [Online(key.app, key.stream, now_ms - 60_000)] if row["live"] != "no" else []
    domains = [replace(DOMAIN, online=online)]
    return replace(HEALTHY, listed=[row], policy=policy(RULE), domains=domains, now_ms=now_ms)


def found_of(row: dict[str, Any], now_ms: int) -> list[Finding]:
    found = recorded(snapshot_of(row, now_ms))
    return [one for one in found if one.severity in (Severity.WARNING, Severity.FAULT)]


@pytest.mark.parametrize("seed", range(6))
def test_the_doctor_finds_what_the_api_calls_wrong_and_nothing_that_it_calls_recorded(
    stage: Stage, seed: int
) -> None:
    for rows in rounds(stage, seed):
        for name, row in rows.items():
            faults = found_of(row, stage.clock.now)
            if row["wrong"] is not None:
                assert [one.severity for one in faults] == [Severity.FAULT], row
                assert (faults[0].code == "recorded.unclear") is not row["wrong"]["certain"], row
                assert name in faults[0].text
            if row["phase"] == "recording" or (not row["wanted"] and row["live"] == "yes"):
                assert faults == [], row


def in_doubt(stage: Stage) -> None:
    """Let Live answer no start of a live stream clearly."""
    stage.live.answers(Command.START, *[InDoubt("InternalError")] * 99)
    stage.happens(Published(stage.clock.now), KEY)
    stage.start()


@pytest.mark.parametrize("wait_ms", [1_000, 30_000, 90_000])
def test_if_every_answer_to_a_start_is_lost_no_answer_says_that_nothing_is_recorded(
    stage: Stage, wait_ms: int
) -> None:
    in_doubt(stage)
    stage.clock.pass_ms(wait_ms)
    stage.happens(TimePassed(), KEY)
    row = pages(stage)[str(KEY)]
    (fault,) = found_of(row, stage.clock.now)
    health = stage.ask("GET", "/v1/health", token="").json

    assert row["wrong"]["certain"] is False
    assert "unless the last command took effect" in wrong_words(row)
    assert reason_sentence(row, None).startswith(f"Whether {KEY} is recorded is unknown: ")
    assert (fault.code, fault.severity) == ("recorded.unclear", Severity.FAULT)
    is_shown = wait_ms > REPORTED_AFTER_MS
    problems = ["recording_unknown"] if is_shown else []
    assert [problem["code"] for problem in health["problems"]] == problems
    assert (health["status"], (health["not_recorded"] or {}).get("unknown")) == (
        ("degraded", 1) if is_shown else ("ready", None)
    )


def test_if_live_reports_a_recording_whose_start_it_did_not_answer_the_doctor_finds_no_fault(
    stage: Stage,
) -> None:
    in_doubt(stage)
    stage.happens(Reported("record_started", recording=True), KEY)
    stage.clock.pass_ms(30_000)
    row = pages(stage)[str(KEY)]
    found = list(recorded(snapshot_of(row, stage.clock.now)))

    assert row["wrong"] is None
    assert reason_sentence(row, None).startswith(f"Whether {KEY} is recorded is unknown: ")
    assert [(one.code, one.severity) for one in found] == [
        ("recorded.unanswered", Severity.UNKNOWN)
    ]


def test_a_start_that_live_refuses_after_one_in_doubt_leaves_no_doubt(stage: Stage) -> None:
    in_doubt(stage)
    stage.live.answers(Command.START, NoRecordConfig("CodeConfigNotFound"))
    stage.clock.pass_ms(30_000)
    stage.happens(TimePassed(), KEY)
    row = pages(stage)[str(KEY)]

    assert (row["phase"], row["wrong"]["certain"]) == ("failed", True)


# --- the command line ---------------------------------------------------------------------------


def typed(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(live_record, [*words, "--stage", "prod"])
    return result.exit_code, result.stdout


@pytest.mark.parametrize("seed", range(2))
def test_why_says_what_the_api_says(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    with served(stage) as url:
        table = f'[prod]\nurl = "{url}"\ntoken = "ops-token"\n'
        (tmp_path / "stages.toml").write_text(table)
        for rows in rounds(stage, seed):
            for name, row in rows.items():
                if not row["ever_live"]:
                    continue  # `why` asks the function of the callbacks, too
                is_wrong = row["wrong"] is not None or row["phase"] in ("failed", "stopping")
                exit_code, text = typed("why", name, "--json")
                said = json.loads(text)
                assert {field: said[field] for field in row} == row
                assert exit_code == (3 if is_wrong else 0)
                _, sentence = typed("why", name)
                assert row["reason"]["text"] in sentence
                assert ("NOT RECORDED" in sentence) is (row["wrong"] is not None)
                is_certain = row["wrong"] is not None and row["wrong"]["certain"]
                assert "unknown: " not in sentence or not is_certain
                assert ("next attempt" in sentence) is (row["next_attempt_at"] is not None)
                is_off = row["reason"]["code"] == "not_live" and row["live_at"] is not None
                assert ("the online list is read once a minute" in sentence) is is_off


# --- all of them at once ------------------------------------------------------------------------

SUSPENDED_FOR = ("10m", "7d")


@pytest.mark.parametrize("seed", range(4))
def test_status_list_why_health_and_doctor_never_disagree(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Now and then, somebody suspends the policy for a while."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    lots = Random(seed)  # noqa: S311 - the same walk each time
    with served(stage) as url:
        table = f'[prod]\nurl = "{url}"\ntoken = "ops-token"\n'
        (tmp_path / "stages.toml").write_text(table)
        for _ in rounds(stage, seed):
            if lots.random() < SUSPENDS:
                body = {"for": lots.choice(SUSPENDED_FOR)}
                assert stage.ask("POST", "/v1/policy/suspend", body).status == SUCCESS
            listed, health = of_json("list"), of_json("health")
            wrong = of_json("list", "--wrong")["recordings"]
            assert {row["stream"] for row in wrong} == {
                row["stream"] for row in listed["recordings"] if not is_as_wanted(row)
            }
            assert Counter(row["phase"] for row in listed["recordings"]) == +Counter(
                health["phases"]
            )
            for row in listed["recordings"]:
                agrees_on(row)
            judge_doctor(listed["recordings"], health, stage)


SUSPENDS, SUCCESS = 0.4, 200


@pytest.mark.parametrize("name", ["a*b", "..", "a\0b", "x" * 513])
def test_list_watch_health_and_doctor_agree_on_a_name_that_no_command_can_carry(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    key = StreamKey(KEY.domain, "classroom", name)
    with served(stage) as url:
        table = f'[prod]\nurl = "{url}"\ntoken = "ops-token"\n'
        (tmp_path / "stages.toml").write_text(table)
        for found in ([key], []):
            note(stage.store, KEY.domain, found)
            stage.store.touch(list_read(KEY.domain))
            code, listed = typed("list", "--wrong", "--json")
            assert (code == NOT_AS_WANTED) is bool(found)
            assert [row["stream"] for row in json.loads(listed)["unusable"]] == [*map(str, found)]
            problems = [problem["code"] for problem in of_json("health")["problems"]]
            assert ("names_unusable" in problems) is bool(found)
            assert (str(key) in typed("watch", "--once")[1]) is bool(found)
            online = [Online(each.app, each.stream, stage.clock.now - 60_000) for each in found]
            domains = [replace(DOMAIN, online=online)]
            snapshot = replace(HEALTHY, listed=[], policy=policy(RULE), domains=domains)
            codes = {one.code for one in recorded(replace(snapshot, now_ms=stage.clock.now))}
            assert ("recorded.name" in codes) is bool(found)
            stage.clock.pass_ms(60_000)


def of_json(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(typed(*words, "--json")[1])
    return document


def agrees_on(row: dict[str, Any]) -> None:
    """Check that status and why say the same of a stream, and end with the same code."""
    code, text = typed("status", row["stream"], "--json")
    status = json.loads(text)
    assert {field: status[field] for field in row} == row
    assert code == (0 if is_as_wanted(row) else 3)
    if row["ever_live"]:  # else `why` asks the function of the callbacks, too
        code_of_why, explained = typed("why", row["stream"], "--json")
        assert (code_of_why, {**status, "refused": None}) == (code, json.loads(explained))


def judge_doctor(rows: list[dict[str, Any]], health: dict[str, Any], stage: Stage) -> None:
    """Check that doctor has a fault if and only if a stream is being lost, stream by stream and of
    all of them."""
    lost = [row for row in rows if row["wrong"] is not None]
    assert bool(faults_of(rows, health, stage)) >= bool(lost)
    for row in rows:
        faults = faults_of([row], {**health, "problems": []}, stage)
        if row["live"] == "yes" and row["reason"]["code"] != RULE_PENDING:
            assert bool(faults) is (row["wrong"] is not None), row


def faults_of(rows: list[dict[str, Any]], health: dict[str, Any], stage: Stage) -> list[Finding]:
    keys = [StreamKey.parse(row["stream"]) for row in rows if row["live"] != "no"]
    online = [Online(key.app, key.stream, stage.clock.now - 60_000) for key in keys]
    snapshot = replace(
        HEALTHY,
        health=health,
        listed=rows,
        policy=with_fields(policy(RULE), suspended=stage.app.policy.suspended),
        domains=[replace(DOMAIN, online=online)],
        now_ms=stage.clock.now,
    )
    found = [one for one in recorded(snapshot) if one.severity is Severity.FAULT]
    return [one for one in found if not one.because]
