"""The types of doctor: a Kind of finding, a Finding, and a Check that yields findings.

Every module of checks builds these; cli.doctor.report prints them. They must not
send requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from gettext import gettext as _

from cli.doctor.snapshot import Snapshot, Unread


class Severity(IntEnum):
    """The severity of a finding, from good to bad. NOTHING: there is nothing to check. UNKNOWN: the
    check could not be made, so there may be a fault."""

    OK = 0
    NOTHING = 1
    WARNING = 2
    UNKNOWN = 3
    FAULT = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    `fix` is a command, or empty if `text` explains what to do. `because` names the check whose
    finding is the cause of this one; this one then needs no fix of its own. If `blocks`, no check
    with this finding's check in its `after` can be judged.
    """

    severity: Severity
    text: str
    fix: str = ""
    check: str = ""
    code: str = ""
    because: str = ""
    blocks: bool = False


Findings = Iterator[Finding]
PARTLY = "partly"
"""How the code of a finding ends whose check has seen only a part of what it checks."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding that a check may yield: `code` is CHECK.NAME and never changes; `text` is
    in English. Each finding of this kind has this `severity` and this `blocks`."""

    code: str
    severity: Severity
    text: str
    blocks: bool = False

    @property
    def check(self) -> str:
        return self.code.partition(".")[0]

    def found(self, fix: str = "", *, because: str = "", **about: object) -> Finding:
        text = _(self.text).format(**about)
        return Finding(self.severity, text, fix, self.check, self.code, because, self.blocks)


def warning(code: str, text: str) -> Kind:
    return Kind(code, Severity.WARNING, text)


def fault(code: str, text: str, *, blocks: bool = False) -> Kind:
    return Kind(code, Severity.FAULT, text, blocks)


def nothing(code: str, text: str) -> Kind:
    return Kind(code, Severity.NOTHING, text)


def unknown(code: str, text: str) -> Kind:
    return Kind(code, Severity.UNKNOWN, text)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the Snapshot.

    `holds` says what is true if the check finds nothing wrong; docs/doctor.md documents it.
    `rests_on` names the parts of the Snapshot that the check needs. If one of them could not be
    read, the check also yields an unknown finding. `after` names other checks. If one of them has a
    finding that blocks, this check is not made, and yields only an unknown finding.
    """

    name: str
    holds: str
    examine: Callable[[Snapshot], Findings]
    rests_on: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def examine(checks: Sequence[Check], snapshot: Snapshot) -> list[Finding]:
    """Return the findings of all checks, at least one of each. After a fault, the other checks are
    still made. In `checks`, each check comes after those that it depends on."""
    roots: dict[str, str] = {}
    found: list[Finding] = []
    for check in checks:
        findings = list(_findings(check, snapshot, roots))
        found += findings
        if root := next((finding for finding in findings if finding.blocks), None):
            roots[check.name] = root.because or check.name
    return found


def _findings(check: Check, snapshot: Snapshot, roots: Mapping[str, str]) -> Findings:
    if root := next((roots[name] for name in check.after if name in roots), ""):
        yield _unknown(check, root)
        return
    unread = snapshot.unread(check.rests_on)
    found = [*_unread(check, unread, roots), *check.examine(snapshot)]
    if unread:  # there may be something to check
        found = [finding for finding in found if finding.severity is not Severity.NOTHING]
    yield from found or [Finding(Severity.OK, _(check.holds), check=check.name)]


def _unread(check: Check, unread: Sequence[Unread], roots: Mapping[str, str]) -> Findings:
    """Yield an unknown finding for each check that explains the unread parts, except for `check`
    itself."""
    whole = dict.fromkeys(_root_of(part, roots) for part in unread if not part.is_partial)
    partial = dict.fromkeys(_root_of(part, roots) for part in unread if part.is_partial)
    for root in whole:
        if root != check.name:
            yield _unknown(check, root)
    for root in partial:
        if root not in whole:
            yield _partly_unknown(check, root)


def _unknown(check: Check, root: str) -> Finding:
    text = _("`doctor` could not check whether {holds}; the finding of `{root}` says why").format(
        root=root, holds=_(check.holds)
    )
    code = f"{check.name}.unknown"
    return Finding(Severity.UNKNOWN, text, "", check.name, code, because=root, blocks=True)


def _partly_unknown(check: Check, root: str) -> Finding:
    sentence = _(
        "`doctor` could check only in part whether {holds}; the finding of `{root}` says why"
    )
    text, code = sentence.format(root=root, holds=_(check.holds)), f"{check.name}.{PARTLY}"
    return Finding(Severity.UNKNOWN, text, "", check.name, code, because=root)


def _root_of(unread: Unread, roots: Mapping[str, str]) -> str:
    if unread.explained_by:
        return unread.explained_by
    if unread.is_of_account:
        return roots.get("credentials", "access")
    return roots.get("store", "stage")


def worst(findings: Sequence[Finding]) -> Severity:
    return max((finding.severity for finding in findings), default=Severity.OK)
