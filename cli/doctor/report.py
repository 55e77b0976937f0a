"""Formats findings as lines for people and as JSON for programs.

The doctor command calls this module. docs/doctor.md documents the JSON. It must not print.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from gettext import gettext as _
from gettext import ngettext
from typing import Any
from unicodedata import east_asian_width

from cli import exit_codes
from cli.doctor.finding import PARTLY, Finding, Severity, worst
from cli.printable import printable

SEVERITY_CODES = {
    Severity.OK: "ok",
    Severity.NOTHING: "nothing",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "unknown",
    Severity.FAULT: "fault",
}
UNREACHED = ("stage.down", "stage.refuses")
"""The findings after which nothing else could be asked."""


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 if all is well, 3 if there is something to fix, and 4 if that could not be
    determined."""
    if any(finding.code in UNREACHED for finding in findings):
        return exit_codes.NOT_ASKED
    if any(finding.severity in (Severity.FAULT, Severity.WARNING) for finding in findings):
        return exit_codes.NOT_AS_WANTED
    is_unknown = worst(findings) is Severity.UNKNOWN
    return exit_codes.NOT_ASKED if is_unknown else exit_codes.AS_WANTED


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as a document; its `exit` is the exit code."""
    rows = [
        {
            "check": finding.check,
            "code": finding.code or None,
            "severity": SEVERITY_CODES[finding.severity],
            "text": printable(finding.text),
            "fix": finding.fix or None,
            "because": finding.because or None,
        }
        for finding in findings
    ]
    return {
        "findings": rows,
        "severity": SEVERITY_CODES[worst(findings)],
        "exit": exit_code(findings),
    }


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the report: first the warnings, unknown findings and faults, each followed by its
    consequences; then the other findings; at the end a summary."""
    width = max((len(finding.check) for finding in findings), default=0)
    roots = root_findings(findings)
    follow = [finding for finding in findings if finding not in roots]
    wrong = [finding for finding in roots if finding.severity > Severity.NOTHING]
    last_of = {finding.check: finding for finding in wrong}
    for finding in wrong:
        yield from _wrong(finding, width)
        if last_of[finding.check] is finding:
            yield from _consequences(follow, finding.check, width)
    for finding in roots:
        if finding not in wrong:
            yield _line(finding, width)
    yield ""
    yield summary(findings)


def root_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that get a line of their own. A finding whose `because` names a check
    with such a line gets none: it is shown below that line."""
    wrong = [finding for finding in findings if finding.severity > Severity.NOTHING]
    causes = {finding.check for finding in wrong if not finding.because}
    return [finding for finding in findings if finding.because not in causes]


def _line(finding: Finding, width: int) -> str:
    word = severity_word(finding.severity)
    padding = " " * (_word_width() - columns(word))
    return f"{word}{padding}  {finding.check:{width}}  {printable(finding.text)}"


def columns(text: str) -> int:
    """Return how many columns of a terminal the text takes: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def severity_word(severity: Severity) -> str:
    words = {
        Severity.OK: _("ok"),
        Severity.NOTHING: _("nothing"),
        Severity.WARNING: _("warning"),
        Severity.UNKNOWN: _("unknown"),
        Severity.FAULT: _("fault"),
    }
    return words[severity]


def _word_width() -> int:
    return max(columns(severity_word(severity)) for severity in Severity)


def _wrong(finding: Finding, width: int) -> Iterator[str]:
    yield _line(finding, width)
    if finding.fix:
        fix = _("fix: {command}").format(command=printable(finding.fix))
        yield f"{'':{_word_width()}}  {'':{width}}  {fix}"


def _consequences(follow: Sequence[Finding], root: str, width: int) -> Iterator[str]:
    """Yield the findings caused by the check `root`, then one line with the checks that could not
    be made because of it, and one with those that could be made only in part."""
    indent = f"{'':{_word_width()}}  {'':{width}}  "
    same = [finding for finding in follow if finding.because == root]
    unknown = [finding for finding in same if finding.severity is Severity.UNKNOWN]
    partly = [finding.check for finding in unknown if finding.code.endswith(f".{PARTLY}")]
    not_at_all = [finding.check for finding in unknown if finding.check not in partly]
    for finding in same:
        if finding.severity is not Severity.UNKNOWN:
            yield indent + _("therefore: {text}").format(text=printable(finding.text))
    if not_at_all:
        yield indent + _(
            "because of this finding, `doctor` could not make these checks: {checks}"
        ).format(checks=", ".join(not_at_all))
    if partly:
        sentence = _(
            "because of this finding, `doctor` could make only a part of these checks: {checks}"
        )
        yield indent + sentence.format(checks=", ".join(partly))


def summary(findings: Sequence[Finding]) -> str:
    roots = root_findings(findings)
    faults = sum(finding.severity is Severity.FAULT for finding in roots)
    warnings = sum(finding.severity is Severity.WARNING for finding in roots)
    unknown = len({f.check for f in findings if f.severity is Severity.UNKNOWN})
    checks = len({finding.check for finding in findings})
    if not (faults or warnings or unknown):
        return _("{count} checks, nothing to fix.").format(count=checks)
    parts = [
        ngettext("{count} fault", "{count} faults", faults).format(count=faults),
        ngettext("{count} warning", "{count} warnings", warnings).format(count=warnings),
        ngettext("{count} check is unknown", "{count} checks are unknown", unknown).format(
            count=unknown
        ),
    ]
    return _("{parts}.").format(parts=_(", ").join(parts))
