"""Rolls back: points the alias `release` to the version that served before the present one, with
its code and configuration.

The rollback command calls this module. It publishes nothing and deletes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from gettext import gettext as _

from cli.deploying.deployed import Commands, Deployed
from cli.deploying.description import NOTHING, Version, time_of
from cli.deploying.fingerprints import changed
from cli.errors import Failure
from cli.function_compute import ALIAS

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback will do. `versions` holds, by function, the version to which its alias will
    point; a function that does not change is left out. `warnings` are sentences for a person."""

    release: str
    versions: Mapping[str, int]
    warnings: Sequence[str]


def plan_rollback(s: Commands, functions: Sequence[str]) -> Rollback:
    """Return the plan to go back to the release that served before the present one. After a
    rollback, the next plan goes back one more release.

    A function that had no version in that release stays as it is: nothing in that release calls it.
    """
    deployed = Deployed(s)
    versions = {function: _releases(deployed, function) for function in functions}
    serving = {function: deployed.serving(function) for function in functions}
    before = _release_before(versions, serving)
    then = {function: _newest(versions[function], before) for function in functions}
    absent = [
        _("{function} had no version in {named} and stays as it is").format(
            function=function, named=_named(before)
        )
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
    say(_("rolling back to {release}").format(release=plan.release))
    for function, number in plan.versions.items():
        point_alias(s, function, number)
        sentence = _("{function}: {alias} points to {number}")
        say(sentence.format(function=function, alias=ALIAS, number=number))


def point_alias(s: Commands, function: str, number: int) -> None:
    s.run(function, "alias", "publish", "--alias-name", ALIAS, "--version-id", str(number))


def _releases(deployed: Deployed, function: str) -> list[Version]:
    """Return the versions that belong to a release."""
    return [version for version in deployed.versions(function) if version.release]


def _newest(versions: Sequence[Version], release: str) -> Version | None:
    """Return the newest version of that release or of one before it."""
    known = (each for each in versions if each.release <= release)
    return max(known, key=lambda each: each.number, default=None)


def _about_secrets(
    versions: Mapping[str, Sequence[Version]], serving: Mapping[str, int | None], before: str
) -> Iterator[str]:
    """Yield a warning if the rollback would put other, older secrets in force again."""
    serve = [
        each for name, known in versions.items() for each in known if each.number == serving[name]
    ]
    now = max((each.release for each in serve), default="")
    names = changed(now, before)
    if names is None:
        sentence = _(
            "{named} may bring back older secrets: it cannot be compared with the present release,"
            " because one of the two does not note its secrets. If somebody else knows the older"
            " secrets, deploy the older code with today's secrets instead."
        )
        yield sentence.format(named=_named(before))
    elif names:
        sentence = _(
            "{named} has other secrets than the present release: {names}. The rollback brings the"
            " older secrets back. If the older secrets were replaced because somebody else knew"
            " them, deploy the older code with today's secrets instead."
        )
        yield sentence.format(named=_named(before), names=", ".join(names))


def _named(release: str) -> str:
    """Return a release's description without its fingerprints."""
    return release.partition(" secrets: ")[0]


def _release_before(
    versions: Mapping[str, Sequence[Version]], serving: Mapping[str, int | None]
) -> str:
    """Return the release that served before the newest serving one. A function that serves its
    first version cannot go back and is ignored."""
    if all(number is None for number in serving.values()):
        sentence = _(
            "No function has an alias {alias}, so the stage has no release yet. Deploy the stage"
            " first."
        )
        raise Failure(sentence.format(alias=ALIAS))
    now = [
        each
        for function, known in versions.items()
        for each in known
        if each.number == serving[function] and each.release > known[0].release
    ]
    newest = max(now, key=lambda each: each.release, default=None)
    known_releases = {each.release for known in versions.values() for each in known}
    older = {each for each in known_releases if newest and _is_before(each, newest)}
    if not older:
        raise Failure(
            _(
                "There is no release before the present one, so a rollback is impossible. To run"
                " other code, deploy it."
            )
        )
    return max(older)


def _is_before(release: str, serving: Version) -> bool:
    """Return True if `release` is not later than the release that served before `serving`, so that
    the rollback may go to it. A release that was rolled back, or never served as a whole, is later.
    """
    if serving.after == NOTHING:
        return False
    if serving.after:
        return time_of(release) <= serving.after
    return release < serving.release
