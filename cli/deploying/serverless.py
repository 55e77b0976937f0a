"""Runs `s` of Serverless Devs for one stage.

The deploy and rollback commands use it through the protocol Commands of cli.deploying.release.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from cli.deploying.stage import Stage
from cli.errors import Failure

_LAST_CHARS = 2_000
"""How much of the output a Failure repeats."""
_ACCESS = "LIVE_RECORD_ACCESS"
_BEFORE_ACCESS = (
    "AccountID",
    "AccessKeyID",
    "AccessKeySecret",
    "serverless_devs_access_cicd_alias_name",
)
"""`s` prefers these to any --access (docs/platform/function-compute.md §7)."""
_NO_ACCESS = "Not found access"
_ACCESS_HINT = (
    f"Set {_ACCESS} to a name of `s config get`, or export AccountID, AccessKeyID and"
    " AccessKeySecret."
)


class Serverless:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._program = shutil.which("s", path=stage.environment.get("PATH"))
        if self._program is None:
            raise Failure(
                "Serverless Devs is not installed. Run npm install -g @serverless-devs/s."
            )
        access = stage.environment.get(_ACCESS, "").strip()
        self._options = ["-t", str(stage.template), "--env", stage.name]
        self._options += ["--access", access] if access else []
        self._environment = _environment(stage.environment, chosen=bool(access))

    def run(self, *words: str) -> str:
        """Return the output; raise a Failure with the end of it."""
        ended = subprocess.run(
            [str(self._program), *words, *self._options],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if ended.returncode != 0:
            printed = ended.stdout.strip()[-_LAST_CHARS:]
            hint = f"\n{_ACCESS_HINT}" if _NO_ACCESS in printed else ""
            raise Failure(f"s {' '.join(words)} ended with {ended.returncode}: {printed}{hint}")
        return ended.stdout

    def ask(self, *words: str) -> list[dict[str, Any]]:
        """Return every mapping in the JSON output, however deep: its shape is undocumented.

        With `-o json`, `s` ends with 0 and prints no result if it failed, so an empty output is
        asked for once more without it (docs/platform/function-compute.md §6.2).
        """
        values = list(_values(self.run(*words, "-o", "json")))
        if not values:
            self.run(*words)
        return [found for value in values for found in _mappings(value)]


def _environment(ours: Mapping[str, str], *, chosen: bool) -> dict[str, str]:
    """Return the environment of `s`, without other credentials if the access was chosen."""
    left_out = _BEFORE_ACCESS if chosen else ()
    return {name: value for name, value in ours.items() if name not in left_out}


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
