"""What a user lives through, over the real HTTP edge: callbacks and asks in, commands out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from shared.inbound.live_callbacks import sign
from tests.support.journey import Stage, stage

pytestmark = pytest.mark.slow
PATH = "dev-path"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


def test_a_stream_asked_for_is_started_by_its_callback_itself(here: Stage) -> None:
    """Before the callback is answered; where the machine stands still, one may miss its slot."""
    assert any(_is_started_at_once(here, f"asked{number}") for number in range(3))


def _is_started_at_once(here: Stage, stream: str) -> bool:
    """Return whether the start was sent before the callback was answered; wait until it records."""
    assert here.ask(stream, "start").status_code == 202
    here.until_phase(stream, "waiting")

    before = len(here.sent(stream))
    here.publish(stream)
    is_started = len(here.sent(stream)) > before
    here.until_phase(stream, "recording")
    assert here.records(stream)
    return is_started


def test_an_interrupted_recording_is_started_again_when_the_stream_returns(here: Stage) -> None:
    here.publish("cut")
    here.record("cut")
    here.until_told("cut", "confirmed")
    here.unpublish("cut")
    assert not here.records("cut")

    here.publish("cut", time=int(time.time()) + 5)
    here.until(lambda: here.records("cut"))
    assert here.sent("cut") == ["start", "start"]


def test_a_stopped_stream_stays_stopped_when_the_encoder_blips(here: Stage) -> None:
    here.publish("blip")
    here.record("blip")
    here.until_told("blip", "confirmed")
    assert here.ask("blip", "stop").json()["outcome"] == "accepted"
    here.unpublish("blip")
    here.publish("blip", time=int(time.time()) + 5)

    assert here.sent("blip") == ["start", "stop"]
    assert here.status("blip")["reason"]["code"] == "held"


def test_a_callback_that_comes_twice_sends_nothing_twice(here: Stage) -> None:
    here.ask("twice", "start")
    here.until_phase("twice", "waiting")
    here.live.detour("duplicate", event="publish", stream="twice")
    here.publish("twice")
    here.until(lambda: "published_twice" in here.history("twice") and here.records("twice"))

    assert here.sent("twice") == ["start", "start"]
    duplicates = here.live.calls()["duplicates"]
    assert not [call for call in duplicates if call["stream"] == "twice"]


def test_a_throttled_start_is_sent_again(here: Stage) -> None:
    here.publish("throttled")
    here.live.fail(code="Throttling.User", status=400, stream="throttled", times=2)
    here.ask("throttled", "start")
    here.until(lambda: here.records("throttled"))

    assert here.sent("throttled") == ["start"] * 3


def test_a_start_that_live_does_not_know_yet_is_repeated(here: Stage) -> None:
    here.ask("slow", "start")
    here.until_phase("slow", "waiting")
    here.live.switch(stream_visible_after_publish_ms=60_000)
    here.publish("slow")
    here.until_told("slow", "not_live_yet")
    here.live.switch(stream_visible_after_publish_ms=0)

    here.until(lambda: here.records("slow"))


def test_a_start_whose_answer_is_lost_is_in_doubt_and_said_again(here: Stage) -> None:
    here.publish("lost")
    here.live.fail(transport="reset_after_acting", stream="lost", times=1)
    here.ask("lost", "start")
    here.until_phase("lost", "recording")

    assert here.sent("lost") == ["start", "start"]
    assert "in_doubt" in here.history("lost")


def test_a_rejected_start_says_what_to_mend(here: Stage) -> None:
    answer = here.call("POST", here.url("room").replace("/app/", "/unconfigured/") + "/start")
    assert (answer.status_code, answer.json()["code"]) == (400, "CodeConfigNotFound")

    body = here.call("GET", here.url("room").replace("/app/", "/unconfigured/")).json()
    assert (body["phase"], body["reason"]["code"]) == ("failed", "no_record_config")


def test_a_rule_that_says_record_needs_nobody_to_ask(here: Stage) -> None:
    here.live.post("recording", {"domain": "live.example.com", "app": "classroom", "on_demand": 7})
    here.live.publish("lesson", app="classroom", wait=True)

    here.until(lambda: here.sent("lesson") == ["start"])


def test_a_recording_ends_when_its_time_is_over(here: Stage) -> None:
    here.publish("timed")
    here.record("timed", max_duration="2h")
    here.until_phase("timed", "recording")
    here.live.advance(2 * 3600)
    here.reconcile()

    here.until_sent("timed", "start", "stop")
    here.until(lambda: not here.records("timed"))


def test_the_queue_is_drained_by_a_reconcile_that_was_woken(here: Stage) -> None:
    for number in range(20):
        here.ask(f"many{number}", "start")
    for number in range(20):
        here.live.publish(f"many{number}")
    here.until(lambda: all(here.records(f"many{number}") for number in range(20)))

    assert here.live.calls()["counters"]["peak_per_second"] <= 51


# --- who is let in ------------------------------------------------------------------------------


def callback(here: Stage, *, key: str, age: int = 0, token: str = PATH) -> requests.Response:
    now = str(int(time.time()) + int(here.live.get("clock")["offset_ms"]) // 1000 - age)
    query = {"action": "publish", "app": "push.example.com", "appname": "app", "id": "forged"}
    headers = {
        "ALI-LIVE-TIMESTAMP": now,
        "ALI-LIVE-SIGNATURE": sign("push.example.com", now, key),
    }
    url = f"{here.stack.fc}/callbacks/stream/{token}"
    return requests.get(url, params={**query, "time": now}, headers=headers, timeout=60)


def test_a_genuine_callback_is_stored(here: Stage) -> None:
    assert callback(here, key="dev-stream-key-0000").status_code == 200


@pytest.mark.parametrize(
    ("key", "age", "token"),
    [
        ("another-key-000000", 0, "dev-path"),
        ("dev-stream-key-0000", 310, "dev-path"),
        ("dev-stream-key-0000", -310, "dev-path"),  # and it gets there as much later
        ("dev-stream-key-0000", 0, "another-path"),
    ],
    ids=["wrong key", "too old", "from the future", "wrong path token"],
)
def test_a_callback_that_is_not_proved_changes_nothing(
    here: Stage, key: str, age: int, token: str
) -> None:
    before = here.history("forged")
    answer = callback(here, key=key, age=age, token=token)

    assert (answer.status_code, answer.json()["code"]) == (401, "UnverifiedCallback")
    assert here.history("forged") == before


def test_an_unsigned_wake_is_refused(here: Stage) -> None:
    url = f"{here.stack.fc}/_fc/http/reconcile/"

    assert requests.post(url, timeout=60).status_code == 401


def test_health_needs_no_token(here: Stage) -> None:
    health = requests.get(f"{here.stack.fc}/v1/health", timeout=60).json()

    assert (health["ready"], health["store"]) == (True, "ok")
