"""The files that a recording leaves: their names, objects and callback bodies.

recordings.py calls it when a file is finished.
It must not decide when that is.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from emulator.live.account import PREFIX, SLICE_PREFIX, Rule
from emulator.live.clock import Clock
from emulator.live.containers import FLV, M3U8, MP4, can_write, to_m3u8, to_mp4
from emulator.live.object_faults import SHORTER, ObjectFault, ObjectFaults, shorten
from emulator.live.objects import Objects, Outside
from emulator.live.streams import Recording, StoredFile, Stream, StreamKey, utc
from emulator.media.flv_recording import FlvRecording

SLICE_S = 30
SHAPE = "%Y-%m-%d-%H-%M-%S"
"""The format of times in object names; the service's own is UNCONFIRMED."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """A finished file, by container format, and the planned fault of its objects, if any."""

    paths: Mapping[str, Path]
    flv: FlvRecording | None
    fault: ObjectFault | None


@dataclass(frozen=True, slots=True)
class Span:
    """The time from a recording's start to its stop, and how much of it was recorded; in ms."""

    began_ms: int
    stopped_ms: int
    duration_ms: int


class RecordedFiles:
    """Names and stores the files. Without `objects` no file is written."""

    def __init__(self, objects: Objects | None, clock: Clock) -> None:
        self.objects = objects
        self.faults = ObjectFaults()
        self._clock = clock

    def flv_recording(self, stream: Stream, rule: Rule) -> FlvRecording | None:
        """Return a new FLV recording, or None if the stream or the rule has no use for one."""
        is_pushed = stream.live is not None and stream.live.is_pushed
        if (
            self.objects is None
            or not is_pushed
            or rule.storage != "oss"
            or not any(map(can_write, rule.formats))
        ):
            return None
        return FlvRecording(self.objects.draft())

    @contextmanager
    def drafts(self, stream: Stream, rule: Rule, flv: FlvRecording | None) -> Iterator[Drafts]:
        """Provide the finished file in each format that can be written; raise OSError.

        Drafts that are not kept are deleted at the end.
        """
        if flv is None or self.objects is None:
            yield Drafts({}, None, None)
            return
        fault = self.faults.next_for(stream.key.stream)
        if fault and fault.do == SHORTER:
            shorten(flv.path, fault.keep_ms)
        with TemporaryDirectory(dir=flv.path.parent) as folder:
            paths = {FLV: flv.path}
            if MP4 in rule.formats and can_write(MP4):
                paths[MP4] = to_mp4(flv.path, Path(folder))
            if M3U8 in rule.formats and can_write(M3U8):
                paths[M3U8] = to_m3u8(flv.path, Path(folder), _slice_s(rule))
            yield Drafts(paths, flv, fault)
        flv.path.unlink(missing_ok=True)

    def keep(self, stream: Stream, rule: Rule, uri: str, container: str, drafts: Drafts) -> str:
        """Store the file as an object and return its name; raise OSError or Outside."""
        flv, draft = drafts.flv, drafts.paths[container]
        if self.objects is None or flv is None:
            raise Outside("there are no buckets")
        keys, media = list[str](), None
        if container == M3U8:
            keys, media = self._keep_segments(stream, rule, uri, flv, draft)
        uri = self.objects.free_key(rule.bucket, uri)
        path = self.objects.keep(draft, rule.bucket, uri)
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
        if drafts.fault:
            now_ms = self._clock.now_ms()
            self.faults.carry_out(drafts.fault, rule.bucket, [*keys, uri], media or path, now_ms)
        return uri

    def _keep_segments(
        self, stream: Stream, rule: Rule, uri: str, flv: FlvRecording, playlist: Path
    ) -> tuple[list[str], Path | None]:
        """Store the segments, and name them in the playlist by their paths relative to it."""
        lines, keys, path = playlist.read_text(encoding="utf-8").splitlines(), list[str](), None
        began_s = (flv.began_ms or 0) // 1000
        for n, line in enumerate(lines):
            if self.objects is None or line.startswith("#") or not line:
                continue
            variables = {"UnixTimestamp": str(began_s), "Sequence": str(len(keys))}
            name = _named(_prefix(rule, M3U8, "SliceOssObjectPrefix"), stream.key, variables)
            keys.append(self.objects.free_key(rule.bucket, f"{name}.ts"))
            path = self.objects.keep(playlist.with_name(line), rule.bucket, keys[-1])
            lines[n] = posixpath.relpath(keys[-1], posixpath.dirname(uri))
        playlist.write_text("\n".join([*lines, ""]), encoding="utf-8")
        return keys, path


def span_of(flv: FlvRecording) -> Span:
    return Span(flv.began_ms or 0, flv.ended_ms, flv.duration_ms)


def uri(key: StreamKey, rule: Rule, container: str, span: Span, sequence: int) -> str:
    """Return the object name by OssObjectPrefix, with the variables of the SDK's models."""
    start, end = utc(span.began_ms, SHAPE), utc(span.stopped_ms, SHAPE)
    variables = {
        "Sequence": str(sequence),
        "StartTime": start,
        "EndTime": end,
        "EscapedStartTime": start,
        "EscapedEndTime": end,
    }
    return f"{_named(_prefix(rule, container), key, variables)}.{container}"


def _named(template: str, key: StreamKey, variables: Mapping[str, str]) -> str:
    all_variables = {"AppName": key.app, "StreamName": key.stream, **variables}
    for variable, value in all_variables.items():
        template = template.replace(f"{{{variable}}}", value)
    return template


def _row(rule: Rule, container: str) -> Mapping[str, object]:
    """Return the rule's settings for a format."""
    format_list = rule.api_fields.get("RecordFormatList")
    rows = format_list.get("RecordFormat", []) if isinstance(format_list, dict) else []
    return next((row for row in rows if row.get("Format") == container), {})


def _prefix(rule: Rule, container: str, field: str = "OssObjectPrefix") -> str:
    default = PREFIX if field == "OssObjectPrefix" else SLICE_PREFIX
    return str(_row(rule, container).get(field) or default)


def _slice_s(rule: Rule) -> int:
    slice_s = _row(rule, M3U8).get("SliceDuration")
    return slice_s if isinstance(slice_s, int) else SLICE_S


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


def file_callback_body(
    recording: Recording, uri: str, span: Span, stop_time: str
) -> dict[str, object]:
    """Return the body of the file callback, which has no `event` (docs/platform/live.md §4)."""
    stop_ms = span.stopped_ms if stop_time == "wall" else span.began_ms + span.duration_ms
    passed = {k: v for k, v in recording.arguments.items() if k.startswith("callback_")}
    return {
        "uri": uri,
        "duration": span.duration_ms / 1000,
        "start_time": span.began_ms // 1000,
        "stop_time": stop_ms // 1000,
        **({"push_args": passed} if passed else {}),
    }
