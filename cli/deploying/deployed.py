"""Reads what is deployed, through Serverless Devs: versions, aliases, triggers, domains.

The deploy and rollback commands use this module. It changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from cli.deploying.description import NOTHING, Version, time_of, version_of
from cli.errors import Failure
from cli.function_compute import ALIAS

_ABSENT = re.compile(r"\b\w+(?:NotFound|NotExists?)\b|\bcode: 404\b")
"""Errors with which `s` reports that something does not exist. Some of these codes are in no source
(docs/platform/function-compute.md §6.1)."""
Rows = list[dict[str, Any]]


class Commands(Protocol):
    """The commands of Serverless Devs (`s`). `run` returns the output without secrets; `ask`
    returns every mapping in the JSON that the command prints."""

    def run(self, *words: str) -> str: ...
    def ask(self, *words: str) -> Rows: ...


def ask_or_nothing(s: Commands, *words: str) -> Rows:
    """Return the answer of `s` to the command `words`; an empty list if `s` fails because there is
    no such resource."""
    try:
        return s.ask(*words)
    except Failure as error:
        if not _ABSENT.search(error.message):
            raise
        return []


class Deployed:
    """What is deployed, as `s` reports it. Answers are cached until forget(), because each run of
    `s` takes seconds."""

    def __init__(self, s: Commands) -> None:
        self._s = s
        self._rows: dict[tuple[str, ...], Rows] = {}

    def ask(self, *words: str) -> Rows:
        """Return the answer of `s` to the command `words`; an empty list if the resource does not
        exist."""
        if words not in self._rows:
            self._rows[words] = ask_or_nothing(self._s, *words)
        return self._rows[words]

    def forget(self, resource: str) -> None:
        self._rows = {words: rows for words, rows in self._rows.items() if words[0] != resource}

    def versions(self, function: str) -> list[Version]:
        """Return the versions of the function, the oldest first."""
        rows = self.ask(function, "version", "list")
        numbered = [each for each in rows if str(each.get("versionId", "")).isdecimal()]
        versions = [
            version_of(int(each["versionId"]), str(each.get("description") or ""))
            for each in numbered
        ]
        return sorted(versions, key=lambda version: version.number)

    def serving(self, function: str) -> int | None:
        """Return the number of the version to which the function's alias points, None if the
        function was never released."""
        rows = self.ask(function, "alias", "get", "--alias-name", ALIAS)
        return next((int(each["versionId"]) for each in rows if "versionId" in each), None)

    def serving_version(self, function: str) -> Version | None:
        number = self.serving(function)
        return next((each for each in self.versions(function) if each.number == number), None)

    def serving_time(self, functions: Iterable[str]) -> str:
        """Return the time of the newest release that serves one of these functions; `-` if no
        release serves any of them."""
        found = [self.serving_version(function) for function in functions]
        newest = max((each.release for each in found if each), default="")
        return time_of(newest) if newest else NOTHING

    def http_address(self, function: str) -> str:
        """Return the address of the function's http trigger, empty if it has none yet."""
        rows = self.ask(function, "info")
        return next((str(each["urlInternet"]) for each in rows if each.get("urlInternet")), "")
