"""A shell in which a test types the commands of a page, one by one, as its reader does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cli.paths import ROOT

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

_ENDED = "the command ended with "


class Shell:
    """A `bash` that keeps its variables from command to command. `programs` are commands of the
    page, each with the words of Python's `-m` that stand for it."""

    def __init__(self, folder: Path, programs: Mapping[str, str], **variables: str) -> None:
        self._folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, module in programs.items():
            script = bin_folder / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            script.chmod(0o755)
        (folder / "answers").write_text("y\n" * 50)
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "PYTHONPATH": str(ROOT), "LANGUAGE": "en", **variables}
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._shell.communicate()

    def types(self, command: str) -> tuple[int, str]:
        """Return the command's exit code and what it printed. Each question gets a yes."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        ended = f"code=$?; echo; echo '{_ENDED}'$code"
        self._shell.stdin.write(f"{{ {command}\n}} < answers; {ended}\n")
        self._shell.stdin.flush()
        said: list[str] = []
        while not (line := self._shell.stdout.readline()).startswith(_ENDED):
            assert line, "".join(said)
            said.append(line)
        return int(line.removeprefix(_ENDED)), "".join(said)
