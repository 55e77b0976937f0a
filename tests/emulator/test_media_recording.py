"""What is pushed is recorded exactly while RealTimeRecordCommand says so, and it plays."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
import requests

from cli.local.encoder import Encoder, clip
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Ingest
from emulator.media.flv import AUDIO, VIDEO, read
from tests.emulator.test_emulator_live_configs import APP, BUCKET, Api
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk
from tests.emulator.test_media_flv import files_no_larger_than
from tests.support.pushed_recording import Decoded, decode, ffmpeg, until
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

QUICK = Ingest(publish_delay_ms=0)
PICTURE_MS = 1000 / 15
"""of the clip that an Encoder sends."""
Kept = dict[str, Any]


class Studio:
    """One stream that is pushed, and someone who records it."""

    def __init__(self, live: LiveInThread, buckets: Path) -> None:
        self.control, self.buckets = Remote(live.address), buckets
        self.control.notify(stream_url="", record_url="")
        self.sdk, self.address = PresentSdk(live.address), live.address
        self.url = f"{live.rtmp}/app/room"

    def record(self, *commands: str) -> None:
        assert [self.sdk.record(command) for command in commands] == [OK] * len(commands)

    @property
    def state(self) -> dict[str, Any]:
        return self.control.state("room")

    @property
    def kept(self) -> list[Kept]:
        return list(self.state["kept"])

    @property
    def now(self) -> int:
        return int(self.control.get("clock")["now_ms"])

    def films(self, frames: int = 6) -> None:
        """Wait until about so many more frames are written."""
        draft = Path(self.state["recording"]["draft"])
        until(draft.exists, "the first frame")
        size = draft.stat().st_size
        until(lambda: draft.stat().st_size > size + frames * 200, "more frames")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    account = replace(load_account(), ingest=QUICK)
    with LiveInThread(account, buckets=tmp_path / "buckets") as live:
        yield Studio(live, tmp_path / "buckets")


def plays(path: str | Path) -> bool:
    """Return True if a foreign decoder reads every frame without an error, at least one."""
    decoded = decode(path)
    return decoded == Decoded(decoded.frames, "") and decoded.frames > 0


def sent(path: str, kind: int) -> list[bytes]:
    """Return the payloads of the file's frames of one kind, as the encoder sent them."""
    with Path(path).open("rb") as file:
        return [tag.payload for tag in read(file) if tag.kind == kind and tag.is_frame]


def assert_one_goes_on_where_the_other_ends(first: Kept, second: Kept) -> None:
    """By what the encoder says again and again: no clock tells how busy the machine was."""
    for kept in (first, second):
        assert plays(kept["path"])
        assert_as_long_as_its_pictures(kept)
    assert first["ended_ms"] <= second["began_ms"]
    for kind in (VIDEO, AUDIO):
        payloads = [tag.payload for tag in clip() if tag.kind == kind and tag.is_frame]
        both = [*sent(first["path"], kind), *sent(second["path"], kind)]
        begins = (islice(cycle(payloads), at, at + len(both)) for at in range(len(payloads)))
        assert both in map(list, begins)


def assert_as_long_as_its_pictures(kept: Kept) -> None:
    assert abs(kept["duration_ms"] - len(sent(kept["path"], VIDEO)) * PICTURE_MS) < 100


def test_a_recording_is_an_object_named_as_configured_told_with_its_true_length(
    studio: Studio,
) -> None:
    with receiving() as receiver, Encoder(studio.url):
        studio.control.notify(record_url=receiver.address)
        before = studio.now
        studio.record("start")
        studio.films()
        studio.record("stop", "cancel_delay")
        assert before <= studio.kept[0]["began_ms"] < studio.kept[0]["ended_ms"] <= studio.now
        until(lambda: "file" in receiver.events(), "the file's callback")
    (body,) = [callback.body for callback in receiver.arrived if callback.event == "file"]
    (kept,) = studio.kept
    assert kept["path"] == f"{studio.buckets}/dev-bucket/{body['uri']}"
    assert body["uri"].startswith("record/app/room/")
    assert body["duration"] * 1000 == kept["duration_ms"]
    assert body["start_time"] == kept["began_ms"] // 1000
    assert_as_long_as_its_pictures(kept)
    assert plays(kept["path"])


def test_nothing_is_written_before_the_start_and_after_the_stop(studio: Studio) -> None:
    with Encoder(studio.url):
        time.sleep(0.3)
        assert not studio.buckets.exists()
        studio.record("start")
        studio.films()
        studio.record("stop")
        draft = Path(studio.state["recording"]["draft"])
        size = draft.stat().st_size
        time.sleep(0.3)
        assert draft.stat().st_size == size


def test_a_stop_leaves_its_object_after_the_merge_delay(studio: Studio) -> None:
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.record("stop")
        assert studio.kept == []
        studio.control.advance(181)
    assert [plays(file["path"]) for file in studio.kept] == [True]


def test_a_restart_cuts_at_a_key_frame_and_loses_none(studio: Studio) -> None:
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.record("restart")
        studio.films()
        studio.record("stop", "cancel_delay")
    assert_one_goes_on_where_the_other_ends(*studio.kept)


def test_a_long_recording_leaves_a_file_every_cycle_and_loses_no_frame(studio: Studio) -> None:
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.control.advance(3_600)
        studio.films()
        studio.record("stop", "cancel_delay")
    assert_one_goes_on_where_the_other_ends(*studio.kept)


@pytest.mark.parametrize("merges", [True, False], ids=["resumes", "new_file"])
def test_an_interruption_is_merged_or_begins_a_new_file(studio: Studio, *, merges: bool) -> None:
    restart_as = "resumes" if merges else "new_file"
    studio.control.switch(start_after_interruption_within_delay=restart_as)
    with Encoder(studio.url) as first:
        studio.record("start")
        studio.films()
        first.cut()
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.record("stop", "cancel_delay")
    assert [plays(file["path"]) for file in studio.kept] == [True] * (1 if merges else 2)


def test_a_killed_publisher_leaves_a_whole_file_as_soon_as_live_shows_it(studio: Studio) -> None:
    with Encoder(studio.url) as publisher:
        studio.record("start")
        studio.films()
        publisher.cut()
        until(lambda: studio.state["recording"]["state"] == "paused", "the interruption")
        file = Path(studio.state["recording"]["draft"]).read_bytes()
    copy = studio.buckets / "copy.flv"
    copy.write_bytes(file)
    assert plays(copy)


def test_the_object_is_served_and_ranges_of_it_too(studio: Studio) -> None:
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.record("stop", "cancel_delay")
    (kept,) = studio.kept
    url = f"{studio.address}/{kept['bucket']}/{kept['uri']}"
    whole, part = (
        requests.get(url, timeout=60),
        requests.get(url, headers={"Range": "bytes=0-3"}, timeout=60),
    )
    assert whole.content == Path(kept["path"]).read_bytes()
    assert (part.status_code, part.content) == (206, b"FLV\1")
    assert requests.get(url + "x", timeout=60).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["dev-bucket/%2e%2e/%2e%2e/secret", "dev-bucket/..%2f..%2fsecret", ".drafts/1.flv", "b/x"],
)
def test_nothing_outside_a_bucket_is_served(studio: Studio, path: str) -> None:
    studio.buckets.mkdir()
    (studio.buckets.parent / "secret").write_text("hush")
    request = requests.Request("GET", studio.address).prepare()
    request.url = f"{studio.address}/{path}"
    with requests.Session() as session:
        assert session.send(request, timeout=60).status_code in (400, 404)


def test_names_that_lead_out_of_the_bucket_are_not_written(studio: Studio, tmp_path: Path) -> None:
    name = {"Format": "flv", "OssObjectPrefix": "../../out/{StartTime}{EndTime}"}
    params = {**APP, **BUCKET, "OnDemand": 7, "StreamName": "room", "RecordFormat": [name]}
    Api(studio.address)("AddLiveAppRecordConfig", **params)
    with receiving() as receiver, Encoder(studio.url):
        studio.control.notify(record_url=receiver.address, need_status=False)
        studio.record("start")
        studio.films()
        studio.record("stop", "cancel_delay")
        assert receiver.take(1)[0].body["error_info"]["code"] == "AccessDenied"
    assert [path.name for path in tmp_path.iterdir()] == ["buckets"]
    assert [path.name for path in studio.buckets.iterdir()] == [".drafts"]


def test_a_full_disk_ends_that_publisher_with_the_reason_and_no_other(studio: Studio) -> None:
    with Encoder(studio.url.replace("room", "other")) as other, Encoder(studio.url) as publisher:
        with files_no_larger_than(20_000):
            studio.record("start")
            until(lambda: publisher.refusal != "", "the end")
        assert studio.control.state("other")["live"]
        assert not studio.state["live"]
        assert studio.state["recording"] is None
    assert other.refusal == ""
    ended = requests.get(f"{studio.address}/_control/publishers", timeout=60).json()["ended"]
    assert "the recording could not be written: File too large" in [
        path["reason"] for path in ended
    ]


def test_a_reset_leaves_nothing_behind(studio: Studio) -> None:
    with Encoder(studio.url):
        studio.record("start")
        studio.films()
        studio.control.reset()
    assert [path for path in studio.buckets.rglob("*") if path.is_file()] == []


def test_ffmpeg_pushes_and_its_file_is_read_whole(studio: Studio) -> None:
    source = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-c:a", "aac", "-f", "flv"]
    command = [ffmpeg(), "-nostdin", "-v", "error", "-re", *source, *coded, studio.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as pusher:
        until(lambda: bool(studio.state.get("live")), "live")
        studio.record("start")
        studio.films(40)
        pusher.kill()
        until(lambda: studio.state["recording"]["state"] == "paused", "the interruption")
    studio.control.advance(181)
    (kept,) = studio.kept
    assert plays(kept["path"])
    # by its 25 frames a second, not by our clock: ffmpeg falls behind where processors are short
    assert abs(kept["duration_ms"] - decode(kept["path"]).frames * 40) < 100
