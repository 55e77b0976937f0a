"""Counts the CPU instructions of a program, which do not depend on what else the machine does.

callback_cost and cold_start use this module. It needs valgrind.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence

from cli.errors import Failure

_COUNTED = re.compile(r"I +refs: +([0-9,]+)")


def instructions(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program under valgrind; return how many instructions it took; raise Failure."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no"]
    ended = subprocess.run(
        [*valgrind, "--cachegrind-out-file=/dev/null", *command],
        env={**environment, "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,  # the log
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    counted = _COUNTED.search(ended.stderr)
    if ended.returncode != 0 or counted is None:
        raise Failure(f"The program failed. {ended.stderr[-2000:]}")
    return int(counted.group(1).replace(",", ""))
