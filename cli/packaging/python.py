"""The Pythons at hand, and the bytecode that only the very minor version of a runtime can make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from cli.errors import Failure

RUNTIMES = ("python3.10", "python3.12")
"""Function Compute's built-in ones (facts/function-compute.md 4)."""
CODE = "/code"
"""Where Function Compute puts it, and so what a traceback names."""
_WHICH = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"


_COMPILER = Path(__file__).with_name("bytecode.py")


def interpreter(runtime: str) -> Path | None:
    """A CPython of this very minor version: on PATH, or where pyenv and uv keep theirs."""
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
    """A shim may be there for what is not."""
    if not os.access(python, os.X_OK):
        return False
    ended = subprocess.run(
        [python, "-I", "-S", "-c", _WHICH], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip() == f"{runtime.removeprefix('python')} cpython"


def compile_all(folder: Path, python: Path, files: Iterable[str]) -> None:
    """`files` by their paths in the folder. The same bytes each time, so with a hash seed;
    without columns, which only draw the carets under a line and weigh a seventh."""
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
