"""Finds a Python of a runtime's minor version, and compiles bytecode with it.

The packaging and deploy commands call it. Only the very minor version can make its bytecode.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from cli.errors import Failure

RUNTIMES = ("python3.10", "python3.12")
"""The built-in runtimes of Function Compute (docs/platform/function-compute.md §4)."""
CODE = "/code"
"""The code folder on Function Compute, which tracebacks name."""
_WHICH = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"


_COMPILER = Path(__file__).with_name("bytecode.py")


def interpreter(runtime: str) -> Path | None:
    """Return a CPython of this minor version: on PATH, of pyenv or of uv; None if there is none."""
    return next((found for found in _candidates(runtime) if _is(found, runtime)), None)


def _candidates(runtime: str) -> Iterator[Path]:
    version = runtime.removeprefix("python")
    for folder in os.get_exec_path():
        yield Path(folder, runtime)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/{runtime}"))
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    yield from sorted(data.glob(f"uv/python/cpython-{version}.*/bin/{runtime}"))


def _is(python: Path, runtime: str) -> bool:
    """Run the Python to check its version: a shim may exist for one that is not installed."""
    if not os.access(python, os.X_OK):
        return False
    ended = subprocess.run(
        [python, "-I", "-S", "-c", _WHICH], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip() == f"{runtime.removeprefix('python')} cpython"


def compile_all(folder: Path, python: Path, files: Iterable[str]) -> None:
    """Compile `files`, paths in the folder. A fixed hash seed makes the bytes reproducible; column
    positions, a seventh of the size, only draw carets in tracebacks and are left out."""
    ended = subprocess.run(
        [python, "-S", _COMPILER, folder, CODE],
        input="".join(f"{file}\n" for file in files),
        env={"PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1", "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise Failure(f"{python} could not compile the package: {ended.stdout}{ended.stderr}")
