"""The files of a recording over a reconnect, in a real browser: played as one, and their copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.local.stack import TOKEN, running
from emulator.live import Remote
from tests.journeys.test_journey_files import copies_to
from tests.journeys.test_journey_playlist import MERGE_DELAY_S, files, session, writes_m3u8
from tests.support.browser import browsing
from tests.support.journey import Stage
from tests.support.s3_target import s3_target

pytestmark = pytest.mark.prove
SESSIONS = 2


def test_a_recording_over_a_reconnect_plays_as_one_and_shows_its_copies(tmp_path: Path) -> None:
    settings = {"LIVE_RECORD_DELIVER_CREDENTIALS": "archive:key-id:key-secret"}
    with (
        s3_target() as s3,
        running(
            tmp_path / "stage",
            rtmp_port=0,
            settings=settings,
            policy=copies_to(s3, tmp_path / "policy.toml"),
        ) as stack,
        browsing(stack.fc) as browser,
    ):
        stage = Stage(stack, Remote(stack.live))
        writes_m3u8(stage)
        stage.ask("room1", "start")
        for _ in range(SESSIONS):
            session(stage)
        stage.ask("room1", "stop")
        stage.live.advance(MERGE_DELAY_S)
        stage.until(lambda: len(files(stage)) == SESSIONS)
        stage.fire("files")
        with browser.window() as opened:
            opened.sign_in(TOKEN)
            opened.open_stream("live.example.com/app/room1")
            stage.fire("deliver")
            copied = "dialog .files li:nth-child({}) .copy-delivered"
            for number in range(SESSIONS):
                opened.wait_for(copied.format(number + 1))
            opened.page.click("dialog .whole > button")
            opened.wait_for("dialog .whole video")
            time = "document.querySelector('.whole video').currentTime"
            opened.until(lambda: opened.page.evaluate(time) > 0)
            length_s = opened.page.evaluate("document.querySelector('.whole video').duration")
            assert length_s > max(file["duration"] for file in files(stage))
            assert opened.violations() == []
            assert opened.errors == []
