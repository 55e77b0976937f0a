"""What health says: whether a command could be sent now, and each problem with its next step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.inbound.catalogue import Language, catalogue
from shared.protocol import Command, Published
from shared.protocol.command_errors import Throttled
from shared.store.store_errors import StoreUnavailable
from shared.store.write_probe import PROBE_EVERY_MS
from tests.conftest import NOON, Clock
from tests.inbound.test_catalogue import holes
from tests.support.scripted_stage import Got, Stage

MakeStage = Callable[..., Stage]


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
        stage.clock.pass_ms(61_000)
        health(stage)
    stage.clock.pass_ms(PROBE_EVERY_MS - 1)
    return stage


def reconcile_never_ran(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.happens(Published(NOON))
    stage.live.answers(Command.START, Throttled("Throttling", retry_after=20_000))
    stage.start()
    assert codes(health(stage)) == []
    stage.clock.pass_ms(240_000)
    return stage


def reconcile_silent(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.store.touch("reconciled")
    stage.clock.pass_ms(91_000)
    return stage


def mode_observe(make_stage: MakeStage) -> Stage:
    return make_stage(LIVE_RECORD_MODE="observe")


def store_emptied(make_stage: MakeStage) -> Stage:
    stage = make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.prod.aaaa")
    stage.happens(Published(NOON))
    stage.clock.pass_ms(30_000)
    return stage


def store_foreign(make_stage: MakeStage) -> Stage:
    make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.staging.bbbb").store.accept(replaces="")
    return make_stage(LIVE_RECORD_STORE_ID="cn-shanghai.prod.aaaa")


CASES = {
    case.__name__: case
    for case in (
        store_unavailable,
        store_busy,
        store_emptied,
        store_foreign,
        reconcile_never_ran,
        reconcile_silent,
        mode_observe,
    )
}
STOPS_COMMANDS = {"store_unavailable", "store_busy", "store_foreign", "reconcile_never_ran"}


@pytest.mark.parametrize("code", catalogue(Language.ENGLISH).problems)
def test_a_problem_is_told_with_its_next_step(make_stage: MakeStage, code: str) -> None:
    got = health(CASES[code](make_stage))
    shown = next(problem for problem in got.json["problems"] if problem["code"] == code)

    assert shown["stops_commands"] is (code in STOPS_COMMANDS)
    assert got.status == (503 if code in STOPS_COMMANDS else 200)
    assert got.json["ready"] is (code not in STOPS_COMMANDS)
    assert got.json["why"] == ([shown["text"]] if code in STOPS_COMMANDS else [])
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


def test_both_languages_and_the_cases_here_have_the_same_problems() -> None:
    assert set(catalogue(Language.CHINESE).problems) == set(CASES)
    assert set(catalogue(Language.ENGLISH).problems) == set(CASES)


def test_each_kind_of_unavailable_store_has_words() -> None:
    problems = {StoreUnavailable.problem, *(k.problem for k in StoreUnavailable.__subclasses__())}

    assert problems <= set(catalogue(Language.ENGLISH).problems)


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
    assert got.json["why"] == ["reconcile last ran 4m ago; it should run every minute"]
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
