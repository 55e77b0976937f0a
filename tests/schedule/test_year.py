"""A year of a schedule by a clock of its own: the timer comes each minute, whoever works is killed
now and then, and each occurrence begins once, at its second."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.engine.effects import Effect, Load, SaveOrClaim, Steps, T, TakeDue, run
from shared.engine.recorder import HandlingOptions, Recorder
from shared.engine.schedule_planner import SchedulePlanner
from shared.protocol import Reason, StreamKey, StreamSettings
from shared.schedule.schedule import Schedule, StoredSchedule
from tests.simulation.memory import MemoryStore

pytestmark = pytest.mark.slow

KEY = StreamKey("live.example.com", "app", "room1")
MINUTE_MS, PHASE_MS = 60_000, 37_000
"""The timer comes 37 s after each full minute: no beginning happens to fall on it."""
STORE_ONLY = HandlingOptions(may_send=lambda: False, must_save=True)
BUDGET_MS = 70_000


class Killed(BaseException):
    """The process ends here."""


class Year:
    """`likely` is how likely each effect of an instance is its last."""

    def __init__(self, schedule: Schedule, begin: int, *, seed: int, likely: float) -> None:
        self.now = begin
        self.draw = random.Random(seed)  # noqa: S311 - lots, not keys
        self.likely = likely
        self.store = MemoryStore(rate=45, clock=lambda: self.now)
        self.recorder = Recorder(lambda _: StreamSettings(), lambda: "flight", 8_000)
        self.begun: list[tuple[str, int]] = []
        stored = StoredSchedule(schedule, due_at=begin)
        self.store.put_schedule(schedule.id, stored.to_text(), begin, replaces=None)

    def until(self, end: int) -> Year:
        while (tick := self._next_tick()) is not None and tick < end:
            self.now = max(self.now, tick)
            self._reconcile()
        return self

    def _next_tick(self) -> int | None:
        """Return when the timer comes that meets what is due next; None if nothing is."""
        schedules = [at for _, at, _ in self.store.shared.schedules.values() if at is not None]
        due_in = self.store.next_due()
        times = schedules + ([] if due_in is None else [self.now + due_in])
        if not times:
            return None
        first = max(min(times), self.now + 1)
        return first + (PHASE_MS - first) % MINUTE_MS

    def _reconcile(self) -> None:
        ends = self.now + BUDGET_MS
        options: Any = {"may_go_on": lambda: self.now < ends, "report": self._fail}
        planner = SchedulePlanner(self.store, self.recorder, self._run, **options)
        try:
            planner.tend(self._wait)
            self._drain()
        except Killed:
            pass

    def _wait(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
        self._drain()

    def _drain(self) -> None:
        while self._run(self.recorder.drain_one(STORE_ONLY)) is not None:
            pass

    def _fail(self, event: str, error: Exception) -> None:
        raise AssertionError(event) from error

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self._perform)

    def _perform(self, effect: Effect[Any]) -> Any:  # noqa: ANN401 - as the effect says
        if self.draw.random() < self.likely:
            raise Killed
        result = self._performed(effect)
        if self.draw.random() < self.likely:
            raise Killed
        return result

    def _performed(self, effect: Effect[Any]) -> Any:  # noqa: ANN401 - as above
        match effect:
            case Load(key=key):
                return self.store.load(key)
            case SaveOrClaim(save=save):
                codes = (Reason.SCHEDULE_RECORDS, Reason.SCHEDULE_MISSED)
                saved = self.store.save_or_claim(save)
                for entry in save.entries:
                    if entry.code in codes:
                        self.begun.append((str(entry.about["occurrence"]), self.now))
                return saved
            case TakeDue(limit=limit, hold=hold):
                return self.store.take_due(limit, hold)
            case _:
                raise AssertionError(effect)


def weekly(timezone: str) -> Schedule:
    return Schedule(
        id="show",
        streams=(str(KEY),),
        start="2027-01-05T19:00:00",
        end="2027-01-05T21:00:00",
        timezone=timezone,
        rrule="FREQ=WEEKLY;BYDAY=TU",
    )


def leap_days(timezone: str) -> Schedule:
    return Schedule(
        id="show",
        streams=(str(KEY),),
        start="2027-12-30T19:00:00",
        end="2027-12-30T19:30:00",
        timezone=timezone,
        rrule="FREQ=DAILY;UNTIL=20280315T000000",
    )


def tuesdays() -> Iterator[date]:
    day = date(2027, 1, 5)
    while day < date(2028, 4, 1):
        yield day
        day += timedelta(days=7)


def every_day() -> Iterator[date]:
    return (date(2027, 12, 30) + timedelta(days=number) for number in range(76))


def at_seven(days: Iterator[date], timezone: str) -> Mapping[str, int]:
    """Return when each occurrence begins, by its id, counted on a calendar of the test's own."""
    zone = ZoneInfo(timezone)
    times = (datetime(day.year, day.month, day.day, 19, tzinfo=zone) for day in days)
    return {
        f"show@{at.replace(tzinfo=None).isoformat()}": round(at.timestamp() * 1000) for at in times
    }


Case = tuple[Callable[[str], Schedule], Callable[[], Iterator[date]]]
CASES: Mapping[str, Case] = {"tuesdays": (weekly, tuesdays), "leap day": (leap_days, every_day)}


@pytest.mark.parametrize("timezone", ["Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("case", CASES)
def test_each_occurrence_begins_once_at_its_second(case: str, timezone: str) -> None:
    schedule, days = CASES[case]
    due = at_seven(days(), timezone)
    first, last = min(due.values()), max(due.values())

    year = Year(schedule(timezone), first - 9 * 86_400_000, seed=1, likely=0).until(last + 1000)

    assert [name for name, _ in year.begun] == list(due)
    assert max(at - due[name] for name, at in year.begun) < 1000
    assert min(at - due[name] for name, at in year.begun) >= 0


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_killed_each_occurrence_begins_once_and_within_a_minute(seed: int) -> None:
    due = at_seven(tuesdays(), "America/New_York")
    begin, end = min(due.values()) - 86_400_000, max(due.values()) + 10 * MINUTE_MS

    year = Year(weekly("America/New_York"), begin, seed=seed, likely=0.003).until(end)

    assert [name for name, _ in year.begun] == list(due)
    late = [at - due[name] for name, at in year.begun]
    assert min(late) >= 0
    assert sum(one < 1000 for one in late) > len(late) * 0.4
    assert max(late) < 10 * MINUTE_MS


def test_what_is_missed_while_nothing_runs_is_noted_once() -> None:
    due = at_seven(tuesdays(), "Asia/Shanghai")
    names, times = list(due), list(due.values())
    year = Year(weekly("Asia/Shanghai"), times[0] - 86_400_000, seed=1, likely=0)
    year.until(times[0] + 1000)

    year.now = times[1] + 3 * 3_600_000  # the second was over an hour ago
    year.until(times[2] + 1000)

    assert [name for name, _ in year.begun] == names[:3]
    reasons = [line.entry.code for line in year.store.history(KEY, 20)]
    assert reasons.count(Reason.SCHEDULE_MISSED) == 1
