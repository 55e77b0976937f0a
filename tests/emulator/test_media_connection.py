"""One RTMP connection alone: whatever comes over it, it ends with a reason or goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from emulator.media import amf, chunks
from emulator.media.chunks import ChunkReader, ChunkWriter, Message
from emulator.media.flv import Tag
from emulator.media.ingest import HANDSHAKE_BYTES, WINDOW_BYTES, Connection, Timeouts
from emulator.media.push import Push


@dataclass
class Taken:
    """A host that lets everyone in, and what it sees."""

    tags: list[Tag] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    is_gone: bool = False

    def admit(self, push: Push) -> Taken:
        assert push.stream == push.stream.partition("?")[0]
        return self

    def take(self, tag: Tag) -> None:
        self.tags.append(tag)

    def publisher_left(self) -> None:
        self.is_gone = True

    def connection_ended(self, _push: Push | None, _peer: str, reason: str) -> None:
        self.reasons.append(reason)


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.is_shut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def close(self) -> None:
        self.is_shut = True

    def is_closing(self) -> bool:
        return self.is_shut

    def get_write_buffer_size(self) -> int:
        return 0


def talk(*parts: bytes) -> tuple[Taken, Wire]:
    async def say() -> tuple[Taken, Wire]:
        host, wire = Taken(), Wire()
        connection = Connection(host, Timeouts(), lambda _: None)
        connection.connection_made(wire)
        for part in parts:
            connection.data_received(part)
        connection.end("over")
        return host, wire

    return asyncio.run(say())


HELLO = b"\3" + bytes(2 * HANDSHAKE_BYTES)


def command(*values: amf.Value) -> Message:
    return Message(chunks.COMMAND, 0, amf.write(*values), 1)


CONNECT = command("connect", 1, {"app": "app", "tcUrl": "rtmp://h/app"})
PUBLISH = command("publish", 5, None, "room", "live")


def wired(messages: Sequence[Message]) -> bytes:
    writer = ChunkWriter()
    return b"".join(writer.write(message, 3) for message in messages)


def answers(wire: Wire) -> list[Message]:
    return list(ChunkReader().feed(wire.data[1 + 2 * HANDSHAKE_BYTES :]))


@given(st.lists(st.binary(max_size=300), max_size=3))
def test_whatever_comes_instead_of_a_handshake_it_ends_once(parts: list[bytes]) -> None:
    host, wire = talk(*parts)
    assert (len(host.reasons), wire.is_shut) == (1, True)


kinds = st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22, 255])
names = st.sampled_from(["connect", "createStream", "publish", "FCPublish", "play", "deleteStream"])
anything = st.builds(Message, kinds, st.integers(0, 2**32 - 1), st.binary(max_size=60))
loose = (
    st.none() | st.text(max_size=9) | st.floats() | st.dictionaries(st.text(max_size=4), st.none())
)
commands = st.builds(lambda name, rest: command(name, *rest), names, st.lists(loose, max_size=5))


@given(st.lists(anything | commands, max_size=6))
def test_whatever_it_says_after_that_it_ends_once(messages: list[Message]) -> None:
    host, wire = talk(HELLO, wired([CONNECT]), wired(messages))
    assert (len(host.reasons), wire.is_shut) == (1, True)


def test_what_is_sent_arrives_and_its_end_is_told_to_the_feed() -> None:
    picture = Message(chunks.VIDEO, 40, b"\x17\1", 1)
    host, _ = talk(HELLO + wired([CONNECT, PUBLISH, picture]))
    assert (host.tags, host.is_gone) == ([Tag(chunks.VIDEO, 40, b"\x17\1")], True)


def test_a_ping_is_answered_and_what_was_received_is_acknowledged() -> None:
    ping = Message(chunks.USER_CONTROL, 0, b"\0\6\1\2\3\4")
    sound = Message(chunks.AUDIO, 0, bytes(2**20), 1)
    wants = Message(chunks.WINDOW, 0, (2**19).to_bytes(4, "big"))
    _, wire = talk(HELLO, wired([CONNECT, PUBLISH, ping, wants]), wired([sound]))
    assert Message(chunks.USER_CONTROL, 0, b"\0\7\1\2\3\4") in answers(wire)
    assert [message.kind for message in answers(wire)][-1] == chunks.ACKNOWLEDGEMENT
    assert WINDOW_BYTES > 2**20


def test_a_stream_in_the_other_command_format_is_taken_too() -> None:
    messages = [
        Message(chunks.COMMAND_3, 0, b"\0" + message.payload, 1) for message in (CONNECT, PUBLISH)
    ]
    host, wire = talk(HELLO + wired(messages))
    assert (host.reasons, host.is_gone) == (["over"], True)
    assert b"NetStream.Publish.Start" in wire.data
