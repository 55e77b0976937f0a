"""RTMP chunks: however they are cut up on the way, and whatever lies they tell."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media.chunks import AUDIO, SET_CHUNK_SIZE, VIDEO, ChunkReader, ChunkWriter, Message
from emulator.media.malformed import Malformed

messages = st.builds(
    Message,
    kind=st.sampled_from([AUDIO, VIDEO, 18, 20]),
    timestamp=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=400),
    stream=st.integers(0, 2**32 - 1),
)


def read(*parts: bytes) -> list[Message]:
    reader = ChunkReader()
    return [message for part in parts for message in reader.feed(part)]


@given(st.lists(messages, max_size=5), st.data())
def test_messages_arrive_however_their_bytes_are_cut(
    sent: list[Message], data: st.DataObject
) -> None:
    writer = ChunkWriter()
    wire = b"".join(writer.write(message, channel=4 + n) for n, message in enumerate(sent))
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8).map(sorted))
    parts = [wire[a:b] for a, b in itertools.pairwise([0, *cuts, len(wire)])]
    assert read(*parts) == sent


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_whatever_bytes_come_only_malformed_is_raised(parts: list[bytes]) -> None:
    with contextlib.suppress(Malformed):
        read(*parts)


def test_a_larger_chunk_size_holds_from_the_next_chunk_on() -> None:
    writer = ChunkWriter()
    size = writer.write(Message(SET_CHUNK_SIZE, 0, (4096).to_bytes(4, "big")), 2)
    writer.chunk_size = 4096
    media = Message(VIDEO, 7, bytes(5_000), 1)
    assert read(size + writer.write(media, 4))[-1] == media


def test_short_headers_count_on_from_the_message_before() -> None:
    first = b"\x04" + b"\0\0\x0a" + b"\0\0\1" + bytes([AUDIO]) + b"\1\0\0\0" + b"a"
    same_stream = b"\x44" + b"\0\0\x05" + b"\0\0\2" + bytes([VIDEO]) + b"bc"
    same_size = b"\x84" + b"\0\0\x07" + b"de"
    the_same_again = b"\xc4" + b"fg"
    got = read(first + same_stream + same_size + the_same_again)
    assert [message.timestamp for message in got] == [10, 15, 22, 29]
    assert [message.payload for message in got] == [b"a", b"bc", b"de", b"fg"]
    assert [message.stream for message in got] == [1, 1, 1, 1]


@pytest.mark.parametrize("repeats", [True, False], ids=["repeated", "said once"])
def test_a_long_timestamp_may_be_repeated_in_every_chunk_or_not(repeats: bool) -> None:
    clock = (0x1234567).to_bytes(4, "big")
    header = b"\x04\xff\xff\xff" + (132).to_bytes(3, "big") + bytes([VIDEO]) + b"\1\0\0\0" + clock
    wire = header + bytes(128) + b"\xc4" + (clock if repeats else b"") + b"wxyz"
    assert [(each.timestamp, len(each.payload)) for each in read(wire)] == [(0x1234567, 132)]


def test_a_message_that_was_given_up_is_forgotten() -> None:
    begun = (
        b"\x05" + b"\0\0\0" + (200).to_bytes(3, "big") + bytes([VIDEO]) + b"\1\0\0\0" + bytes(128)
    )
    given_up = ChunkWriter().write(Message(2, 0, (5).to_bytes(4, "big")), 2)
    whole = ChunkWriter().write(Message(AUDIO, 0, b"a"), 5)
    assert read(begun + given_up + whole)[-1] == Message(AUDIO, 0, b"a")


def _begun(channel: int, length: int, body: bytes = b"") -> bytes:
    head = bytes([channel]) + b"\0\0\0" + length.to_bytes(3, "big")
    return head + bytes([VIDEO]) + b"\1\0\0\0" + body


@pytest.mark.parametrize(
    "wire",
    [
        _begun(4, 0xFFFFFF),
        b"".join(_begun(channel, 200, bytes(128)) for channel in range(3, 64))
        + b"".join(b"\0" + bytes([n]) + _begun(0, 200, bytes(128))[1:] for n in range(10)),
        _begun(4, 200, bytes(128)) + _begun(4, 200),
        b"\xc4",
        b"\x02\0\0\0\0\0\4\1\0\0\0\0" + bytes(4),
        b"\x02\0\0\0\0\0\1\1\0\0\0\0\0",
    ],
    ids=["too long", "too many", "begins twice", "no beginning", "chunks of 0", "half a number"],
)
def test_a_lie_is_malformed(wire: bytes) -> None:
    with pytest.raises(Malformed):
        read(wire)
