"""The state machine of recordings: what commands, publishes and interruptions do.

backend.py calls it for every event of a stream.
It must not know HTTP or how a callback is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emulator.live.account import Rule
from emulator.live.api_errors import ApiError
from emulator.live.clock import Timeline
from emulator.live.notify_records import VOD_EVENT
from emulator.live.objects import Outside
from emulator.live.recorded_files import (
    Drafts,
    RecordedFiles,
    Span,
    file_callback_body,
    span_of,
    uri,
    vod_event,
)
from emulator.live.streams import Recording, Session, Stream, StreamKey, Tail, utc
from emulator.live.switches import Switches
from emulator.media.flv_recording import FlvRecording

COMMANDS = ("start", "stop", "restart", "cancel_delay")

PostCallback = Callable[[StreamKey, str, Mapping[str, object]], None]
FindError = Callable[[Rule], tuple[str, str] | None]
"""Return code and message of the error that breaks a recording under this rule at once."""


class Recordings:
    """The task states of docs/platform/live.md §1.2 and the merge delay of §6.

    idle --start--> running --stop, interruption--> paused --delay, cancel_delay--> file, idle
    """

    def __init__(
        self,
        timeline: Timeline,
        switches: Switches,
        post: PostCallback,
        find_error: FindError,
        recorded_files: RecordedFiles,
    ) -> None:
        self._timeline = timeline
        self._switches = switches
        self._post = post
        self._find_error = find_error
        self._recorded_files = recorded_files
        self.running = 0
        self.running_peak = 0

    def command(self, command: str, stream: Stream, at: int) -> None:
        session = stream.live
        visible_after = self._switches.stream_visible_after_publish_ms
        if session is None or at < session.began_ms + visible_after:
            self._command_offline(command, stream, at)
            return
        act = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "cancel_delay": self._cancel_delay,
        }[command]
        act(stream, session, at)

    def on_stream_started(self, stream: Stream, session: Session, at: int) -> None:
        """Resume an interrupted recording, or begin an automatic one.

        An interrupted recording resumes within the merge delay (docs/platform/live.md §6).
        """
        pending = stream.recording
        is_automatic = session.rule is not None and session.rule.on_demand == 0
        if pending and pending.paused_by == "interruption":
            if is_automatic or self._switches.manual_resumes_within_delay:
                self._resume(stream, pending, at)
        elif is_automatic:
            self._finish(stream, at)
            self.begin(stream, session, at)

    def on_stream_ended(self, stream: Stream, at: int) -> None:
        if stream.recording and stream.recording.is_running:
            self._pause(stream, stream.recording, "interruption", at)

    def begin(self, stream: Stream, session: Session, at: int) -> None:
        if session.rule is None or not session.rule.is_in_force(at):
            raise ApiError("CodeConfigNotFound")
        if error := self._find_error(session.rule):
            self._post_error(stream, *error)
            return
        self._open(stream, Recording(session.rule, at, session.arguments, at), at)
        self._post_status(stream, "record_started", at)

    def fail(self, stream: Stream, at: int) -> bool:
        """Break the recording off without a file; return True if there was one."""
        recording, stream.recording = stream.recording, None
        stream.end_tails()
        if recording and recording.is_running:
            self._stop_clock(recording, at)
        if recording and recording.flv:
            recording.flv.close()
        return recording is not None

    def _command_offline(self, command: str, stream: Stream, at: int) -> None:
        if command == "stop" and self._switches.stop_when_offline == "ok":
            return
        if command == "cancel_delay" and self._switches.cancel_delay_when_offline == "ok":
            self._finish(stream, at)
            return
        raise ApiError("StreamNotFound")

    def _start(self, stream: Stream, session: Session, at: int) -> None:
        recording = stream.recording
        if recording is None:
            self.begin(stream, session, at)
        elif recording.is_running:
            raise ApiError("TaskAlreadyStarted")
        else:
            self._start_within_delay(stream, session, recording, at)
        session.commanded = True

    def _start_within_delay(
        self, stream: Stream, session: Session, paused: Recording, at: int
    ) -> None:
        match self._within_delay(paused):
            case "already_started":
                raise ApiError("TaskAlreadyStarted")
            case "new_file":
                self._finish(stream, at)
                self.begin(stream, session, at)
            case _:
                self._resume(stream, paused, at)

    def _within_delay(self, paused: Recording) -> str:
        if paused.paused_by == "stop":
            return self._switches.start_after_stop_within_delay
        return self._switches.start_after_interruption_within_delay

    def _stop(self, stream: Stream, _session: Session, at: int) -> None:
        if stream.recording and stream.recording.is_running:
            self._pause(stream, stream.recording, "stop", at)
        else:
            _answer_idle(self._switches.stop_when_idle)

    def _cancel_delay(self, stream: Stream, _session: Session, at: int) -> None:
        if stream.recording and not stream.recording.is_running:
            self._finish(stream, at)
        else:
            _answer_idle(self._switches.cancel_delay_without_stop)

    def _restart(self, stream: Stream, session: Session, at: int) -> None:
        was_started = session.commanded or stream.recording is not None
        if not was_started and self._switches.restart_before_start == "error":
            raise ApiError("OtherError")
        self._finish(stream, at, is_cut=True)
        self.begin(stream, session, at)
        session.commanded = True

    def _open(self, stream: Stream, recording: Recording, at: int) -> None:
        stream.recording = recording
        recording.flv = recording.flv or self._recorded_files.flv_recording(stream, recording.rule)
        self._count(+1)
        self._cut_when_full(stream, recording, at)
        if recording.rule.window:
            _begins_ms, ends_ms = recording.rule.window
            self._timeline.at(ends_ms, lambda when: self._end_window(stream, recording, when))

    def _end_window(self, stream: Stream, recording: Recording, at: int) -> None:
        """End the recording of a timed configuration whose window has ended (docs/platform/live.md
        §6)."""
        if stream.recording is recording:
            self._finish(stream, at)

    def _pause(self, stream: Stream, recording: Recording, by: str, at: int) -> None:
        self._stop_clock(recording, at)
        stream.end_tails()
        if recording.flv:
            recording.flv.pause()
        recording.paused_by = by
        due = recording.file_due_ms = at + recording.rule.delay_ms
        self._timeline.at(due, lambda when: self._file_due(stream, recording, when))
        self._post_status(stream, "record_paused", at)

    def _resume(self, stream: Stream, recording: Recording, at: int) -> None:
        recording.running_since_ms = at
        recording.paused_by = recording.file_due_ms = None
        self._open(stream, recording, at)
        self._post_status(stream, "record_resumed", at)

    def _file_due(self, stream: Stream, recording: Recording, at: int) -> None:
        if stream.recording is recording and recording.file_due_ms == at:
            self._finish(stream, at)

    def _cut_when_full(self, stream: Stream, recording: Recording, at: int) -> None:
        """Schedule the split at the end of the cycle (docs/platform/live.md §6 CycleDuration)."""
        since = recording.running_since_ms
        if recording.rule.cycle_ms:
            due = at + max(0, recording.rule.cycle_ms - recording.recorded_ms)
            self._timeline.at(due, lambda when: self._cut(stream, recording, since, when))

    def _cut(self, stream: Stream, recording: Recording, since: int | None, at: int) -> None:
        if stream.recording is not recording or recording.running_since_ms != since:
            return
        self._finish(stream, at, is_cut=True)
        self._open(stream, Recording(recording.rule, at, recording.arguments, at), at)

    def _finish(self, stream: Stream, at: int, *, is_cut: bool = False) -> None:
        recording, stream.recording = stream.recording, None
        if recording is None:
            return
        goes_on = is_cut and recording.is_running
        stop_ms = (
            self._stop_clock(recording, at) if recording.is_running else _stopped_ms(recording)
        )
        flv = recording.flv
        if flv is None:
            span = Span(recording.began_ms, stop_ms, recording.recorded_ms)
            self._store_files(stream, recording, span, None)
            return
        tail = Tail(flv, lambda: self._store_files(stream, recording, span_of(flv), flv))
        if goes_on:
            stream.tails.append(tail)
        else:
            tail.end()

    def _store_files(
        self, stream: Stream, recording: Recording, span: Span, flv: FlvRecording | None
    ) -> None:
        """Store a file for each format, unless the recording has no frame."""
        if flv is not None and flv.frames == 0:
            return
        sequence = len(stream.files)
        if recording.rule.storage == "vod":
            video = vod_event(stream.key, span, sequence)
            stream.files.append(video)
            self._post(stream.key, VOD_EVENT, video)
            return
        try:
            with self._recorded_files.drafts(stream, recording.rule, flv) as drafts:
                for container in recording.rule.formats:
                    self._store_file(stream, recording, span, container, (drafts, sequence))
        except OSError as error:
            self._post_error(stream, "StreamFormatError", f"no other format was made: {error}")

    def _store_file(
        self,
        stream: Stream,
        recording: Recording,
        span: Span,
        container: str,
        media: tuple[Drafts, int],
    ) -> None:
        drafts, sequence = media
        name = uri(stream.key, recording.rule, container, span, sequence)
        try:
            if container in drafts.paths:
                rule = recording.rule
                name = self._recorded_files.keep(stream, rule, name, container, drafts)
        except (OSError, Outside) as error:
            self._post_error(stream, "AccessDenied", f"the file could not be kept: {error}")
            return
        file = file_callback_body(recording, name, span, self._switches.file_stop_time)
        stream.files.append(file)
        self._post(stream.key, "file", file)

    def _stop_clock(self, recording: Recording, at: int) -> int:
        if recording.running_since_ms is not None:
            recording.recorded_ms += at - recording.running_since_ms
            recording.running_since_ms = None
            self._count(-1)
        return at

    def _count(self, change: int) -> None:
        self.running += change
        self.running_peak = max(self.running_peak, self.running)

    def _post_error(self, stream: Stream, code: str, message: str) -> None:
        error = {"code": code, "message": message}
        self._post(stream.key, "record_error", {"event": "record_error", "error_info": error})

    def _post_status(self, stream: Stream, event: str, at: int) -> None:
        time = {"time": utc(at)} if self._switches.status_events_carry_time else {}
        self._post(stream.key, event, {"event": event, **time})


def _answer_idle(answer: str) -> None:
    if answer != "ok":
        raise ApiError(answer)


def _stopped_ms(paused: Recording) -> int:
    return (paused.file_due_ms or 0) - paused.rule.delay_ms
