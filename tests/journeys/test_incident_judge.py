"""What the judge of the incidents calls false, and whom silent: by answers as the stage gives
them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from benchmarks.incidents.judge import Moment, judged
from benchmarks.incidents.stage import Truth

NOW, STREAM = 1_763_800_000.0, "live.example.com/app/s00"
LOST = Truth(live=True, recorded=False, live_s=50, recorded_s=50)
RECORDED = Truth(live=True, recorded=True, live_s=50, recorded_s=50)
WELL: dict[str, Any] = {
    "phase": "recording",
    "live": "yes",
    "reason": {"code": "confirmed"},
    "wrong": None,
}
TROUBLED = {"ready": True, "problems": [{"code": "starts_unreported"}]}


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, timezone.utc).isoformat()


def judge(truth: Truth, *, took_s: float = 0, **said: object) -> tuple[list[str], list[str]]:
    """Judge one row that was said now, `took_s` before all answers were there."""
    row = {"stream": STREAM, **WELL, **said}
    listed = {"document": {"recordings": [row], "health": TROUBLED}, "at": NOW, "exit": 3}
    health = {"document": TROUBLED, "exit": 0}
    doctor = {"document": {"findings": []}, "exit": 3}
    answers = {"list": listed, "watch": listed, "why": {}, "health": health, "doctor": doctor}
    truths = {STREAM: truth}
    return judged(
        Moment(60, truths, truths, NOW + took_s, frozenset(truths), answers, False, frozenset())
    )


OPEN: dict[str, Any] = {"phase": "starting", "reason": {"code": "unconfirmed"}}


def test_a_lost_stream_that_is_said_to_wait_without_fault_is_silence() -> None:
    assert len(judge(LOST, phase="waiting")[1]) == 2  # by list and watch


def test_a_start_that_live_accepted_is_open_while_the_next_one_is_announced() -> None:
    assert judge(LOST, **OPEN, next_attempt_at=at(-10)) == ([], [])
    assert judge(LOST, **OPEN, next_attempt_at=at(30)) == ([], [])


@pytest.mark.parametrize("due", [None, at(61)])
def test_a_start_that_live_accepted_is_silence_without_a_next_one(due: str | None) -> None:
    assert len(judge(LOST, **OPEN, next_attempt_at=due)[1]) == 2


def test_a_recording_that_was_known_after_it_had_ended_is_false() -> None:
    assert len(judge(LOST, confirmed_ms_ago=20_000)[0]) == 2
    assert judge(LOST, confirmed_ms_ago=52_000)[0] == []


def test_an_answer_is_judged_as_of_when_it_was_given() -> None:
    """It took 30 s until the last answer was there: when this one was given, the recording had
    ended 20 s before, and it was known for 30 s."""
    assert judge(LOST, took_s=30, confirmed_ms_ago=30_000)[0] == []
    assert len(judge(LOST, took_s=30, confirmed_ms_ago=10_000)[0]) == 2


def test_whether_it_is_live_may_be_unknown_for_a_minute() -> None:
    unknown: dict[str, Any] = {"phase": "waiting", "live": "unknown"}

    assert judge(LOST, took_s=30, **unknown, live_at=at(40)) == ([], [])
    assert len(judge(LOST, **unknown, live_at=at(70))[1]) == 2


def test_what_is_recorded_and_said_to_wait_is_false() -> None:
    assert len(judge(RECORDED, phase="waiting")[0]) == 2


FORGOTTEN: dict[str, Any] = {"phase": "idle", "reason": {"code": "store_emptied"}}


def test_what_the_store_has_forgotten_may_be_recorded_or_not() -> None:
    assert judge(RECORDED, **FORGOTTEN) == ([], [])


def says_lost(cause: str, doctor: str) -> list[str]:
    """Return what is false where every stream is recorded, and two answers say that one is not."""
    health = {**TROUBLED, "not_recorded": {"reason": {"code": cause}}}
    finding = {"code": doctor, "check": "recorded", "severity": "fault"}
    answers = {
        "health": {"document": health, "exit": 0},
        "doctor": {"document": {"findings": [finding]}, "exit": 3},
        "list": {"document": None},
        "watch": {"document": None},
        "why": {},
    }
    truths, streams = {STREAM: RECORDED}, frozenset({STREAM})
    return judged(Moment(60, truths, truths, NOW, streams, answers, False, frozenset()))[0]


def test_who_calls_recorded_streams_lost_says_what_is_false() -> None:
    assert len(says_lost("throttled", "recorded.waits")) == 2
    assert len(says_lost("throttled", "recorded.unshown")) == 1


def test_a_cause_that_says_that_live_contradicts_itself_is_so() -> None:
    assert says_lost("listed_not_found", "recorded.unshown") == []
