"""A stage that only observes: a day of scripted events, and nothing on the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.journey import Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.long]
HOUR = 3600


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """After its day."""
    with stage(tmp_path_factory.mktemp("stage"), LIVE_RECORD_MODE="observe") as running:
        running.live.post("recording", {"domain": "live.example.com", "app": "*", "on_demand": 7})
        _day(running)
        yield running


def _day(here: Stage) -> None:
    """Simulate a day with an hourly reconcile.

    A rule's lesson drops and returns, a person starts and stops a show, nobody records the
    stranger, one stream sends an on-demand callback, and the callback of another is lost.
    """
    on_demand = {"domain": "live.example.com", "app": "app", "stream": "asks", "on_demand": 1}
    here.live.post("recording", on_demand)
    here.ask("show", "start", max_duration="2h")
    here.ask("lost", "start")
    here.live.publish("lesson", app="classroom", wait=True)
    for stream in ("show", "stranger", "asks"):
        here.publish(stream)
    here.publish("lost", callback=False)
    for hour in range(24):
        if hour == 1:
            here.live.unpublish("lesson", app="classroom", wait=True)
        if hour == 2:
            here.live.publish("lesson", app="classroom", wait=True)
            here.ask("lost", "stop", finalize=True)
        here.live.advance(HOUR)
        here.reconcile()


def history_texts(here: Stage, path: str) -> list[str]:
    url = f"{here.stack.fc}/v1/recordings/live.example.com/{path}/history"
    lines = here.call("GET", url).json()["history"]
    return [line["text"] for line in reversed(lines) if line["code"] == "observed"]


def test_nothing_was_sent(here: Stage) -> None:
    sent = [one for one in here.live.calls()["calls"] if one["action"] == "RealTimeRecordCommand"]

    assert sent == []


def test_everything_was_received(here: Stage) -> None:
    statuses = {one["status"] for one in here.live.calls()["callbacks"]}

    assert statuses == {200}


def test_history_says_what_the_rule_would_have_sent(here: Stage) -> None:
    assert history_texts(here, "classroom/lesson")[0].startswith("start would have been sent")
    assert len(history_texts(here, "classroom/lesson")) >= 2


def test_history_says_what_people_would_have_had_sent(here: Stage) -> None:
    assert any(line.startswith("start would have") for line in history_texts(here, "app/show"))
    assert any(line.startswith("stop would have") for line in history_texts(here, "app/lost"))


def test_a_question_of_live_on_demand_is_answered_and_stored_nowhere(here: Stage) -> None:
    assert history_texts(here, "app/asks") == []


def test_a_stream_that_nobody_wants_is_left_alone_as_ever(here: Stage) -> None:
    assert history_texts(here, "app/stranger") == []
