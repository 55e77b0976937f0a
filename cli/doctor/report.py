"""Findings as lines for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cli.doctor.finding import Finding, Severity, worst

WORDS = {Severity.OK: "ok", Severity.WARNING: "warning", Severity.FAULT: "fault"}


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """`exit` is the exit code that goes with it."""
    rows = [
        {
            "check": one.check,
            "severity": WORDS[one.severity],
            "text": one.text,
            "mend": one.mend or None,
        }
        for one in findings
    ]
    return {"findings": rows, "severity": WORDS[worst(findings)], "exit": int(worst(findings))}


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max((len(one.check) for one in findings), default=0)
    for one in findings:
        yield f"{WORDS[one.severity]:7}  {one.check:{width}}  {one.text}"
        if one.mend:
            yield f"{'':7}  {'':{width}}  mend: {one.mend}"
    yield ""
    yield _sum(findings)


def _sum(findings: Sequence[Finding]) -> str:
    faults = sum(one.severity is Severity.FAULT for one in findings)
    warnings = sum(one.severity is Severity.WARNING for one in findings)
    if not faults and not warnings:
        return f"{len(findings)} checks, and nothing to mend."
    return f"{_count(faults, 'fault')} and {_count(warnings, 'warning')}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
