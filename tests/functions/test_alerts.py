"""GET /v1/alerts: what is wrong, who takes care of it, and what the robots answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions import record_command
from shared.protocol import Published, Reported
from tests.conftest import KEY, Clock
from tests.functions.test_telling_people import OPS, lose, of
from tests.support.alerting import AlertingStage, alerting
from tests.support.callback_stage import Got

TOKENS = "ops:read+control:ops-token,eye:read:eye-token,brand:read+control@a/b/*:brand-token"
REPEATED = OPS + 'repeat = "5m"\n'


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[AlertingStage]:
    with alerting(tmp_path, clock, REPEATED, LIVE_RECORD_API_TOKENS=TOKENS) as stage:
        stage.minute()
        yield stage


def ask(
    stage: AlertingStage,
    method: str,
    path: str,
    token: str = "ops-token",  # noqa: S107 - made up
    body: str = "",
    **query: str,
) -> Got:
    headers = {"Authorization": f"Bearer {token}"}
    return stage.call(record_command, method, path, query=query, headers=headers, body=body)


def listed(stage: AlertingStage, **query: str) -> Any:  # noqa: ANN401 - JSON
    got = ask(stage, "GET", "/v1/alerts", "eye-token", **query)
    assert got.status == 200, got.json
    return got.json


def test_a_stage_that_nobody_evaluated_has_none(stage: AlertingStage) -> None:
    assert listed(stage) == {
        "alerts": [],
        "beyond": {},
        "evaluated_ms_ago": None,
        "sinks": [{"name": "ops", "asked_at": None, "is_taken": None, "answer": None}],
    }


def test_each_says_what_is_wrong_and_since_when(stage: AlertingStage) -> None:
    lose(stage)
    stage.minutes(1)
    answer = listed(stage)
    alert, late = answer["alerts"]
    assert late["condition"] == "queue_late"
    assert alert["text"].startswith("Live throttled start")
    assert {name: alert[name] for name in ("condition", "severity", "subject", "messages")} == {
        "condition": "not_recorded",
        "severity": "critical",
        "subject": str(KEY),
        "messages": 1,
    }
    assert answer["evaluated_ms_ago"] == 0
    assert answer["sinks"][0]["answer"] == "0 ok"


def test_one_that_somebody_takes_over_is_not_repeated_and_its_end_is_sent(
    stage: AlertingStage,
) -> None:
    lose(stage)
    stage.listing.up = {KEY: stage.clock.now}
    stage.minutes(1)
    alert = listed(stage)["alerts"][0]
    got = ask(stage, "POST", f"/v1/alerts/{alert['id']}/ack")
    assert (got.status, got.json["acknowledged_by"]) == (200, "ops")
    stage.minute()
    for _ in range(7):
        stage.minutes(1)
        stage.minute()
    not_recorded = [text for text in of(stage) if "not recorded" in text]
    assert not_recorded == ["CRITICAL: streams that are live and not recorded: 1"]
    stage.live.script.clear()
    stage.minutes(1)
    stage.minute()
    stage.happens(Reported("record_started", recording=True, time=stage.clock.now))
    stage.minutes(1)
    assert "resolved: streams that are live and not recorded: 1" in "\n".join(stage.dingtalk.texts)
    ended = listed(stage, state="resolved")["alerts"]
    assert [row["acknowledged_by"] for row in ended if row["subject"] == str(KEY)] == ["ops"]
    assert ask(stage, "POST", f"/v1/alerts/{alert['id']}/ack").status == 404


def test_only_a_condition_of_streams_is_counted(stage: AlertingStage) -> None:
    lose(stage)
    stage.listing.up = {KEY: stage.clock.now}
    for _ in range(8):
        stage.minutes(1)
    stage.live.script.clear()
    stage.minutes(1)
    stage.minute()
    stage.happens(Reported("record_started", recording=True, time=stage.clock.now))
    stage.minutes(1)
    assert heads(stage, "still", "resolved") == {
        "still CRITICAL: streams that are live and not recorded: 1",
        "still WARNING: commands are late",
        "still CRITICAL: a timer is silent",
        "resolved: streams that are live and not recorded: 1",
        "resolved: commands are late",
        "resolved: a timer is silent",
    }


def heads(stage: AlertingStage, *kinds: str) -> set[str]:
    lines = "\n".join(stage.dingtalk.texts).split("\n")
    return {line for line in lines if line.startswith(kinds)}


def test_whoever_takes_an_alert_over_may_leave_a_note(stage: AlertingStage) -> None:
    lose(stage)
    stage.minutes(1)
    first, second = listed(stage)["alerts"]
    path = f"/v1/alerts/{first['id']}/ack"
    assert (first["note"], second["note"]) == ("", "")

    assert ask(stage, "POST", path, body='{"note": "ann: the \\ud800"}').status == 400
    assert ask(stage, "POST", path, body='{"note": "ann: cable is on its way"}').status == 200
    assert ask(stage, "POST", path, body='{"note": "me, too"}').json["note"] == (
        "ann: cable is on its way"
    ), "it stays with whoever took it over first"
    assert [row["note"] for row in listed(stage)["alerts"]] == ["ann: cable is on its way", ""]


def test_acknowledging_and_testing_take_control_and_no_bound_token_sees_alerts(
    stage: AlertingStage,
) -> None:
    for path in ("/v1/alerts/5e2bf6e0/ack", "/v1/alerts/test"):
        assert ask(stage, "POST", path, "eye-token").status == 403
    assert ask(stage, "GET", "/v1/alerts", "brand-token").status == 403
    assert ask(stage, "POST", "/v1/alerts/5e2bf6e0/ack").status == 404


def test_a_test_message_reaches_each_robot_and_its_answer_is_shown(stage: AlertingStage) -> None:
    got = ask(stage, "POST", "/v1/alerts/test")
    assert (got.status, got.json["sinks"]) == (200, ["ops"])
    stage.tell()
    assert of(stage) == ["this is a test message; nothing is wrong"]
    (sink,) = listed(stage)["sinks"]
    assert (sink["is_taken"], sink["answer"]) == (True, "0 ok")
    assert sink["asked_at"] >= got.json["asked_at"]


def test_a_test_that_a_robot_refuses_is_no_dead_letter(stage: AlertingStage) -> None:
    stage.dingtalk.secret = "changed"
    ask(stage, "POST", "/v1/alerts/test")
    stage.tell()
    (sink,) = listed(stage)["sinks"]
    assert (sink["is_taken"], sink["answer"]) == (False, "310000 sign not match")
    assert (stage.store.outbox().open, stage.store.outbox().dead) == (0, 0)


def test_without_a_rule_nobody_can_be_tested(tmp_path: Path, clock: Clock) -> None:
    with alerting(tmp_path, clock, "", LIVE_RECORD_API_TOKENS=TOKENS) as stage:
        assert ask(stage, "POST", "/v1/alerts/test").status == 400


def test_it_speaks_the_language_of_the_request(stage: AlertingStage) -> None:
    lose(stage)
    stage.minutes(1)
    headers = {"Authorization": "Bearer eye-token", "Accept-Language": "zh"}
    got = stage.call(record_command, "GET", "/v1/alerts", headers=headers)
    assert got.json["alerts"][0]["name"] == "正在直播但没有录制的流"


def test_a_book_of_a_later_release_is_begun_anew(stage: AlertingStage) -> None:
    stage.store.put_alerts(json.dumps({"alerts": 7}), replaces=0)
    stage.happens(Published(stage.clock.now))
    stage.minutes(1)
    assert listed(stage)["evaluated_ms_ago"] == 0
    assert stage.logged("alerts.unreadable")


def test_the_overview_counts_the_open_ones_and_those_that_nobody_took_over(
    stage: AlertingStage,
) -> None:
    def counted(token: str = "ops-token") -> Any:  # noqa: ANN401, S107 - JSON; made up
        return ask(stage, "GET", "/v1/overview", token).json["alerts"]

    assert counted() == {"open": 0, "unacknowledged": 0}
    lose(stage)
    stage.minutes(1)
    assert counted() == {"open": 2, "unacknowledged": 2}
    ask(stage, "POST", f"/v1/alerts/{listed(stage)['alerts'][0]['id']}/ack")
    assert counted() == {"open": 2, "unacknowledged": 1}
    assert counted("brand-token") is None
