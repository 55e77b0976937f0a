"""Writes and parses the description of a function's version: the only text of live-record that
Function Compute keeps with a version.

A deploy writes the description; a deploy and a rollback read it. It holds the release of the
version, the time of the release that served before, and the digest of the version's content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

NOTHING: Final = "-"
ADDRESSES: Final = "addresses: "
"""The description of a version begins so if it was published only to learn a trigger's address.
Such a version is no release, and no rollback uses it."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_OURS: Final = re.compile(r"(.*?)(?: after: (\S+))?(?: content: ([0-9a-f]+))?")


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a function, with the parts of its description. `release` begins with a time, so
    that releases sort by time; it is empty if the version belongs to no release. `after` is the
    time of the release that served before: `-` if none did, empty if that is unknown. `content` is
    the digest of code and configuration, empty if unknown."""

    number: int
    release: str
    after: str = ""
    content: str = ""


def describe(release: str, after: str, content: str) -> str:
    """Return the description of a version."""
    return f"{release} after: {after} content: {content}"


def version_of(number: int, description: str) -> Version:
    """Return the version with this number and description. A description that a release before 0.3
    wrote has no `after` and no `content`; both are empty then."""
    release, after, content = _OURS.fullmatch(description.replace("\n", " ")).groups("")  # type: ignore[union-attr] # it matches any line
    return Version(number, release if _TIME.match(release) else "", after, content)


def time_of(release: str) -> str:
    """Return the time with which a release begins, `-` if there is none."""
    found = _TIME.match(release)
    return found[0] if found else NOTHING
