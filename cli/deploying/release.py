"""A release: a version of every function, and an alias that points to it; a rollback moves it.

The deploy and rollback commands call it. Whatever is slow or may fail comes first: until the
aliases are moved, the previous release serves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cli.deploying.fingerprints import changed
from cli.deploying.stage import ALIAS
from cli.errors import Failure

Say = Callable[[str], None]
_ADDRESS = re.compile(r"\b(urlInternet|urlIntranet|domainName)\b['\"]?:\s*['\"]?([^\s'\",]+)")
_ABSENT = re.compile(r"\b(Function|Alias)NotFound\b")


class Commands(Protocol):
    """Serverless Devs: `run` returns its redacted output, `ask` every mapping in its JSON."""

    def run(self, *words: str) -> str: ...
    def ask(self, *words: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    release: str
    """The version's description; it begins with a time and sorts by it."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """The aliases to point elsewhere, by function, and what a person should know before."""

    release: str
    versions: Mapping[str, int]
    warnings: Sequence[str]


def release(s: Commands, functions: Sequence[str], named: str, say: Say) -> None:
    """Release all functions; `named` describes each version and begins with the time."""
    for function in functions:
        say(f"{function}: code and configuration")
        s.run(function, "deploy", "--function", "-y")
    for function in functions:
        s.run(function, "version", "publish", "--description", named)
    for function in functions:
        _point_alias(s, function, "latest", say)
    say("triggers, routes, asynchronous calls, instances")
    for address in _addresses(s.run("deploy", "-y")):
        say(address)


def plan_rollback(s: Commands, functions: Sequence[str]) -> Rollback:
    """Return how to go back to the release before the serving one; after it, a second plan goes
    further back.

    A function that had no version in that release stays as it is: nothing in that release calls
    it.
    """
    versions = {function: _versions(s, function) for function in functions}
    serving = {function: _serving(s, function) for function in functions}
    before = _release_before(versions, serving)
    then = {function: _newest(versions[function], before) for function in functions}
    absent = [
        f"{function} had no version in {_named(before)} and stays as it is"
        for function in functions
        if then[function] is None
    ]
    return Rollback(
        _named(before),
        {
            function: version.number
            for function, version in then.items()
            if version is not None and version.number != serving[function]
        },
        [*absent, *_about_secrets(versions, serving, before)],
    )


def roll_back(s: Commands, plan: Rollback, say: Say) -> None:
    say(f"back to {plan.release}")
    for function, number in plan.versions.items():
        _point_alias(s, function, str(number), say)


def _newest(versions: Sequence[Version], release: str) -> Version | None:
    """Return the newest version of that release or of one before it."""
    known = (each for each in versions if each.release <= release)
    return max(known, key=lambda each: each.number, default=None)


def _about_secrets(
    versions: Mapping[str, Sequence[Version]], serving: Mapping[str, int | None], before: str
) -> Iterator[str]:
    """Yield a warning if the older release has other secrets, which would be in force again."""
    serve = [
        each for name, known in versions.items() for each in known if each.number == serving[name]
    ]
    now = max((each.release for each in serve), default="")
    names = changed(now, before)
    if names is None:
        yield f"{_named(before)} may have other secrets: one of the releases says nothing of them"
    elif names:
        yield (
            f"{_named(before)} has other secrets than those in force: {', '.join(names)}."
            " The rollback revives the older ones. If they were replaced because somebody else"
            " knew them, deploy the older code with today's secrets instead."
        )


def _named(release: str) -> str:
    """Return a release's description without its fingerprints."""
    return release.partition(" secrets: ")[0]


def _addresses(printed: str) -> Iterator[str]:
    """Yield the addresses of triggers and domains. The rest repeats what was deployed, with every
    environment variable."""
    yield from dict.fromkeys(f"{name}: {value}" for name, value in _ADDRESS.findall(printed))


def _point_alias(s: Commands, function: str, version: str, say: Say) -> None:
    s.run(function, "alias", "publish", "--alias-name", ALIAS, "--version-id", version)
    say(f"{function}: {ALIAS} points to {version}")


def ask_or_nothing(s: Commands, *words: str) -> list[dict[str, Any]]:
    """Ask, and return nothing if it does not exist yet, for which `s` may also fail."""
    try:
        return s.ask(*words)
    except Failure as error:
        if not _ABSENT.search(error.message):
            raise
        return []


def _versions(s: Commands, function: str) -> list[Version]:
    rows = ask_or_nothing(s, function, "version", "list")
    return [
        Version(int(each["versionId"]), str(each.get("description") or ""))
        for each in rows
        if str(each.get("versionId", "")).isdecimal()
    ]


def _serving(s: Commands, function: str) -> int | None:
    """Return the serving version, None for a function that was never released."""
    rows = ask_or_nothing(s, function, "alias", "get", "--alias-name", ALIAS)
    return next((int(each["versionId"]) for each in rows if "versionId" in each), None)


def _release_before(
    versions: Mapping[str, Sequence[Version]], serving: Mapping[str, int | None]
) -> str:
    """Return the release before the newest serving one. A function that serves its first version
    cannot go back and does not count."""
    if all(number is None for number in serving.values()):
        raise Failure(f"no function has an alias {ALIAS}: nothing was released yet")
    releases = {function: [each.release for each in known] for function, known in versions.items()}
    now = [
        each.release
        for function, known in versions.items()
        for each in known
        if each.number == serving[function] and each.release > min(releases[function])
    ]
    older = {each for known in releases.values() for each in known if each < max(now, default="")}
    if not older:
        raise Failure("there is no release before the one that serves")
    return max(older)
