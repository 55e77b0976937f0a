"""Judges schedules in a run: people write, change, skip and delete them.

Each occurrence must begin once, not before its time and within a timer period of it. One that was
deleted, changed or skipped in time must never begin.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from shared.protocol import Reason, StreamKey, StreamRecord
from shared.protocol.state.intent import Requester
from shared.schedule.schedule import StoredSchedule
from shared.store.contract import Save
from tests.simulation.plan import NOON, Deed, Do, Timetable
from tests.simulation.requests import Request
from tests.simulation.stream_watch import Broken

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

BEGUN_MS = 90_000
"""ms within which an occurrence begins, or a changed schedule is in force, even if instances were
killed: the timer comes each minute."""
_AGAIN = (429, 500, 503)
DAY_MS = 86_400_000
_BEGINS = (
    Reason.SCHEDULE_RECORDS,
    Reason.SCHEDULE_COVERED,
    Reason.SCHEDULE_HELD,
    Reason.SCHEDULE_MISSED,
)
"""Reasons of which the history has one for each occurrence, as it begins."""
Begun = tuple[StreamKey, str]
"""An occurrence of one stream."""


@dataclass(slots=True)
class _Asked:
    """The last request about a schedule that was answered with success: since `at` the schedule is
    `timetable`, None if it was deleted. `skipped`: the times at which occurrences were skipped."""

    at: int
    timetable: Timetable | None
    skipped: dict[str, int] = field(default_factory=dict)


class Timetables:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self._asked: dict[str, _Asked] = {}
        self._begun: set[Begun] = set()
        self._made: set[Begun] = set()
        self._uncertain: set[str] = set()
        """Schedules with a request that has no answer yet, or one that may have been lost with the
        store's writes."""
        self._under_way = Counter[str]()
        self._losses = 0
        """How often the store has lost writes."""
        self._contested: set[str] = set()
        """Schedules with two requests under way at once: either may count as the last."""

    # --- what people ask ------------------------------------------------------------------------

    def do(self, deed: Deed, tries: int = 5) -> None:
        """Send the request; send it again after 2 s on 429, 500 and 503."""
        assert deed.timetable is not None
        timetable, sim, losses = deed.timetable, self.sim, self._losses
        self._sends(timetable.name)
        sim.tell("a person", f"{deed.do.value} {timetable.name}", *timetable.begins)

        def answered(status: int, _need: bool) -> None:
            sim.tell("a person", f"has {status} for {deed.do.value} {timetable.name}")
            self._under_way[timetable.name] -= 1
            if status in _AGAIN and tries and not sim.lots.over:
                sim.clock.after(2_000, self.do, deed, tries - 1)
            elif status not in _AGAIN:
                # A skip may be refused because the store has lost the schedule.
                is_last = timetable.name not in self._contested and self._losses == losses
                if is_last and (deed.do is not Do.SKIP or status == 200):
                    self._uncertain.discard(timetable.name)
                self._answered(deed, timetable, status)

        sim.invoke(_request(sim, deed, timetable), answered)

    def _sends(self, name: str) -> None:
        self._uncertain.add(name)
        if self._under_way[name]:
            self._contested.add(name)
        else:
            self._contested.discard(name)
        self._under_way[name] += 1

    def _answered(self, deed: Deed, timetable: Timetable, status: int) -> None:
        now, name = self.sim.clock.now, timetable.name
        if deed.do is Do.SCHEDULE and status == 200:
            asked = self._asked[name] = _Asked(now, timetable)
            for key, begins_at in self._due(timetable):
                at = max(begins_at, now)
                self.sim.clock.at(at + BEGUN_MS, self._has_begun, asked, key, begins_at, at)
        elif deed.do is Do.UNSCHEDULE and status in (200, 404):
            self._asked[name] = _Asked(now, None)
        elif deed.do is Do.SKIP and status == 200 and name in self._asked:
            self._asked[name].skipped[_id(timetable, timetable.begins[0])] = now

    def _due(self, timetable: Timetable) -> Iterator[tuple[StreamKey, int]]:
        streams = [StreamKey(*stream) for stream in self.sim.plan.streams]
        first = streams[timetable.streams[0]]
        named = [streams[number] for number in timetable.streams]
        fitting = [key for key in streams if key.app == first.app]
        for key in fitting if timetable.by_pattern else named:
            for begins_at in timetable.begins:
                yield key, begins_at

    # --- what must come of it -------------------------------------------------------------------

    def saved(self, before: StreamRecord, after: StreamRecord, save: Save) -> None:
        """Judge the occurrences that a save begins."""
        begins = {one.id: one.begins_at for one in after.begun}
        for entry in save.entries:
            if entry.code not in _BEGINS:
                continue
            name = str(entry.about["occurrence"])
            self._begins_once(self._begun, before, name)
            if begins.get(name, 0) > self.sim.clock() and not self._is_skewed(after.key):
                raise Broken("schedules", "an occurrence began before its time")
        intent = after.intent
        is_new = intent.generation != before.intent.generation
        if is_new and intent.requester is Requester.SCHEDULE:
            self._begins_once(self._made, before, intent.occurrence)
            self._judge_wanted(after.key, intent.occurrence)

    def _begins_once(self, begun: set[Begun], before: StreamRecord, name: str) -> None:
        """Raise Broken if the occurrence has begun before, unless the record forgot that because of
        a wrong clock, or had noted the occurrence as missed by a clock ahead of its end."""
        one, missed = (before.key, name), Reason.SCHEDULE_MISSED
        begun_before = (known for known in before.begun if known.barred_by is not missed)
        is_known = any(name == known.id for known in begun_before)
        is_forgotten = self._is_skewed(before.key) and not is_known
        if one in begun and not is_forgotten and str(before.key) not in self.sim.ever_broken:
            raise Broken("schedules", "an occurrence began twice")
        begun.add(one)
        if begun is self._made:
            self.sim.lots.counts["occurrence begun"] += 1

    def _judge_wanted(self, key: StreamKey, occurrence: str) -> None:
        """Raise Broken for an occurrence that was deleted, changed or skipped long enough ago."""
        name = occurrence.partition("@")[0]
        asked, now = self._asked.get(name), self.sim.clock.now
        if asked is None or name in self._uncertain or now < asked.at + BEGUN_MS:
            return
        if self._is_excused(key, asked.at):
            return
        timetable = asked.timetable
        if timetable is None or key not in {found for found, _ in self._due(timetable)}:
            raise Broken("schedules", "an occurrence began that was taken out of its schedule")
        skipped_at = asked.skipped.get(occurrence)
        if skipped_at is not None and now > skipped_at + BEGUN_MS:
            raise Broken("schedules", "an occurrence began that was skipped")

    def _has_begun(self, asked: _Asked, key: StreamKey, begins_at: int, since: int) -> None:
        timetable = asked.timetable
        assert timetable is not None
        name, one = timetable.name, _id(timetable, begins_at)
        is_changed = self._asked.get(name) is not asked or name in self._uncertain
        if is_changed or one in asked.skipped or self._is_excused(key, since):
            return
        session = self.sim.record(key).session
        is_there = self.sim.record(key).is_live and session is not None and session.began < since
        if timetable.by_pattern and not is_there:
            return
        if (key, one) not in self._begun and begins_at + timetable.lasts_ms > since:
            raise Broken("schedules", "an occurrence did not begin in time")

    def _is_excused(self, key: StreamKey, since: int) -> bool:
        watch = self.sim.judge.watch(key)
        troubled_at = max(self.sim.judge.troubled_at, watch.troubled_at)
        is_broken = str(key) in self.sim.ever_broken
        return is_broken or self._is_skewed(key) or troubled_at >= since - BEGUN_MS

    def _is_skewed(self, key: StreamKey) -> bool:
        return self.sim.judge.watch(key).skewed

    def lost(self, keys: set[StreamKey]) -> None:
        """Forget what the lost writes promised."""
        self._losses += 1
        self._uncertain |= set(self._asked)
        for begun in (self._begun, self._made):
            begun -= {one for one in begun if one[0] in keys}

    def judge(self) -> None:
        """Raise Broken if a schedule is due for ever, or if the planned occurrences are not those
        that people asked for."""
        if self.sim.ever_broken:
            return
        due = map(StoredSchedule.from_text, self.sim.store.due_schedules(9_999).values())
        if any((one.due_at or 0) < self.sim.clock() - BEGUN_MS for one in due):
            raise Broken("at rest", "a schedule is due for ever")
        for name, asked in self._asked.items():
            if name not in self._uncertain:
                self._judge_planned(name, asked)

    def _judge_planned(self, name: str, asked: _Asked) -> None:
        due = set(self._due(asked.timetable)) if asked.timetable else set()
        due |= {(key, at + DAY_MS) for key, at in due}
        now = self.sim.clock()
        for stream in self.sim.plan.streams:
            key = StreamKey(*stream)
            ahead = {f"{name}@{_local(at)}" for one, at in due if one == key and at > now}
            planned = [one for one in self.sim.record(key).planned if one.schedule == name]
            found = {one.id for one in planned if one.begins_at < NOON + 1.5 * DAY_MS}
            wanted = ahead - asked.skipped.keys()
            if asked.timetable is not None and asked.timetable.by_pattern:
                wanted &= found if self.sim.record(key).is_live else set()
            if found != wanted and not self._is_skewed(key):
                raise Broken("schedules", "the planned occurrences are not those asked for")


def _id(timetable: Timetable, begins_at: int) -> str:
    return f"{timetable.name}@{_local(begins_at)}"


def _local(at: int) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(at // 1000, timezone.utc).replace(tzinfo=None).isoformat()


def _request(sim: Simulation, deed: Deed, timetable: Timetable) -> Request:
    path = f"/v1/schedules/{timetable.name}"
    if deed.do is Do.UNSCHEDULE:
        return Request("record_command", path, method="DELETE")
    if deed.do is Do.SKIP:
        body = json.dumps({"occurrence": _id(timetable, timetable.begins[0])}).encode()
        return Request("record_command", f"{path}/skip", body=body, method="POST")
    body = json.dumps(_body(sim, timetable)).encode()
    return Request("record_command", path, body=body, method="PUT")


def _body(sim: Simulation, timetable: Timetable) -> Mapping[str, object]:
    first = timetable.begins[0]
    minutes = ",".join(str(at // 60_000 % 60) for at in timetable.begins)
    overrun_ms = timetable.overrun_ms
    streams = [str(StreamKey(*sim.plan.streams[number])) for number in timetable.streams]
    if timetable.by_pattern:
        streams = [streams[0].rpartition("/")[0] + "/room*"]
    return {
        "streams": streams,
        "start": _local(first),
        "end": _local(first + timetable.lasts_ms),
        "timezone": "UTC",
        "rrule": f"FREQ=DAILY;BYMINUTE={minutes}",
        "overrun": f"{overrun_ms // 1000}s" if overrun_ms else "none",
    }
