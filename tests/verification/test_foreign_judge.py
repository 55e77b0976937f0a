"""Our verdicts, beside those of ffmpeg, which decodes each file whole.

`python -m tests.verification.test_foreign_judge SEED COUNT` shows each difference.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from shared.verification.contract import ExpectedFile, FileOutcome
from tests.verification.bucket import MemoryBucket
from tests.verification.foreign_judge import verdict_of_ffmpeg
from tests.verification.planted_faults import Planted, plant

pytestmark = pytest.mark.slow

SEED, FILES = 20, 200
AT_ONCE = 2
PAGE = Path(__file__).resolve().parents[2] / "docs/coverage.md"
VERIFIED, TRUNCATED = FileOutcome.VERIFIED, FileOutcome.TRUNCATED
UNPLAYABLE, DIFFERS = FileOutcome.UNPLAYABLE, FileOutcome.DURATION_DIFFERS
MISSING = FileOutcome.MISSING


class Difference(NamedTuple):
    """Faults of which the two judges say different things, and may."""

    containers: set[str]
    faults: set[str]
    ours: set[FileOutcome]
    theirs: set[FileOutcome]


DIFFERENCES = {
    "Damage inside the media": Difference(
        {"flv", "mp4", "m3u8"},
        {"overwritten", "end zeroed", "segment overwritten", "segment cut", "segment missing"}
        | {"segment empty"},
        {VERIFIED},
        {TRUNCATED},
    ),
    "Bytes after the last tag": Difference({"flv"}, {"bytes appended"}, {TRUNCATED}, {VERIFIED}),
    "A cut inside the last frame": Difference(
        {"flv"}, {"cut", "cut in its last bytes"}, {TRUNCATED}, {VERIFIED, DIFFERS}
    ),
    "An index that is damaged at its end": Difference(
        {"mp4"},
        {"cut", "cut in its last bytes", "end zeroed"},
        {VERIFIED, TRUNCATED, UNPLAYABLE},
        {VERIFIED, TRUNCATED, UNPLAYABLE},
    ),
    "A playlist without its end": Difference(
        {"m3u8"},
        {"cut", "cut in its last bytes", "no end list"},
        {TRUNCATED, MISSING},
        {VERIFIED, DIFFERS, UNPLAYABLE},
    ),
    "A playlist that promises more": Difference({"m3u8"}, {"promises more"}, {DIFFERS}, {VERIFIED}),
    "A segment that ffmpeg passes over": Difference(
        {"m3u8"},
        {"segment missing", "segment empty", "segment cut", "segment overwritten"},
        {TRUNCATED},
        {VERIFIED, DIFFERS},
    ),
}
"""By the name under which docs/coverage.md gives the reason."""


class Judged(NamedTuple):
    planted: Planted
    ours: FileOutcome
    theirs: FileOutcome
    complaint: str

    @property
    def difference(self) -> str | None:
        """Return the name of the difference, "" if there is none, None if it has no name."""
        if self.ours is self.theirs:
            return ""
        names = (name for name, each in DIFFERENCES.items() if self._is_of(each))
        return next(names, None)

    def __str__(self) -> str:
        reason = self.difference or "no reason is listed"
        outcomes = (self.ours.value, self.theirs.value)
        return " · ".join((reason, self.planted.container, self.planted.fault, *outcomes))

    def _is_of(self, each: Difference) -> bool:
        return (
            self.planted.container in each.containers
            and self.planted.fault in each.faults
            and self.ours in each.ours
            and self.theirs in each.theirs
        )


def judged_by_both(seed: int, count: int) -> Iterator[Judged]:
    with TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        planted = list(plant(seed, count))
        folders = [Path(folder) / str(n) for n in range(count)]
        decoded = pool.map(verdict_of_ffmpeg, planted, folders)
        for file, theirs in zip(planted, decoded, strict=True):
            expected = ExpectedFile(file.name, file.reported_ms)
            yield Judged(file, MemoryBucket(file.objects).judge(expected).outcome, *theirs)


@pytest.mark.slow
def test_our_verdict_is_that_of_a_decoder_but_for_listed_reasons() -> None:
    found = list(judged_by_both(SEED, FILES))

    unnamed = [str(each) for each in found if each.difference is None]
    assert unnamed == []
    assert {each.ours for each in found} == set(FileOutcome) - {FileOutcome.UNKNOWN}
    assert sum(each.ours is each.theirs for each in found) > FILES * 3 / 4
    whole = [each for each in found if each.planted.fault == "none"]
    assert {each.ours for each in whole} == {VERIFIED}


def test_each_listed_reason_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in DIFFERENCES if f"| {name} |" not in page] == []


if __name__ == "__main__":
    both = list(judged_by_both(int(sys.argv[1]), int(sys.argv[2])))
    counts = Counter(str(each) for each in both if each.difference != "")
    for line, number in sorted(counts.items()):
        print(number, line)
    print(f"{len(both) - sum(counts.values())} of {len(both)} alike")
