"""Runs `s` of Serverless Devs for one stage.

The deploy and rollback commands use it through the protocol Commands of cli.deploying.release.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cli.deploying.stage import Stage
from cli.errors import Failure

_LAST_CHARS = 2_000
"""How much of the output a Failure repeats."""


class Serverless:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._program = shutil.which("s", path=stage.environment.get("PATH"))
        if self._program is None:
            raise Failure(
                "Serverless Devs is not installed. Run npm install -g @serverless-devs/s."
            )

    def run(self, *words: str) -> str:
        """Return the output; raise a Failure with the end of it."""
        which = ("-t", str(self._stage.template), "--env", self._stage.name)
        ended = subprocess.run(
            [str(self._program), *words, *which],
            env=dict(self._stage.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            printed = ended.stdout.strip()[-_LAST_CHARS:]
            raise Failure(f"s {' '.join(words)} ended with {ended.returncode}: {printed}")
        return ended.stdout

    def ask(self, *words: str) -> list[dict[str, Any]]:
        """Return every mapping in the JSON output, however deep: its shape is undocumented."""
        printed = self.run(*words, "-o", "json")
        return [found for value in _values(printed) for found in _mappings(value)]


def _values(printed: str) -> Iterator[object]:
    """Yield the JSON values between log lines, some of which begin with a bracket as well."""
    for found in re.finditer(r"^[\[{]", printed, re.MULTILINE):
        with suppress(json.JSONDecodeError):
            yield json.JSONDecoder().raw_decode(printed, found.start())[0]


def _mappings(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _mappings(inner)
