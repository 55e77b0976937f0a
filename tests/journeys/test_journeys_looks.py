"""What the online list heals: callbacks that were lost, and ends that were none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.journey import Stage, stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


def recorded(here: Stage, stream: str) -> None:
    """Return once Live's report has arrived: without one a start would be sent again."""
    here.publish(stream)
    here.record(stream)
    here.until(lambda: here.status(stream)["confirmed"] is True)


def test_a_publish_whose_callback_was_lost_is_learnt_from_the_list(here: Stage) -> None:
    here.ask("unheard", "start")
    here.until_phase("unheard", "waiting")
    here.publish("unheard", callback=False)
    here.reconcile()

    here.until(lambda: here.records("unheard"))
    assert "seen_online" in here.history("unheard")


def test_an_end_whose_callback_was_lost_is_learnt_from_two_looks_more(here: Stage) -> None:
    recorded(here, "gone")
    here.unpublish("gone", callback=False)
    for seconds in (0, 5, 10):
        here.live.advance(seconds)
        here.reconcile()

    here.until_told("gone", "went_off")
    assert here.status("gone")["phase"] == "waiting"


def test_a_false_end_is_undone_and_the_start_said_once_more(here: Stage) -> None:
    recorded(here, "alive")
    here.forge_end("alive")
    here.live.advance(5)
    here.reconcile()

    here.until(lambda: here.status("alive")["session"]["state"] == "live")
    here.until(lambda: here.sent("alive")[:2] == ["start", "start"])
    assert here.records("alive")


def test_where_every_callback_is_lost_what_became_of_the_recording_is_read_back(
    here: Stage,
) -> None:
    here.live.detour("drop", event="*", stream="deaf", times=99)
    here.ask("deaf", "start")
    here.publish("deaf")
    here.reconcile()
    here.live.advance(60)
    here.reconcile()
    here.until(lambda: here.status("deaf")["confirmed"] is True)

    here.live.record_error("deaf", code="AccessDenied", message="denied")
    here.live.advance(60)
    here.reconcile()
    here.until(lambda: "record_error" in here.history("deaf"))
    here.until(lambda: here.records("deaf"))


def test_a_file_that_no_callback_told_of_is_read_back_and_told_once(here: Stage) -> None:
    here.live.detour("drop", event="file", stream="unfiled", times=9)
    recorded(here, "unfiled")
    here.live.advance(30)
    here.ask("unfiled", "stop", finalize=True)
    here.until(lambda: len(here.live.state("unfiled")["files"]) == 1)
    for _ in range(2):
        here.live.advance(60)
        here.reconcile()
        here.until_told("unfiled", "file")

    files = here.call("GET", here.url("unfiled", "/files")).json()["files"]
    assert [one["uri"] for one in files] == [
        one["uri"] for one in here.live.state("unfiled")["files"]
    ]
    assert here.history("unfiled").count("file") == 1


def test_an_end_that_live_could_not_tell_of_is_looked_into_once_and_splits_no_file(
    here: Stage,
) -> None:
    """A refused second publisher's publish_done, which is read back while the stream is live."""
    recorded(here, "twofold")
    here.live.detour("drop", event="publish_done", stream="twofold")
    here.live.switch_publisher("twofold", wait=True)
    for seconds in (0, 60):
        here.live.advance(seconds)
        here.reconcile()

    here.until_sent("twofold", "start", "start")
    assert here.history("twofold").count("unpublished") == 1
    here.live.advance(15)
    here.reconcile()
    assert here.sent("twofold") == ["start", "start"]
    assert here.records("twofold")
    assert here.status("twofold")["confirmed"] is True
