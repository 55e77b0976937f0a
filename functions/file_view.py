"""Shows a recorded file as the API does, and parses the query of requests for files.

`files` and `record_command` use this module. It sends no request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct
from msgspec.structs import replace

from functions.answer_fields import Amount, Count, Time, doc
from shared.inbound.catalogue import Language, finding_text, outcome_text
from shared.inbound.request_fields import (
    DEFAULT_ROWS,
    DURATION,
    LIMIT,
    PRINTABLE,
    Field,
    beginning,
    moment,
    text,
)
from shared.protocol.durations import duration, rfc3339, written
from shared.protocol.file import VOD, File, FileCopy, FileVerdict
from shared.protocol.stream import StreamKey
from shared.store import Store

HOUR_MS = 3_600_000
MAX_SIGNED_MS = 12 * HOUR_MS
"""The longest validity of a presigned URL, in ms. A URL ends with the role's credentials, which
last 36 h (docs/platform/function-compute.md)."""


def _period(value: object) -> int:
    period = duration(value)
    if period > MAX_SIGNED_MS:
        raise ValueError(f"a playback URL is valid for at most {written(MAX_SIGNED_MS)}")
    return period


def _push_arg(value: object) -> tuple[str, str]:
    name, equals, wanted = str(value).partition("=")
    if not (name and equals) or not str(value).isprintable():
        raise ValueError("write `name=value`, such as `callback_id=42`")
    return name, wanted


PUSH_ARG = Field(
    "push_arg",
    _push_arg,
    {"type": "string", "pattern": f"^[{PRINTABLE}]+=[{PRINTABLE} ]*$"},
    "only files with this argument of the push URL, as `name=value`; the newest 1,000 files"
    " are searched",
    "callback_id=42",
)
FILTERED_ROWS = 1_000
"""A filter searches this many of a stream's newest files."""
_VALIDITY = Field(
    "for", _period, DURATION, "how long the playback URLs are valid; at most `12h`", "1h"
)
QUERY: tuple[Field, ...] = (LIMIT, PUSH_ARG, _VALIDITY)
"""The query of a request for playback URLs; `for` is in ms once read."""
PLAYLIST_QUERY: tuple[Field, ...] = (
    beginning(
        "the beginning of the period, as a time or as a duration before its end; if left out, the"
        " beginning of the last intent",
        example="2h",
    ),
    replace(
        moment(
            "to",
            "the end of the period; if left out, now or, without `from`, the end of the last"
            " intent",
        ),
        example="2026-11-01T20:00:00Z",
    ),
    text(
        "occurrence",
        "the id of a schedule's occurrence, whose period is used instead of `from` and `to`",
        example="tuesdays@2030-01-01T19:00:00",
    ),
    _VALIDITY,
)
"""The query of a request for a playlist."""


class M3u8(str):
    """The text of a playlist. An answer of this type has the media type of playlists."""

    __slots__ = ()
    MEDIA_TYPE = "application/vnd.apple.mpegurl"


def files_of(store: Store, key: StreamKey, query: Mapping[str, Any]) -> Sequence[File]:
    """Return the files that the query asks for, newest first. With `push_arg`, only the newest
    FILTERED_ROWS files are searched."""
    limit, wanted = query.get("limit", DEFAULT_ROWS), query.get("push_arg")
    if wanted is None:
        return store.files(key, limit)
    found = store.files(key, FILTERED_ROWS)
    return [file for file in found if wanted in file.push_args][:limit]


def is_object(file: File) -> bool:
    """Return True if the file is in a bucket; False if Live recorded it to VOD."""
    return not file.uri.startswith(VOD)


class FindingView(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, doc("for programs; `text` is the same in words")]
    text: str
    numbers: Annotated[
        Mapping[str, int], doc("the numbers in the text; the end of each name is the unit")
    ]


class VerdictView(Struct, frozen=True, forbid_unknown_fields=True):
    """The result of verifying the file in the bucket. `size`, in bytes, and `duration`, in s, were
    read from the object; null if they could not be read."""

    outcome: Annotated[
        str,
        doc(
            "`verified`, `missing`, `truncated`, `unplayable`, `duration_differs`, or"
            " `unknown` if the check is not possible"
        ),
    ]
    text: str
    at: Time
    findings: Sequence[FindingView]
    size: Count | None
    duration: Amount | None


class CopyView(Struct, frozen=True, forbid_unknown_fields=True):
    """The copy of a file in another store, if a [[deliver]] rule of the policy covers it."""

    state: Annotated[
        str,
        doc(
            "`delivering`, `delivered` or `failed`; only"
            " `POST /v1/deliveries/{id}/redrive` retries a failed copy"
        ),
    ]
    target: Annotated[str, doc("`s3://bucket/name`")]
    at: Time
    copied: Annotated[Count, doc("bytes copied so far")]
    size: Annotated[
        Count | None,
        doc(
            "bytes in all; `null` until the copy has begun, and for a playlist until each of"
            " its segments is copied"
        ),
    ]
    segments: Annotated[
        Count | None,
        doc(
            "how many segments the playlist has; `null`: it was not read yet, or the file"
            " is no playlist"
        ),
    ]
    copied_segments: Annotated[
        Count | None,
        doc("how many segments of the playlist are copied; `null`: the file is no playlist"),
    ]
    why: Annotated[str, doc("why the last attempt failed; empty: none has failed")]


class FileView(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that every answer about a file has. The file was recorded from `start` to `stop`
    (Live's clock); null if Live did not report this time."""

    uri: str
    start: Time | None
    stop: Time | None
    duration: Annotated[
        Amount | None, doc("seconds, as Live reports; if Live reports none, `stop` minus `start`")
    ]
    push_args: Annotated[
        Mapping[str, str], doc("the arguments of the push URL that begin with `callback_`")
    ]
    verified: Annotated[VerdictView | None, doc("`null` until the stage has checked the file")]
    copy: Annotated[CopyView | None, doc("`null` if no rule of the policy copies the file")]


class SignedFileView(FileView, frozen=True, forbid_unknown_fields=True):
    size: Annotated[Count | None, doc("bytes, as OSS reports")]
    why_no_size: Annotated[str | None, doc("why `size` is `null`")]
    url: Annotated[str | None, doc("the presigned URL")]
    why_no_url: Annotated[str | None, doc("why `url` is `null`")]


class SignedFilesView(Struct, frozen=True, forbid_unknown_fields=True):
    stream: str
    until: Annotated[Time, doc("when the URLs expire, unless the role's key expires earlier")]
    files: Annotated[Sequence[SignedFileView], doc("newest first")]


def view_of(file: File, language: Language) -> FileView:
    return FileView(
        uri=file.uri,
        start=None if file.start is None else rfc3339(file.start),
        stop=None if file.stop is None else rfc3339(file.stop),
        duration=_seconds(file),
        push_args=dict(file.push_args),
        verified=_verdict(file.verdict, language) if file.verdict else None,
        copy=_copy(file.verdict.copy) if file.verdict and file.verdict.copy else None,
    )


def _copy(copy: FileCopy) -> CopyView:
    return CopyView(
        state=copy.state,
        target=copy.target,
        at=rfc3339(copy.at),
        copied=copy.copied_bytes,
        size=copy.size_bytes,
        segments=copy.segments,
        copied_segments=copy.copied_segments,
        why=copy.why,
    )


def _verdict(verdict: FileVerdict, language: Language) -> VerdictView:
    return VerdictView(
        outcome=verdict.outcome,
        text=outcome_text(verdict.outcome, language),
        at=rfc3339(verdict.at),
        findings=[
            FindingView(each.code, finding_text(each.code, each.numbers, language), each.numbers)
            for each in verdict.evidence
        ],
        size=verdict.size_bytes,
        duration=None if verdict.duration_ms is None else verdict.duration_ms / 1000,
    )


def _seconds(file: File) -> float | None:
    """Return the duration that Live reported, or else the time from start to stop; None without
    either."""
    if file.duration is not None:
        return file.duration / 1000
    if file.start is None or file.stop is None:
        return None
    return max(file.stop - file.start, 0) / 1000
