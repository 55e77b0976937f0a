"""The types of doctor: a Check, and a Finding with its severity and the command that fixes it.

Every module of checks builds these; cli.doctor.report prints them. They must not send requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from cli.doctor.snapshot import Snapshot, Unread


class Severity(IntEnum):
    """The severity of a finding; that of the worst finding is the exit code."""

    OK = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `fix` is a command, or empty if `text` explains what to do."""

    severity: Severity
    text: str
    fix: str = ""
    check: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the Snapshot.

    `holds` is the text of the ok finding, documented in docs/doctor.md. `rests_on` names parts of
    the Snapshot; the check is not ok if one of them could not be read.
    """

    name: str
    holds: str
    examine: Callable[[Snapshot], Findings]
    rests_on: tuple[str, ...] = ()

    def findings(self, snapshot: Snapshot) -> Sequence[Finding]:
        """Return the findings, at least one."""
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
    """Return a warning that names what could not be read.

    It omits the cause, which the check `access` or `stage` reports once.
    """
    names = ", ".join(source.subject for source in unread)
    return warning(f"could not be checked, because {names} could not be read")


def examine(checks: Sequence[Check], snapshot: Snapshot) -> list[Finding]:
    """Return the findings of all checks; a fault does not end the examination."""
    return [finding for check in checks for finding in check.findings(snapshot)]


def worst(findings: Sequence[Finding]) -> Severity:
    return max((finding.severity for finding in findings), default=Severity.OK)
