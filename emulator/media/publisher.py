"""An RTMP publisher that sends its commands in the order of OBS and ffmpeg.

The command line, the benchmarks and the tests push with it.
It blocks, and must not be used within an event loop.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from emulator.media import amf, chunks
from emulator.media.amf import Value
from emulator.media.chunks import ChunkReader, ChunkWriter, Message
from emulator.media.flv import SCRIPT, Tag
from emulator.media.ingest import CHUNK_BYTES, HANDSHAKE_BYTES, PORT, VERSION
from emulator.media.malformed import Malformed

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

PATIENCE_S = 10.0
"""Time limit for the server to answer or to read."""
THE_STREAM, CONTROL, COMMANDS, MEDIA = 1, 2, 3, 4
READ_BYTES = 65_536
NO_ADDRESS = "write the address as rtmp://host/app/stream"


class NotTaken(Exception):
    """The server does not accept the stream, or no longer does; the text, with the values put in,
    explains why."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values))
        self.text, self.values = text, values


class Publisher:
    """A context manager that connects and publishes; raises NotTaken."""

    def __init__(self, url: str) -> None:
        place, self._place = _place(url)
        app, _, name = place.path.strip("/").partition("/")
        if place.scheme != "rtmp" or not app or not name:
            raise NotTaken(NO_ADDRESS)
        self._app = app
        self._address = f"rtmp://{place.netloc}/{app}"
        self._name = f"{name}?{place.query}" if place.query else name
        self._reader, self._writer = ChunkReader(), ChunkWriter()
        self._socket: socket.socket | None = None
        self._early = b""

    def __enter__(self) -> Self:
        try:
            self._socket = socket.create_connection(self._place, PATIENCE_S)
            self._shake_hands()
            self._request_publish()
        except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
            self.cut()
            place = "{}:{}".format(*self._place)
            raise NotTaken(
                "{place} cannot be reached: {error}", place=place, error=error
            ) from error
        except NotTaken:
            self.cut()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        with contextlib.suppress(OSError, NotTaken):
            self._command("FCUnpublish", 6, None, self._name)
            self._command("deleteStream", 7, None, THE_STREAM)
        self.cut()

    def send(self, tag: Tag) -> None:
        payload = tag.payload
        if tag.kind == SCRIPT:
            payload = amf.write("@setDataFrame") + payload
        message = Message(tag.kind, tag.timestamp % chunks.TIMESTAMP_WRAP_MS, payload, THE_STREAM)
        try:
            self._send_bytes(self._writer.write(message, MEDIA))
            while self._has_answer():
                self._read_commands()
        except OSError as error:
            raise NotTaken("the connection is lost: {error}", error=error) from error

    def _has_answer(self) -> bool:
        # Not select.select, which takes no descriptor over 1,023.
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            return bool(selector.select(0))

    def cut(self) -> None:
        """Close the connection without a message, as a network failure does."""
        if self._socket is not None:
            self._socket.close()

    @property
    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise NotTaken("not connected")
        return self._socket

    def _shake_hands(self) -> None:
        mine = bytes(8) + os.urandom(HANDSHAKE_BYTES - 8)
        self._send_bytes(bytes([VERSION]) + mine)
        answer = self._read_exactly(1 + 2 * HANDSHAKE_BYTES)
        if answer[0] != VERSION:
            raise NotTaken(
                "the server speaks another protocol (version {version})", version=answer[0]
            )
        self._send_bytes(answer[1 : 1 + HANDSHAKE_BYTES])

    def _read_exactly(self, count: int) -> bytes:
        while len(self._early) < count:
            data = self._connection.recv(READ_BYTES)
            if not data:
                raise NotTaken("the server hung up during the handshake")
            self._early += data
        taken, self._early = self._early[:count], self._early[count:]
        return taken

    def _request_publish(self) -> None:
        self._send(chunks.SET_CHUNK_SIZE, CHUNK_BYTES.to_bytes(4, "big"))
        self._writer.chunk_size = CHUNK_BYTES
        about = {"app": self._app, "type": "nonprivate", "tcUrl": self._address}
        self._command("connect", 1, {**about, "flashVer": "FMLE/3.0 (compatible; live-record)"})
        self._await("_result", 1)
        self._command("releaseStream", 2, None, self._name)
        self._command("FCPublish", 3, None, self._name)
        self._command("createStream", 4, None)
        self._await("_result", 4)
        self._command("publish", 5, None, self._name, "live", stream=THE_STREAM)
        self._await("onStatus")

    def _await(self, name: str, number: int | None = None) -> None:
        while True:
            for command in self._read_commands():
                if command[0] == name and number in (None, command[1]):
                    return

    def _read_commands(self) -> list[list[Value]]:
        """Return the commands received; raise NotTaken if one is an error."""
        data, self._early = self._early or self._connection.recv(READ_BYTES), b""
        if not data:
            raise NotTaken("the server hung up")
        try:
            commands = [
                amf.read(message.payload)
                for message in self._reader.feed(data)
                if message.kind == chunks.COMMAND
            ]
        except Malformed as error:
            raise NotTaken(
                "the answer of the server cannot be read: {error}", error=error
            ) from error
        for command in commands:
            _raise_if_error(command)
        return [command for command in commands if len(command) > 1]

    def _command(self, name: str, number: int, *values: Value, stream: int = 0) -> None:
        self._send(chunks.COMMAND, amf.write(name, number, *values), COMMANDS, stream)

    def _send(self, kind: int, payload: bytes, channel: int = CONTROL, stream: int = 0) -> None:
        self._send_bytes(self._writer.write(Message(kind, 0, payload, stream), channel))

    def _send_bytes(self, data: bytes) -> None:
        self._connection.sendall(data)


def _place(url: str) -> tuple[SplitResult, tuple[str, int]]:
    """Return the parts of an address, and the host and port to connect to."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise NotTaken(NO_ADDRESS) from None
    if not parts.hostname:
        raise NotTaken(NO_ADDRESS)
    return parts, (parts.hostname, port)


def _raise_if_error(command: list[Value]) -> None:
    about = command[-1] if command and isinstance(command[-1], dict) else {}
    if command[:1] == ["_error"] or about.get("level") == "error":
        answer = about.get("description") or about.get("code")
        if answer:
            raise NotTaken("{answer}", answer=answer)
        raise NotTaken("refused")


def paced(tags: Iterable[Tag], speed: float = 1.0) -> Iterator[Tag]:
    """Yield each tag when its timestamp is due, the first at once; speed 2.0 halves the time."""
    began = time.monotonic()
    first: int | None = None
    for tag in tags:
        first = tag.timestamp if first is None else first
        wait = began + (tag.timestamp - first) / 1000 / speed - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield tag


def looped(tags: Iterable[Tag]) -> Iterator[Tag]:
    """Repeat the media without a seam and without end; headers come once."""
    media = []
    for tag in tags:
        if tag.kind == SCRIPT or tag.is_header:
            yield tag
        elif tag.is_frame:
            media.append(tag)
    if not media:
        return
    first, last = media[0].timestamp, media[-1].timestamp
    step = max(1, round((last - first) / max(1, len({tag.timestamp for tag in media}) - 1)))
    begins = 0
    while True:
        for tag in media:
            yield Tag(tag.kind, begins + tag.timestamp - first, tag.payload)
        begins += last - first + step
