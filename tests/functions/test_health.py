"""What health says: whether a command could be sent now, and each problem with its next step."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from msgspec.structs import replace

from functions.deliver import copying
from functions.files import verifying
from functions.record_command.health import RECEIVER_LATE_MS, TASKS_LATE_MS
from shared.engine.step_marks import DRAIN, NOTIFY, StepMarks, began
from shared.engine.workers import MAX_WORKERS, POOL_WORKERS
from shared.inbound.catalogue import Language, catalogue
from shared.outbox.endpoint import Endpoint, endpoint_note, endpoint_of, note_of
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import OUTBOX_MAX_BYTES, NewTask, TaskKind
from shared.outbox.unset_receivers import note as note_unset
from shared.protocol import (
    Command,
    FileLeft,
    Published,
    Reported,
    StartAsked,
    StreamKey,
    StreamRecord,
)
from shared.protocol.command_errors import InDoubt, NoRecordConfig, OperatorActionNeeded, Throttled
from shared.protocol.durations import rfc3339
from shared.store.contract import DAY_MS, Save
from shared.store.engine_answers import PROBLEMS
from shared.store.sqlite import SqliteStore
from shared.store.store_errors import StoreUnavailable
from shared.store.write_probe import PROBE_EVERY_MS
from tests.conftest import KEY, NOON, Clock
from tests.inbound.test_catalogue import holes
from tests.support.broken_records import break_record
from tests.support.receiver import receiving
from tests.support.reconciling import ReconcilingStage
from tests.support.redis_answers import certificate, saying, server_context
from tests.support.scripted_stage import Got, Stage
from tests.support.settling import settle

MakeStage = Callable[..., Stage]
Case = Callable[[MakeStage], Stage]
OTHER = StreamKey(KEY.domain, KEY.app, "other")


@pytest.fixture
def make_stage(tmp_path: Path, clock: Clock) -> Iterator[MakeStage]:
    made = list[Stage]()

    def make(**settings: str) -> Stage:
        made.append(Stage(tmp_path, clock, **settings))
        return made[-1]

    yield make
    for stage in made:
        stage.store.close()


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return make_stage()


def health(stage: Stage, language: str = "en") -> Got:
    return stage.ask("GET", "/v1/health", token="", Accept_Language=language)


def codes(got: Got) -> list[str]:
    return [problem["code"] for problem in got.json["problems"]]


# --- each problem -------------------------------------------------------------------------------


def store_unavailable(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.store.touch("opened")
    stage.store._open().execute("PRAGMA query_only=1")  # type: ignore[union-attr] # SQLite's
    return stage


def store_busy(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    health(stage)
    with closing(sqlite3.connect(stage.folder / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stage.clock.pass_ms(PROBE_EVERY_MS)
        health(stage)
        stage.clock.pass_ms(61_000)
        health(stage)
    stage.clock.pass_ms(PROBE_EVERY_MS - 1)
    return stage


def database(stage: Stage) -> sqlite3.Connection:
    return cast("SqliteStore", stage.store)._open()


def store_full(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    db = database(stage)
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    return stage


def grown(make_stage: MakeStage, *, days: int, pages: int) -> Stage:
    """Return a stage whose file has grown by some pages in some days, and may have 10,000."""
    stage = make_stage()
    stage.store.note_size()
    db = database(stage)
    (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    db.execute("PRAGMA max_page_count=10000")
    db.execute("CREATE TABLE filler (bytes BLOB)")
    db.execute("INSERT INTO filler VALUES (zeroblob(?))", (pages * page_bytes,))
    stage.clock.pass_ms(days * DAY_MS)
    stage.store.note_size()
    return stage


def store_full_soon(make_stage: MakeStage) -> Stage:
    return grown(make_stage, days=1, pages=5_000)


def store_nearly_full(make_stage: MakeStage) -> Stage:
    stage = grown(make_stage, days=7, pages=9_000)
    stage.clock.pass_ms(7 * DAY_MS)
    stage.store.note_size()
    stage.clock.pass_ms(2 * DAY_MS)
    return stage


def reconcile_never_ran(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.live.answers(Command.START, Throttled("Throttling", retry_after=20_000))
    stage.start()
    assert codes(health(stage)) == []
    stage.clock.pass_ms(240_000)
    return stage


def notify_silent(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.store.touch(began(NOTIFY))
    stage.clock.pass_ms(181_000)
    return stage


def reconcile_silent(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.store.touch("reconciled")
    stage.clock.pass_ms(91_000)
    return stage


def crash(*_: object, **__: object) -> None:
    raise ZeroDivisionError("an answer that nobody expected")


def minutes(make_stage: MakeStage, *, without: str = "", woken: bool = False) -> Stage:
    """Run the timer each minute for four; `without` names what crashes on Live's side, and with
    `woken` only wake-up calls come after the first."""
    stage = make_stage()
    beside = ReconcilingStage(stage.folder, stage.clock)
    with pytest.MonkeyPatch.context() as patch:
        beside.minute()
        if without:
            patch.setattr(beside.listing, without, crash)
        for _ in range(4):
            stage.clock.pass_ms(60_000)
            beside.woken() if woken else beside.minute()
    beside.app.store.close()
    return stage


def resync_silent(make_stage: MakeStage) -> Stage:
    return minutes(make_stage, woken=True)


replay_silent = resync_silent


def resync_stuck(make_stage: MakeStage) -> Stage:
    return minutes(make_stage, without="online")


def replay_stuck(make_stage: MakeStage) -> Stage:
    return minutes(make_stage, without="undelivered_record_events")


def drain_stuck(make_stage: MakeStage) -> Stage:
    """Begin runs that are killed."""
    stage = make_stage()
    marks = StepMarks(stage.store)
    for _ in range(4):
        marks.begin(DRAIN)
        stage.clock.pass_ms(60_000)
    return stage


def online_list_unreadable(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    beside = ReconcilingStage(stage.folder, stage.clock)
    beside.minute()
    assert codes(health(stage)) == []
    beside.listing.listed = OperatorActionNeeded("Forbidden.RAM")
    beside.minute()
    beside.app.store.close()
    return stage


def unusable(stage: Stage, *names: str) -> ReconcilingStage:
    """Let streams of these names be live in an application that a rule records."""
    beside = ReconcilingStage(stage.folder, stage.clock, policy=BY_RULE)
    for name in names:
        beside.listing.up[StreamKey(KEY.domain, KEY.app, name)] = NOON
    beside.minute()
    return beside


BY_RULE = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { app = "app" }
on_publish = "record"
"""


def names_unusable(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    unusable(stage, "a*b").app.store.close()
    return stage


UNUSABLE = ("a*b", "..", "a\0b", "a\ufffd", "\ud800", "x" * 513)


def test_names_that_no_command_can_carry_degrade_the_stage_while_they_are_live(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    beside = unusable(stage, *UNUSABLE)
    stage.clock.pass_ms(60_000)
    beside.minute()
    (problem,) = health(stage).json["problems"]

    assert problem["code"] == "names_unusable"
    assert 60_000 <= problem["age_ms"] < 120_000
    assert f": {len(UNUSABLE)}, the first of them for 1m" in problem["text"]
    assert health(stage).json["status"] == "degraded"
    assert stage.ask("GET", "/v1/health", token="", query={"strict": "true"}).status == 503

    beside.listing.up.clear()
    stage.clock.pass_ms(60_000)
    beside.minute()
    assert codes(health(stage)) == []
    beside.app.store.close()


def test_names_that_no_command_can_carry_are_no_problem_if_no_rule_records_them(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    beside = ReconcilingStage(stage.folder, stage.clock, policy=BY_RULE)
    beside.listing.up[StreamKey(KEY.domain, "other", "a*b")] = NOON
    beside.minute()
    beside.app.store.close()

    assert codes(health(stage)) == []


def test_a_list_names_them_and_says_why(make_stage: MakeStage) -> None:
    stage = make_stage()
    unusable(stage, *UNUSABLE).app.store.close()
    rows = stage.ask("GET", "/v1/recordings").json["unusable"]
    wrong = stage.ask("GET", "/v1/recordings", query={"wrong": "true"}).json["unusable"]

    assert wrong == rows
    assert len(rows) == len(UNUSABLE)
    shown = {row["stream"]: row["reason"] for row in rows}
    assert "is a wildcard" in shown[str(StreamKey(KEY.domain, KEY.app, "a*b"))]
    assert {row["since"] for row in rows} == {rfc3339(NOON)}
    of_other = stage.ask("GET", "/v1/recordings", query={"app": "other"}).json["unusable"]
    assert of_other == []


def receivers_unset(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    note_unset(stage.store, "notify", ["ops (LIVE_RECORD_ROBOTS)"])
    return stage


def test_receivers_that_the_settings_lack_degrade_the_stage_until_they_are_there(
    make_stage: MakeStage,
) -> None:
    stage = receivers_unset(make_stage)
    note_unset(stage.store, "deliver", ["s3 (LIVE_RECORD_DELIVER_CREDENTIALS)"])
    got = health(stage)

    assert (got.status, got.json["status"], codes(got)) == (200, "degraded", ["receivers_unset"])
    (problem,) = got.json["problems"]
    named = "ops (LIVE_RECORD_ROBOTS), s3 (LIVE_RECORD_DELIVER_CREDENTIALS)"
    assert named in problem["text"]

    for function in ("notify", "deliver"):
        note_unset(stage.store, function, [])
    assert (health(stage).json["status"], codes(health(stage))) == ("ready", [])


def not_recorded(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    beside = ReconcilingStage(stage.folder, stage.clock)
    beside.listing.up[KEY] = NOON
    stage.happens(Published(NOON))
    stage.live.answers(Command.START, NoRecordConfig("CodeConfigNotFound"))
    stage.start()
    beside.minute()
    assert codes(health(stage)) == []
    stage.clock.pass_ms(21_000)
    beside.app.store.close()
    return stage


def recording_unknown(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.live.answers(Command.START, *[InDoubt("InternalError")] * 9)
    stage.app = replace(stage.app, wait=lambda s: stage.clock.pass_ms(round(s * 1000)))
    stage.start()
    stage.clock.pass_ms(21_000)
    return stage


def starts_unreported(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.app.capabilities.record_status_callback(KEY.domain)
    stage.happens(Published(NOON))
    stage.start()
    stage.clock.pass_ms(19_000)
    assert codes(health(stage)) == []
    stage.clock.pass_ms(2_000)
    return stage


def not_stopped(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.start()
    stage.happens(Reported("record_started", recording=True))
    stage.live.answers(Command.STOP, OperatorActionNeeded("Forbidden.RAM"))
    stage.stop()
    stage.clock.pass_ms(19_000)
    assert codes(health(stage)) == []
    stage.clock.pass_ms(2_000)
    return stage


def test_a_recording_that_is_stopped_and_whose_file_waits_is_no_problem(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.start()
    stage.happens(Reported("record_started", recording=True))
    stage.live.answers(Command.CANCEL_DELAY, OperatorActionNeeded("Forbidden.RAM"))
    stage.stop({"finalize": True})
    stage.clock.pass_ms(60_000)

    assert codes(health(stage)) == []


def streams_quarantined(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    break_record(stage.store, KEY)
    beside = ReconcilingStage(stage.folder, stage.clock)
    beside.minute()
    beside.app.store.close()
    return stage


VERIFIED = {
    "LIVE_RECORD_BUCKET": "example-bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}


def tasks_late(make_stage: MakeStage) -> Stage:
    stage = make_stage(**VERIFIED)
    stage.happens(FileLeft("record/1.flv", NOON - 60_000, NOON))
    stage.clock.pass_ms(TASKS_LATE_MS + 1)
    return stage


def tasks_dead(make_stage: MakeStage) -> Stage:
    stage = make_stage(**VERIFIED)
    stage.happens(FileLeft("record/1.flv", NOON - 60_000, NOON))
    (task,) = stage.store.take_tasks("verify_file", limit=1, lease_ms=1)
    settle(stage.store, task, Settlement(Next.DEAD, why="OSS refuses"))
    return stage


def receiver(make_stage: MakeStage, endpoint: Endpoint) -> Stage:
    """Return a stage with a receiver of events in this state."""
    hook = {"name": "crm", "url": "https://crm.example.com/in"}
    stage = make_stage()
    policy = {"domain": [{"streaming": "live.example.com"}], "webhook": [hook]}
    stage.store.put_policy(json.dumps(policy), replaces=0)
    stage.store.set_text(note_of("crm"), endpoint_note(endpoint))
    return stage


def webhook_failing(make_stage: MakeStage) -> Stage:
    known = endpoint_of("https://crm.example.com/in", None)
    return receiver(make_stage, known.failed(NOON - RECEIVER_LATE_MS - 1, "status 503"))


def test_why_a_receiver_takes_nothing_is_said_in_chinese_too(make_stage: MakeStage) -> None:
    stage = webhook_failing(make_stage)
    health = stage.ask("GET", "/v1/health", token="", accept_language="zh").json
    overview = stage.ask("GET", "/v1/overview", accept_language="zh").json

    for answer in (health, overview):
        assert ["状态码 503" in each["text"] for each in answer["problems"]] == [True]


def webhook_closed(make_stage: MakeStage) -> Stage:
    known = endpoint_of("https://crm.example.com/in", None)
    return receiver(make_stage, known.ended(NOON, "status 410"))


def test_the_state_of_a_closed_receiver_is_said_in_chinese_too(make_stage: MakeStage) -> None:
    health = webhook_closed(make_stage).ask("GET", "/v1/health", accept_language="zh").json
    assert ["接收方 crm 已终止，不再收到事件" in each["text"] for each in health["problems"]] == [
        True
    ]


def tasks_dropped(make_stage: MakeStage) -> Stage:
    stage = make_stage(**VERIFIED)
    tasks = (NewTask("fill", TaskKind.VERIFY_FILE, "x" * (OUTBOX_MAX_BYTES - 500)),)
    record = StreamRecord(replace(KEY, stream="other"), changed_at=1)
    stage.store.save_or_claim(Save(0, record, tasks=tasks))
    stage.happens(FileLeft("record/1.flv", NOON - 60_000, NOON))
    return stage


def policy_unreadable(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    assert stage.store.put_policy('{"of": "a later release"}', replaces=0)
    return stage


def schedules_unplanned(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.store.put_schedule("broken", "{}", 0, replaces=None)
    stage.call().tend_schedules()
    return stage


def wake_unreachable(make_stage: MakeStage) -> Stage:
    stage = make_stage(
        LIVE_RECORD_WAKE_URL="http://127.0.0.1:1/wake", LIVE_RECORD_WAKE_KEY="dev-wake-key-00000"
    )
    assert codes(health(stage)) == []
    stage.app.wake()
    return stage


def two_stages_act(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.app.capabilities.record_other_stage()
    return stage


def mode_observe(make_stage: MakeStage) -> Stage:
    return make_stage(LIVE_RECORD_MODE="observe")


def policy_suspended(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    assert stage.ask("POST", "/v1/policy/suspend", {"for": "2h"}).status == 200
    return stage


def store_emptied(make_stage: MakeStage) -> Stage:
    stage = make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.prod.aaaa")
    stage.happens(Published(NOON))
    stage.clock.pass_ms(30_000)
    return stage


def store_foreign(make_stage: MakeStage) -> Stage:
    make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.staging.bbbb").store.accept(replaces="")
    return make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.prod.aaaa")


ENGINE_ANSWERS = {
    "store_closed": b"",
    "store_needs_password": b"-NOAUTH Authentication required.",
    "store_wrong_password": b"-WRONGPASS invalid username-password pair or user is disabled.",
    "store_no_permission": b"-NOPERM this user has no permissions to run the 'evalsha' command",
    "store_loading": b"-LOADING Redis is loading the dataset in memory",
    "store_read_only": b"-READONLY You can't write against a read only replica.",
    "store_out_of_memory": b"-OOM command not allowed when used memory > 'maxmemory'.",
    "store_disk": b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable",
    "store_too_many_clients": b"-ERR max number of clients reached",
    "store_cluster_down": b"-CLUSTERDOWN Hash slot not served",
    "store_primary_down": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data",
    "store_moving": b"-TRYAGAIN Multiple keys request during rehashing of slot",
    "store_busy_script": b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL",
    "store_no_replicas": b"-NOREPLICAS Not enough good replicas to write.",
    "store_no_database": b"-ERR SELECT is not allowed in cluster mode",
    "store_unknown_command": b"-ERR unknown command 'EVALSHA', with args beginning with: ",
    "store_script_refused": b"-ERR bad lua script for redis cluster, all the keys that the script",
    "store_protected": b"-DENIED Redis is running in protected mode because protected mode is",
    "store_refused": b"-ERR something that nobody has heard of",
}
"""By the problem that people see; Redis 7's own words, and Tair's for its scripts."""
servers = ExitStack()


@pytest.fixture(autouse=True)
def _end_servers() -> Iterator[None]:
    yield
    servers.close()


def answered(answer: bytes) -> Callable[[MakeStage], Stage]:
    """Return a case: the stage's engine answers everything so."""
    line = answer + b"\r\n" if answer else b""
    return lambda make_stage: make_stage(
        LIVE_RECORD_STORE=f"redis://127.0.0.1:{servers.enter_context(saying(line))}"
    )


def encrypted(names: str = "127.0.0.1", *, ca: str = "", is_tls: bool = True) -> Case:
    """Return a case: the stage connects with TLS to a server with a certificate for `names`."""

    def case(make_stage: MakeStage) -> Stage:
        folder = Path(servers.enter_context(TemporaryDirectory()))
        certificate(folder, names.split())
        tls = server_context(folder) if is_tls else None
        port = servers.enter_context(saying(b"-ERR\r\n", tls=tls))
        query = f"?ssl_ca_certs={folder}/{ca}" if ca else ""
        return make_stage(LIVE_RECORD_STORE=f"rediss://127.0.0.1:{port}{query}")

    return case


CASES: dict[str, Case] = {
    "store_unavailable": store_unavailable,
    "store_busy": store_busy,
    "store_emptied": store_emptied,
    "store_foreign": store_foreign,
    "store_full": store_full,
    "store_full_soon": store_full_soon,
    "store_nearly_full": store_nearly_full,
    "reconcile_never_ran": reconcile_never_ran,
    "reconcile_silent": reconcile_silent,
    "notify_silent": notify_silent,
    "resync_silent": resync_silent,
    "replay_silent": replay_silent,
    "drain_stuck": drain_stuck,
    "resync_stuck": resync_stuck,
    "replay_stuck": replay_stuck,
    "online_list_unreadable": online_list_unreadable,
    "names_unusable": names_unusable,
    "receivers_unset": receivers_unset,
    "not_recorded": not_recorded,
    "recording_unknown": recording_unknown,
    "starts_unreported": starts_unreported,
    "not_stopped": not_stopped,
    "streams_quarantined": streams_quarantined,
    "tasks_late": tasks_late,
    "tasks_dead": tasks_dead,
    "tasks_dropped": tasks_dropped,
    "webhook_failing": webhook_failing,
    "webhook_closed": webhook_closed,
    "policy_unreadable": policy_unreadable,
    "schedules_unplanned": schedules_unplanned,
    "wake_unreachable": wake_unreachable,
    "two_stages_act": two_stages_act,
    "mode_observe": mode_observe,
    "policy_suspended": policy_suspended,
}
CASES |= {code: answered(answer) for code, answer in ENGINE_ANSWERS.items()}
CASES |= {
    "store_unreachable": lambda make: make(LIVE_RECORD_STORE="redis://127.0.0.1:1"),
    "store_unknown_host": lambda make: make(LIVE_RECORD_STORE="redis://[1:2]"),
    "store_tls": encrypted(is_tls=False),
    "store_untrusted": encrypted(),
    "store_wrong_name": encrypted("store.example.com", ca="cert.pem"),
    "store_tls_file": encrypted(ca="nowhere.pem"),
}
STOPS_COMMANDS = {
    "store_unavailable",
    "store_busy",
    "store_foreign",
    "store_full",
    "reconcile_never_ran",
    "resync_silent",
    *(code for code in CASES if code in PROBLEMS),
}


def test_a_timer_that_never_ran_is_told_where_nothing_is_late_yet(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.store.touch("status:live.example.com")
    stage.clock.pass_ms(170_000)
    assert codes(health(stage)) == []

    stage.clock.pass_ms(20_000)
    assert (codes(health(stage)), health(stage).status) == (["reconcile_never_ran"], 200)


@pytest.mark.parametrize("code", catalogue(Language.ENGLISH).problems)
def test_a_problem_is_told_with_its_next_step(make_stage: MakeStage, code: str) -> None:
    got = health(CASES[code](make_stage))
    shown = next(problem for problem in got.json["problems"] if problem["code"] == code)

    assert shown["stops_commands"] is (code in STOPS_COMMANDS)
    stopping = [each["text"] for each in got.json["problems"] if each["stops_commands"]]
    assert (got.status, got.json["ready"]) == ((503, False) if stopping else (200, True))
    assert got.json["why"] == stopping
    assert shown["fix"]
    assert "{" not in shown["text"] + shown["fix"]
    assert "example.com" not in str(got.json)
    assert "records.db" not in str(got.json)


@pytest.mark.parametrize("code", catalogue(Language.ENGLISH).problems)
def test_a_problem_is_told_in_chinese_too(code: str) -> None:
    english, chinese = (catalogue(language).problems[code] for language in Language)

    assert (english.text + english.fix).isascii()
    assert not chinese.text.isascii()
    assert not chinese.fix.isascii()
    assert holes(english.text) == holes(chinese.text)
    assert holes(english.fix) == holes(chinese.fix)


def test_a_stage_whose_timer_runs_has_no_problem(make_stage: MakeStage) -> None:
    assert codes(health(minutes(make_stage))) == []


def test_a_list_that_is_read_again_is_no_problem_any_more(make_stage: MakeStage) -> None:
    stage = online_list_unreadable(make_stage)
    beside = ReconcilingStage(stage.folder, stage.clock)
    stage.clock.pass_ms(60_000)
    beside.minute()
    beside.app.store.close()

    assert codes(health(stage)) == []


def test_streams_that_are_recorded_after_all_are_no_problem_any_more(
    make_stage: MakeStage,
) -> None:
    stage = not_recorded(make_stage)
    stage.start()
    beside = ReconcilingStage(stage.folder, stage.clock)
    beside.listing.up[KEY] = NOON
    beside.minute()
    beside.app.store.close()

    assert codes(health(stage)) == []


def test_the_cause_names_the_report_that_shows_it(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.start()
    stage.happens(Reported("record_started", recording=True))
    stage.clock.pass_ms(5_000)
    stage.happens(Reported("record_paused", recording=False))
    stage.clock.pass_ms(30_000)
    (problem,) = health(stage).json["problems"]

    assert "Live reports that it does not record (record_paused)" in problem["text"]


def test_a_start_that_is_reported_on_after_all_is_no_problem_any_more(
    make_stage: MakeStage,
) -> None:
    stage = starts_unreported(make_stage)
    stage.happens(Reported("record_started", recording=True))

    assert codes(health(stage)) == []


def test_a_stop_that_live_takes_after_all_is_no_problem_any_more(make_stage: MakeStage) -> None:
    stage = not_stopped(make_stage)
    stage.stop()

    assert codes(health(stage)) == []


def test_streams_that_may_be_recorded_are_counted_apart_from_those_that_are_not(
    make_stage: MakeStage,
) -> None:
    stage = recording_unknown(make_stage)
    other = StreamKey(KEY.domain, KEY.app, "other")
    stage.happens(Published(stage.clock.now), other)
    stage.live.answers(Command.START, NoRecordConfig("CodeConfigNotFound"))
    stage.happens(StartAsked("ann"), other)
    stage.clock.pass_ms(21_000)
    got = health(stage)
    texts = {problem["code"]: problem["text"] for problem in got.json["problems"]}

    assert set(texts) == {"not_recorded", "recording_unknown"}
    assert ": 1, the first of them for 21s. " in texts["not_recorded"]
    assert ": 1, the first of them for 49s. " in texts["recording_unknown"]
    assert (got.json["not_recorded"]["count"], got.json["not_recorded"]["unknown"]) == (2, 1)
    assert (got.status, got.json["status"]) == (200, "degraded")


def test_of_several_stops_the_problem_has_the_number_the_longest_wait_and_the_cause(
    make_stage: MakeStage,
) -> None:
    stage = not_stopped(make_stage)
    stage.happens(Published(NOON), OTHER)
    stage.live.answers(Command.STOP, OperatorActionNeeded("Forbidden.RAM"))
    stage.ask("POST", f"/v1/recordings/{OTHER}/stop")
    stage.clock.pass_ms(30_000)
    problem = health(stage).json["problems"][0]

    assert (problem["code"], problem["age_ms"]) == ("not_stopped", 51_000)
    assert ": 2, the first of them for 51s. The most common cause: Live " in problem["text"]


def test_schedules_that_cannot_be_planned_degrade_the_stage_until_they_can(
    make_stage: MakeStage,
) -> None:
    stage = schedules_unplanned(make_stage)

    def minute() -> None:
        stage.clock.pass_ms(60_000)
        stage.store.touch(began(DRAIN))
        stage.call().tend_schedules()

    for _ in range(3):
        minute()
    got = health(stage)
    assert (got.status, got.json["status"], codes(got)) == (
        200,
        "degraded",
        ["schedules_unplanned"],
    )
    assert got.json["problems"][0]["age_ms"] == 180_000

    stage.store.remove_schedule("broken", replaces="{}")
    minute()
    minute()
    assert (health(stage).json["status"], codes(health(stage))) == ("ready", [])

    stage.store.put_schedule("broken", "{}", 0, replaces=None)
    minute()
    assert health(stage).json["problems"][0]["age_ms"] == 0


def test_where_no_reports_are_known_to_come_nobody_waits_for_them(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.start()
    stage.clock.pass_ms(60_000)

    assert codes(health(stage)) == []


def test_both_languages_and_the_cases_here_have_the_same_problems() -> None:
    assert set(catalogue(Language.CHINESE).problems) == set(CASES)
    assert set(catalogue(Language.ENGLISH).problems) == set(CASES)


def test_each_kind_of_unavailable_store_has_words() -> None:
    problems = {StoreUnavailable.problem, *(k.problem for k in StoreUnavailable.__subclasses__())}

    assert problems | PROBLEMS <= set(catalogue(Language.ENGLISH).problems)


def test_problems_are_told_in_the_caller_s_language(make_stage: MakeStage) -> None:
    got = health(mode_observe(make_stage), "zh-CN")

    assert got.json["problems"][0]["text"] == "当前环境处于观察模式，不发送任何命令"


# --- a stage without problems -------------------------------------------------------------------


def test_health_needs_no_token_and_tells_nothing_secret(stage: Stage) -> None:
    stage.happens(Published(NOON))
    stage.start()
    got = health(stage)

    assert (got.status, got.json["ready"], got.json["store"]) == (200, True, "ok")
    assert (got.json["why"], got.json["problems"]) == ([], [])
    assert "example.com" not in str(got.json)


def test_health_says_when_a_callback_was_last_not_passed_on(stage: Stage) -> None:
    assert health(stage).json["relay_lost_ms_ago"] is None

    stage.app.capabilities.record_lost_relay()
    stage.clock.pass_ms(20_000)
    assert health(stage).json["relay_lost_ms_ago"] == 20_000


# --- ready means that a command could be sent now -----------------------------------------------


def test_a_reconcile_that_is_silent_for_long_makes_the_stage_not_ready(stage: Stage) -> None:
    stage.store.touch("reconciled")
    stage.clock.pass_ms(240_000)
    got = health(stage)

    assert (got.status, got.json["ready"]) == (503, False)
    assert got.json["why"] == ["`reconcile` last ran 4m ago; it should run every minute"]
    assert got.json["problems"][0]["age_ms"] == 240_000


def test_a_store_that_answers_and_takes_no_writes_is_not_ready(make_stage: MakeStage) -> None:
    got = health(store_unavailable(make_stage))

    assert (got.status, got.json["ready"], got.json["store"]) == (503, False, "unwritable")


def test_a_store_that_does_not_answer_at_all_is_not_ready(make_stage: MakeStage) -> None:
    stage = make_stage(LIVE_RECORD_STORE="sqlite:////nowhere/at/all.db")
    got = health(stage)

    assert (got.status, got.json["store"]) == (503, "unavailable")
    assert codes(got) == ["store_unavailable"]
    assert "nowhere" not in str(got.json)


def test_the_store_is_written_to_once_in_five_seconds(make_stage: MakeStage) -> None:
    stage = make_stage()
    assert health(stage).json["written_ms_ago"] == 0
    stage.clock.pass_ms(PROBE_EVERY_MS - 1)
    assert health(stage).json["written_ms_ago"] == PROBE_EVERY_MS - 1
    assert stage.store.age_ms("health") == PROBE_EVERY_MS - 1

    stage.clock.pass_ms(1)
    assert health(stage).json["written_ms_ago"] == 0
    assert stage.store.age_ms("health") == 0


def test_a_store_that_takes_writes_again_is_seen_within_five_seconds(
    make_stage: MakeStage,
) -> None:
    stage = store_unavailable(make_stage)
    assert health(stage).status == 503
    stage.store._open().execute("PRAGMA query_only=0")  # type: ignore[union-attr] # SQLite's
    stage.clock.pass_ms(PROBE_EVERY_MS)

    assert health(stage).status == 200


def test_health_never_waits_for_another_writer(stage: Stage) -> None:
    """SQLite has one writer at a time. While one is at work, the store works."""
    health(stage)
    with closing(sqlite3.connect(stage.folder / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stage.clock.pass_ms(PROBE_EVERY_MS)
        got = health(stage)

    assert (got.status, got.json["written_ms_ago"]) == (200, PROBE_EVERY_MS)
    assert stage.store.age_ms("health") == PROBE_EVERY_MS


def test_a_process_that_was_idle_does_not_call_the_store_busy_after_one_try(stage: Stage) -> None:
    health(stage)
    stage.clock.pass_ms(61_000)
    with closing(sqlite3.connect(stage.folder / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        got = health(stage)

    assert (got.status, codes(got)) == (200, [])


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_wake_up_call_that_is_refused_is_told_and_logged(
    make_stage: MakeStage, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    with receiving() as trigger:
        trigger.statuses = [202, status]
        settings = {
            "LIVE_RECORD_WAKE_URL": f"{trigger.address}/wake",
            "LIVE_RECORD_WAKE_KEY": "dev-wake-key-00000",
        }
        make_stage(**settings).app.wake()
        stage = make_stage(**settings)
        assert codes(health(stage)) == []
        stage.app.wake()
        assert codes(health(stage)) == ["wake_unreachable"]

    lost = [line for line in capsys.readouterr().out.splitlines() if "wake.lost" in line]
    assert [json.loads(line)["why"] for line in lost] == [f"status {status}"]
    stage.clock.pass_ms(120_000)
    assert codes(health(stage)) == []


def test_the_connections_of_a_function_are_as_many_as_its_threads() -> None:
    """A thread that asks the store while all others do has a connection of its own."""
    fix = catalogue(Language.ENGLISH).problems["store_too_many_clients"].fix
    of_files, of_reconcile, of_notify = map(int, re.findall(r"up to (\d+)", fix))
    leader, side_steps = 1, 4

    assert of_files == max(verifying.RUN_WORKERS, copying.RUN_WORKERS) + leader
    assert of_reconcile >= MAX_WORKERS + leader + side_steps
    assert of_notify >= POOL_WORKERS
