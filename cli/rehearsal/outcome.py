"""The result of a rehearsal: one line for each step, and GO or NO-GO with the cause and what to do
next.

The steps build it, the command prints it. It must not print or send anything itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from gettext import gettext as _
from typing import Any

from cli import exit_codes


class Result(str, Enum):
    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


class Verdict(str, Enum):
    GO = "go"
    NO_GO = "no-go"
    INTERRUPTED = "interrupted"
    NOT_ASKED = "not-asked"


EXIT_CODES = {
    Verdict.GO: exit_codes.AS_WANTED,
    Verdict.NO_GO: exit_codes.NOT_AS_WANTED,
    Verdict.INTERRUPTED: exit_codes.NOT_ASKED,
    Verdict.NOT_ASKED: exit_codes.NOT_ASKED,
}


class StepFailed(Exception):
    """A step found what would spoil the show: `text` is the cause, `fix` what to do next. If
    `is_unasked`, the step could not check anything, for example because nobody answered. The
    verdict is then neither GO nor NO-GO, unless the push had begun."""

    def __init__(self, text: str, fix: str, *, is_unasked: bool = False) -> None:
        super().__init__(text)
        self.text, self.fix, self.is_unasked = text, fix, is_unasked


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a rehearsal; `fix` is empty unless the step failed."""

    step: str
    result: Result
    text: str
    took_ms: int
    fix: str = ""


@dataclass(slots=True)
class Outcome:
    """The result of rehearsing one application. `stream` is the throw-away stream that was
    recorded."""

    application: str
    stream: str
    steps: list[Step] = field(default_factory=list)
    is_interrupted: bool = False
    is_unasked: bool = False

    @property
    def cause(self) -> Step | None:
        """Return the step that failed first; those after it may have failed because of it."""
        return next((one for one in self.steps if one.result is Result.FAILED), None)

    @property
    def verdict(self) -> Verdict:
        if self.is_interrupted:
            return Verdict.INTERRUPTED
        if self.is_unasked:
            return Verdict.NOT_ASKED
        return Verdict.GO if self.cause is None else Verdict.NO_GO

    def document(self) -> dict[str, Any]:
        cause = self.cause
        return {
            "application": self.application,
            "stream": self.stream,
            "verdict": self.verdict.value,
            "cause": cause.text if cause else None,
            "fix": cause.fix if cause else None,
            "steps": [{**asdict(one), "result": one.result.value} for one in self.steps],
        }


def verdict_lines(outcome: Outcome) -> tuple[str, ...]:
    """Return the lines that say GO, NO-GO or neither, with the cause and what to do next."""
    application, cause = outcome.application, outcome.cause
    match outcome.verdict:
        case Verdict.GO:
            return (_("GO: {application} is recorded.").format(application=application),)
        case Verdict.INTERRUPTED:
            return (_("The rehearsal was interrupted: neither GO nor NO-GO."),)
        case Verdict.NOT_ASKED:
            head = _("The rehearsal could not be performed: neither GO nor NO-GO. {cause}")
        case _:
            head = _("NO-GO: {cause}")
    text, fix = (cause.text, cause.fix) if cause else ("", "")
    return (head.format(cause=text), _("Next: {fix}").format(fix=fix))


def worst(outcomes: Sequence[Outcome]) -> Verdict:
    order = [Verdict.INTERRUPTED, Verdict.NO_GO, Verdict.NOT_ASKED, Verdict.GO]
    return min((one.verdict for one in outcomes), key=order.index)
