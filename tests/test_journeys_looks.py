"""What the online list heals: callbacks that were lost, and ends that were none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journey import Stage, stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


def test_a_publish_whose_callback_was_lost_is_learnt_from_the_list(here: Stage) -> None:
    here.ask("unheard", "start")
    here.publish("unheard", callback=False)
    here.reconcile()

    assert here.records("unheard")
    assert "seen_online" in here.history("unheard")


def test_an_end_whose_callback_was_lost_is_learnt_from_two_looks_more(here: Stage) -> None:
    here.publish("gone")
    here.ask("gone", "start")
    here.unpublish("gone", callback=False)
    for seconds in (0, 5, 10):
        here.live.advance(seconds)
        here.reconcile()

    assert here.status("gone")["phase"] == "waiting"
    assert "went_off" in here.history("gone")


def test_a_false_end_is_undone_and_the_start_said_once_more(here: Stage) -> None:
    here.publish("alive")
    here.ask("alive", "start")
    here.forge_end("alive")
    here.live.advance(5)
    here.reconcile()

    assert here.status("alive")["session"]["standing"] == "live"
    assert here.sent("alive")[:2] == ["start", "start"]
    assert here.records("alive")
