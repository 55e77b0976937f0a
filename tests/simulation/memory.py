"""The store's contract in a dictionary: what SQLite and Redis promise, without their cost.

It runs through the same contract suite (tests/store/test_store*.py) as the engines that are
deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock

from msgspec.structs import replace

from shared.ledger.edges import LEDGER_MAX_ENTRIES, Edge
from shared.outbox.backoff import LONGEST_WAIT_MS
from shared.outbox.settlement import Next, Settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    OF_STAGE,
    OUTBOX_MAX_BYTES,
    ROW_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
)
from shared.protocol.continuity import Continuity
from shared.protocol.derived.due_times import (
    command_priority,
    counts_against_quota,
    due_at,
    ends_at,
    queue_priority,
)
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.derived.wrong import wrong_since
from shared.protocol.file import File
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store.codec import entry_to_json, to_json
from shared.store.contract import (
    COMMANDS,
    HISTORY_MAX_ENTRIES,
    MAX_WORKER_LEASE_MS,
    POLL_RATE_PER_S,
    POLLS,
    RECHECK_MS,
    SIGNED_KEPT_S,
    STEP_MS,
    AlertsCopy,
    Claimed,
    Conflict,
    Durability,
    Filter,
    HistoryLine,
    InForce,
    Loaded,
    NotForgotten,
    Placed,
    PolicyCopy,
    Queue,
    RateLimitUse,
    Save,
    Saved,
    Size,
    Stored,
    Watched,
    WrongCount,
    WrongRow,
    entry_of,
    furthest_slot_ms,
    quarantine_pause_ms,
    tasks_of,
    watched_of,
)
from shared.store.store_errors import StoreFull, Unreadable
from shared.store.store_state import StoreState

ACCOUNT = "account"
MINUTE_MS = 60_000
NEVER = 1 << 62


@dataclass(slots=True)
class Row:
    """One record and its place in every order; `due` is NEVER when nothing is."""

    record: StreamRecord
    version: int
    due: int
    command_priority: int
    priority: int
    since: int
    rule: str | None
    waits: str
    lined: bool = False
    unreadable: bool = False

    def order(self) -> tuple[int, int, int, StreamKey]:
        return (self.command_priority, -self.priority, self.since, self.record.key)

    def queue_position(self) -> tuple[int, int, StreamKey]:
        return (-self.priority, self.since, self.record.key)


@dataclass(slots=True)
class Lane:
    free_at: float = 0.0
    minute: int = 0
    used: int = 0
    before: int = 0

    def counted(self, now: int) -> tuple[int, int]:
        passed = now // MINUTE_MS - self.minute
        return (self.used, self.before) if passed == 0 else (0, self.used if passed == 1 else 0)


@dataclass(slots=True)
class Shared:
    """The data that every client of one store sees. `lock`: the contract has threads."""

    rows: dict[StreamKey, Row] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=lambda: {COMMANDS: Lane(), POLLS: Lane()})
    taken: dict[str, int] = field(default_factory=dict)
    entries: dict[StreamKey, list[HistoryLine]] = field(default_factory=dict)
    kept: dict[tuple[StreamKey, str], tuple[StreamKey, File, int, int]] = field(
        default_factory=dict
    )
    ledger: dict[StreamKey, list[tuple[int, Edge]]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    sequence: int = 0
    dead: dict[str, Task] = field(default_factory=dict)
    dropped: int = 0
    signed: dict[int, set[StreamKey]] = field(default_factory=dict)
    forgotten: int = 0
    is_full: bool = False
    runners: dict[tuple[str, str], int] = field(default_factory=dict)
    timestamps: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    alerts: AlertsCopy = field(default_factory=AlertsCopy)
    counters: dict[str, int] = field(default_factory=dict)
    crashes: dict[StreamKey, int] = field(default_factory=dict)
    policies: list[PolicyCopy] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, tuple[str, int | None, str]] = field(default_factory=dict)
    written: list[tuple[int, StreamKey, Row | None]] = field(default_factory=list)
    schedules_written: list[tuple[int, str, tuple[str, int | None, str] | None]] = field(
        default_factory=list
    )
    state: StoreState = field(default_factory=StoreState)
    lock: RLock = field(default_factory=RLock)


class MemoryStore:
    """`rate` is the commands a second that the rate limit allows; `clock` gives ms. Clients of one
    `shared` are one store."""

    def __init__(
        self,
        *,
        rate: float,
        clock: Callable[[], int],
        shared: Shared | None = None,
        store_id: str = "",
    ) -> None:
        self._interval = 1000 / rate
        self._clock = clock
        self._store_id = store_id
        self.shared = shared or Shared()

    def prepare(self) -> None:
        """Do nothing: there is nothing to import."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def now(self) -> int:
        return self._clock()

    # --- one record -----------------------------------------------------------------------------

    def load(self, key: StreamKey) -> Loaded:
        row, now = self.shared.rows.get(key), self._clock()
        self.shared.state = self.shared.state.touched(now).examined(self._store_id, now)
        continuity = self.shared.state.continuity(self._store_id, now)
        if row is None:
            return Loaded(StreamRecord(key), 0, now, continuity)
        if row.unreadable:
            raise _unreadable(row, now)
        return Loaded(row.record, row.version, now, continuity)

    def save_or_claim(self, save: Save) -> Saved:
        is_blank = save.if_no_slot.is_blank
        if self.shared.is_full and not (save.must_fit or is_blank):
            raise StoreFull("memory: it is full")
        if self.shared.is_full:
            save = replace(save, entries=(), files=())
        with self.shared.lock:
            now, before = self._clock(), self.shared.rows.get(save.key)
            if (before.version if before else 0) != save.version or save.decided_at > now + STEP_MS:
                return Conflict()
            rule = before.rule if before else None
            if is_blank:
                if any(task.stream == save.key for task in self.shared.tasks.values()):
                    return NotForgotten()
                self.shared.written.append((now, save.key, before))
                self.count(save.counts)
                self._add_edges(save, save.edges, now)
                return self._forget(save, rule, now)
            saved, record, waits = self._choose(save, rule, now)
            _encode(save, record)
            self.shared.written.append((now, save.key, before))
            row = _row(record, saved.version, save.quota, waits, now)
            self.shared.rows[save.key] = row
            self.shared.crashes.pop(save.key, None)
            self._move(rule, row.rule, save.quota, now)
            uris = {file.uri for file in save.files if (save.key, file.uri) in self.shared.kept}
            self._tell(save, waits=waits, now=now)
            self.count(save.counts)
            tasks = [task for task in tasks_of(save, saved) if task.of_file not in uris]
            is_full = self.shared.is_full
            dropped = len(tasks) if is_full else self._add_tasks(save.key, tasks, now)
            return replace(saved, dropped_tasks=dropped) if dropped else saved

    def _add_tasks(self, key: StreamKey, tasks: Sequence[NewTask], now: int) -> int:
        dropped = 0
        for new in tasks:
            if new.id in self.shared.tasks:
                continue
            if _bytes(self.shared.tasks) + new.size_bytes > OUTBOX_MAX_BYTES:
                dropped += 1
                continue
            self.shared.sequence += 1
            row = Task(new.id, new.queue, key, new.body, now, now, sequence=self.shared.sequence)
            self.shared.tasks[new.id] = row
        self.shared.dropped += dropped
        return dropped

    def _choose(
        self, save: Save, rule: str | None, now: int
    ) -> tuple[Stored | Claimed, StreamRecord, str]:
        stored = Stored(max((save.version or self.shared.forgotten) + 1, now))
        if save.if_slot is None:
            return stored, save.if_no_slot, ""
        waits = self._full_scope(save, rule)
        if waits and save.if_no_quota:
            return replace(stored, over_quota=True), save.if_no_quota, waits
        slot, taken = self._take_slot(COMMANDS, self._interval, now=now, wait=save.slot_wait_ms)
        if not taken:
            return replace(stored, next_slot_in_ms=slot - now), save.if_no_slot, ""
        record = _complete(save.if_slot, slot, save.lease_ms)
        return Claimed(stored.version, record, max(slot - now, 0.0)), record, ""

    def _forget(self, save: Save, rule: str | None, now: int) -> Stored:
        shared, key = self.shared, save.key
        shared.rows.pop(key, None)
        shared.entries.pop(key, None)
        shared.crashes.pop(key, None)
        shared.kept = {uri: one for uri, one in shared.kept.items() if one[0] != key}
        shared.forgotten = max(shared.forgotten, save.version)
        self._move(rule, None, save.quota, now)
        return Stored(0)

    def _tell(self, save: Save, *, waits: str, now: int) -> None:
        lines, before = self.shared.entries.setdefault(save.key, []), now - save.keep_ms
        kept = self.shared.kept
        known = [entry_of(file) for file in save.files if (save.key, file.uri) in kept]
        for entry in (*save.entries, HistoryEntry(Reason.NO_QUOTA)) if waits else save.entries:
            if entry not in known:
                _append(lines, entry, now)
        while lines and lines[0].last_at < before:
            del lines[0]
        for file in save.files:
            self._keep(save.key, file, now)
        for uri in [
            uri for uri, (key, _, _, at) in kept.items() if key == save.key and at < before
        ]:
            del kept[uri]
        self._add_edges(save, save.edges_over_quota if waits else save.edges, now)

    def _add_edges(self, save: Save, edges: Sequence[Edge], now: int) -> None:
        if not edges:
            return
        ledger, before = self.shared.ledger, now - save.keep_ledger_ms
        ledger.setdefault(save.key, []).extend((now, edge) for edge in edges)
        for key in list(ledger):
            ledger[key] = [one for one in ledger[key] if one[0] >= before][-LEDGER_MAX_ENTRIES:]
            if not ledger[key]:
                del ledger[key]

    def _keep(self, key: StreamKey, file: File, now: int) -> None:
        _, before, at, stored = self.shared.kept.get((key, file.uri), (key, file, now, now))
        known = before.later(file)
        place = (key, file.uri)
        self.shared.kept[place] = (key, known, known.stop or known.start or at, stored)

    # --- quotas ---------------------------------------------------------------------------------

    def _full_scope(self, save: Save, rule: str | None) -> str:
        """Return the scope whose cap keeps this flight from a place in the quota; "" if none does,
        or the flight has a place."""
        if save.if_no_quota is None or rule is not None:
            return ""
        since = save.if_no_slot.pending.since if save.if_no_slot.pending else 0
        priority = queue_priority(save.if_no_slot, save.quota.priority)
        queue_position = (-priority, since, save.key)
        for scope, cap in _caps(save.quota):
            ahead = sum(row.queue_position() < queue_position for row in self._waiting(scope))
            if self.shared.taken.get(scope, 0) + ahead >= cap:
                return scope
        return ""

    def _waiting(self, scope: str) -> list[Row]:
        return [row for row in self.shared.rows.values() if row.waits == scope]

    def _move(
        self, before: str | None, after: str | None, quota: ConcurrencyQuota, now: int
    ) -> None:
        """Count the place in a quota that is given up and the one that is taken, and wake the
        starts that wait for the former."""
        if before == after:
            return
        taken = self.shared.taken
        for rule, change in ((before, -1), (after, 1)):
            for scope in (f"rule:{rule}", ACCOUNT) if rule is not None else ():
                taken[scope] = taken.get(scope, 0) + change
        for scope, cap in _caps(quota):
            free = max(cap - taken.get(scope, 0), 0)
            for row in sorted(self._waiting(scope), key=Row.queue_position)[:free]:
                row.due, row.lined = now, True

    # --- rate limits ----------------------------------------------------------------------------

    def _take_slot(
        self, name: str, interval: float, *, now: int, wait: float
    ) -> tuple[float, bool]:
        """Return the next slot, and whether it was taken: GCRA with a burst of one."""
        rate_limit = self.shared.lanes.setdefault(name, Lane())
        rate_limit.free_at = min(rate_limit.free_at, now + furthest_slot_ms(interval))
        slot = max(float(now), rate_limit.free_at)
        if slot - now > wait:
            return slot, False
        used, rate_limit.before = rate_limit.counted(now)
        rate_limit.free_at, rate_limit.minute, rate_limit.used = (
            slot + interval,
            now // MINUTE_MS,
            used + 1,
        )
        return slot, True

    def poll_slot(self, wait: int) -> float | None:
        return self.take_slot(POLLS, 1000 / POLL_RATE_PER_S, wait)

    def take_slot(self, name: str, interval_ms: float, wait: int) -> float | None:
        with self.shared.lock:
            now = self._clock()
            slot, taken = self._take_slot(name, interval_ms, now=now, wait=wait)
            return max(slot - now, 0.0) if taken else None

    def pause_slots(self, ms: int) -> None:
        rate_limit = self.shared.lanes[COMMANDS]
        now = self._clock()
        booked = min(rate_limit.free_at, now + furthest_slot_ms(self._interval))
        rate_limit.free_at = max(booked, now + ms)

    def rate_limit_use(self) -> RateLimitUse:
        rate_limit, now = self.shared.lanes[COMMANDS], self._clock()
        used, before = rate_limit.counted(now)
        weighed = used + before * (1 - now % MINUTE_MS / MINUTE_MS)
        ahead = min(max(rate_limit.free_at - now, 0.0), furthest_slot_ms(self._interval))
        return RateLimitUse(1000 / self._interval, weighed * 1000 / MINUTE_MS, ahead)

    def missing_commands(self) -> Sequence[str]:
        return ()

    def replicated(self, _most_ms: int) -> int | None:
        return None

    # --- the queue ------------------------------------------------------------------------------

    def take_due(self, limit: int, hold: int) -> Sequence[StreamKey]:
        with self.shared.lock:
            now = self._clock()
            due = [row for row in self.shared.rows.values() if row.lined or row.due <= now]
            for row in due:
                row.lined = True
            first = sorted(due, key=Row.order)[:limit] if len(due) > 1 else due[:limit]
            for row in first:
                row.lined, row.due = False, now + hold
            return [row.record.key for row in first]

    def postpone(self, key: StreamKey) -> None:
        with self.shared.lock:
            row, now = self.shared.rows.get(key), self._clock()
            if row is None:
                return
            crashes = self.shared.crashes[key] = self.shared.crashes.get(key, 0) + 1
            stops = row.command_priority == 0 and row.since > 0
            urgent = stops or 0 < ends_at(row.record) <= now
            if row.due != NEVER or row.lined:
                row.lined, row.due = False, now + quarantine_pause_ms(crashes, is_urgent=urgent)

    def quarantine(self, key: StreamKey) -> None:
        if key in self.shared.rows:
            self.shared.crashes.setdefault(key, 0)

    def release(self, key: StreamKey) -> None:
        self.shared.crashes.pop(key, None)

    def quarantined(self) -> int:
        return len(self.shared.crashes)

    def never_crashed(self, limit: int) -> Sequence[StreamKey]:
        return [key for key, crashes in self.shared.crashes.items() if not crashes][:limit]

    def peek(self, key: StreamKey) -> StreamRecord:
        """Return the record, also one that no release here can read."""
        row = self.shared.rows.get(key)
        return row.record if row else StreamRecord(key)

    def version_of(self, key: StreamKey) -> int:
        row = self.shared.rows.get(key)
        return row.version if row else 0

    def repair_record(self, key: StreamKey) -> None:
        """Make the record readable again."""
        if key in self.shared.rows:
            self.shared.rows[key].unreadable = False

    def break_record(self, key: StreamKey) -> bool:
        """Have a later release write the record; return False if there is none."""
        row = self.shared.rows.get(key)
        if row is not None:
            row.unreadable, row.version = True, max(row.version + 1, self._clock())
        return row is not None

    def is_unreadable(self, key: StreamKey) -> bool:
        row = self.shared.rows.get(key)
        return row is not None and row.unreadable

    def next_due(self) -> int | None:
        soonest = min((row.due for row in self.shared.rows.values()), default=NEVER)
        return None if soonest == NEVER else max(soonest - self._clock(), 0)

    def durability(self) -> Durability:
        """Return that nothing is kept beyond the run."""
        return Durability("memory", {})

    def size(self) -> Size:
        """Return a size of 0: only the simulation fills the store."""
        return Size(0)

    def note_size(self) -> None:
        """Do nothing: there is nothing to remember."""

    def queue(self) -> Queue:
        now = self._clock()
        due = [row.due for row in self.shared.rows.values() if row.due <= now]
        return Queue(len(due), now - min(due) if due else 0)

    def register(self, name: str, who: str, ms: int) -> int:
        now, runners = self._clock(), self.shared.runners
        with self.shared.lock:
            state = self.shared.state.touched_by_worker(now).examined(self._store_id, now)
            state.continuity(self._store_id, now)
            self.shared.state = state
            lasts = now + MAX_WORKER_LEASE_MS
            for one in [one for one, until in runners.items() if not now < until <= lasts]:
                del runners[one]
            runners[name, who] = now + ms
            return sum(kind == name for kind, _ in runners) - 1

    def is_among_first(self, second: int, key: StreamKey, most: int) -> bool:
        with self.shared.lock:
            signed = self.shared.signed
            for old in [old for old in signed if old < second - SIGNED_KEPT_S]:
                del signed[old]
            streams = signed.setdefault(second, set())
            if len(streams) < most:
                streams.add(key)
            return key in streams

    def may_wake_one(self, name: str, most: int, ms: int) -> bool:
        now, woken = self._clock(), f"woken {name}"
        with self.shared.lock:
            running = [until for (kind, _), until in self.shared.runners.items() if kind == name]
            alive = sum(now < until <= now + MAX_WORKER_LEASE_MS for until in running)
            enough = alive >= most or (alive > 0 and self.rate_limit_use().ahead > 0)
            if enough or 0 <= now - self.shared.timestamps.get(woken, -NEVER) < ms:
                return False
            self.shared.timestamps[woken] = now
            return True

    def deregister(self, name: str, who: str) -> None:
        self.shared.runners.pop((name, who), None)

    # --- reading --------------------------------------------------------------------------------

    def watched(self, domain: str) -> Sequence[Watched]:
        rows = [row for key, row in self.shared.rows.items() if key.domain == domain]
        return [
            Watched(row.record.key, None, doubted=True)
            if row.unreadable
            else watched_of(row.record)
            for row in rows
            if row.record.is_watched
        ]

    def listed(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamRecord | Unreadable]:
        rows = self.shared.rows
        keys = sorted(key for key in rows if after is None or key > after)
        found = [rows[key] for key in keys if _fits(rows[key].record, wanted)]
        return [
            _unreadable(row, self._clock()) if row.unreadable else row.record
            for row in found[:limit]
        ]

    def wrong_count(self, waited_ms: int) -> WrongCount:
        now = self._clock()
        found = [since for since, _ in self._wrong(now - waited_ms)]
        return WrongCount(len(found), now - min(found) if found else 0)

    def wrong(
        self, until: int, *, after: tuple[int, StreamKey] | None, limit: int
    ) -> Sequence[WrongRow]:
        found = sorted(place for place in self._wrong(until) if after is None or place > after)
        rows = self.shared.rows
        return [WrongRow(since, key, rows[key].record) for since, key in found[:limit]]

    def _wrong(self, until: int) -> list[tuple[int, StreamKey]]:
        places = [(wrong_since(row.record), key) for key, row in self.shared.rows.items()]
        return [(since, key) for since, key in places if since is not None and since <= until]

    def count(self, counts: Mapping[str, int]) -> None:
        with self.shared.lock:
            for name, number in counts.items():
                self.shared.counters[name] = self.shared.counters.get(name, 0) + number

    def counters(self) -> Mapping[str, int]:
        return dict(self.shared.counters)

    def set_text(self, name: str, text: str) -> None:
        self.shared.notes[name] = text

    def get_text(self, name: str) -> str | None:
        return self.shared.notes.get(name)

    def named(self, wanted: Filter, *, after: StreamKey | None, limit: int) -> Sequence[StreamKey]:
        return [one.key for one in self.listed(wanted, after=after, limit=limit)]

    def state(self) -> StoreState:
        return self.shared.state

    def continuity(self) -> Continuity:
        """Return how far back the store can vouch for what it says."""
        now = self._clock()
        return self.state().examined(self._store_id, now).continuity(self._store_id, now)

    def accept(self, *, replaces: str) -> StoreState:
        state = self.shared.state
        if state.store_id in (None, self._store_id, replaces):
            self.shared.state = replace(state, store_id=self._store_id)
        return self.shared.state

    def misplaced_after(self) -> str | None:
        return self.shared.state.misplaced_after

    def move_misplaced(self, before: str, after: str) -> None:
        if self.shared.state.misplaced_after == before:
            done = None if after == before else after
            self.shared.state = replace(self.shared.state, misplaced_after=done)

    def phases(self) -> Mapping[Phase, int]:
        found: dict[Phase, int] = {}
        for row in self.shared.rows.values():
            now = phase(row.record)
            found[now] = found.get(now, 0) + 1
        return found

    def files(self, key: StreamKey, limit: int) -> Sequence[File]:
        kept = [(at, file) for whose, file, at, _ in self.shared.kept.values() if whose == key]
        kept.sort(key=lambda one: (one[0], one[1].start or 0, one[1].uri), reverse=True)
        return [file for _, file in kept[:limit]]

    def file(self, key: StreamKey, uri: str) -> File | None:
        found = self.shared.kept.get((key, uri))
        return found[1] if found else None

    # --- tasks ----------------------------------------------------------------------------------

    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]:
        with self.shared.lock:
            now, tasks = self._clock(), self.shared.tasks
            due = [
                task
                for task in tasks.values()
                if task.queue == queue and not now < task.due_at <= now + LONGEST_WAIT_MS
            ]
            first = sorted(due, key=lambda task: (task.due_at, task.id))[:limit]
            for task in first:
                tasks[task.id] = replace(
                    task,
                    due_at=now + lease_ms,
                    attempts=task.attempts + 1,
                    version=task.version + 1,
                )
            return [tasks[task.id] for task in first]

    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
        return [self._settle(task, each) for task, each in settled]

    def _settle(self, task: Task, settled: Settlement) -> bool:
        with self.shared.lock:
            now, tasks = self._clock(), self.shared.tasks
            kept = tasks.get(task.id)
            if kept is None or kept.version != task.version:
                return False
            kept = replace(kept, queue=settled.kind or kept.queue, body=settled.body or kept.body)
            if settled.next in (Next.RETRY, Next.CONTINUE):
                attempts = 0 if settled.next is Next.CONTINUE else kept.attempts
                due_at = now + settled.retry_in_ms
                tasks[task.id] = replace(kept, due_at=due_at, why=settled.why, attempts=attempts)
            else:
                del tasks[task.id]
            if settled.next is Next.DEAD:
                self._bury(replace(kept, due_at=now, why=settled.why))
            self._add_tasks(kept.stream, settled.tasks, now)
            place = (task.stream, settled.uri)
            if settled.verdict and place in self.shared.kept:
                key, file, at, stored = self.shared.kept[place]
                self.shared.kept[place] = (key, replace(file, verdict=settled.verdict), at, stored)
            return True

    def _bury(self, task: Task) -> None:
        dead = self.shared.dead
        dead[task.id] = task
        while _bytes(dead) > DEAD_MAX_BYTES:
            del dead[min(dead, key=lambda name: (dead[name].due_at, name))]
            self.shared.dropped += 1

    def add_tasks(self, key: StreamKey, tasks: Sequence[NewTask]) -> int:
        with self.shared.lock:
            return self._add_tasks(key, tasks, self._clock())

    def redrive(self, task_id: str) -> Redriven:
        with self.shared.lock:
            tasks, letter = self.shared.tasks, self.shared.dead.get(task_id)
            if letter is None:
                return Redriven.UNKNOWN
            if _bytes(tasks) + _bytes({"": letter}) > OUTBOX_MAX_BYTES:
                return Redriven.FULL
            del self.shared.dead[task_id]
            opened = replace(letter, attempts=0, version=letter.version + 1, why="")
            tasks.setdefault(task_id, replace(opened, due_at=self._clock()))
            return Redriven.OPEN

    def drop_dead_letters(self, keep_ms: int) -> int:
        before = self._clock() - keep_ms
        old = [name for name, task in self.shared.dead.items() if task.due_at < before]
        for name in old:
            del self.shared.dead[name]
        return len(old)

    def open_tasks(self, *, after: str, limit: int) -> Sequence[Placed]:
        found = sorted((Placed.open(task) for task in self.shared.tasks.values()), key=_place)
        return [one for one in found if one.place > after][:limit]

    def dead_letters(self, *, after: str, limit: int) -> Sequence[Placed]:
        found = sorted((Placed.dead(task) for task in self.shared.dead.values()), key=_place)
        return [one for one in found if one.place > after][:limit]

    def open_of_kind(self, kind: str, *, limit: int) -> Sequence[Task]:
        found = [task for task in self.shared.tasks.values() if task.kind == kind]
        return sorted(found, key=lambda task: (task.due_at, task.id), reverse=True)[:limit]

    def alerts(self) -> AlertsCopy:
        return self.shared.alerts

    def put_alerts(self, text: str, *, replaces: int, tasks: Sequence[NewTask] = ()) -> int | None:
        with self.shared.lock:
            if self.shared.alerts.version != replaces:
                return None
            self.shared.alerts = AlertsCopy(replaces + 1, text)
            return self._add_tasks(OF_STAGE, tasks, self._clock())

    def outbox(self) -> OutboxState:
        tasks, dead, now = self.shared.tasks, self.shared.dead, self._clock()
        oldest = min((task.due_at for task in tasks.values()), default=now)
        counted = (len(tasks), _bytes(tasks), max(now - oldest, 0), len(dead), _bytes(dead))
        return OutboxState(*counted, self.shared.dropped)

    def edges(self, key: StreamKey) -> Sequence[Edge]:
        return [edge for _, edge in self.shared.ledger.get(key, [])]

    def accounts(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamKey]:
        keys = sorted(key for key in self.shared.ledger if after is None or key > after)
        return [key for key in keys if wanted.fits(key)][:limit]

    def history(self, key: StreamKey, limit: int) -> Sequence[HistoryLine]:
        return self.shared.entries.get(key, [])[::-1][:limit]

    # --- timestamps and policy ----------------------------------------------------------------

    def touch(self, name: str) -> None:
        self.shared.timestamps[name] = self._clock()

    def age_ms(self, name: str) -> int | None:
        at, now = self.shared.timestamps.get(name), self._clock()
        if at is not None and at > now:
            at = self.shared.timestamps[name] = now
        return None if at is None else now - at

    def ages(self) -> Mapping[str, int]:
        now = self._clock()
        return {name: max(now - at, 0) for name, at in self.shared.timestamps.items()}

    def try_write(self, name: str) -> bool:
        self.touch(name)
        return True

    def put_policy(self, text: str, *, replaces: int) -> PolicyCopy | None:
        with self.shared.lock:
            if len(self.shared.policies) != replaces:
                return None
            self.shared.policies.append(PolicyCopy(replaces + 1, text, self._clock()))
            return self.shared.policies[-1]

    def get_policy(self) -> PolicyCopy | None:
        return self.in_force().policy

    def in_force(self) -> InForce:
        rows = self.shared.schedules.items()
        newest = self.shared.policies[-1] if self.shared.policies else None
        return InForce(newest, {name: rules for name, (_, _, rules) in rows if rules})

    def add_token(self, name: str, text: str) -> bool:
        return self.shared.tokens.setdefault(name, text) == text

    def remove_token(self, name: str) -> bool:
        return self.shared.tokens.pop(name, None) is not None

    def tokens(self) -> Mapping[str, str]:
        self.shared.state.continuity(self._store_id, 0)
        return dict(sorted(self.shared.tokens.items()))

    def put_schedule(
        self, name: str, text: str, due_at: int | None, *, replaces: str | None, rules: str = ""
    ) -> bool:
        if self.get_schedule(name) != replaces:
            return False
        self._note_schedule(name)
        self.shared.schedules[name] = (text, due_at, rules)
        return True

    def remove_schedule(self, name: str, *, replaces: str) -> bool:
        if self.get_schedule(name) != replaces:
            return False
        self._note_schedule(name)
        del self.shared.schedules[name]
        return True

    def _note_schedule(self, name: str) -> None:
        before = self.shared.schedules.get(name)
        self.shared.schedules_written.append((self.now(), name, before))

    def get_schedule(self, name: str) -> str | None:
        return self.shared.schedules.get(name, (None, None, ""))[0]

    def schedules(self) -> Mapping[str, str]:
        return {name: text for name, (text, _, _) in sorted(self.shared.schedules.items())}

    def due_schedules(self, limit: int) -> Mapping[str, str]:
        now, rows = self.now(), self.shared.schedules.items()
        due = sorted((at, name) for name, (_, at, _) in rows if at is not None and at <= now)
        return {name: self.shared.schedules[name][0] for _, name in due[:limit]}

    # --- a fail-over ----------------------------------------------------------------------------

    def lose(self, since: int) -> set[StreamKey]:
        """Forget what was written at `since` or later, as a replica that lagged behind would."""
        rows, lost = self.shared.rows, set()
        while self.shared.written and self.shared.written[-1][0] >= since:
            _, key, before = self.shared.written.pop()
            lost.add(key)
            if before is None:
                rows.pop(key, None)
            else:
                rows[key] = before
        self._lose_schedules(since)
        self._count_anew()
        return lost

    def _lose_schedules(self, since: int) -> None:
        schedules, written = self.shared.schedules, self.shared.schedules_written
        while written and written[-1][0] >= since:
            _, name, before = written.pop()
            schedules.pop(name, None)
            if before is not None:
                schedules[name] = before

    def clock_steps(self, ms: int) -> None:
        """Move the times of the noted writes with the clock, so that `lose` still finds the latest
        ones."""
        self.shared.written = [(at + ms, key, before) for at, key, before in self.shared.written]
        self.shared.schedules_written = [
            (at + ms, name, before) for at, name, before in self.shared.schedules_written
        ]

    def _count_anew(self) -> None:
        self.shared.taken.clear()
        for row in self.shared.rows.values():
            for scope in (f"rule:{row.rule}", ACCOUNT) if row.rule is not None else ():
                self.shared.taken[scope] = self.shared.taken.get(scope, 0) + 1


def _place(one: Placed) -> str:
    return one.place


def _bytes(tasks: Mapping[str, Task]) -> int:
    return sum(len(task.body.encode()) + ROW_BYTES for task in tasks.values())


def _encode(save: Save, record: StreamRecord) -> None:
    """Raise UnicodeEncodeError for what no engine takes."""
    to_json(record)
    for entry in save.entries:
        entry_to_json(entry)
    for file in save.files:
        file.uri.encode()


def _unreadable(row: Row, now: int) -> Unreadable:
    return Unreadable(row.record.key, "it was broken", version=row.version, now=now)


def _row(record: StreamRecord, version: int, quota: ConcurrencyQuota, waits: str, now: int) -> Row:
    """Return the row of a record; a start that waits for a quota is due at its next recheck
    only."""
    due = due_at(record)
    if waits:
        due = min(due_at(replace(record, pending=None)) or NEVER, now + RECHECK_MS)
    return Row(
        record,
        version,
        NEVER if due is None else due,
        command_priority(record),
        queue_priority(record, quota.priority),
        record.pending.since if record.pending else 0,
        quota.rule if counts_against_quota(record) else None,
        waits,
    )


def _caps(quota: ConcurrencyQuota) -> Iterator[tuple[str, int]]:
    if quota.of_rule is not None:
        yield f"rule:{quota.rule}", quota.of_rule
    if quota.of_account is not None:
        yield ACCOUNT, quota.of_account


def _complete(flying: StreamRecord, slot: float, lease: int) -> StreamRecord:
    """Return the record with the slot and the lease, which only the store can give its flight."""
    if flying.flight is None:
        raise ValueError("the record has no command in flight")
    sent_at = round(slot)
    flight = replace(flying.flight, sent_at=sent_at, lease_until=sent_at + lease)
    return replace(flying, flight=flight)


def _append(entries: list[HistoryLine], entry: HistoryEntry, now: int) -> None:
    """Append the entry; one that repeats the newest is counted instead."""
    last = entries[-1] if entries else None
    if last is not None and last.entry == entry:
        entries[-1] = replace(last, last_at=now, count=last.count + 1)
        return
    entries.append(HistoryLine(entry, now, now, 1))
    if len(entries) > HISTORY_MAX_ENTRIES:
        del entries[0]


def _fits(record: StreamRecord, wanted: Filter) -> bool:
    return (
        (wanted.phase is None or phase(record) is wanted.phase)
        and (wanted.domain is None or record.key.domain == wanted.domain)
        and (wanted.app is None or record.key.app == wanted.app)
    )
