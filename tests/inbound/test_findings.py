"""What was found of a file, in words."""

from __future__ import annotations

import string

import pytest

from shared.inbound.catalogue import Language, catalogue, finding_text, outcome_text
from shared.verification.contract import EvidenceCode, ExpectedFile, FileOutcome
from tests.verification.bucket import MemoryBucket
from tests.verification.samples import FLV, samples

SECONDS = {"late_s", "first_s", "last_s", "duration_s", "reported_s", "span_s"}
COUNTED = {"read_bytes", "at_byte", "missing_bytes", "size_bytes", "reported_bytes"}
PLACES = {"segment", "segments", "checked"}


@pytest.mark.parametrize("language", Language)
def test_every_outcome_and_finding_has_its_sentence(language: Language) -> None:
    assert set(catalogue(language).outcomes) == {each.value for each in FileOutcome}
    assert set(catalogue(language).findings) == {each.value for each in EvidenceCode}


@pytest.mark.parametrize("code", EvidenceCode)
def test_both_languages_name_the_same_numbers(code: EvidenceCode) -> None:
    named = [
        {
            name
            for _, name, _, _ in string.Formatter().parse(catalogue(language).findings[code])
            if name
        }
        for language in Language
    ]
    assert named[0] == named[1]
    assert named[0] <= SECONDS | COUNTED | PLACES


def test_a_verdict_reads_as_a_sentence() -> None:
    verdict = MemoryBucket(samples()[FLV].objects).judge(ExpectedFile(FLV, 60_000))
    found = verdict.evidence[0]

    assert outcome_text(verdict.outcome.value) == "The file is shorter or longer than reported"
    assert finding_text(found.code.value, found.numbers) == (
        "it plays 4.1 s, and Live reported 60.0 s"
    )
    chinese = finding_text(found.code.value, found.numbers, Language.CHINESE)
    assert chinese == "可播放 4.1 秒，视频直播上报 60.0 秒"


def test_what_another_release_found_shows_as_its_code() -> None:
    assert finding_text("moved_away", {"at_ms": 5}) == "moved_away"
    assert outcome_text("melted") == "melted"
