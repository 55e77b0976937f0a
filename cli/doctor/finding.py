"""What doctor says: each thing that was looked at, how bad it is, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from cli.doctor.snapshot import Seen, Unread


class Severity(IntEnum):
    """Also the exit code: that of the worst finding."""

    OK = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` is a command, empty where no command mends it; `text` says what to do then."""

    severity: Severity
    text: str
    mend: str = ""
    check: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """`holds` is what it says when nothing is found, and what docs/doctor.md says that it looks
    at. It `rests_on` these parts of what was seen: it is not said to hold while one of them could
    not be read."""

    name: str
    holds: str
    examine: Callable[[Seen], Findings]
    rests_on: tuple[str, ...] = ()

    def told(self, seen: Seen) -> Sequence[Finding]:
        """At least one finding."""
        dark = seen.unread(self.rests_on)
        found = [*([unseen(*dark)] if dark else ()), *self.examine(seen)] or [
            Finding(Severity.OK, self.holds)
        ]
        return [replace(one, check=self.name) for one in found]


def warning(text: str, mend: str = "") -> Finding:
    return Finding(Severity.WARNING, text, mend)


def fault(text: str, mend: str = "") -> Finding:
    return Finding(Severity.FAULT, text, mend)


def unseen(*unread: Unread) -> Finding:
    """Why they could not be read is said once, by the check `access` or `stage`."""
    what = ", ".join(one.what for one in unread)
    return warning(f"could not be looked at, because {what} could not be read")


def examine(checks: Sequence[Check], seen: Seen) -> list[Finding]:
    """All of them, whatever the first of them find."""
    return [one for check in checks for one in check.told(seen)]


def worst(findings: Sequence[Finding]) -> Severity:
    return max((one.severity for one in findings), default=Severity.OK)
