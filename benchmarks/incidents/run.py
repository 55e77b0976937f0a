"""Runs one incident, and returns the false answers and the silent ones.

__main__ calls this module, several side by side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.incidents.catalogue import Incident
from benchmarks.incidents.judge import OVERDUE_S, Moment, judged, rows_of
from benchmarks.incidents.stage import STREAMS, IncidentStage, incident_stage
from cli.paths import ROOT

RECOVERS_S = 30.0
"""Seconds after the end of an incident within which the last stream has to be recorded."""
AT_MOST_S = 120.0
"""Seconds to wait at most for a late stream, if an answer names its next attempt."""
ASKING_S = 400.0


@dataclass
class Outcome:
    """`recovered_s`: from the end of the incident until the last stream was recorded; None if
    nothing ends the incident, or a stream was not recorded. `next_attempt_told`: each late stream
    had a next attempt."""

    incident: str
    false: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    rounds: int = 0
    recovered_s: float | None = None
    next_attempt_told: bool | None = None
    took_s: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.false and not self.silent and self.next_attempt_told is not False

    def shown(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "false": len(self.false),
            "silent": len(self.silent),
            "said": [*self.false, *(f"silent: {one}" for one in self.silent)][:12],
        }


def run(
    incident: Incident,
    streams: int = STREAMS,
    turn: AbstractContextManager[object] | None = None,
) -> Outcome:
    """Run the incident with so many streams; return its outcome. The stage is set up within
    `turn`."""
    outcome, began = Outcome(incident.name), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="incident-") as folder,
        incident_stage(Path(folder), incident.stage, streams, turn or nullcontext()) as stage,
    ):
        _judge(outcome, stage, 0.0, incident, is_broken=False)
        ends = incident.breaks(stage)
        broke = time.monotonic()
        try:
            for at_s in incident.moments:
                time.sleep(max(broke + at_s - time.monotonic(), 0))
                _judge(outcome, stage, time.monotonic() - broke, incident, is_broken=True)
        finally:
            if ends:
                ends()
        if ends:
            _recover(outcome, stage)
    outcome.took_s = round(time.monotonic() - began, 1)
    return outcome


def _judge(
    outcome: Outcome, stage: IncidentStage, at_s: float, incident: Incident, *, is_broken: bool
) -> None:
    before = stage.watcher.look()
    answers = asked(stage)
    after, after_at = stage.watcher.look(), time.time()
    is_impaired = is_broken and at_s >= incident.impaired_after_s
    not_ok = incident.not_ok if is_broken and (is_impaired or _has_no_delay(incident)) else ()
    moment = Moment(
        at_s,
        before,
        after,
        after_at,
        frozenset(stage.wanted),
        answers,
        is_impaired,
        frozenset(not_ok),
    )
    false, silent = judged(moment)
    if not is_broken and (wrong := _faults(answers["doctor"])):
        false.append(f"doctor: {wrong}, and all is well")
    outcome.rounds += 1
    outcome.false += [f"after {at_s:.0f} s: {one}" for one in false]
    outcome.silent += [f"after {at_s:.0f} s: {one}" for one in silent]
    _keep(f"{incident.name}-{at_s:.0f}", {"answers": answers, "false": false, "silent": silent})


def _keep(name: str, document: object) -> None:
    """Write a document into the folder INCIDENTS_KEEP, if that variable is set."""
    if os.environ.get("INCIDENTS_KEEP"):
        folder = Path(os.environ["INCIDENTS_KEEP"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document))


def _has_no_delay(incident: Incident) -> bool:
    return incident.impaired_after_s == float("inf")


def _faults(doctor: dict[str, Any]) -> str:
    findings = (doctor["document"] or {}).get("findings", [])
    return ", ".join(str(one["code"]) for one in findings if one["severity"] == "fault")


def asked(stage: IncidentStage) -> dict[str, Any]:
    """Return the present answers of health, list, watch, doctor and why."""
    names = sorted(stage.wanted)[:: max(len(stage.wanted) // 10, 1)]
    command = [sys.executable, "-m", "benchmarks.incidents.asking", *names]
    environment = {**os.environ, "LIVE_RECORD_STAGES": str(stage.folder / "stages.toml")}
    asking = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, timeout=ASKING_S, check=True
    )
    answers: dict[str, Any] = json.loads(asking.stdout)
    return answers


def _recover(outcome: Outcome, stage: IncidentStage) -> None:
    """Wait until the last stream is recorded, and note the time since the end of the incident. That
    time includes a round of questions if a stream is late."""
    ended = time.monotonic()
    if stage.await_recorded(RECOVERS_S) is None:
        late, answers = stage.unrecorded(), asked(stage)
        rows = rows_of(answers, "list") or {}
        late = {name: lost_s for name, lost_s in late.items() if name in stage.unrecorded()}
        _keep(f"{outcome.incident}-late", {"answers": answers, "late": late})
        outcome.next_attempt_told = all(_is_planned(rows.get(name)) for name in late)
        if stage.await_recorded(AT_MOST_S) is None:
            return
    outcome.recovered_s = round(time.monotonic() - ended, 1)


def _is_planned(row: Mapping[str, Any] | None) -> bool:
    """Return True if the row names a next attempt that is not long overdue: a due attempt may wait
    for the timer."""
    at = (row or {}).get("next_attempt_at")
    if not at or row is None:
        return False
    due = datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
    return float(row["said_at"]) - due < OVERDUE_S
