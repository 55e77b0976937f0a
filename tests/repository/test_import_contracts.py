"""The import contracts can fail: each is broken on purpose in a copy of the tree, and reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
TREES = ("benchmarks", "cli", "emulator", "functions", "shared")

BREACHES = {
    "Imports go down": ("shared/outbound/wake.py", "import functions.reconcile"),
    "Every room of shared has its place": ("shared/logs.py", "import shared.store"),
    "What reaches us and what we call": ("shared/inbound/live_events.py", "import shared.outbound"),
    "The protocol imports no other room": ("shared/protocol/events.py", "import shared.config"),
    "Inside the protocol": ("shared/protocol/state/session.py", "import shared.protocol.rules"),
    "The functions know nothing of each other": (
        "functions/reconcile.py",
        "import functions.stream_events",
    ),
    "The functions leave the SDKs": ("functions/reconcile.py", "import redis"),
    "The emulators share no code": ("emulator/live/clock.py", "import shared.errors"),
    "The simulated world is written": ("tests/simulation/world/agenda.py", "import shared.errors"),
    "What is deployed never imports the emulators": (
        "shared/invocation/composition.py",
        "import emulator.live",
    ),
    "The rules are pure": ("shared/protocol/state/recording.py", "import time"),
    "Only outbound.live knows the official SDK": (
        "shared/engine/effect_handler.py",
        "import darabonba",
    ),
    "In the command line only account": ("cli/output.py", "import darabonba"),
    "Only cli.function_compute": ("cli/output.py", "import alibabacloud_fc20230330"),
    "Of what is deployed only outbound.oss": (
        "functions/files/signing.py",
        "import alibabacloud_oss_v2",
    ),
    "Of what is deployed only outbound.s3": ("functions/deliver/copying.py", "import boto3"),
    "Only store knows a database driver": ("shared/config/settings.py", "import sqlite3"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for tree in TREES:
        shutil.copytree(ROOT / tree, tmp_path / tree)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/__init__.py").touch()
    shutil.copytree(ROOT / "tests/simulation", tmp_path / "tests/simulation")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> str:
    command = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [command, "--no-logo", "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout + ended.stderr


def contracts() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [line.partition('"')[2].rstrip('"') for line in text.splitlines() if line[:4] == "name"]
    return [name for name in names if name != "live-record"]


def broken(report: str) -> list[str]:
    """Return the names of the broken contracts; the report wraps a long name onto the next line."""
    flat = " ".join(report.split())
    return [name for name in contracts() if f"{name} BROKEN" in flat]


def test_the_tree_as_it_is_keeps_every_contract(copy: Path) -> None:
    assert "0 broken" in lint(copy)


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_a_contract_is_reported(copy: Path, contract: str) -> None:
    file, line = BREACHES[contract]
    breached = copy / file
    breached.write_text(f"{breached.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")

    assert any(found.startswith(contract) for found in broken(lint(copy)))


def test_a_new_module_of_shared_has_to_pick_its_place(copy: Path) -> None:
    (copy / "shared/novelty.py").touch()

    assert "novelty" in lint(copy)


def test_every_contract_is_broken_above() -> None:
    assert len(contracts()) == len(BREACHES)
    assert all(any(name.startswith(known) for known in BREACHES) for name in contracts())
