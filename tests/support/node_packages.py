"""Installs the npm packages of a folder of the tests, as its lock file pins them."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

PATIENCE_S = 300


def install(folder: Path) -> None:
    """Run `npm ci` in the folder, unless its packages are those of the lock file already."""
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers install one after the other
        wanted = hashlib.sha256(lock.read()).hexdigest()
        mark = folder / "node_modules" / ".locked"
        if mark.is_file() and mark.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
        mark.write_text(wanted)
