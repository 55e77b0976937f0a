"""RTMP ingest: one connection from handshake to end.

port.py makes a Connection for each publisher; a Host decides whether it is admitted.
Whatever ends a connection is reported to its host and must not affect another connection.
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
from emulator.media.push import Feed, Host, PublishRejected, Push, read_push

PORT = 1935
VERSION = 3
HANDSHAKE_BYTES = 1536
WINDOW_BYTES, MIN_WINDOW_BYTES = 5_000_000, 65_536
MAX_UNREAD_BYTES = 2**20
CHUNK_BYTES = 4_096
CONTROL_CHANNEL, COMMAND_CHANNEL = 2, 3
THE_STREAM = 1
PING, PONG = 6, 7
HTTP_METHODS = {b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a publisher may send nothing, and how long it may take to begin."""

    idle_s: float = 10.0
    begin_s: float = 10.0


class Connection(asyncio.Protocol):
    """One publisher's connection; it calls `on_end` when it has ended."""

    def __init__(
        self, host: Host, timeouts: Timeouts, on_end: Callable[[Connection], None]
    ) -> None:
        self._host = host
        self._on_end = on_end
        self._has_ended = False
        self._timeouts = timeouts
        self._reader, self._writer = ChunkReader(), ChunkWriter()
        self._transport: asyncio.Transport | None = None
        self._early = b""
        self._steps = [self._answer_handshake, self._finish_handshake]
        self._peer = ""
        self._app, self._address = "", ""
        self._push: Push | None = None
        self._feed: Feed | None = None
        self._window, self._received, self._acknowledged = WINDOW_BYTES, 0, 0
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
        if self._has_ended:
            return
        try:
            if self._steps:
                data = self._shake_hands(data)
            for message in self._reader.feed(data):
                self._handle(message)
            self._acknowledge(len(data))
        except Malformed as error:
            self.end(f"malformed: {error}")
        except PublishRejected as error:
            self.end(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self.end("the publisher is gone" + (f": {error}" if error else ""))

    def end(self, reason: str) -> None:
        """End the connection. Pending answers still go out; nothing more is received."""
        if self._has_ended:
            return
        self._has_ended = True
        self._watched.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._feed is not None:
            self._feed.publisher_left()
        self._host.connection_ended(self._push, self._peer, reason)
        self._on_end(self)

    def _watch(self) -> None:
        """End the connection if nothing came for too long (docs/platform/live.md §2 Timing)."""
        now = self._loop.time()
        timeout_s = self._timeouts.begin_s if self._feed is None else self._timeouts.idle_s
        due = (self._began if self._feed is None else self._last_received) + timeout_s
        if now < due:
            self._watched = self._loop.call_at(due, self._watch)
            return
        behaviour = "publishes nothing" if self._feed is None else "sends nothing"
        self.end(f"the connection {behaviour} for {timeout_s:g} s")

    def _shake_hands(self, data: bytes) -> bytes:
        """Handle the handshake; return the data after it, which is empty until the handshake
        ends."""
        self._early += data
        if self._early[:4] in HTTP_METHODS:
            raise Malformed("this is HTTP, and the port speaks RTMP")
        if self._early and self._early[0] != VERSION:
            raise Malformed(f"RTMP version {self._early[0]}")
        while self._steps and self._steps[0]():
            self._steps.pop(0)
        left, self._early = (b"", self._early) if self._steps else (self._early, b"")
        return left

    def _answer_handshake(self) -> bool:
        """Answer C0 and C1 with S0, S1 (which asks for no digest) and S2."""
        if len(self._early) < 1 + HANDSHAKE_BYTES:
            return False
        theirs = self._early[1 : 1 + HANDSHAKE_BYTES]
        self._send_bytes(bytes([VERSION]) + bytes(HANDSHAKE_BYTES) + theirs)
        return True

    def _finish_handshake(self) -> bool:
        """Receive C2."""
        if len(self._early) < 1 + 2 * HANDSHAKE_BYTES:
            return False
        self._early = self._early[1 + 2 * HANDSHAKE_BYTES :]
        return True

    def _handle(self, message: Message) -> None:
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
                self._window = max(MIN_WINDOW_BYTES, chunks.number(message))
            case chunks.USER_CONTROL:
                self._pong(message.payload)
            case _:
                pass

    def _take(self, tag: Tag) -> None:
        if self._feed is None:
            raise PublishRejected("media came before publish")
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
        self._send(chunks.WINDOW, WINDOW_BYTES.to_bytes(4, "big"))
        self._send(chunks.BANDWIDTH, WINDOW_BYTES.to_bytes(4, "big") + b"\x02")
        self._send(chunks.SET_CHUNK_SIZE, CHUNK_BYTES.to_bytes(4, "big"))
        self._writer.chunk_size = CHUNK_BYTES
        info = _status("status", "NetConnection.Connect.Success", "connected")
        self._answer("_result", number, {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}, info)

    def _answer_empty(self, number: Value, _rest: list[Value]) -> None:
        """Answer releaseStream and FCPublish: encoders wait for it, and Live needs neither."""
        self._answer("_result", number, None, None)

    def _create_stream(self, number: Value, _rest: list[Value]) -> None:
        self._answer("_result", number, None, THE_STREAM)

    def _publish(self, _number: Value, rest: list[Value]) -> None:
        name = rest[1] if isinstance(rest[1], str) else ""
        push = self._push = read_push(self._app, self._address, name, self._peer)
        if self._feed is not None:
            raise PublishRejected("a connection publishes one stream")
        try:
            self._feed = self._host.admit(push)
        except PublishRejected as error:
            self._send_status(_status("error", "NetStream.Publish.BadName", str(error)))
            raise
        self._send_status(
            _status("status", "NetStream.Publish.Start", f"{push.stream} is published")
        )

    def _play(self, _number: Value, _rest: list[Value]) -> None:
        self._send_status(_status("error", "NetStream.Play.Failed", "this is for publishing only"))
        raise PublishRejected("nothing is played here")

    def _unpublish(self, _number: Value, _rest: list[Value]) -> None:
        raise PublishRejected("the publisher ended it")

    def _send_status(self, status: Value) -> None:
        self._answer("onStatus", 0, None, status, stream=THE_STREAM)

    def _answer(self, name: str, number: Value, *values: Value, stream: int = 0) -> None:
        self._send(chunks.COMMAND, amf.write(name, number, *values), COMMAND_CHANNEL, stream)

    def _acknowledge(self, count: int) -> None:
        self._received += count
        if self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._send(
                chunks.ACKNOWLEDGEMENT,
                (self._received % chunks.TIMESTAMP_WRAP_MS).to_bytes(4, "big"),
            )

    def _send(
        self, kind: int, payload: bytes, channel: int = CONTROL_CHANNEL, stream: int = 0
    ) -> None:
        self._send_bytes(self._writer.write(Message(kind, 0, payload, stream), channel))

    def _send_bytes(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            raise PublishRejected("it does not read its replies")
        self._transport.write(data)


_COMMANDS: Mapping[str, Callable[[Connection, Value, list[Value]], None]] = {
    "connect": Connection._connect,  # noqa: SLF001 - the table of its own methods
    "releaseStream": Connection._answer_empty,  # noqa: SLF001 - as above
    "FCPublish": Connection._answer_empty,  # noqa: SLF001 - as above
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
