"""The times that the pages for operators promise are those of the code, in either language."""

from __future__ import annotations

import re

import pytest

from benchmarks.drills import full, result
from benchmarks.drills.traffic import SETTLED_WITHIN_S
from benchmarks.incidents import judge as incidents
from shared.config import Settings
from shared.config.token_cache import TOKENS_AGE_MS
from shared.outbox.endpoint import PAUSE_AFTER_MS
from shared.protocol.derived.wrong import REPORTED_AFTER_MS, UNDECIDED_MS
from shared.protocol.rules.command_retry import MAX_OPERATOR_RETRY_MS
from shared.protocol.rules.confirmation import (
    CONFIRM_AGAIN_MS,
    CONFIRM_MS,
    MAX_CONFIRM_AGAIN_MS,
)
from shared.protocol.state.command import IN_DOUBT_MS
from shared.store.contract import furthest_slot_ms
from tests.repository.rooms import ROOT
from tests.simulation import account_judge, alarms, judge, simulation, timetables

DEFAULTS = Settings.from_env(
    {
        "FC_EMULATOR": "1",
        "LIVE_RECORD_STORE": "sqlite:///x",
        "LIVE_RECORD_API_TOKENS": "a:read:dev-token",
    }
)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
MERGE_DELAY_MS = DEFAULTS.merge_delay
OPERATE = ("operate.md", "operate.zh-CN.md")
ROWS: dict[tuple[str, str], set[int]] = {
    ("`starts_unreported`", "`starts_unreported`"): {
        REPORTED_AFTER_MS // SECOND,
        CONFIRM_AGAIN_MS // SECOND,
        CONFIRM_MS // SECOND,
        MERGE_DELAY_MS // MINUTE,
    },
    ("`not_stopped`", "`not_stopped`"): {REPORTED_AFTER_MS // SECOND},
    ("the outcome of a command is unknown", "命令结果不明"): {
        (IN_DOUBT_MS + MERGE_DELAY_MS) // MINUTE
    },
}
"""The beginning of a row in either language, and the numbers in the row."""
RELIABILITY = (
    f"until {IN_DOUBT_MS // SECOND} s after it was sent",
    f"it claims a start within {judge.SOON // SECOND} s",
    f"It detects a lost callback within {judge.LEARNT // SECOND} s",
    f"A stop is claimed at most {judge.STOPPED // SECOND} s after `until`",
    f"It began within {timetables.BEGUN_MS // SECOND} s",
    f"must agree with the model within {account_judge.EDGE_MS // SECOND} s",
    f"a publish with a `time` within {judge.TOGETHER_MS // SECOND} s of the true one",
    f"The stage recovers within {result.RECOVERED_WITHIN_S:g} s",
    f"Health (`GET /v1/health`) names the cause within {result.STORE_TOLD_WITHIN_S:g} s",
    f"If the store is not at fault, health has {result.TOLD_WITHIN_S:g} s",
    f"Live still records the stream after {SETTLED_WITHIN_S:g} s",
    f"the engine has no memory left for more than {full.FULL_S:g} s",
    f"has not been recorded for {incidents.TOLD_WITHIN_S:g} s",
    f"for {incidents.TOLD_WITHIN_S:g} s. For health, this limit is {incidents.HEALTH_TELLS_S:g} s",
    f"then after 2, 4 and {MAX_CONFIRM_AGAIN_MS // MINUTE} minutes",
    f"retries a refused command at least every {MAX_OPERATOR_RETRY_MS // MINUTE} minutes",
)


def page(name: str) -> str:
    """Return the page with each line break as a space."""
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("language", [0, 1], ids=["en", "zh"])
@pytest.mark.parametrize("begins", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_of_operate_names_the_times_of_the_code(
    begins: tuple[str, str], language: int
) -> None:
    text = (ROOT / "docs" / OPERATE[language]).read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {begins[language]} ")]

    assert {int(number) for number in re.findall(r"\d+", row)} == ROWS[begins]


def test_operate_names_the_times_of_the_code() -> None:
    text = page("operate.md")

    assert f"records the stream again for {DEFAULTS.hold // HOUR} h" in text
    assert f"{DEFAULTS.max_duration // HOUR} h after its start by default" in text
    assert f"Within {TOKENS_AGE_MS // SECOND} s the token is refused" in text
    assert f"Commands go on within {furthest_slot_ms(1) / SECOND:g} s" in text
    assert f"finds the stream in the online list within {judge.LEARNT // SECOND} s" in text
    assert (PAUSE_AFTER_MS // DAY, "accepted nothing for five days" in text) == (5, True)


@pytest.mark.parametrize("sentence", RELIABILITY)
def test_reliability_names_the_times_of_the_code(sentence: str) -> None:
    assert sentence in page("reliability.md")


def test_what_the_pages_spell_out_are_the_times_of_the_code() -> None:
    assert simulation.QUIET == 5 * MINUTE
    assert "then at least five minutes without faults" in page("reliability.md")
    assert alarms.KNOWN_LATE_MS == 3 * MINUTE
    assert "there was a fault within the last three minutes" in page("reliability.md")
    assert UNDECIDED_MS == MINUTE
    assert "The stage polls until that is certain, for a minute at most" in page("runbook.md")
