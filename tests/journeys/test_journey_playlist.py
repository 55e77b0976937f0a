"""Three sessions with two interruptions, played as one recording by a foreign player."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cli.local.encoder import Encoder
from cli.local.stack import running
from emulator.live import Remote
from tests.support.journey import Stage
from tests.support.pushed_recording import decode

pytestmark = pytest.mark.slow
FILMED_MS = 2_500
UNRECORDED_S = 20
SLICE_MS = 5_000
MERGE_DELAY_S = 181


def test_three_sessions_play_through_as_one(tmp_path: Path) -> None:
    """During the second one Live refuses the start for a while: that is in no file."""
    with running(tmp_path, rtmp_port=0) as stack:
        stage = Stage(stack, Remote(stack.live))
        writes_m3u8(stage)
        stage.ask("room1", "start")
        session(stage)
        session(stage, unrecorded=True)
        session(stage)
        stage.ask("room1", "stop")
        stage.live.advance(MERGE_DELAY_S)
        stage.until(lambda: len(kept(stage)) == 3)
        stage.until(lambda: len(files(stage)) == 3)

        text = fetched(stage)
        frames = [decode(file["path"]).frames for file in kept(stage)]
        assert min(frames) > 0
        assert played_frames(text, tmp_path) == sum(frames)
        gaps = stage.call("GET", stage.url("room1", "/coverage")).json()["gaps"]
        assert abs(gap_ms(text) - sum(gap["ms"] for gap in gaps)) <= SLICE_MS
        assert gap_ms(text) >= (UNRECORDED_S - 5) * 1_000

        third = max(files(stage), key=lambda file: str(file["start"]))
        part = fetched(stage, f"?from={third['start']}")
        assert played_frames(part, tmp_path) == frames[-1]
        assert abs(begins(part) - at(third["start"])) <= SLICE_MS


def writes_m3u8(stage: Stage) -> None:
    stage.live.switch(start_after_interruption_within_delay="new_file")
    rule = {"domain": "live.example.com", "app": "app", "on_demand": 7, "formats": ["m3u8"]}
    stage.live.post("recording", rule)


def session(stage: Stage, *, unrecorded: bool = False) -> None:
    before = len(stage.sent("room1"))
    if unrecorded:
        stage.live.fail(command="start", code="Throttling.User", times=1_000)
    with Encoder(f"{stage.stack.rtmp}/app/room1?vhost=push.example.com") as encoder:
        assert encoder.refusal == ""
        if unrecorded:
            stage.until(lambda: len(stage.sent("room1")) > before)
            stage.live.advance(UNRECORDED_S)
            stage.live.ask("DELETE", "fail", b"")
            stage.reconcile()
        stage.until(lambda: stage.records("room1"))
        stage.until(lambda: filmed_ms(stage) > FILMED_MS)
        encoder.cut()
    stage.until(lambda: not stage.live.state("room1")["live"])


def filmed_ms(stage: Stage) -> int:
    return int((stage.live.state("room1")["recording"] or {}).get("filmed_ms", 0))


def kept(stage: Stage) -> list[dict[str, str]]:
    return list(stage.live.state("room1")["kept"])


def files(stage: Stage) -> list[dict[str, str]]:
    return list(stage.call("GET", stage.url("room1", "/files")).json()["files"])


def fetched(stage: Stage, query: str = "") -> str:
    """Return the playlist by the address of the recording, which leads to it."""
    answer = stage.call("GET", stage.url("room1", f"/playlist.m3u8{query}"))
    assert answer.status_code == 200, answer.text
    return answer.text


def played_frames(text: str, folder: Path) -> int:
    path = folder / "playlist.m3u8"
    path.write_text(text)
    return decode(path, "-protocol_whitelist", "file,http,tcp").frames


def gap_ms(text: str) -> float:
    lines = text.splitlines()
    lengths = [lines[n + 1] for n, line in enumerate(lines) if line == "#EXT-X-GAP"]
    return sum(float(line.removeprefix("#EXTINF:").rstrip(",")) * 1000 for line in lengths)


def begins(text: str) -> int:
    name = "#EXT-X-PROGRAM-DATE-TIME:"
    return at(next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name))


def at(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
