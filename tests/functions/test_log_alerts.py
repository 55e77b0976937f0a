"""The alert rules of deploy/account.ros.yaml, evaluated over the log of a stage with their fault,
and over that of a stage that is well.

Log Service evaluates them itself, which nobody has seen here: what is tested is that a rule asks
for what the functions log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.paths import ROOT
from functions import record_command
from shared.engine.step_marks import NOTIFY, began
from shared.protocol import Published, Reported, StartAsked
from shared.protocol.command_errors import Throttled
from tests.conftest import KEY, Clock
from tests.support.broken_records import break_record
from tests.support.reconciling import ReconcilingStage

TEMPLATE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "account.ros.yaml").read_text())
QUERY = re.compile(r'message\.(\w+): "([\w.]+)" \| SELECT count\(1\) AS found')
CONDITION = re.compile(r"found >= (\d+)")
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Rule:
    """It fires if in `minutes` at least `least` lines have this value in a field."""

    field: str
    value: str
    minutes: int
    least: int

    def fires(self, stage: ReconcilingStage) -> bool:
        """Return whether the rule fires now, by the clock of the stage."""
        lines = (json.loads(line) for text in stage.lines for line in text.splitlines())
        since = stage.clock.now - self.minutes * MINUTE_MS
        found = [each for each in lines if each[self.field] == self.value and _at(each) >= since]
        return len(found) >= self.least


def _at(line: dict[str, Any]) -> float:
    """In ms."""
    return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() * 1000


def rules() -> Iterator[tuple[str, Rule]]:
    """Yield each rule of the template by its name; fail if one is of another form."""
    for name, resource in TEMPLATE["Resources"].items():
        if resource["Type"] != "ALIYUN::SLS::Alert":
            continue
        configuration = resource["Properties"]["Detail"]["Configuration"]
        (query,), (severity,) = configuration["QueryList"], configuration["SeverityConfigurations"]
        asked = QUERY.fullmatch(query["Query"])
        least = CONDITION.fullmatch(severity["EvalCondition"]["Condition"])
        assert asked, query
        assert least, severity
        assert query["End"] == "now"
        minutes = int(query["Start"].removeprefix("-").removesuffix("m"))
        yield name, Rule(asked[1], asked[2], minutes, int(least[1]))


RULES = dict(rules())


READER = {"Authorization": "Bearer reader-token"}


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[ReconcilingStage]:
    stage = ReconcilingStage(tmp_path, clock, LIVE_RECORD_API_TOKENS="ann:read:reader-token")
    yield stage
    stage.app.store.close()


def wanted_and_live(stage: ReconcilingStage) -> None:
    stage.listing.up[KEY] = stage.clock.now // 1000 * 1000
    stage.happens(Published(stage.clock.now), KEY)
    stage.happens(StartAsked("ann"), KEY)


def passes(stage: ReconcilingStage, minutes: int) -> None:
    for _ in range(minutes):
        stage.clock.pass_ms(MINUTE_MS)
        stage.minute()


def is_throttled(stage: ReconcilingStage) -> None:
    def throttle(_key: object) -> None:
        raise Throttled("Throttling.User")

    stage.listing.sends = throttle
    wanted_and_live(stage)


def is_broken(stage: ReconcilingStage) -> None:
    stage.happens(Published(stage.clock.now), KEY)
    break_record(stage.app.store, KEY)


def test_a_silent_timer_is_told_by_whoever_still_runs(stage: ReconcilingStage) -> None:
    def named() -> list[str]:
        lines = stage.logged("timer.silent")
        stage.lines.clear()
        return [line["function"] for line in lines]

    passes(stage, 1)
    stage.app.store.touch(began(NOTIFY))
    passes(stage, 4)  # the timer of reconcile runs alone
    assert RULES["AlertTimerSilent"].fires(stage)
    assert set(named()) == {"notify"}
    # Now none of both does. One look tells of them, and there is no other within a minute.
    requests: tuple[Callable[[], object], ...] = (
        stage.ingest,
        lambda: stage.call(record_command, "GET", "/v1/recordings", headers=READER),
    )
    for act in requests:
        stage.clock.pass_ms(4 * MINUTE_MS)
        stage.app.store.touch(began(NOTIFY))
        act()
        act()
        assert named() == ["reconcile"]


@pytest.mark.parametrize(
    ("name", "fault"), [("AlertUnrecorded", is_throttled), ("AlertCrashed", is_broken)]
)
def test_a_rule_fires_on_its_fault_and_no_other_does(
    stage: ReconcilingStage,
    name: str,
    fault: Any,  # noqa: ANN401 - one of the functions above
) -> None:
    fault(stage)
    passes(stage, 6)

    assert [each for each, rule in RULES.items() if rule.fires(stage)] == [name]


def test_no_rule_fires_where_all_is_well(stage: ReconcilingStage) -> None:
    wanted_and_live(stage)
    stage.happens(Reported("record_started", recording=True), KEY)
    passes(stage, 6)

    assert [each for each, rule in RULES.items() if rule.fires(stage)] == []


def test_each_rule_asks_for_a_field_of_the_index() -> None:
    (keys,) = TEMPLATE["Resources"]["LogIndex"]["Properties"]["KeyIndices"]
    indexed = {key["Name"] for key in keys["JsonKeyIndices"]}

    assert {rule.field for rule in RULES.values()} <= indexed
    assert len(RULES) == 3


def test_there_are_no_rules_unless_somebody_is_to_be_told() -> None:
    assert TEMPLATE["Parameters"]["AlertActionPolicy"]["Default"] == ""
    conditions = {TEMPLATE["Resources"][name]["Condition"] for name in RULES}
    assert conditions == {"HasAlerts"}
