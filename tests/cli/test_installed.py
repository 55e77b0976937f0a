"""`pip install` gives a live-record that works outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from cli.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.long]
STARTUP_S = 0.15
"""What `live-record --version` may take beyond a Python that does nothing."""


SOURCES = (
    *("cli", "emulator", "functions", "shared", "index.py", "pyproject.toml", "README.md"),
    *("LICENSE", "s.yaml", "env.yaml", "policy.toml"),
)
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a fresh environment with nothing but the wheel in it."""
    folder = tmp_path_factory.mktemp("installed")
    sources, python = folder / "sources", folder / "venv" / "bin" / "python"
    copy_sources(sources)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(sources))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    (wheel,) = folder.glob("*.whl")
    pip("install", "--no-compile", str(wheel), python=str(python))  # what runs is compiled then
    return python.parent


def copy_sources(into: Path) -> None:
    """Copy the sources: a build leaves folders in them and includes an earlier build's."""
    into.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, into / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, into)


def pip(*arguments: str, python: str = sys.executable) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "live-record"), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_runs_and_leaves_its_files_in_the_working_directory(
    installed: Path, tmp_path: Path
) -> None:
    ended = run(installed, tmp_path, "demo", "--store", "redis")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    files = [Path(file["path"]) for file in json.loads(ended.stdout.splitlines()[-1])["files"]]
    assert all(file.is_relative_to(tmp_path / ".live-record") for file in files)


def test_stages_and_policy_are_those_of_the_working_directory(
    installed: Path, tmp_path: Path
) -> None:
    stages = tmp_path / ".live-record" / "stages.toml"
    stages.parent.mkdir()
    stages.write_text('[there]\nurl = "http://127.0.0.1:9"\ntoken = "t"\n')
    policy = '[[domain]]\nstreaming = "a.example.com"\ningest = ["b.example.com"]\n'
    (tmp_path / "policy.toml").write_text(policy)

    assert "known: there" in run(installed, tmp_path, "start", "a.example.com/app/s").stderr
    tried = run(installed, tmp_path, "policy", "test", "a.example.com/app/s")
    assert (tried.returncode, "a.example.com/app/s" in tried.stdout) == (0, True), tried.stderr


@pytest.mark.parametrize("command", [["check"], ["deploy", "--stage", "dev"], ["package"]])
def test_what_needs_the_sources_says_so_in_a_sentence(
    installed: Path, tmp_path: Path, command: list[str]
) -> None:
    ended = run(installed, tmp_path, *command)

    assert ended.returncode == 2
    assert "needs live-record's sources. Run it in a clone" in ended.stderr


def test_every_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    ended = run(installed, tmp_path, "--help")

    assert ended.returncode == 0, ended.stderr
    assert "live-record 0." in run(installed, tmp_path, "--version").stdout


def test_the_version_is_said_at_once(installed: Path, tmp_path: Path) -> None:
    """CPU time, and the least of some runs: another busy program is no fault of ours."""

    def cpu_s(*command: str) -> float:
        before = os.times()
        subprocess.run([*command], cwd=tmp_path, check=True, capture_output=True)
        after = os.times()
        used = after.children_user - before.children_user
        return used + after.children_system - before.children_system

    ours = [cpu_s(str(installed / "live-record"), "--version") for _ in range(7)]
    nothing = [cpu_s(str(installed / "python"), "-c", "pass") for _ in range(7)]

    assert min(ours) - min(nothing) <= STARTUP_S, (statistics.median(ours), nothing)
