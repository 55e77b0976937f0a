"""`live-record list --wrong`: every stream that is not as wanted, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.exit_codes import AS_WANTED, NOT_AS_WANTED
from cli.main import main
from shared.engine.step_marks import list_failed
from shared.protocol import Command, Reason, StreamKey, StreamRecord
from shared.protocol.state.command import Answer, PendingCommand
from shared.protocol.state.confirmation import SessionFailure
from shared.protocol.state.intent import Intent
from shared.protocol.state.session import Session, SessionState
from shared.store.contract import Save
from tests.support.broken_records import break_record
from tests.support.emptied_store import empty
from tests.support.http_stage import TOKEN, HttpStage, http_stage, now_ms
from tests.support.raw_server import Wire, json_reply

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
"""
AT = now_ms() - 60_000
WANTED = Intent(generation=1, wanted=True, made_at=AT)
LIVE = Session(1, AT)
START = PendingCommand(Command.START, Reason.THROTTLED, 1, AT, AT + 3_600_000, attempts=2)
STOP = PendingCommand(Command.STOP, Reason.THROTTLED, 1, AT, AT + 3_600_000)
FAILURE = SessionFailure(1, Reason.NO_RECORD_CONFIG, "CodeConfigNotFound", AT)


def key_of(name: str) -> StreamKey:
    return StreamKey("live.example.com", "app", name)


RECORDS = (
    StreamRecord(key_of("idle")),
    StreamRecord(key_of("waits"), intent=WANTED),
    StreamRecord(key_of("lost"), intent=WANTED, session=LIVE, pending=START),
    StreamRecord(key_of("failed-live"), intent=WANTED, session=LIVE, failure=FAILURE),
    StreamRecord(
        key_of("failed-ended"),
        intent=WANTED,
        session=Session(1, AT, state=SessionState.ENDED, off_since=AT + 1),
        failure=FAILURE,
    ),
    StreamRecord(key_of("stopping"), intent=Intent(generation=1), session=LIVE, pending=STOP),
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY) as stage:
        for record in RECORDS:
            stage.app.store.save_or_claim(Save(0, record))
        yield stage


def types(stage: HttpStage, *words: str) -> Result:
    return CliRunner().invoke(main, (*words, "--url", stage.url, "--token", TOKEN))


def lists(stage: HttpStage, *options: str) -> Result:
    return types(stage, "list", "--wrong", *options)


def names(result: Result) -> list[str]:
    lines = result.stdout.splitlines()[1:]
    return [line.partition("/app/")[2].partition(":")[0] for line in lines]


def test_each_stream_that_is_not_as_wanted_is_listed_once_what_is_lost_first(
    stage: HttpStage,
) -> None:
    result = lists(stage)
    assert result.exit_code == NOT_AS_WANTED
    assert set(names(result)[:2]) == {"lost", "failed-live"}
    assert sorted(names(result)[2:]) == ["failed-ended", "stopping"]


CUT = "Only {count} rows are shown, and there may be more. `--limit` sets how many.\n"


def test_a_list_that_is_cut_says_so(stage: HttpStage) -> None:
    cut = lists(stage, "--limit", "3")
    assert (len(names(cut)), cut.stderr) == (3, CUT.format(count=3))
    assert lists(stage, "--limit", "9").stderr == ""
    assert types(stage, "list", "--limit", "2").stderr == CUT.format(count=2)
    assert types(stage, "list", "--limit", "2", "--json").stderr == ""


def test_watch_names_what_is_lost_beyond_the_streams_that_it_reads() -> None:
    idle = {"phase": "idle", "reason": {"code": "never_asked", "text": ""}}
    rows = [{"stream": f"live.example.com/app/{number}", **idle} for number in range(1000)]
    lost = {
        "stream": "live.example.com/app/beyond",
        "phase": "failed",
        "reason": {"code": "no_record_config", "text": "refused"},
    }
    health = {"ready": True, "why": [], "problems": []}
    page = {"recordings": rows, "phases": {}, "unreadable": [], "next": "1000"}
    rest = {**page, "recordings": [lost], "next": None}

    with closing(Wire()) as wire:
        wire.script(*map(json_reply, (health, page, rest, rest, rest, health)))
        words = ["watch", "--once", "--url", f"http://{wire.endpoint}", "--token", TOKEN]
        result = CliRunner().invoke(main, words)

    assert result.exit_code == NOT_AS_WANTED
    assert "live.example.com/app/beyond: failed" in result.stdout


@pytest.mark.parametrize(
    ("phase", "listed"),
    [
        ("failed", ["failed-ended", "failed-live"]),
        ("stopping", ["stopping"]),
        ("starting", ["lost"]),
        ("waiting", []),
    ],
)
def test_those_of_one_phase_are_listed(stage: HttpStage, phase: str, listed: list[str]) -> None:
    result = lists(stage, "--phase", phase)
    assert result.exit_code == (NOT_AS_WANTED if listed else AS_WANTED)
    assert sorted(names(result)) == (listed or [""])


def test_a_record_that_cannot_be_read_is_not_as_wanted_whatever_its_phase(
    stage: HttpStage,
) -> None:
    break_record(stage.app.store, key_of("waits"))
    stage.app.store.quarantine(key_of("waits"))
    result = lists(stage, "--phase", "waiting")
    assert result.exit_code == NOT_AS_WANTED
    assert "app/waits: its record cannot be read" in result.stdout


def test_what_the_store_has_forgotten_is_never_said_to_be_as_wanted(tmp_path: Path) -> None:
    with http_stage(tmp_path, POLICY, {"LIVE_RECORD_STORE_ID": "dev.0123456789abcdef"}) as stage:
        empty(stage.app.store)
        stage.app.store.save_or_claim(Save(0, StreamRecord(key_of("forgotten"), session=LIVE)))
        commands = (("list", "--wrong"), ("watch", "--once"), ("why", str(key_of("forgotten"))))
        results = [types(stage, *words) for words in commands]

    for result in results:
        assert (result.exit_code, "store accept" in result.stdout) == (NOT_AS_WANTED, True)
        assert "forgotten: idle" in result.stdout or "forgotten is not" in result.stdout


def test_watch_shows_a_record_that_cannot_be_read(stage: HttpStage) -> None:
    break_record(stage.app.store, key_of("waits"))
    result = types(stage, "watch", "--once")
    assert result.exit_code == NOT_AS_WANTED
    assert "app/waits: its record cannot be read" in result.stdout


NOTHING = "every stream is as wanted"


def test_a_stage_whose_store_was_emptied_does_not_call_streams_that_it_forgot_as_wanted(
    tmp_path: Path,
) -> None:
    with http_stage(tmp_path, POLICY, {"LIVE_RECORD_STORE_ID": "dev.0123456789abcdef"}) as stage:
        empty(stage.app.store)
        found, document = lists(stage), json.loads(lists(stage, "--json").stdout)

    assert (found.exit_code, NOTHING in found.stdout) == (NOT_AS_WANTED, False)
    assert "the store was emptied" in found.stdout
    assert [problem["code"] for problem in document["problems"]] == ["store_emptied"]


def test_a_stage_that_cannot_read_the_online_list_does_not_call_all_streams_as_wanted(
    tmp_path: Path,
) -> None:
    with http_stage(tmp_path, POLICY) as stage:
        assert (lists(stage).exit_code, NOTHING in lists(stage).stdout) == (AS_WANTED, True)
        stage.app.store.touch(list_failed("live.example.com"))
        found = lists(stage)

    assert (found.exit_code, NOTHING in found.stdout) == (NOT_AS_WANTED, False)
    assert "online list" in found.stdout


DOUBTED = Answer(Command.START, Reason.IN_DOUBT, "InternalError", "", AT)


def test_a_stream_whose_last_command_may_have_taken_effect_is_not_called_lost_for_certain(
    stage: HttpStage,
) -> None:
    key = key_of("doubted")
    record = StreamRecord(key, intent=WANTED, session=LIVE, pending=START, answer=DOUBTED)
    stage.app.store.save_or_claim(Save(0, record))
    shown = [types(stage, "status", str(key)), types(stage, "why", str(key)), lists(stage)]

    for result in shown:
        assert " s lost, unless the last command took effect" in result.stdout
        assert result.exit_code == NOT_AS_WANTED
