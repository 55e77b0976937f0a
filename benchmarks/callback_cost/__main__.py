"""Counts the CPU instructions that a callback costs, and compares them with those of a commit.

`python -m benchmarks.callback_cost --against COMMIT --json` needs git and valgrind. Instructions do
not depend on what else the machine does. The SDK is left out: its cost would hide differences. With
`--webhook`, the policy of this checkout names a receiver of all events, and the policy of the
commit does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from benchmarks.instructions import instructions
from cli.errors import Failure
from cli.paths import ROOT

PROGRAM = Path(__file__).with_name("program.py")
WEBHOOK = """
[[webhook]]
name = "crm"
url = "https://crm.example.com/live-record"
"""
FEW_STREAMS, MANY_STREAMS = 4, 64
"""The numbers of streams of two runs. Both load the code and warm up alike, so that their
difference is the cost of the callbacks."""
CALLBACKS_OF_A_STREAM = 5


def of_callbacks(tree: Path, streams: int, policy: Path) -> int:
    """Return how many instructions a process of the code in `tree` takes for so many streams."""
    command = [sys.executable, str(PROGRAM), str(tree), str(streams), str(policy)]
    return instructions(command, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def instructions_per_callback(tree: Path, policy: Path | None = None) -> int:
    policy = policy or tree / "policy.toml"
    callbacks = (MANY_STREAMS - FEW_STREAMS) * CALLBACKS_OF_A_STREAM
    many = of_callbacks(tree, MANY_STREAMS, policy)
    return (many - of_callbacks(tree, FEW_STREAMS, policy)) // callbacks


def unpack(commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder."""
    command = ["git", "archive", commit]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if made.returncode != 0:
        raise Failure(f"git knows no {commit}. Name a commit of this repository.")
    with tarfile.open(fileobj=BytesIO(made.stdout)) as archive:
        archive.extractall(folder)  # noqa: S202 - our own commit


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.callback_cost", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="the commit to compare with")
    parser.add_argument("--webhook", action="store_true", help="with a receiver of all events")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-record-") as folder:
        policy = Path(folder, "policy.toml")
        policy.write_text((ROOT / "policy.toml").read_text() + (WEBHOOK if asked.webhook else ""))
        ours = instructions_per_callback(ROOT, policy)
    figures: dict[str, object] = {"instructions": ours}
    if asked.against:
        with tempfile.TemporaryDirectory(prefix="live-record-") as folder:
            unpack(asked.against, Path(folder))
            before = instructions_per_callback(Path(folder))
        figures |= {"instructions_before": before, "ratio": round(ours / before, 3)}
    print(json.dumps(figures) if asked.json else "\n".join(f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
