"""Recorded files in each format, and objects that are not as Live reported them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.local.encoder import clip
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Ingest
from emulator.live.fields import Unfit
from emulator.media.publisher import Publisher
from shared.outbound.oss import Bucket, judge
from shared.protocol.file import File
from shared.verification.contract import EvidenceCode, ExpectedFile, FileOutcome, Verdict
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk
from tests.support.pushed_recording import decode, until

pytestmark = pytest.mark.slow

RULE = {"domain": "live.example.com", "app": "app", "on_demand": 7}
FORMATS = ("flv", "mp4", "m3u8")


class Recorder:
    """Records what is pushed in all formats, and judges what it left."""

    def __init__(self, live: LiveInThread, buckets: Path) -> None:
        self.live, self.control = live, Remote(live.address)
        self.buckets = buckets
        self.control.notify(stream_url="", record_url="")
        self.bucket = Bucket(
            "dev-bucket", live.address.removeprefix("http://"), "http", "dev", "dev-secret"
        )

    def record(self, *formats: str) -> dict[str, dict[str, Any]]:
        """Record the clip, sent at once; return the body of each file callback by its format."""
        self.control.post("recording", {**RULE, "formats": formats or FORMATS})
        sdk = PresentSdk(self.live.address)
        with Publisher(f"{self.live.rtmp}/app/room") as publisher:
            until(lambda: self.control.state("room").get("live", False), "the publish")
            assert sdk.record("start") == OK
            for tag in clip():
                publisher.send(tag)
            until(lambda: self._filmed_ms() > 3_500, "frames of 3.5 s")
            assert [sdk.record("stop"), sdk.record("cancel_delay")] == [OK, OK]
        files = self.control.state("room")["files"]
        return {file["uri"].rpartition(".")[2]: file for file in files}

    def _filmed_ms(self) -> int:
        recording = self.control.state("room")["recording"]
        return int(recording["filmed_ms"]) if recording else 0

    def verdict(self, body: dict[str, Any]) -> Verdict:
        file = File(body["uri"], None, None, round(body["duration"] * 1000))
        return judge(self.bucket.open(), ExpectedFile.of(file, "dev-bucket"))


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    account = replace(load_account(), ingest=Ingest(publish_delay_ms=0))
    with LiveInThread(account, buckets=tmp_path) as live:
        yield Recorder(live, tmp_path)


def test_a_recording_is_left_in_every_format_and_verified(recorder: Recorder) -> None:
    files = recorder.record()

    assert set(files) == set(FORMATS)
    for body in files.values():
        assert recorder.verdict(body).outcome is FileOutcome.VERIFIED
        assert decode(recorder.buckets / "dev-bucket" / body["uri"]).frames > 40
    assert not list((recorder.buckets / ".drafts").iterdir())


def outcome(outcome: FileOutcome, *codes: EvidenceCode) -> Callable[[Verdict], bool]:
    return lambda found: found.outcome is outcome and found.evidence[0].code in codes


FAULTS: dict[str, tuple[dict[str, object], Callable[[Verdict], bool]]] = {
    "missing": ({}, outcome(FileOutcome.MISSING, EvidenceCode.NO_OBJECT)),
    "late": ({"delay_ms": 120_000}, outcome(FileOutcome.MISSING, EvidenceCode.NO_OBJECT)),
    "denied": ({}, outcome(FileOutcome.UNKNOWN, EvidenceCode.ACCESS_DENIED)),
    "empty": ({}, outcome(FileOutcome.UNPLAYABLE, EvidenceCode.EMPTY)),
    "truncated": (
        {"keep_bytes": 20_001},
        outcome(FileOutcome.TRUNCATED, EvidenceCode.ENDS_INSIDE),
    ),
    "shorter": ({}, outcome(FileOutcome.DURATION_DIFFERS, EvidenceCode.MEDIA_DURATION)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_an_object_is_found(recorder: Recorder, fault: str) -> None:
    more, is_found = FAULTS[fault]
    recorder.control.object_fault(fault, stream="room", **more)
    body = recorder.record("flv")["flv"]

    assert is_found(recorder.verdict(body)), recorder.verdict(body)
    if fault == "late":
        recorder.control.advance(121)
        assert recorder.verdict(body).outcome is FileOutcome.VERIFIED
    if fault == "denied":
        recorder.control.ask("DELETE", "objects", b"")
        assert recorder.verdict(body).outcome is FileOutcome.VERIFIED


@pytest.mark.parametrize(
    "body",
    [
        {"do": "melt"},
        {"do": "late"},
        {"do": "empty", "delay_ms": 5},
        {"do": "missing", "times": 0},
        {"do": "missing", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(body: object) -> None:
    with LiveInThread() as live, pytest.raises(Unfit):
        Remote(live.address).post("objects", body)


@pytest.mark.parametrize(("value", "stop_s"), [("wall", 70), ("media", 40)])
def test_the_stop_time_of_a_file_is_as_switched(value: str, stop_s: int) -> None:
    """Recorded for 10 s, paused for 30 s, and recorded for 30 s."""
    with LiveInThread() as live:
        control, sdk = Remote(live.address), PresentSdk(live.address)
        control.notify(stream_url="", record_url="")
        control.switch(file_stop_time=value)
        control.publish("room")
        for command, seconds in (("start", 10), ("stop", 30), ("start", 30)):
            assert sdk.record(command) == OK
            control.advance(seconds)
        assert [sdk.record("stop"), sdk.record("cancel_delay")] == [OK, OK]
        (body,) = control.state("room")["files"]

    assert body["stop_time"] - body["start_time"] in (stop_s, stop_s + 1)
    assert 40 <= body["duration"] < 60
