"""Finds a Python of a runtime's minor version, and compiles bytecode with it.

The packaging and deploy commands call this module. Bytecode is only valid for the minor version of
the Python that made it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from gettext import gettext as _
from pathlib import Path

from cli.errors import Failure

RUNTIMES = ("python3.10", "python3.12")
"""The built-in runtimes of Function Compute (docs/platform/function-compute.md §4)."""
CODE = "/code"
"""The path of the code folder on Function Compute; tracebacks name it."""
_WHICH = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"


_COMPILER = Path(__file__).with_name("bytecode.py")


def interpreter(runtime: str) -> Path | None:
    """Return a CPython of this minor version from PATH, pyenv or uv; None if there is none."""
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
    """Return True if the Python runs and has the version; it may be a shim of a missing version."""
    if not os.access(python, os.X_OK):
        return False
    ended = subprocess.run(
        [python, "-I", "-S", "-c", _WHICH], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip() == f"{runtime.removeprefix('python')} cpython"


def compile_all(folder: Path, python: Path, files: Iterable[str]) -> None:
    """Compile the files at these paths, relative to `folder`, with the interpreter `python`. Raise
    Failure if that fails.

    A fixed hash seed makes the bytes reproducible. Column positions are omitted: they are a seventh
    of the size and only draw carets in tracebacks.
    """
    ended = subprocess.run(
        [python, "-S", _COMPILER, folder, CODE],
        input="".join(f"{file}\n" for file in files),
        env={"PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1", "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sentence = _("{python} could not compile the package. Its output: {stdout}{stderr}")
        raise Failure(sentence.format(python=python, stdout=ended.stdout, stderr=ended.stderr))
