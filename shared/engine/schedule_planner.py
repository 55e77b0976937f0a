"""Writes the coming occurrences of schedules into the records of their streams.

The HTTP API plans a schedule when it is stored. The timer's reconcile does the rest, and waits for
an occurrence that is about to begin. The recurrence library is imported only if a schedule is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Protocol

from msgspec.structs import replace

from shared.engine.effects import Steps
from shared.engine.recorder import Recorder
from shared.engine.resync import ONLY_STORE_NEWS
from shared.ledger.edges import Edge, EdgeKind, occurrence_of
from shared.protocol import Occurrence, OccurrencesPlanned, StreamKey
from shared.protocol.policy import Match
from shared.protocol.state.occurrence import TemporaryRule, fits
from shared.schedule.schedule import (
    LEAD_MS,
    PLANNED_AHEAD_MS,
    StoredSchedule,
    cancelled_by_change,
    due_at,
    keys_of,
    matches_of,
    next_begin,
    rules_due_at,
    rules_of,
    settles_at,
)
from shared.store.contract import Filter, Watched
from shared.store.store_errors import StoreUnavailable

MAX_SCHEDULES_NUMBER = 1000
MAX_PLANNED_NUMBER = 200
"""Occurrences of one schedule that are read at once: more than it can have in four days."""
PAGE_ROWS = 500
"""Ledgers that are listed at once, to see whether a stream came for an occurrence."""
STAY_S = 0.5
"""s between two checks of the clock while a run waits for an occurrence."""


class WatchedStore(Protocol):
    def watched(self, domain: str) -> Sequence[Watched]: ...


class ScheduleStore(WatchedStore, Protocol):
    def now(self) -> int: ...
    def due_schedules(self, limit: int) -> Mapping[str, str]: ...
    def put_schedule(
        self, name: str, text: str, due_at: int | None, *, replaces: str | None, rules: str = ""
    ) -> bool: ...
    def remove_schedule(self, name: str, *, replaces: str) -> bool: ...
    def accounts(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamKey]: ...
    def edges(self, key: StreamKey) -> Sequence[Edge]: ...


class SchedulePlanner:
    """Plans schedules in the store. `run` performs a generator of effects. `may_go_on` returns True
    while there is time. `report` gets the id of a schedule that cannot be planned, and the error.
    """

    def __init__(
        self,
        store: ScheduleStore,
        recorder: Recorder,
        run: Callable[[Steps[object]], object],
        *,
        may_go_on: Callable[[], bool],
        report: Callable[[str, Exception], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._run = run
        self._may_go_on = may_go_on
        self._report = report
        self._planned: dict[str, str] = {}

    def tend(self, wait: Callable[[float], None]) -> int:
        """Plan each schedule that is due. If an occurrence is about to begin, wait until it has
        begun, so that the dispatcher starts the recording at once. Return how many schedules were
        planned."""
        while self._may_go_on():
            due = self._store.due_schedules(MAX_SCHEDULES_NUMBER)
            begins = [at for name, text in due.items() if (at := self._tend(name, text))]
            if not begins:
                break
            while self._may_go_on() and self._store.now() < min(begins):
                wait(STAY_S)
        return len(self._planned)

    def _tend(self, name: str, text: str) -> int | None:
        """Plan the schedule. Return the beginning of the occurrence to wait for; None if there is
        none."""
        try:
            return self.plan(name, text)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one schedule stops none of the others
            self._report(name, error)
            return None

    def plan(self, name: str, text: str) -> int | None:
        """Write the coming occurrences of a schedule into the records, and store when to plan
        again. `text` is the schedule's stored document.

        If the next occurrence begins within LEAD_MS, return the time of its beginning, else None.
        The schedule stays due until that time, so that another run goes on if this process is
        killed.
        """
        stored, now = StoredSchedule.from_text(text), self._store.now()
        upcoming = [] if stored.is_deleted else _upcoming(stored, now)
        ruled = self._with_rules(stored, upcoming, now)
        if ruled != stored:
            stored, before, text = ruled, text, ruled.to_text()
            rules = stored.rules_text
            if not self._store.put_schedule(name, text, now, replaces=before, rules=rules):
                return None
        if self._planned.get(name) != text:
            if not self._plan_streams(stored, upcoming, now):
                return None
            self._planned[name] = text
        settled_at = settles_at(stored, now)
        if stored.is_deleted and settled_at is None and not stored.rules:
            self._store.remove_schedule(name, replaces=text)
            return None
        begins_at = next_begin(now, upcoming)
        if begins_at is not None and begins_at - LEAD_MS <= now:
            return begins_at
        planned = replace(
            stored,
            planned_until=now + PLANNED_AHEAD_MS,
            due_at=min(
                filter(None, (due_at(now, begins_at), settled_at, rules_due_at(stored, now))),
                default=None,
            ),
            begins_at=begins_at,
            leaving=stored.leaving if settled_at else (),
            cancelled=stored.cancelled if settled_at else (),
        )
        self._store.put_schedule(
            name, planned.to_text(), planned.due_at, replaces=text, rules=planned.rules_text
        )
        return None

    def _with_rules(
        self, stored: StoredSchedule, upcoming: Sequence[Occurrence], now: int
    ) -> StoredSchedule:
        """Return the schedule with the rules that its patterns ask for now. Note in the ledger each
        occurrence for which no stream was live."""
        if not stored.has_patterns:
            return stored
        rules = tuple(
            self._judged(rule) if rule.occurrence.ends_at <= now else rule for rule in stored.rules
        )
        stored = replace(stored, rules=rules)
        cancelled = cancelled_by_change(stored, upcoming, now)
        return replace(stored, rules=rules_of(stored, upcoming, now), cancelled=cancelled)

    def _judged(self, rule: TemporaryRule) -> TemporaryRule:
        occurrence = rule.occurrence
        if not rule.is_judged and not occurrence.is_over and not self._came(rule):
            if not self._may_go_on():
                return rule
            self._run(self._recorder.note_absence(rule.matches[0].pattern, occurrence))
        return replace(rule, is_judged=True)

    def _came(self, rule: TemporaryRule) -> bool:
        """Return True if the rule's occurrence began for any stream: that stream's ledger then
        lists the occurrence."""
        accounts = (key for match in rule.matches for key in self._accounts(match))
        return any(
            edge.kind is EdgeKind.OCCURRENCE and occurrence_of(edge)[0] == rule.occurrence.id
            for key in accounts
            if rule.fits(key) and not key.is_pattern
            for edge in self._store.edges(key)
        )

    def _accounts(self, match: Match) -> Iterator[StreamKey]:
        wanted, after = Filter(None, match.domain, match.app), None
        while keys := self._store.accounts(wanted, after=after, limit=PAGE_ROWS):
            yield from takewhile(lambda _: self._may_go_on(), keys)
            if not self._may_go_on():
                return
            after = keys[-1]

    def _plan_streams(
        self, stored: StoredSchedule, upcoming: Sequence[Occurrence], now: int
    ) -> bool:
        """Plan the streams one by one; return False if time ran out before all were planned."""
        schedule = stored.schedule
        near = tuple(one for one in upcoming if one.begins_at <= now + PLANNED_AHEAD_MS)
        plans = dict.fromkeys(_named(stored.leaving), OccurrencesPlanned(schedule.id))
        for key in live_keys(self._store, matches_of((*schedule.streams, *stored.leaving))):
            ours = _by_patterns(stored, key, now)
            plans[key] = OccurrencesPlanned(schedule.id, ours, now, stored.cancelled)
        for key in _named(schedule.streams):
            unbegun = self._without_begun(key, near, now)
            plans[key] = OccurrencesPlanned(schedule.id, unbegun, as_of=now)
        for key, event in plans.items():
            if not self._may_go_on():
                return False
            self._run(self._recorder.handle_alone(key, event, ONLY_STORE_NEWS))
        return True

    def _without_begun(
        self, key: StreamKey, occurrences: tuple[Occurrence, ...], now: int
    ) -> tuple[Occurrence, ...]:
        """Return the occurrences without those that have ended and, by the stream's ledger, had
        begun. If the record lacks such an occurrence, a clock that was ahead has dropped it;
        planned again, it would be noted as missed."""
        if all(now < one.ends_at for one in occurrences):
            return occurrences
        begun = {
            occurrence_of(edge)[0]
            for edge in self._store.edges(key)
            if edge.kind is EdgeKind.OCCURRENCE
        }
        return tuple(one for one in occurrences if now < one.ends_at or one.id not in begun)


def live_keys(store: WatchedStore, matches: Iterable[Match]) -> Sequence[StreamKey]:
    """Return the streams that fit one of the patterns `matches`, and whose session has not
    ended."""
    matches = tuple(matches)
    domains = dict.fromkeys(match.domain for match in matches)
    watched = (one.key for domain in domains for one in store.watched(domain))
    return [key for key in watched if fits(key, matches)]


def _named(streams: Iterable[str]) -> Iterator[StreamKey]:
    return (key for key in keys_of(streams) if not key.is_pattern)


def _by_patterns(stored: StoredSchedule, key: StreamKey, now: int) -> tuple[Occurrence, ...]:
    """Return the occurrences that the schedule's patterns now give to a live stream. A stream that
    is not live gets them when it comes up."""
    asking = (rule.occurrence for rule in stored.rules if rule.fits(key))
    return tuple(one for one in asking if not one.is_over and now < one.ends_at)


def _upcoming(stored: StoredSchedule, now: int) -> Sequence[Occurrence]:
    """Return the occurrences that may still last, those to come (up to the first beyond the
    planning horizon), and those of the last two days that nobody planned in time. A paused schedule
    has none.
    """
    from shared.schedule.recurrence import upcoming

    if stored.schedule.is_paused:
        return ()
    since = max(min(now, stored.planned_until or now), now - PLANNED_AHEAD_MS)
    found: list[Occurrence] = []
    for one in islice(upcoming(stored.schedule, ends_after=since), MAX_PLANNED_NUMBER):
        found.append(one)
        if one.begins_at > now + PLANNED_AHEAD_MS:
            break
    return found
