"""What is written of a stream: a file that begins where a decoder can, and is whole at any time."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.local.encoder import clip
from emulator.media import amf
from emulator.media.flv import (
    AUDIO,
    DURATION_OFFSET_BYTES,
    META,
    SCRIPT,
    VIDEO,
    Tag,
    read,
    read_metadata,
)
from emulator.media.flv_recording import FlvRecording, Source
from emulator.media.malformed import Malformed

VIDEO_HEADER = Tag(VIDEO, 0, b"\x17\0\0\0\0avcC")
AUDIO_HEADER = Tag(AUDIO, 0, b"\xaf\0asc")


def key_frame(at: int) -> Tag:
    return Tag(VIDEO, at, b"\x17\1\0\0\0key")


def frame(at: int) -> Tag:
    return Tag(VIDEO, at, b"\x27\1\0\0\0next")


def sound(at: int) -> Tag:
    return Tag(AUDIO, at, b"\xaf\1aac")


class Filmed:
    """A recording and its publisher."""

    def __init__(self, path: Path) -> None:
        self.flv = FlvRecording(path / "a.flv")
        self.source = Source()

    def send(self, *tags: Tag, now_ms: int = 0) -> None:
        for tag in tags:
            self.source.learn(tag)
            self.flv.take(tag, self.source, now_ms)

    def reconnect(self) -> None:
        self.flv.pause()
        self.source = Source()

    @property
    def tags(self) -> list[Tag]:
        with self.flv.path.open("rb") as file:
            return list(read(file))

    @property
    def times(self) -> list[tuple[int, int]]:
        return [(tag.kind, tag.timestamp) for tag in self.tags if tag.kind != SCRIPT]

    @property
    def duration(self) -> object:
        return (read_metadata(self.tags[0].payload) or {})["duration"]


@pytest.fixture
def filmed(tmp_path: Path) -> Iterator[Filmed]:
    film = Filmed(tmp_path)
    yield film
    film.flv.close()


def test_a_file_begins_with_the_headers_at_a_key_frame_and_its_clock_at_0(filmed: Filmed) -> None:
    filmed.send(VIDEO_HEADER, AUDIO_HEADER, frame(5_000), sound(5_010))
    filmed.send(key_frame(5_040), sound(5_050), frame(5_080))
    assert filmed.times == [(VIDEO, 0), (AUDIO, 0), (VIDEO, 0), (AUDIO, 10), (VIDEO, 40)]
    assert [tag.is_header for tag in filmed.tags] == [False, True, True, False, False, False]


def test_its_duration_is_right_once_it_stands_still_whatever_the_publisher_said(
    filmed: Filmed,
) -> None:
    script = amf.write("@setDataFrame", META) + amf.write_named_array(
        {"duration": 9e9, "width": 2.0}
    )
    filmed.send(Tag(SCRIPT, 0, script), VIDEO_HEADER, key_frame(100), frame(140), frame(180))
    filmed.flv.pause()
    assert filmed.duration == 0.12
    assert read_metadata(filmed.tags[0].payload) == {"duration": 0.12, "width": 2.0}
    with filmed.flv.path.open("rb") as file:
        assert struct.unpack_from(">d", file.read(), DURATION_OFFSET_BYTES) == (0.12,)


def test_a_new_publisher_goes_on_right_after_the_old_one(filmed: Filmed) -> None:
    filmed.send(VIDEO_HEADER, key_frame(100), frame(140))
    filmed.reconnect()
    filmed.send(VIDEO_HEADER, frame(70_000), key_frame(70_040), frame(70_080))
    assert filmed.times == [(VIDEO, at) for at in (0, 0, 40, 80, 120)]


def test_other_headers_of_a_new_publisher_are_written_the_same_ones_are_not(
    filmed: Filmed,
) -> None:
    filmed.send(VIDEO_HEADER, key_frame(0))
    filmed.reconnect()
    filmed.send(Tag(VIDEO, 0, VIDEO_HEADER.payload + b"!"), key_frame(9))
    assert [tag.is_header for tag in filmed.tags] == [False, True, False, True, False]


def test_sound_alone_begins_at_once(filmed: Filmed) -> None:
    filmed.send(AUDIO_HEADER, sound(7), sound(30))
    assert filmed.times == [(AUDIO, 0), (AUDIO, 0), (AUDIO, 23)]


@pytest.mark.parametrize("before", [2**24 - 20, 2**32 - 20], ids=["24 bits", "32 bits"])
def test_a_clock_that_overflows_goes_on(filmed: Filmed, before: int) -> None:
    filmed.send(VIDEO_HEADER, key_frame(before), frame((before + 40) % 2**32))
    assert filmed.times[-1] == (VIDEO, 40)


def test_a_clock_that_jumps_back_stands_still(filmed: Filmed) -> None:
    filmed.send(VIDEO_HEADER, key_frame(1_000), frame(1_040), frame(10))
    assert filmed.times[-1] == (VIDEO, 40)


def test_there_is_no_file_before_the_first_frame(filmed: Filmed) -> None:
    filmed.send(VIDEO_HEADER, frame(0))
    filmed.flv.pause()
    assert (filmed.flv.path.exists(), filmed.flv.frames) == (False, 0)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_leaves_a_whole_file(filmed: Filmed) -> None:
    filmed.send(VIDEO_HEADER, key_frame(0))
    with files_no_larger_than(4_096), pytest.raises(OSError, match="too large"):
        filmed.send(*(frame(40 * n) for n in range(1, 1_000)))
    filmed.flv.pause()
    assert filmed.duration == filmed.times[-1][1] / 1000 + 0.04
    assert filmed.flv.path.stat().st_size <= 4_096


def test_the_shipped_clip_is_small_and_every_second_frame_is_a_key_frame() -> None:
    frames = [tag for tag in clip() if tag.is_video and tag.is_frame]
    assert sum(len(tag.payload) for tag in clip()) < 100_000
    assert [tag.is_key_frame for tag in frames] == [n % 2 == 0 for n in range(60)]


@given(st.binary(max_size=200))
def test_whatever_bytes_are_no_tag_are_malformed(data: bytes) -> None:
    import io

    with pytest.raises(Malformed):
        list(read(io.BytesIO(b"FLV\1\5\0\0\0\x09\0\0\0\0" + data + b"\x09\xff\xff\xff")))
