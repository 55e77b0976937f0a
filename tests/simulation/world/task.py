"""The recording of one stream: whether it runs or waits for the merge delay, and the files it
left."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from .agenda import Act, Agenda, Entry
from .terms import Config, File, Interval, Stream


class State(Enum):
    NONE = "no recording, nothing waits"
    RECORDING = "being recorded"
    PAUSED = "stopped by a command; the merge delay runs"
    INTERRUPTED = "the ingest ended; the merge delay runs"


PENDING = (State.PAUSED, State.INTERRUPTED)


class Witness(Protocol):
    """The receiver of what a task reports."""

    def event(self, at: int, stream: Stream, kind: str) -> None: ...
    def began(self, interval: Interval) -> None: ...
    def wrote(self, at: int, file: File) -> None: ...


class Task:
    """At most one recording of one stream (live.md §1.2, §6)."""

    __slots__ = (
        "_agenda",
        "_config",
        "_file_start",
        "_interval",
        "_timer",
        "_until",
        "_witness",
        "automatic",
        "state",
        "stream",
    )

    def __init__(self, stream: Stream, agenda: Agenda, witness: Witness) -> None:
        self.stream = stream
        self.state = State.NONE
        self.automatic = False
        self._agenda = agenda
        self._witness = witness
        self._config = Config()
        self._file_start = 0
        self._until = 0
        self._timer: Entry | None = None
        self._interval: Interval | None = None

    def begin(self, at: int, config: Config, *, automatic: bool, reports: bool = True) -> None:
        """Begin a new recording with a new file."""
        self.automatic = automatic
        self._config = config
        self._file_start = at
        self._run(at, "record_started" if reports else "")

    def resume(self, at: int, told_as: str = "record_resumed", *, is_asked: bool = True) -> None:
        """Go on with the same file, within the merge delay (live.md §6)."""
        self._run(at, told_as, is_asked=is_asked)

    def pause(self, at: int, state: State, *, reports: bool = True) -> None:
        """Pause; the file appears after the delay, 180 s unless configured (live.md §1.2, §6)."""
        self.state = state
        self._until = at
        self._end_interval(at)
        self._restart_timer(at + self._config.delay_ms, self._window_over)
        if reports:
            self._witness.event(at, self.stream, "record_paused")

    def close(self, at: int, *, leaves_file: bool = True) -> None:
        """Write the file now, and end the merge delay."""
        if self.state is State.RECORDING:
            self._until = at
            self._end_interval(at)
        self._agenda.cancel(self._timer)
        self._timer = None
        self.state = State.NONE
        if leaves_file:
            self._write(at, self._until)

    def _run(self, at: int, told_as: str, *, is_asked: bool = True) -> None:
        self.state = State.RECORDING
        self._interval = Interval(self.stream, at, self.automatic, is_resumed_alone=not is_asked)
        self._witness.began(self._interval)
        self._restart_timer(max(at, self._file_start + self._config.cycle_ms), self._cycle)
        if told_as:
            self._witness.event(at, self.stream, told_as)

    def _restart_timer(self, at: int, act: Act) -> None:
        self._agenda.cancel(self._timer)
        self._timer = self._agenda.enter(at, act)

    def _window_over(self, at: int) -> None:
        self._timer = None
        self.close(at)

    def _cycle(self, at: int) -> None:
        """Split the file at the end of a cycle, for mp4 1 h unless configured; an empty file is not
        kept (live.md §4, §6)."""
        self._write(at, at)
        self._file_start = at
        self._timer = self._agenda.enter(at + self._config.cycle_ms, self._cycle)

    def _write(self, at: int, stop: int) -> None:
        stream = self.stream
        if stop <= self._file_start:
            return
        uri = f"record/{stream.app}/{stream.name}/{self._file_start}-{stop}.mp4"
        self._witness.wrote(at, File(stream, uri, self._file_start, stop, at))

    def _end_interval(self, at: int) -> None:
        if self._interval is not None:
            self._interval.end = at
            self._interval = None
