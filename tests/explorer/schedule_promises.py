"""The promises of schedules, judged by what people asked and when, not by the record."""

from __future__ import annotations

from collections.abc import Iterator

from shared.protocol import (
    ExtendAsked,
    IfNotLive,
    Occurrence,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Reason,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
)
from shared.protocol.policy import OnInterruption
from shared.protocol.state.intent import Intent, Requester
from tests.explorer.world import FAR, NEVER, NOW, Live, Memory

TOO_LONG = 1_000
"""ms by which something may be late, as in promises.py: what is due is done at once."""
OVER = (Reason.SCHEDULE_OVER, Reason.SCHEDULE_SKIPPED, Reason.SCHEDULE_CANCELLED)


class Broken(Exception):
    """A promise is broken; the text says which."""


def handled(memory: Memory, old: StreamRecord, new: StreamRecord, event: object) -> Memory:
    """Judge what was stored, and remember which occurrences a person has stopped."""
    memory = _asked(_forgetting(memory, old), old, new, event)
    _judge_over(memory, new)
    if isinstance(event, OccurrencesPlanned) and new.intent.occurrence in event.cancelled:
        raise Broken("a cancelled occurrence is still recorded")
    if new.intent.requester is Requester.SCHEDULE and new.intent != old.intent:
        memory = _judge_scheduled(memory, old, new)
    is_same = new.intent.generation == old.intent.generation
    is_scheduled = Requester.SCHEDULE in (old.intent.requester, new.intent.requester)
    if memory.ends_at and is_same and is_scheduled and new.intent.until != old.intent.until:
        until = new.intent.until or 0
        memory = memory._replace(ends_at=until if until < NOW + FAR else 0)
    return memory


def _forgetting(memory: Memory, old: StreamRecord) -> Memory:
    """Forget occurrences whose `until` has passed: they cannot begin any more. Keep the one that a
    stop in force has ended: it is barred even if it is planned again."""
    passed = {one.id for one in old.begun if one.until <= NOW}
    if not passed:
        return memory
    stands = not old.intent.wanted and old.intent.requester is Requester.PERSON
    stopped = old.intent.occurrence if stands else ""
    excused = tuple(one for one in memory.excused if one not in passed or one == stopped)
    return memory._replace(excused=excused, made=tuple(set(memory.made) - passed))


def _asked(memory: Memory, old: StreamRecord, new: StreamRecord, event: object) -> Memory:
    ids = tuple(one.id for one in new.begun)
    if isinstance(event, StopAsked):
        during = any(one.id not in memory.excused for one in new.begun)
        was_scheduled = old.intent.requester is Requester.SCHEDULE
        during = during or (was_scheduled and bool(new.intent.occurrence))
        is_long = event.hold is None and not event.hold_session
        return _excusing(memory, ids)._replace(bars=is_long and not during)
    if isinstance(event, OccurrenceSkipped):
        known = {one.id for one in (*old.planned, *old.begun) if one.until > NOW}
        return _excusing(memory, tuple({event.id} & known))
    if isinstance(event, StartAsked | ExtendAsked):
        sets_end = event.until is not None or event.max_duration is not None
        scheduled = old.intent.requester is Requester.SCHEDULE or not old.intent.wanted
        memory = memory._replace(bars=False) if isinstance(event, StartAsked) else memory
        is_theirs = new.intent.requester is Requester.PERSON
        return _excusing(memory, ids) if scheduled and sets_end and is_theirs else memory
    return memory


def _excusing(memory: Memory, ids: tuple[str, ...]) -> Memory:
    return memory._replace(excused=tuple(sorted({*memory.excused, *ids})))


def _judge_over(memory: Memory, new: StreamRecord) -> None:
    for one in new.begun:
        if one.is_over and one.ends_at > NOW and one.id not in memory.excused and not memory.bars:
            raise Broken("an occurrence was given up that nobody stopped")


def _judge_scheduled(memory: Memory, old: StreamRecord, new: StreamRecord) -> Memory:
    intent, before = new.intent, old.intent
    if intent.occurrence in memory.excused:
        raise Broken("a schedule began anew what a person had stopped")
    if intent.generation == before.generation:
        if before.requester is not Requester.SCHEDULE and not _was_to_end(before):
            raise Broken("a schedule took over what was to go on")
        return memory
    if memory.bars:
        raise Broken("a schedule overruled a stop that holds")
    if intent.occurrence in memory.made:
        raise Broken("an occurrence began twice")
    return memory._replace(made=tuple(sorted((*memory.made, intent.occurrence))))


def _was_to_end(intent: Intent) -> bool:
    is_over = intent.until is not None and intent.until <= NOW
    bound = intent.on_interruption is not OnInterruption.RESUME
    return is_over or bound or intent.if_not_live is IfNotLive.FAIL or not intent.wanted


def judge_end(
    memory: Memory, old: StreamRecord, new: StreamRecord, merge_delay: int, *, records: bool
) -> None:
    """Judge a new intent that ends another one. `records`: the rule records what is published."""
    if new.intent.reason not in OVER:
        return
    is_own = old.intent.requester is Requester.SCHEDULE or not old.intent.wanted
    if not is_own and not _was_to_end(old.intent):
        raise Broken("a schedule ended what it had not begun")
    follower = next(iter(new.planned), None)
    limit = max((one.ends_at for one in old.begun), default=NEVER) + merge_delay
    if new.intent.reason is Reason.SCHEDULE_OVER and follower and follower.begins_at <= limit:
        raise Broken("two occurrences near each other were two intents")
    if records and new.is_live and new.policy_session != new.session_number:
        raise Broken("the end of a schedule stopped what policy records")


def _under_way(memory: Memory, record: StreamRecord) -> Iterator[Occurrence]:
    for one in record.begun:
        if one.id not in memory.excused and one.begins_at <= NOW < one.ends_at:
            yield one


def at_rest(record: StreamRecord, live: Live, memory: Memory) -> None:
    """Raise Broken if, at rest, something that could be done at this moment was not done."""
    intent = record.intent
    if record.planned and record.planned[0].begins_at < NOW - TOO_LONG:
        raise Broken("an occurrence did not begin in time")
    if any(_under_way(memory, record)) and not intent.wanted and not memory.bars:
        raise Broken("an occurrence is under way, and nothing is wanted")
    if intent.requester is not Requester.SCHEDULE:
        return
    if (intent.until or 0) < NOW - TOO_LONG:
        raise Broken("a schedule's intent stands long after its limit")
    own = next((one for one in record.begun if one.id == intent.occurrence), None)
    is_over = own is not None and own.ends_at < NOW - TOO_LONG
    lasts = intent.overrun_at is not None and intent.overrun_at > NOW  # until the next one begins
    if is_over and not lasts and record.is_off and live.listed is None:
        raise Broken("a show that is over is waited for")


def taken_up(record: StreamRecord, live: Live, memory: Memory, settings: StreamSettings) -> None:
    """Raise Broken unless a stream that is live takes part in what its patterns ask for."""
    if not record.is_live and any(one.by_pattern for one in record.planned):
        raise Broken("a pattern waits for a stream that is off")
    if not record.is_live or live.listed is None or memory.bars or record.intent.wanted:
        return
    if any(one.id not in memory.excused for one in settings.occurrences):
        raise Broken("a stream fits a pattern, and nothing is wanted")
