"""`make demo` shows what it promises, and what it leaves plays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local.demo import causes
from cli.local.tether import run_tethered
from emulator.media.flv import read
from tests.support.pushed_recording import Decoded, decode

EDGES_MS = 4_000
"""A second for each of the four edges of two starts."""


def pictures(path: Path) -> int:
    with path.open("rb") as file:
        return sum(tag.is_video and tag.is_frame for tag in read(file))


def test_a_command_that_missed_its_slot_is_no_call_that_has_a_cause() -> None:
    texts = [
        "asked_start",
        "sent was sent because: a",
        "never_sent",
        "sent was sent because: b",
        "accepted",
    ]
    lines = [{"code": line.partition(" ")[0], "text": line} for line in texts]
    assert causes(lines) == ["b"]
    assert causes(lines[:4]) == ["b"]


@pytest.mark.slow
def test_the_demo_leaves_two_files_of_one_intent_of_which_every_frame_is_read() -> None:
    command = [sys.executable, "-m", "cli.main", "demo"]
    done = run_tethered(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["result"], len(report["files"])) == ("ok", 2)
    assert (report["commands_sent"], report["duplicates_sent"]) == (5, 0)
    coverage = report["coverage"]
    assert (coverage["missing_ms"], coverage["gaps"], coverage["ratio"]) == (0, [], 1.0)
    assert abs(coverage["start_latency_ms"] - report["unrecorded_on_wire_ms"]) <= EDGES_MS
    assert coverage["due_ms"] >= coverage["covered_ms"] > 0
    assert "recorded" in done.stdout
    for file in map(Path, (row["path"] for row in report["files"])):
        assert decode(file) == Decoded(pictures(file), "")
        assert f"ffplay {file}" in done.stdout
        file.unlink()
    assert all(row["duration"] > 1 for row in report["files"])
    assert {row["verified"] for row in report["files"]} == {"verified"}
