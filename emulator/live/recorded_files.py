"""The files that a recording leaves: their names, objects and callback bodies.

recordings.py calls it when a file is finished.
It must not decide when that is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from emulator.live.account import PREFIX, Rule
from emulator.live.objects import Objects, Outside
from emulator.live.streams import Recording, StoredFile, Stream, StreamKey, utc
from emulator.media.flv_recording import FlvRecording

FLV = "flv"
SHAPE = "%Y-%m-%d-%H-%M-%S"
"""The format of times in object names; the service's own is UNCONFIRMED."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time from a recording's start to its stop, and how much of it was recorded; in ms."""

    began_ms: int
    stopped_ms: int
    duration_ms: int


class RecordedFiles:
    """Names and stores the files. Without objects, streams are recorded by the clock alone."""

    def __init__(self, objects: Objects | None) -> None:
        self.objects = objects

    def flv_recording(self, stream: Stream, rule: Rule) -> FlvRecording | None:
        """Return a new FLV recording, or None if the stream or the rule has no use for one."""
        is_pushed = stream.live is not None and stream.live.is_pushed
        if (
            self.objects is None
            or not is_pushed
            or rule.storage != "oss"
            or FLV not in rule.formats
        ):
            return None
        return FlvRecording(self.objects.draft())

    def keep(self, stream: Stream, rule: Rule, uri: str, flv: FlvRecording) -> str:
        """Store the file as an object and return its name; raise OSError or Outside."""
        if self.objects is None:
            raise Outside("there are no buckets")
        uri = self.objects.free_key(rule.bucket, uri)
        path = self.objects.keep(flv.path, rule.bucket, uri)
        span = span_of(flv)
        stream.stored_files.append(
            StoredFile(
                uri=uri,
                bucket=rule.bucket,
                path=str(path),
                began_ms=span.began_ms,
                ended_ms=span.stopped_ms,
                duration_ms=span.duration_ms,
                frames=flv.frames,
                bytes=path.stat().st_size,
            )
        )
        return uri


def span_of(flv: FlvRecording) -> Span:
    return Span(flv.began_ms or 0, flv.ended_ms, flv.duration_ms)


def uri(key: StreamKey, rule: Rule, container: str, span: Span, sequence: int) -> str:
    """Return the object name by OssObjectPrefix, with the variables of the SDK's models."""
    start, end = utc(span.began_ms, SHAPE), utc(span.stopped_ms, SHAPE)
    name = _prefix(rule, container)
    for variable, value in {
        "AppName": key.app,
        "StreamName": key.stream,
        "Sequence": str(sequence),
        "StartTime": start,
        "EndTime": end,
        "EscapedStartTime": start,
        "EscapedEndTime": end,
    }.items():
        name = name.replace(f"{{{variable}}}", value)
    return f"{name}.{container}"


def _prefix(rule: Rule, container: str) -> str:
    format_list = rule.api_fields.get("RecordFormatList")
    rows = format_list.get("RecordFormat", []) if isinstance(format_list, dict) else []
    named = [row.get("OssObjectPrefix") for row in rows if row.get("Format") == container]
    return str(named[0]) if named and named[0] else PREFIX


def vod_event(key: StreamKey, span: Span, sequence: int) -> dict[str, object]:
    """Return the event that ApsaraVideo VOD sends of a recording (docs/platform/live.md §4.1)."""
    return {
        "EventType": "AddLiveRecordVideoComplete",
        "Status": "success",
        "VideoId": hashlib.md5(f"{key}{span.began_ms}{sequence}".encode()).hexdigest(),
        "DomainName": key.domain,
        "AppName": key.app,
        "StreamName": key.stream,
        "RecordStartTime": utc(span.began_ms),
        "RecordEndTime": utc(span.stopped_ms),
    }


def file_callback_body(recording: Recording, uri: str, span: Span) -> dict[str, object]:
    """Return the body of the file callback, which has no `event` (docs/platform/live.md §4)."""
    passed = {k: v for k, v in recording.arguments.items() if k.startswith("callback_")}
    return {
        "uri": uri,
        "duration": span.duration_ms / 1000,
        "start_time": span.began_ms // 1000,
        "stop_time": span.stopped_ms // 1000,
        **({"push_args": passed} if passed else {}),
    }
