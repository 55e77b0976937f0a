"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys

from cli.paths import ROOT
from tests.repository.cli_page import PAGE


def test_the_page_is_what_the_commands_say() -> None:
    """In a process of its own: a command that is imported once stays in the language of then."""
    shown = subprocess.run(
        [sys.executable, "-c", "from tests.repository.cli_page import page; print(page(), end='')"],
        cwd=ROOT,
        env={**os.environ, "LANGUAGE": "en"},
        capture_output=True,
        check=True,
    )
    assert PAGE.read_bytes() == shown.stdout, "run python -m tests.repository.cli_page"
