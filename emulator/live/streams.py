"""Streams, their sessions and the recording in progress.

backend.py and recordings.py change them; the API lists them.
They hold state and media only and must not send anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import NamedTuple

from emulator.live.account import Rule
from emulator.media.flv import Tag
from emulator.media.flv_recording import FlvRecording, Source


class StreamKey(NamedTuple):
    domain: str
    app: str
    stream: str


@dataclass(slots=True)
class Session:
    """One publish.

    `time` is the second that callbacks report; `began_ms` is the true time.
    """

    number: int
    ingest: str
    time: int
    began_ms: int
    rule: Rule | None
    arguments: dict[str, str]
    ended_ms: int | None = None
    announced: bool = False
    commanded: bool = False
    start_call: int | None = None
    stream_key: str = ""
    record_key: str = ""
    is_pushed: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file stored as an object, and the times of its first and last frame."""

    uri: str
    bucket: str
    path: str
    began_ms: int
    ended_ms: int
    duration_ms: int
    frames: int
    bytes: int


@dataclass(slots=True)
class Recording:
    """One file being recorded: running, or paused with a time at which the file is due.

    `flv` is the media file, if the stream is really pushed.
    """

    rule: Rule
    began_ms: int
    arguments: dict[str, str]
    running_since_ms: int | None
    recorded_ms: int = 0
    paused_by: str | None = None
    file_due_ms: int | None = None
    flv: FlvRecording | None = None

    @property
    def is_running(self) -> bool:
        return self.running_since_ms is not None


@dataclass(slots=True)
class Tail:
    """A split file that runs on to the next key frame, where the next file begins."""

    flv: FlvRecording
    on_end: Callable[[], None]

    def end(self) -> None:
        self.flv.close()
        self.on_end()


@dataclass(slots=True)
class Stream:
    key: StreamKey
    sessions: list[Session] = field(default_factory=list)
    recording: Recording | None = None
    files: list[dict[str, object]] = field(default_factory=list)
    stop_call: int | None = None
    stored_files: list[StoredFile] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)

    def take(self, tag: Tag, source: Source, now_ms: int) -> None:
        """Pass a publisher's tag on to every file; raise OSError if one cannot be written."""
        if tag.is_key_frame or not source.has_video:
            self.end_tails()
        for tail in self.tails:
            tail.flv.take(tag, source, now_ms)
        if self.recording and self.recording.is_running and self.recording.flv:
            self.recording.flv.take(tag, source, now_ms)

    def end_tails(self) -> None:
        tails, self.tails = self.tails, []
        for tail in tails:
            tail.end()

    def flv_recordings(self) -> list[FlvRecording]:
        """Return the files that are being written."""
        own = [self.recording.flv] if self.recording and self.recording.flv else []
        return [*own, *(tail.flv for tail in self.tails)]

    def open_session(
        self, ingest: str, time: int, at_ms: int, rule: Rule | None, arguments: Mapping[str, str]
    ) -> Session:
        number = len(self.sessions) + 1
        self.sessions.append(Session(number, ingest, time, at_ms, rule, dict(arguments)))
        return self.sessions[-1]

    @property
    def live(self) -> Session | None:
        if self.sessions and self.sessions[-1].ended_ms is None:
            return self.sessions[-1]
        return None

    def live_at(self, at_ms: int) -> Session | None:
        """Return the newest session that was live at that time."""
        for session in reversed(self.sessions):
            if session.began_ms <= at_ms:
                is_live = session.ended_ms is None or at_ms < session.ended_ms
                return session if is_live else None
        return None


class Streams:
    def __init__(self) -> None:
        self._streams: dict[StreamKey, Stream] = {}

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def of(self, key: StreamKey) -> Stream:
        return self._streams.setdefault(key, Stream(key))

    def find(self, key: StreamKey) -> Stream | None:
        return self._streams.get(key)

    def clear(self) -> None:
        self._streams.clear()


def utc(at_ms: int, shape: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).strftime(shape)
