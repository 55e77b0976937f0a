"""What doctor says: each thing that was looked at, how bad it is, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from cli.doctor.snapshot import Snapshot, Unread


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
    fix: str = ""
    check: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """`holds` is what it says when nothing is found, and what docs/doctor.md says that it looks
    at. It `rests_on` these parts of what was seen: it is not said to hold while one of them could
    not be read."""

    name: str
    holds: str
    examine: Callable[[Snapshot], Findings]
    rests_on: tuple[str, ...] = ()

    def findings(self, snapshot: Snapshot) -> Sequence[Finding]:
        """At least one finding."""
        unread = snapshot.unread(self.rests_on)
        found = [*([unreadable(*unread)] if unread else ()), *self.examine(snapshot)] or [
            Finding(Severity.OK, self.holds)
        ]
        return [replace(finding, check=self.name) for finding in found]


def warning(text: str, fix: str = "") -> Finding:
    return Finding(Severity.WARNING, text, fix)


def fault(text: str, fix: str = "") -> Finding:
    return Finding(Severity.FAULT, text, fix)


def unreadable(*unread: Unread) -> Finding:
    """Why they could not be read is said once, by the check `access` or `stage`."""
    names = ", ".join(source.subject for source in unread)
    return warning(f"could not be looked at, because {names} could not be read")


def examine(checks: Sequence[Check], snapshot: Snapshot) -> list[Finding]:
    """All of them, whatever the first of them find."""
    return [finding for check in checks for finding in check.findings(snapshot)]


def worst(findings: Sequence[Finding]) -> Severity:
    return max((finding.severity for finding in findings), default=Severity.OK)
