"""Judge a recorded file by its size, its head and its tail.

`verify(expected)` is a generator without I/O. It yields `Stat(uri)` or `ReadRange(uri, start,
length)`, is sent the answer, and returns a `Verdict`. The answer to a Stat is the object's size in
bytes; the answer to a ReadRange is the bytes of it, fewer only where the object ends. Either may be
`ABSENT` (no such object) or `DENIED` instead. All ranges of one verdict hold at most `MAX_BYTES`,
and there are at most `MAX_REQUESTS` requests. A failure that says nothing of the object (a
timeout, a status 500) is no answer: its caller closes the generator and verifies again later. So
does a caller whose verdict has `is_final` False, since the object may still come.

`shared.outbound.oss.judge` drives it against a bucket; a task of the function with the OSS SDK
calls that. Whatever the bytes are, `verify` raises nothing. It knows neither clock nor bucket.

The room itself has the types alone, which the functions that judge nothing read verdicts with.
`shared.verification.verify` has `verify`, and `media_playlist` what reads a playlist.
"""

from __future__ import annotations

from shared.verification.contract import (
    ABSENT,
    DENIED,
    DURATION_TOLERANCE_MS,
    MAX_BYTES,
    MAX_REQUESTS,
    Answer,
    Evidence,
    EvidenceCode,
    ExpectedFile,
    FileOutcome,
    NoAnswer,
    ReadRange,
    Request,
    Stat,
    Verdict,
)

__all__ = [
    "ABSENT",
    "DENIED",
    "DURATION_TOLERANCE_MS",
    "MAX_BYTES",
    "MAX_REQUESTS",
    "Answer",
    "Evidence",
    "EvidenceCode",
    "ExpectedFile",
    "FileOutcome",
    "NoAnswer",
    "ReadRange",
    "Request",
    "Stat",
    "Verdict",
]
