"""Writes and parses the description of a version, the only text of ours that Function Compute keeps
with it.

A deploy writes it, and a deploy and a rollback read it. The description holds the release of the
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
    """`release` begins with a time and sorts by it; it is empty for a version outside a release.
    `after` is the time of the release that served before; `-` if none did, empty if unknown."""

    number: int
    release: str
    after: str = ""
    content: str = ""


def describe(release: str, after: str, content: str) -> str:
    """Return the description of a version."""
    return f"{release} after: {after} content: {content}"


def version_of(number: int, description: str) -> Version:
    """Parse a description; one of a release before 0.3 has no `after` or `content`."""
    release, after, content = _OURS.fullmatch(description.replace("\n", " ")).groups("")  # type: ignore[union-attr] # it matches any line
    return Version(number, release if _TIME.match(release) else "", after, content)


def time_of(release: str) -> str:
    """Return the time with which a release begins, `-` if there is none."""
    found = _TIME.match(release)
    return found[0] if found else NOTHING
