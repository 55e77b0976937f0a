"""`live-record push`: a file goes out in real time, and what is in the way is said."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.local.encoder import CLIP
from cli.main import main
from cli.rtmp_errors import FAULTS
from cli.stage_registry import FILE, Target, register
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Ingest
from emulator.media import publisher
from emulator.media.flv import HEADER, Tag
from emulator.media.publisher import NO_ADDRESS, looped, paced


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveInThread]:
    monkeypatch.setenv(FILE, str(tmp_path / "stages.toml"))
    account = replace(load_account(), ingest=Ingest(publish_delay_ms=0))
    with LiveInThread(account, buckets=tmp_path / "buckets") as running:
        Remote(running.address).notify(stream_url="", record_url="", exception_url="")
        yield running


def push(*options: object) -> Result:
    return CliRunner().invoke(main, ["push", *map(str, options)])


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Two frames, 0.2 s apart."""
    file = tmp_path / "short.flv"
    tags = [
        Tag(9, 0, b"\x17\0\0\0\0avcC"),
        Tag(9, 0, b"\x17\1\0\0\0k"),
        Tag(9, 200, b"\x27\1\0\0\0n"),
    ]
    file.write_bytes(HEADER + b"".join(tag.encode() for tag in tags))
    return file


def test_a_file_goes_out_in_real_time(live: LiveInThread, short: Path) -> None:
    began = time.monotonic()
    pushed = push(short, f"{live.rtmp}/app/room")
    assert pushed.exit_code == 0
    assert "FLV tags sent: 3" in pushed.output.splitlines()
    assert time.monotonic() - began >= 0.2
    assert len(Remote(live.address).state("room")["sessions"]) == 1


def test_a_stream_of_a_stage_is_pushed_to_its_port(live: LiveInThread, short: Path) -> None:
    register("dev", Target("http://127.0.0.1:9", "t", live.address, live.rtmp))
    assert push(short, "live.example.com/app/room").exit_code == 0
    assert "'other.example.com' is not known" in push(short, "other.example.com/app/room").output
    assert len(Remote(live.address).state("room")["sessions"]) == 1


def test_the_test_picture_goes_to_whatever_stream_is_named_alone(
    live: LiveInThread, monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    monkeypatch.setattr("cli.push.CLIP", short)
    register("dev", Target("http://127.0.0.1:9", "t", live.address, live.rtmp))
    for to in ("live.example.com/app/room", f"{live.rtmp}/app/room"):
        assert "FLV tags sent: 3" in push(to).output.splitlines()
    assert len(Remote(live.address).state("room")["sessions"]) == 2


@pytest.mark.parametrize("word", ["nofile.flv", "folder/nofile.flv"])
def test_a_file_that_is_not_there_is_said_to_be_so(live: LiveInThread, word: str) -> None:
    pushed = push(word, f"{live.rtmp}/app/room")
    assert (pushed.exit_code, "does not exist" in pushed.output) == (2, True)


def test_what_the_disk_refuses_is_a_sentence_with_the_file(live: LiveInThread) -> None:
    pushed = push("x" * 300, f"{live.rtmp}/app/room")
    assert (
        pushed.exit_code,
        f"{'x' * 300} cannot be used: its name is too long." in pushed.output,
    ) == (1, True)


def test_a_stream_that_is_published_already_says_how_to_end_that(
    live: LiveInThread, short: Path
) -> None:
    Remote(live.address).publish("room")
    assert "unpublish" in push(short, f"{live.rtmp}/app/room").output


def test_a_stage_without_a_port_says_what_to_do(live: LiveInThread, short: Path) -> None:
    register("dev", Target("http://127.0.0.1:9", "t"))
    assert "Pass an `rtmp://` URL" in push(short).output


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"mp4", "this is no FLV file"), (HEADER + b"\x09\0\0\7", "the file ends within a tag")],
)
def test_a_file_that_is_none_is_refused(
    live: LiveInThread, tmp_path: Path, content: bytes, fault: str
) -> None:
    file = tmp_path / "a.flv"
    file.write_bytes(content)
    pushed = push(file, f"{live.rtmp}/app/room")
    assert (pushed.exit_code, fault in pushed.output) == (1, True)
    assert Remote(live.address).state("room") == {}


@pytest.mark.parametrize("url", ["rtmp://127.0.0.1:9/app/room", "rtmp:///app", "rtmp://x:y/app/r"])
def test_an_address_that_takes_nothing_is_told_without_its_secrets(short: Path, url: str) -> None:
    pushed = push(short, f"{url}?auth_key=hush")
    assert (pushed.exit_code, "The stream cannot be pushed to" in pushed.output) == (1, True)
    assert "hush" not in pushed.output


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rtmp://127.0.0.1:9/app/room", "127.0.0.1:9 无法访问：没有程序在监听"),
        ("rtmp:///app", "请将地址写成 rtmp://host/app/stream"),
    ],
)
def test_why_a_stream_is_not_taken_is_said_in_chinese(short: Path, url: str, why: str) -> None:
    assert why in push(short, url, "--language", "zh").output


def test_every_text_of_the_publisher_is_translated() -> None:
    """But for what the server itself says."""
    code = Path(publisher.__file__).read_text(encoding="utf-8")
    texts = {NO_ADDRESS, *re.findall(r'NotTaken\(\s*"(.*?)"', code)} - {"{answer}"}

    assert texts == set(FAULTS)


def test_a_loop_has_no_seam_and_says_its_headers_once() -> None:
    frames = [Tag(9, 1_000 + 40 * n, b"\x27\1\0\0\0n") for n in range(3)]
    tags = looped([Tag(9, 0, b"\x17\0\0\0\0avcC"), *frames])
    assert [next(tags).timestamp for _ in range(7)] == [0, 0, 40, 80, 120, 160, 200]
    assert list(looped([])) == []


def test_pacing_waits_for_each_timestamp_and_can_be_hurried() -> None:
    """Without the hurry the hour would last as long."""
    hour = [Tag(9, 500, b""), Tag(9, 3_600_500, b"")]
    began = time.monotonic()
    assert list(paced(hour, speed=36_000)) == hour
    assert time.monotonic() - began >= 0.1


def test_the_shipped_clip_is_pushed_where_no_file_is_named() -> None:
    command = main.get_command(click.Context(main), "push")
    assert command is not None
    assert next(param for param in command.params if param.name == "file").default == CLIP
