"""Formats findings as lines for people and as JSON for programs.

The doctor command calls it. docs/doctor.md documents the JSON. It must not print.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cli.doctor.finding import Finding, Severity, worst
from cli.printable import printable

SEVERITY_WORDS = {Severity.OK: "ok", Severity.WARNING: "warning", Severity.FAULT: "fault"}


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as a document; its `exit` is the exit code."""
    rows = [
        {
            "check": finding.check,
            "severity": SEVERITY_WORDS[finding.severity],
            "text": printable(finding.text),
            "fix": finding.fix or None,
        }
        for finding in findings
    ]
    return {
        "findings": rows,
        "severity": SEVERITY_WORDS[worst(findings)],
        "exit": int(worst(findings)),
    }


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        text = printable(finding.text)
        yield f"{SEVERITY_WORDS[finding.severity]:7}  {finding.check:{width}}  {text}"
        if finding.fix:
            yield f"{'':7}  {'':{width}}  fix: {printable(finding.fix)}"
    yield ""
    yield _summary(findings)


def _summary(findings: Sequence[Finding]) -> str:
    faults = sum(finding.severity is Severity.FAULT for finding in findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    if not faults and not warnings:
        return f"{len(findings)} checks, nothing to fix."
    return f"{_count(faults, 'fault')} and {_count(warnings, 'warning')}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
