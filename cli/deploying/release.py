"""A release is a version of every function, to which an alias leads; moving it back undoes it.

All that is slow or may fail comes first: until the aliases are moved, what serves is what served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cli.deploying.stage import ALIAS
from cli.failure import Failure

Say = Callable[[str], None]


class Commands(Protocol):
    """Serverless Devs, told by words; `ask` gives every mapping of its answer."""

    def run(self, *words: str) -> str: ...
    def ask(self, *words: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    release: str
    """Its description, which begins with a time and so sorts by it."""


def release(s: Commands, functions: Sequence[str], named: str, say: Say) -> None:
    """`named` begins with the time, and is what each version is described by."""
    for function in functions:
        say(f"{function}: code and configuration")
        s.run(function, "deploy", "--function", "-y")
    for function in functions:
        s.run(function, "version", "publish", "--description", named)
    for function in functions:
        _lead(s, function, "latest", say)
    say("triggers, routes, asynchronous calls, instances")
    say(s.run("deploy", "-y"))


def roll_back(s: Commands, functions: Sequence[str], say: Say) -> None:
    """To the release before the one that serves; a second one goes one further back."""
    versions = {function: _versions(s, function) for function in functions}
    serving = {function: _serving(s, function) for function in functions}
    before = _release_before(versions, serving)
    say(f"back to {before}")
    for function in functions:
        known = (each for each in versions[function] if each.release <= before)
        version = max(known, key=lambda each: each.number, default=None)
        if version is None:
            raise Failure(f"{function} has no version of the release {before}")
        if version.number != serving[function]:
            _lead(s, function, str(version.number), say)


def _lead(s: Commands, function: str, version: str, say: Say) -> None:
    s.run(function, "alias", "publish", "--alias-name", ALIAS, "--version-id", version)
    say(f"{function}: {ALIAS} leads to {version}")


def _versions(s: Commands, function: str) -> list[Version]:
    told = s.ask(function, "version", "list")
    return [
        Version(int(each["versionId"]), str(each.get("description") or ""))
        for each in told
        if str(each.get("versionId", "")).isdecimal()
    ]


def _serving(s: Commands, function: str) -> int:
    told = s.ask(function, "alias", "get", "--alias-name", ALIAS)
    found = [int(each["versionId"]) for each in told if "versionId" in each]
    if not found:
        raise Failure(f"{function} has no alias {ALIAS}: nothing was released yet")
    return found[0]


def _release_before(versions: Mapping[str, Sequence[Version]], serving: Mapping[str, int]) -> str:
    """A function that did not change may have no version of the newest release."""
    now = max(
        each.release
        for function, known in versions.items()
        for each in known
        if each.number == serving[function]
    )
    older = {each.release for known in versions.values() for each in known if each.release < now}
    if not older:
        raise Failure(f"there is no release before {now}")
    return max(older)
