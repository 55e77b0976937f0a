"""A problem is answered in the language that the request prefers, whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.protocol import Command
from shared.protocol.command_errors import (
    LiveError,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
)
from tests.conftest import Clock
from tests.support.chinese import english_words
from tests.support.scripted_stage import ROOM, Stage

AUTHORITY = "/v1/recordings/live.example.com"


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


def texts_of(problem: dict[str, Any]) -> list[str]:
    shown = [problem["title"], problem["detail"], problem.get("hint", "")]
    return [*shown, *(error.get("detail", "") for error in problem.get("errors", ()))]


FIELDS = {"body", "colour", "deliver", "for", "note", "nots", "notify", "stream", "webhook"}
"""Names that the requests or the answers have."""
REQUESTS: list[tuple[str, str, object]] = [
    ("GET", "/v1/nothing", None),
    ("DELETE", ROOM, None),
    ("GET", "/v1/recordings/elsewhere.acme.cn/app/room1", None),
    ("GET", f"{AUTHORITY}/*/room1", None),
    ("GET", f"{AUTHORITY}/app/{'x' * 600}", None),
    ("POST", f"{ROOM}/start", {"max_duration": 4}),
    ("POST", f"{ROOM}/start", {"max_duration": "soon", "until": "later", "note": 1, "nots": 2}),
    ("POST", f"{ROOM}/start", {"max_duration": "24h"}),
    ("POST", f"{ROOM}/start", {"max_duration": "5s"}),
    ("POST", f"{ROOM}/start", {"until": "2020-01-01T00:00:00Z"}),
    ("POST", f"{ROOM}/start", {"until": "2030-01-01T00:00:00Z", "max_duration": "1h"}),
    ("POST", f"{ROOM}/start", {"until": "2025-13-01T00:00:00Z", "note": "two\nlines"}),
    ("POST", f"{ROOM}/start", {"max_duration": "0m"}),
    ("POST", f"{ROOM}/start", {"max_duration": "9999d"}),
    ("POST", f"{ROOM}/start", {"if_not_live": "perhaps"}),
    ("POST", f"{ROOM}/stop", {"finalize": 1, "hold": "1000h"}),
    ("POST", f"{ROOM}/extend", {}),
    ("POST", f"{ROOM}/extend", {"max_duration": "1h"}),
    ("POST", f"{ROOM}/restart", {}),
    ("POST", "/v1/policy/apply", {"policy": {"rule": 1, "mode": "x"}, "replaces": 0}),
    ("POST", "/v1/policy/apply", {"policy": {"colour": 1}, "replaces": 0}),
    ("POST", "/v1/policy/apply", {"policy": {"domain": []}, "replaces": -1}),
    ("POST", "/v1/policy/suspend", {"for": "8d", "note": 5}),
    ("POST", "/v1/store/accept", {"replaces": 5}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_refusal_is_chinese_to_its_last_word(
    stage: Stage, method: str, path: str, body: object
) -> None:
    got = stage.ask(method, path, body, Accept_Language="zh-CN,zh;q=0.9")

    assert got.status >= 400
    assert {word for text in texts_of(got.json) for word in english_words(text)} <= FIELDS


def test_a_missing_token_is_chinese_too(stage: Stage) -> None:
    for token in ("", "wrong", "eye-token"):
        got = stage.ask("POST", f"{ROOM}/stop", {}, token=token, Accept_Language="zh")
        assert [word for text in texts_of(got.json) for word in english_words(text)] in (
            [],
            ["eye"],
        )


@pytest.mark.parametrize("kind", [StreamNotLive, NoRecordConfig, OperatorActionNeeded])
def test_what_live_refused_is_chinese_too(stage: Stage, kind: type[LiveError]) -> None:
    stage.live.answers(Command.START, *[kind("x")] * 9)
    got = stage.ask("POST", f"{ROOM}/start", {"if_not_live": "fail"}, Accept_Language="zh")

    assert got.status >= 400
    assert {word for text in texts_of(got.json) for word in english_words(text)} == set()


def test_without_a_preference_a_problem_is_english(stage: Stage) -> None:
    got = stage.ask("POST", f"{ROOM}/start", {"max_duration": 4})

    assert got.json["errors"][0]["detail"] == "write a unit: `4s`, `4m` or `4h`"


def test_two_faults_are_joined_by_one_mark(stage: Stage) -> None:
    body = {"until": "later", "max_duration": "soon"}
    got = stage.ask("POST", f"{ROOM}/start", body)

    assert got.json["detail"] == (
        "until: send either `until` or `max_duration`, not both;"
        ' max_duration: write a duration like "4h", "90m" or "12h30m";'
        " until: write the time as RFC 3339, like `2026-01-02T03:04:05Z`"
    )
    chinese = stage.ask("POST", f"{ROOM}/start", body, Accept_Language="zh").json["detail"]
    assert "。；" not in chinese


def test_a_note_of_two_lines_is_not_called_too_long(stage: Stage) -> None:
    got = stage.ask("POST", f"{ROOM}/start", {"note": "two\nlines"})

    assert got.json["errors"][0]["detail"] == "write one line of printable characters"


@pytest.mark.parametrize("text", [": write one of ", ": ", "; ", " does not accept ", "is not ; "])
def test_a_request_that_looks_like_many_texts_is_answered(stage: Stage, text: str) -> None:
    """Once 500 bytes of a path, without a token, kept a function at work until its time was up."""
    got = stage.ask("GET", f"/v1/{text * 400}", Accept_Language="zh")

    assert got.status == 404
    assert "不存在" in got.json["detail"]
