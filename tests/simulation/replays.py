"""Judges what a captured signature changed with a payload of the stranger's own, by the record
before and after. It may add to the history, and start a stream that a rule wants recorded."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from shared.protocol import Command, Reason, StreamRecord
from shared.protocol.derived.due_times import counts_against_quota
from shared.protocol.state.intent import Intent, Requester
from tests.simulation.stream_watch import Broken

_OF_TIME = (Reason.TIME_OVER, Reason.NEVER_LIVE, Reason.NEVER_RECORDED)
"""Ends that were due anyway: whoever handles the record next notices them."""

_TIMES = dict.fromkeys(
    ("made_at", "until", "first_accepted_at", "held_until", "held_opening_before")
)


def judge_replay(
    before: StreamRecord, after: StreamRecord, now: int, *, runs: bool, skewed: bool
) -> None:
    """Raise Broken for what a replay may not cause. `runs`: Live records the stream. `skewed`: the
    store's clock was wrong, so that its times may be corrected."""
    if _is_scheduled(before, after):
        return
    if after.intent.reason in _OF_TIME and after.intent != before.intent:
        return
    if after.intent.generation == before.intent.generation:
        _judge_same_intent(before.intent, after.intent, _TIMES if skewed else {})
    elif not _is_of_rule(after.intent):
        raise Broken("promise 6", "a replayed callback changed what somebody wants")
    _judge_commands(before, after)
    if runs and not before.has_failed and after.has_failed:
        raise Broken("promise 6", "a replayed callback failed what is recorded")
    same_session = before.session_number == after.session_number
    gave_up = counts_against_quota(before) and not counts_against_quota(after)
    if runs and same_session and gave_up and not _is_doubt_over(before, now):
        raise Broken("promise 6", "a replayed callback gave up the place of what is recorded")


def _is_scheduled(before: StreamRecord, after: StreamRecord) -> bool:
    """Return True if an occurrence was due anyway, to begin or to end."""
    is_of_schedule = Requester.SCHEDULE in (before.intent.requester, after.intent.requester)
    return before.begun != after.begun or (is_of_schedule and before.intent != after.intent)


def _is_doubt_over(before: StreamRecord, now: int) -> bool:
    """Return True if a doubt was over anyway: whoever handles the record next notices that."""
    return any(doubt.until <= now for doubt in before.doubts)


def _is_of_rule(intent: Intent) -> bool:
    is_made = intent.wanted and intent.requester is Requester.POLICY
    return is_made and intent.reason is Reason.RULE_RECORDS


def _judge_same_intent(before: Intent, after: Intent, corrected: Mapping[str, None]) -> None:
    """Raise Broken if anything of the intent changed besides its session, and that its command was
    claimed, or is sent now after the stage only observed."""
    corrected = {"session": None, "claimed": None, "unsent_stop": None, **corrected}
    if replace(before, **corrected) != replace(after, **corrected):
        raise Broken("promise 6", "a replayed callback changed an intent")


def _judge_commands(before: StreamRecord, after: StreamRecord) -> None:
    known = {one.command for one in (before.pending, before.flight, *before.doubts) if one}
    for one in (after.pending, after.flight):
        if one is not None and one.command not in known and not _is_harmless(after, one.command):
            raise Broken("promise 6", f"a replayed callback led to a {one.command.value}")


def _is_harmless(after: StreamRecord, command: Command) -> bool:
    """Return True for a command that serves the present intent."""
    return command is (Command.START if after.intent.wanted else Command.STOP)
