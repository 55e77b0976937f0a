"""Performs the steps of one rehearsal, and then removes what the steps made, even if they failed.

The command calls this module, with a function that prints each line as soon as it is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from gettext import gettext as _
from typing import Protocol

from cli.account import Declined
from cli.errors import Failure, NoAnswer, StageRefusal
from cli.refusals import is_wrong_key
from cli.rehearsal.interruption import Interruption
from cli.rehearsal.outcome import Outcome, Result, Step, StepFailed, Verdict
from cli.rehearsal.steps import Skipped

REMOVED, KEPT = "removed", "kept"


class RehearsalSteps(Protocol):
    """What a rehearsal does. `in_order` returns its steps with their names. `remove` removes what
    the steps made; `is_begun` is True once there may be something to remove. `keep` stores the
    verdict in the stage."""

    @property
    def is_begun(self) -> bool: ...
    def in_order(self) -> Sequence[tuple[str, Callable[[], str]]]: ...
    def remove(self) -> str: ...
    def keep(self, outcome: Outcome) -> str: ...


def rehearse(
    steps: RehearsalSteps,
    outcome: Outcome,
    interruption: Interruption,
    report: Callable[[Step], None],
) -> None:
    """Perform the steps until one fails, and add the result of each to the outcome. A signal also
    ends the steps; the results so far stay. What the steps made is removed in any case."""
    try:
        try:
            for name, act in steps.in_order():
                if not _performed(steps, outcome, name, act, report):
                    break
        except KeyboardInterrupt:
            outcome.is_interrupted = True
        finally:
            interruption.protect()
    finally:
        _performed(steps, outcome, REMOVED, steps.remove, report)
    outcome.is_interrupted |= interruption.came
    if outcome.verdict in (Verdict.GO, Verdict.NO_GO):
        _performed(steps, outcome, KEPT, lambda: steps.keep(outcome), report)
    interruption.unprotect()


def _performed(
    steps: RehearsalSteps,
    outcome: Outcome,
    name: str,
    act: Callable[[], str],
    report: Callable[[Step], None],
) -> bool:
    """Perform a step and report its line; return False if it failed."""
    began = time.monotonic()
    result, fix = Result.OK, ""
    try:
        text = act()
    except Skipped as nothing:
        result, text = Result.SKIPPED, str(nothing)
    except (StepFailed, Declined, Failure) as error:
        failed = _failed(error)
        result, text, fix = Result.FAILED, failed.text, failed.fix
        outcome.is_unasked |= failed.is_unasked and not steps.is_begun
    took_ms = round((time.monotonic() - began) * 1000)
    outcome.steps.append(Step(name, result, text, took_ms, fix))
    report(outcome.steps[-1])
    return result is not Result.FAILED


def _failed(error: StepFailed | Declined | Failure) -> StepFailed:
    """Return the cause of a step's failure, and what to do about it."""
    again = _("Fix the cause, then rehearse again.")
    match error:
        case StepFailed():
            return error
        case Declined():
            fix = _grant(error) if error.is_forbidden else again
            is_unasked = error.is_unanswered or is_wrong_key(error)
            return StepFailed(str(error), fix, is_unasked=is_unasked)
        case StageRefusal(problem=problem, hint=hint):
            text = f"{problem.get('code', '')}: {problem['detail']}"
            return StepFailed(text, hint or again)
        case Failure(message=message):
            return StepFailed(message, again, is_unasked=isinstance(error, NoAnswer))


def _grant(declined: Declined) -> str:
    service = "oss" if declined.action.endswith(("Object", "Objects")) else "live"
    sentence = _("Grant your own access key the action `{service}:{action}`.")
    return sentence.format(service=service, action=declined.action)
