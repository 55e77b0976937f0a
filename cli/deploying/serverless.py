"""The `s` of Serverless Devs, for one stage."""

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
"""Characters of what it said that are worth repeating."""


class Serverless:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._program = shutil.which("s", path=stage.environment.get("PATH"))
        if self._program is None:
            raise Failure("Serverless Devs is not here: npm install -g @serverless-devs/s")

    def run(self, *words: str) -> str:
        """What it printed; a Failure with its last words."""
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
        """Every mapping in what it answered, however deep: the shape around them is its own."""
        printed = self.run(*words, "-o", "json")
        return [found for value in _values(printed) for found in _mappings(value)]


def _values(printed: str) -> Iterator[object]:
    """The JSON among the lines of its log, which begin with a bracket as well."""
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
