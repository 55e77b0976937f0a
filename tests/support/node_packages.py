"""Installs and runs the npm packages of a folder of the tests, as its lock file pins them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.programs import path_with_node

PATIENCE_S = 600


def install(folder: Path) -> None:
    """Run `npm ci` in the folder, unless its packages are those of the lock file already."""
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers install one after the other
        wanted = hashlib.sha256(lock.read()).hexdigest()
        mark = folder / "node_modules" / ".locked"
        if mark.is_file() and mark.read_text() == wanted:
            return
        options = ["--ignore-scripts", "--no-audit", "--no-fund"]
        run_node(folder, "npm", "ci", *options).check_returncode()
        mark.write_text(wanted)


def run_node(
    folder: Path, program: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = path_with_node()
    return subprocess.run(
        [shutil.which(program, path=path) or program, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
