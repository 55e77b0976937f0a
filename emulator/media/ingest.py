"""RTMP ingest: a publisher connects, says what it publishes, and sends.

Whatever ends a connection is told to its host, the other connections go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.media import amf, chunks
from emulator.media.amf import Value
from emulator.media.chunks import ChunkReader, ChunkWriter, Message
from emulator.media.flv import SCRIPT, Tag
from emulator.media.malformed import Malformed
from emulator.media.push import Feed, Host, Push, Refusal, read_push

PORT = 1935
VERSION = 3
HANDSHAKE = 1536
WINDOW, LEAST_WINDOW = 5_000_000, 65_536
MOST_UNREAD = 2**20
CHUNK_SIZE = 4_096
CONTROL_CHANNEL, COMMAND_CHANNEL = 2, 3
THE_STREAM = 1
PING, PONG = 6, 7
WORDS = {b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a publisher may send nothing, and how long it may take to begin; in s."""

    idle: float = 10.0
    begin: float = 10.0


class Connection(asyncio.Protocol):
    """`forget` is told once it has ended."""

    def __init__(
        self, host: Host, patience: Patience, forget: Callable[[Connection], None]
    ) -> None:
        self._host = host
        self._forget = forget
        self._is_over = False
        self._patience = patience
        self._reader, self._writer = ChunkReader(), ChunkWriter()
        self._transport: asyncio.Transport | None = None
        self._early = b""
        self._steps = [self._greet, self._agree]
        self._peer = ""
        self._app, self._address = "", ""
        self._push: Push | None = None
        self._feed: Feed | None = None
        self._window, self._received, self._acknowledged = WINDOW, 0, 0
        self._last_received = self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("", 0)
        self._peer = f"{peer[0]}:{peer[1]}"
        self._loop = asyncio.get_running_loop()
        self._last_received = self._began = self._loop.time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        if self._is_over:
            return
        try:
            if self._steps:
                data = self._shake_hands(data)
            for message in self._reader.feed(data):
                self._act(message)
            self._acknowledge(len(data))
        except Malformed as error:
            self.end(f"malformed: {error}")
        except Refusal as error:
            self.end(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self.end("the publisher is gone" + (f": {error}" if error else ""))

    def end(self, reason: str) -> None:
        """What is said to the publisher still goes out; nothing it sends is taken."""
        if self._is_over:
            return
        self._is_over = True
        self._watched.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._feed is not None:
            self._feed.gone()
        self._host.ended(self._push, self._peer, reason)
        self._forget(self)

    def _watch(self) -> None:
        """facts/live.md §2 Timing: who sends nothing for 10 s is disconnected."""
        now = self._loop.time()
        waits = self._patience.begin if self._feed is None else self._patience.idle
        due = (self._began if self._feed is None else self._last_received) + waits
        if now < due:
            self._watched = self._loop.call_at(due, self._watch)
            return
        behaviour = "publishes nothing" if self._feed is None else "sends nothing"
        self.end(f"the connection {behaviour} for {waits:g} s")

    def _shake_hands(self, data: bytes) -> bytes:
        """What is left of the data after the handshake's, which is nothing before its end."""
        self._early += data
        if self._early[:4] in WORDS:
            raise Malformed("this is HTTP, and the port speaks RTMP")
        if self._early and self._early[0] != VERSION:
            raise Malformed(f"RTMP version {self._early[0]}")
        while self._steps and self._steps[0]():
            self._steps.pop(0)
        left, self._early = (b"", self._early) if self._steps else (self._early, b"")
        return left

    def _greet(self) -> bool:
        """C0 and C1, answered by S0, S1 (which asks for no digest) and S2."""
        if len(self._early) < 1 + HANDSHAKE:
            return False
        theirs = self._early[1 : 1 + HANDSHAKE]
        self._send_bytes(bytes([VERSION]) + bytes(HANDSHAKE) + theirs)
        return True

    def _agree(self) -> bool:
        """C2."""
        if len(self._early) < 1 + 2 * HANDSHAKE:
            return False
        self._early = self._early[1 + 2 * HANDSHAKE :]
        return True

    def _act(self, message: Message) -> None:
        match message.kind:
            case chunks.AUDIO | chunks.VIDEO:
                self._take(Tag(message.kind, message.timestamp, message.payload))
            case chunks.DATA:
                self._take(Tag(SCRIPT, message.timestamp, message.payload))
            case chunks.DATA_3:
                self._take(Tag(SCRIPT, message.timestamp, message.payload[1:]))
            case chunks.COMMAND:
                self._command(message.payload)
            case chunks.COMMAND_3:
                self._command(message.payload[1:])
            case chunks.WINDOW:
                self._window = max(LEAST_WINDOW, chunks.number(message))
            case chunks.USER_CONTROL:
                self._pong(message.payload)
            case _:
                pass

    def _take(self, tag: Tag) -> None:
        if self._feed is None:
            raise Refusal("media came before publish")
        self._feed.take(tag)

    def _pong(self, payload: bytes) -> None:
        if payload[:2] == PING.to_bytes(2, "big"):
            self._send(chunks.USER_CONTROL, PONG.to_bytes(2, "big") + payload[2:6])

    def _command(self, payload: bytes) -> None:
        command = [*amf.read(payload), None, None, None, None]
        act = _COMMANDS.get(str(command[0]))
        if act is not None:
            act(self, command[1], command[2:])

    def _connect(self, number: Value, rest: list[Value]) -> None:
        params = rest[0] if isinstance(rest[0], dict) else {}
        self._app, self._address = _text(params, "app"), _text(params, "tcUrl")
        self._send(chunks.WINDOW, WINDOW.to_bytes(4, "big"))
        self._send(chunks.BANDWIDTH, WINDOW.to_bytes(4, "big") + b"\x02")
        self._send(chunks.SET_CHUNK_SIZE, CHUNK_SIZE.to_bytes(4, "big"))
        self._writer.chunk_size = CHUNK_SIZE
        info = _status("status", "NetConnection.Connect.Success", "connected")
        self._answer("_result", number, {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}, info)

    def _nothing(self, number: Value, _rest: list[Value]) -> None:
        """For releaseStream and FCPublish, which Live has no use for and encoders wait for."""
        self._answer("_result", number, None, None)

    def _create_stream(self, number: Value, _rest: list[Value]) -> None:
        self._answer("_result", number, None, THE_STREAM)

    def _publish(self, _number: Value, rest: list[Value]) -> None:
        name = rest[1] if isinstance(rest[1], str) else ""
        push = self._push = read_push(self._app, self._address, name, self._peer)
        if self._feed is not None:
            raise Refusal("a connection publishes one stream")
        try:
            self._feed = self._host.admit(push)
        except Refusal as refused:
            self._tell(_status("error", "NetStream.Publish.BadName", str(refused)))
            raise
        self._tell(_status("status", "NetStream.Publish.Start", f"{push.stream} is published"))

    def _play(self, _number: Value, _rest: list[Value]) -> None:
        self._tell(_status("error", "NetStream.Play.Failed", "this is for publishing only"))
        raise Refusal("nothing is played here")

    def _unpublish(self, _number: Value, _rest: list[Value]) -> None:
        raise Refusal("the publisher ended it")

    def _tell(self, status: Value) -> None:
        self._answer("onStatus", 0, None, status, stream=THE_STREAM)

    def _answer(self, name: str, number: Value, *values: Value, stream: int = 0) -> None:
        self._send(chunks.COMMAND, amf.write(name, number, *values), COMMAND_CHANNEL, stream)

    def _acknowledge(self, count: int) -> None:
        self._received += count
        if self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._send(chunks.ACKNOWLEDGEMENT, (self._received % chunks.CLOCK).to_bytes(4, "big"))

    def _send(
        self, kind: int, payload: bytes, channel: int = CONTROL_CHANNEL, stream: int = 0
    ) -> None:
        self._send_bytes(self._writer.write(Message(kind, 0, payload, stream), channel))

    def _send_bytes(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MOST_UNREAD:
            raise Refusal("it does not read what it is told")
        self._transport.write(data)


_COMMANDS: Mapping[str, Callable[[Connection, Value, list[Value]], None]] = {
    "connect": Connection._connect,  # noqa: SLF001 - the table of its own methods
    "releaseStream": Connection._nothing,  # noqa: SLF001 - as above
    "FCPublish": Connection._nothing,  # noqa: SLF001 - as above
    "createStream": Connection._create_stream,  # noqa: SLF001 - as above
    "publish": Connection._publish,  # noqa: SLF001 - as above
    "play": Connection._play,  # noqa: SLF001 - as above
    "FCUnpublish": Connection._unpublish,  # noqa: SLF001 - as above
    "deleteStream": Connection._unpublish,  # noqa: SLF001 - as above
    "closeStream": Connection._unpublish,  # noqa: SLF001 - as above
}


def _text(params: Mapping[str, Value], name: str) -> str:
    value = params.get(name)
    return value if isinstance(value, str) else ""


def _status(level: str, code: str, description: str) -> dict[str, Value]:
    return {"level": level, "code": code, "description": description}
