"""The code folder that is deployed: ours, the policy as JSON, and the pinned dependencies."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from cli.failure import Failure
from cli.stack import ROOT
from shared.config import policy_as_json

PINS = ROOT / "requirements" / "runtime.txt"
OURS = ("functions", "shared")


def build(folder: Path, archive: Path, policy: Path) -> Path:
    """The archive's path. The dependencies are those of the Python that runs this."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for tree in OURS:
        shutil.copytree(ROOT / tree, folder / tree, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "index.py", folder)
    text = policy_as_json(policy.read_text(encoding="utf-8"), kind="toml")
    (folder / "policy.json").write_text(text, encoding="utf-8")
    _install(folder)
    archive.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.make_archive(str(archive.with_suffix("")), "zip", folder))


def _install(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    ended = subprocess.run(
        [*pip, "--no-deps", "--no-compile", "--target", str(folder), "-r", str(PINS)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise Failure(f"pip could not install the pinned dependencies: {ended.stderr.strip()}")
