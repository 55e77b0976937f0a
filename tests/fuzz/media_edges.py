"""The edge at which the bucket answers us: recorded files of any content, and answers that lie."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from shared.verification.contract import (
    ABSENT,
    DENIED,
    MAX_BYTES,
    MAX_REQUESTS,
    Answer,
    ExpectedFile,
    Request,
    Verdict,
)
from tests.fuzz.corpus import Case, texts
from tests.verification.bucket import MemoryBucket
from tests.verification.samples import FAST_MP4, FLV, M3U8, MP4, samples

MAX_NUMBER = 2**53
_bytes = st.one_of(
    st.binary(max_size=24).map(lambda data: data.decode("latin-1")),
    st.sampled_from(["\xff" * 4, "\0" * 8, "\0\0\0\1mdat", "moov", "stts", "#EXTINF:1e999,\n"]),
    texts.map(lambda text: text.encode("utf-8", "replace").decode("latin-1")),
)
_edit = st.fixed_dictionaries(
    {"at": st.floats(0, 1), "removed": st.integers(0, 400), "put": _bytes}
)
_answer = st.none() | st.integers(-1, 2**70) | _bytes | st.sampled_from(["absent", "denied"])
recorded_file_cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([FLV, MP4, FAST_MP4, M3U8]),
        "edits": st.lists(_edit, max_size=6),
        "of_segments": st.lists(_edit, max_size=3),
        "lies": st.lists(_answer, max_size=6),
        "reported_ms": st.none() | st.integers(0, 2**60),
    }
)


class LyingBucket(MemoryBucket):
    """Answers as the case says where it says something, and truly else."""

    lies: list[object]

    def answer(self, request: Request) -> Answer:
        truth = super().answer(request)
        lie = self.lies.pop() if self.lies else None
        if isinstance(lie, str):
            named = {"absent": ABSENT, "denied": DENIED}.get(lie)
            return named or lie.encode("latin-1", "replace")
        return lie if isinstance(lie, int) and not isinstance(lie, bool) else truth


def check_recorded_file(case: Case) -> None:
    """Hold that there is a verdict, within the limits, that every reader of JSON can read."""
    whole = samples()[case["kind"]].objects
    bucket = LyingBucket(
        {
            uri: _edited(data, case["edits" if uri == case["kind"] else "of_segments"])
            for uri, data in whole.items()
        }
    )
    bucket.lies = case["lies"] if isinstance(case["lies"], list) else []
    reported_ms = case["reported_ms"] if type(case["reported_ms"]) is int else None
    verdict = bucket.judge(ExpectedFile(case["kind"], reported_ms))
    assert bucket.read_bytes <= MAX_BYTES
    assert len(bucket.requests) <= MAX_REQUESTS
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert all(n < MAX_NUMBER for each in verdict.evidence for n in each.numbers.values() if n)


def _edited(data: bytes, edits: object) -> bytes:
    """Return the bytes with the edits that are some: parts of saved cases are mutated."""
    for edit in edits if isinstance(edits, list) else ():
        match edit:
            case {"at": float(place), "removed": int(removed), "put": str(put)} if 0 <= place <= 1:
                at = int(place * len(data))
                rest = data[at + max(removed, 0) :]
                data = data[:at] + put.encode("latin-1", "replace") + rest
    return data
