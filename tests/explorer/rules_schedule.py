"""Rules about the occurrences of schedules."""

from __future__ import annotations

from typing import Any

from shared.protocol import Occurrence, Reason
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import occurrence as occurrence_rules
from shared.protocol.rules import schedule
from shared.protocol.rules.transition import Transition
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    BY_PATTERN,
    CANCEL,
    LIVE,
    PLAN,
    PLAN_BEGUN,
    PLAN_FAR,
    PLAN_NEAR,
    PLAN_PATTERN,
    PLAN_STRICT,
    PUBLISH,
    RECORDED,
    SHORT_DELAY,
    SHORT_START,
    SKIP,
    START,
    STOP,
    UNPUBLISH,
    recording,
)

Patches = tuple[Patch, ...]
_real_begin = schedule._begin
_real_end_all = occurrence_rules.end_all


def _takes_whatever_is_wanted() -> Patches:
    def begin(transition: Transition, occurrence: Occurrence) -> None:
        if transition.record.intent.wanted:
            occurrence_rules.take_over(transition, occurrence)
        _real_begin(transition, occurrence)

    return ((schedule, "_begin", begin),)


def _forgets_what_began() -> Patches:
    def set_begun(transition: Transition, occurrence: Occurrence) -> None:
        planned = [one for one in transition.record.planned if one.id != occurrence.id]
        transition.change(planned=tuple(planned))

    return ((schedule, "_set_begun", set_begun),)


def _never_takes_over() -> Patches:
    return ((occurrence_rules, "under_way", lambda *_, **__: None),)


def _policy_never_takes_over() -> Patches:
    return ((intent_rules, "_hand_over_to_policy", lambda _transition: False),)


def _never_waits_for_the_next() -> Patches:
    def run_over(transition: Transition, _ended_at: int) -> None:
        if not intent_rules.hand_over(transition):
            schedule._end_with_the_show(transition)

    return ((schedule, "_run_over", run_over),)


def _stop_bars_none_under_way() -> Patches:
    def end_all(transition: Transition) -> str:
        begun = transition.record.begun
        stopped = _real_end_all(transition)
        transition.change(begun=begun)
        return stopped

    return ((occurrence_rules, "end_all", end_all),)


def _stop_bars_later_ones() -> Patches:
    def end_all(transition: Transition) -> str:
        _real_end_all(transition)
        return ""

    return ((occurrence_rules, "end_all", end_all),)


def _nothing_bars() -> Patches:
    return ((occurrence_rules, "is_barred", lambda *_: False),)


def _goes_on_after_the_show() -> Patches:
    def go_on(transition: Transition) -> None:
        transition.change_intent(overrun_at=None)

    return ((schedule, "_end_with_the_show", go_on),)


def _skips_nothing() -> Patches:
    def skip(transition: Transition, event: Any) -> None:  # noqa: ANN401 - as the real one
        transition.add_entry(Reason.SCHEDULE_SKIPPED, who=event.who)

    return ((schedule, "skip", skip),)


def _keeps_what_was_cancelled() -> Patches:
    return ((schedule, "_end_cancelled", lambda _transition, _event: None),)


def _takes_nothing_up() -> Patches:
    return ((schedule, "follow", lambda _transition: None),)


REMOVALS = (
    Removal(
        "a schedule makes an intent only where none is wanted",
        "If a recording is wanted already when an occurrence begins, the occurrence leaves the "
        "existing intent as it is.",
        _takes_whatever_is_wanted,
        Scenario("", (START, PLAN_STRICT), before=LIVE),
    ),
    Removal(
        "what has begun is not planned again",
        "If an occurrence has begun, it does not change when its schedule is planned again.",
        _forgets_what_began,
        Scenario("", (PLAN, SKIP, PLAN_BEGUN), before=LIVE),
    ),
    Removal(
        "a schedule lengthens an end",
        "If an intent would end while an occurrence is under way, the occurrence takes over the "
        "intent.",
        _never_takes_over,
        Scenario("", (SHORT_START, PLAN), before=LIVE),
    ),
    Removal(
        "policy goes on after a schedule",
        "The end of an occurrence does not stop what policy would have recorded.",
        _policy_never_takes_over,
        Scenario("", (PLAN_STRICT,), script=(PUBLISH,), settings=recording()),
    ),
    Removal(
        "near occurrences are one intent",
        "If an occurrence begins within the merge delay after another ends, the intent of the "
        "earlier one lasts until the later one begins.",
        _never_waits_for_the_next,
        Scenario("", (PLAN_NEAR,), before=LIVE, settings=SHORT_DELAY),
    ),
    Removal(
        "a stop bars the occurrence under way",
        "After a person's stop, no occurrence that had begun is recorded any more.",
        _stop_bars_none_under_way,
        Scenario("", (PLAN, STOP, SHORT_START), before=LIVE),
    ),
    Removal(
        "a stop during an occurrence bars no later one",
        "After a stop during an occurrence, occurrences that begin later are recorded, even "
        "during the stop's hold.",
        _stop_bars_later_ones,
        Scenario("", (PLAN_FAR, STOP), before=LIVE, settings=SHORT_DELAY),
    ),
    Removal(
        "a stop before an occurrence bars it",
        "After a stop outside any occurrence, no occurrence that begins during the stop's hold is "
        "recorded.",
        _nothing_bars,
        Scenario("", (STOP, PLAN), before=RECORDED),
    ),
    Removal(
        "a show that runs over ends with its stream",
        "If the stream is still live when an occurrence reaches its end, the recording goes "
        "on until the session ends, for `overrun` at most.",
        _goes_on_after_the_show,
        Scenario("", (PLAN,), before=LIVE, script=(UNPUBLISH,)),
    ),
    Removal(
        "a skipped occurrence is not recorded",
        "A skipped occurrence is not recorded, and its intent ends.",
        _skips_nothing,
        Scenario("", (PLAN, SKIP), before=LIVE),
    ),
    Removal(
        "what was cancelled before it began ends",
        "If an occurrence begins although it was cancelled before, it ends when its schedule is "
        "planned next.",
        _keeps_what_was_cancelled,
        Scenario("", (PLAN, CANCEL), before=LIVE),
    ),
    Removal(
        "what fits a pattern takes part",
        "Each occurrence whose pattern fits a live stream is planned for that stream.",
        _takes_nothing_up,
        Scenario("", script=(PUBLISH,), settings=BY_PATTERN),
    ),
    Removal(
        "no pattern waits for a stream",
        "When a stream goes offline, its record drops the occurrences that were planned for it by "
        "a pattern.",
        _takes_nothing_up,
        Scenario("", (PLAN_PATTERN,), before=LIVE, script=(UNPUBLISH,)),
    ),
)
