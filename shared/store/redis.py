"""The store of a deployed stage: Redis, Valkey or Tair, alone or as a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from shared.ledger.edges import Edge
from shared.outbox.backoff import LONGEST_WAIT_MS
from shared.outbox.settlement import Settlement
from shared.outbox.task import (
    DEAD_MAX_BYTES,
    OF_STAGE,
    OUTBOX_MAX_BYTES,
    NewTask,
    OutboxState,
    Redriven,
    Task,
)
from shared.protocol.continuity import Continuity
from shared.protocol.derived.phase import Phase
from shared.protocol.file import File
from shared.protocol.state.command import Flight
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import StreamKey
from shared.store import scripts
from shared.store.codec import (
    edge_from_text,
    entry_from_json,
    from_json,
    verdict_from_text,
)
from shared.store.contract import (
    COMMANDS,
    DAY_MS,
    FIRST_PAUSE_MS,
    MAX_PAUSE_MS,
    MAX_WORKER_LEASE_MS,
    PLACE_CHARS,
    POLL_RATE_PER_S,
    POLLS,
    SAMPLES_MS,
    SIGNED_KEPT_S,
    STEP_MS,
    URGENT_PAUSE_MS,
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
    furthest_slot_ms,
    growth,
)
from shared.store.engine_answers import AWAY, NO_PERMISSION, OUT_OF_MEMORY, problem_of
from shared.store.engine_commands import NEEDED, REFUSALS
from shared.store.redis_connection import Command, RedisConnection, is_unknown_script
from shared.store.save_request import (
    AGE_CHARS,
    POSITION_PREFIX_CHARS,
    encode_save,
    encode_settled,
    encode_tasks,
    file_of,
    key_of,
    name_of,
    own_uri_of,
    pieces_of,
    task_of,
    uri_of,
)
from shared.store.scripts import Script
from shared.store.store_errors import StoreFull, StoreUnavailable, Unreadable
from shared.store.store_state import GAP_MS, SEEN_EVERY_MS, StoreState
from shared.store.store_url import parse

SAFETY = ("role", "aof_enabled", "aof_last_write_status", "maxmemory", "maxmemory_policy")
PAGE_ROWS = 500
"""How many records a listing reads at once."""
OLD_ROWS = 20
"""How many dead letters are dropped in one step."""


class RedisStore:
    """A store on Redis. `rate` is the rate limit, in commands a second. All keys share the hash tag
    of the stage.

    The clock is the engine's own, plus `ahead` ms; `clock`, if given, replaces it.
    """

    def __init__(  # noqa: PLR0913 - as for every engine
        self,
        url: str,
        *,
        stage: str,
        rate: float,
        ahead: Callable[[], int] = lambda: 0,
        clock: Callable[[], int] | None = None,
        folder: Path = Path(),
        lazy_imports: bool = True,
        store_id: str = "",
    ) -> None:
        """Raise ValueError for a URL that the settings would refuse. Relative paths in it start at
        `folder`."""
        self._url = parse(url)
        self._prefix = f"live-record:{{{self._url.stage or stage}}}:"
        self._interval = 1000 / rate
        self._ahead = ahead
        self._clock = clock
        self._store_id = store_id
        self._connection = RedisConnection(self._url, folder=folder, lazy_imports=lazy_imports)

    def prepare(self) -> None:
        """Import the client now, so that the first event need not wait for it."""
        self._connection.prepare()

    def load(self, key: StreamKey) -> Loaded:
        keys = [self._of("record", key), *self._keys("store")]
        version, document, sent, lease, now, known = self._run(scripts.LOAD, keys)
        continuity = _state_of(*known).continuity(self._store_id, now)
        if version is None:
            return Loaded(StreamRecord(key), 0, now, continuity)
        record = from_json(key, document, version=int(version), now=now)
        return Loaded(_complete(record, sent, lease), int(version), now, continuity)

    def save_or_claim(self, save: Save) -> Saved:
        """Store one write of a record (`Save`), and take a slot for its command if the rate limit
        has one. Return the outcome."""
        keys = self.keys_of(save.key)
        kind, *details = self._run(scripts.SAVE_OR_CLAIM, keys, encode_save(save, self._interval))
        if kind == "conflict":
            return Conflict()
        if kind == "kept":
            return NotForgotten()
        self._connection.note_save()
        version, away, sent, lease, dropped = details
        if kind == "claimed" and save.if_slot:
            return Claimed(version, _complete(save.if_slot, sent, lease), float(away), dropped)
        return Stored(version, kind == "over_quota", float(away), dropped)

    def replicated(self, most_ms: int) -> int | None:
        """Wait at most `most_ms` until the replicas have the saves that this thread has made since
        it last called this. Return how many replicas have these saves. Return None if there are no
        such saves or no replicas, or if the number cannot be found out."""
        return self._connection.replicated(most_ms)

    def keys_of(self, key: StreamKey) -> list[str]:
        """Return the Redis keys that a save of the stream touches, in the order in which the script
        takes them."""
        return [
            *self._keys(f"limit:{COMMANDS}"),
            *(self._of(kind, key) for kind in ("record", "history", "files")),
            *self._keys("later", "line", "lined", "counts", "names", "phases", "waits", "uris"),
            *self._keys(f"watched:{key.domain}", "quarantine"),
            *self._keys("ledger", "accounts", "account_ages", "wrong"),
            *self._keys("tasks", "tasks_due", "tasks_of_streams", "verdicts", "counters"),
        ]

    def poll_slot(self, wait: int) -> float | None:
        """Take the next slot for a poll. `wait` and the result are those of `take_slot`."""
        return self.take_slot(POLLS, 1000 / POLL_RATE_PER_S, wait)

    def take_slot(self, name: str, interval_ms: float, wait: int) -> float | None:
        """Take the next slot of the rate limit `name`, whose slots are `interval_ms` apart. Return
        in how many ms the slot begins. If that is more than `wait` ms, take no slot and return
        None."""
        keys = self._keys(f"limit:{name}")
        away = self._run(scripts.TAKE_SLOT, keys, interval_ms, wait, interval_ms=interval_ms)
        return None if away is None else float(away)

    def pause_slots(self, ms: int) -> None:
        """Give no slots for commands for `ms`, because Live has throttled."""
        self._run(scripts.DELAY_SLOTS, self._keys(f"limit:{COMMANDS}"), ms)

    def rate_limit_use(self) -> RateLimitUse:
        """Return how much of the rate limit for commands is used."""
        used, ahead = self._run(scripts.RATE_LIMIT_USE, self._keys(f"limit:{COMMANDS}"))
        return RateLimitUse(1000 / self._interval, float(used), float(ahead))

    def register(self, name: str, who: str, ms: int) -> int:
        """Register the worker `who` for `ms`, or renew its registration; return how many others of
        this name are registered. Raise ForeignStore if the store belongs to another stage."""
        keys = self._keys(f"workers:{name}", "store")
        others, known = self._run(scripts.REGISTER, keys, who, ms, MAX_WORKER_LEASE_MS)
        _state_of(*known).continuity(self._store_id, 0)
        return int(others)

    def is_among_first(self, second: int, key: StreamKey, most: int) -> bool:
        """Return True if this stream is among the first `most` streams that callbacks with one time
        of signature have named. This time is `second`, in s since the epoch. If the result is True,
        remember the stream."""
        arguments = (second, name_of(key), most, second - SIGNED_KEPT_S)
        return bool(self._run(scripts.IS_AMONG_FIRST, self._keys("signed"), *arguments))

    def may_wake_one(self, name: str, most: int, ms: int) -> bool:
        """Return True if one more worker of this name should be woken, and store that one was woken
        now. No worker should be woken if one was woken within `ms`. Otherwise, one should be if
        none is registered, or if fewer than `most` are registered and the next slot for commands is
        free now."""
        keys = self._keys(f"limit:{COMMANDS}", f"workers:{name}", "timestamps")
        return bool(
            self._run(scripts.MAY_WAKE_ONE, keys, f"woken {name}", most, ms, MAX_WORKER_LEASE_MS)
        )

    def deregister(self, name: str, who: str) -> None:
        self._do("ZREM", *self._keys(f"workers:{name}"), who)

    def take_due(self, limit: int, hold: int) -> Sequence[StreamKey]:
        """Take up to `limit` streams that are due, and return them: first by command (stops,
        restarts, starts), then by priority, then by age. No other worker gets them for `hold` ms,
        or until they are saved."""
        found = self._run(scripts.TAKE_DUE, self._keys("later", "line", "lined"), limit, hold)
        return [key_of(order[POSITION_PREFIX_CHARS:]) for order in found]

    def postpone(self, key: StreamKey) -> None:
        """Leave a stream alone for a while after its handling crashed, longer after each further
        crash. The stream's next save ends the pause."""
        keys = [self._of("record", key), *self._keys("quarantine", "later", "line", "lined")]
        pauses = (FIRST_PAUSE_MS, MAX_PAUSE_MS, URGENT_PAUSE_MS)
        self._run(scripts.POSTPONE, keys, name_of(key), *pauses)

    def quarantine(self, key: StreamKey) -> None:
        """Put a stream into the quarantine because its record cannot be read. The time at which the
        stream is due does not change."""
        self._do("HSETNX", *self._keys("quarantine"), name_of(key), 0)

    def release(self, key: StreamKey) -> None:
        """Take the stream out of the quarantine, as a save does."""
        self._do("HDEL", *self._keys("quarantine"), name_of(key))

    def quarantined(self) -> int:
        """Return how many streams are in the quarantine: their last handling crashed, or their
        record cannot be read."""
        return int(self._do("HLEN", *self._keys("quarantine")))

    def never_crashed(self, limit: int) -> Sequence[StreamKey]:
        """Return up to `limit` streams that are quarantined because their record could not be read,
        and whose handling has not crashed since."""
        counted = _pairs(self._do("HGETALL", *self._keys("quarantine")))
        found = [key_of(member) for member, crashes in counted.items() if crashes == "0"]
        return found[:limit]

    def next_due(self) -> int | None:
        _, _, away = self._run(scripts.QUEUE_STATE, self._keys("later", "line", "lined"))
        return None if away is None else int(away)

    def queue(self) -> Queue:
        depth, oldest, _ = self._run(scripts.QUEUE_STATE, self._keys("later", "line", "lined"))
        return Queue(depth, int(oldest) if depth else 0)

    def wrong_count(self, waited_ms: int) -> WrongCount:
        """Return how many streams have been wanted, live and not recorded for at least `waited_ms`,
        and for how long the first of them has been so."""
        count, oldest_ms = self._run(scripts.WRONG_COUNT, self._keys("wrong"), waited_ms)
        return WrongCount(int(count), int(oldest_ms))

    def wrong(
        self, until: int, *, after: tuple[int, StreamKey] | None, limit: int
    ) -> Sequence[WrongRow]:
        """Return up to `limit` streams that have been wanted, live and not recorded at least since
        `until`, the longest first. Begin after the row `after`, given by its `since` and its
        stream; None for the first page."""
        behind = (after[0], name_of(after[1])) if after else (-1, "")
        found: list[tuple[int, str]] = []
        passed = 0
        while len(found) < limit:
            page = self._wrong_page(max(behind[0], 0), until, passed, limit)
            found += [place for place in page if place > behind]
            passed += len(page)
            if len(page) < limit:
                break
        places = [(since, key_of(member)) for since, member in found[:limit]]
        return list(self._wrong_rows(places))

    def _wrong_page(
        self, first: int, until: int, passed: int, limit: int
    ) -> Sequence[tuple[int, str]]:
        """Return a page of the index after `passed` rows. Streams of the same ms are ordered by
        name."""
        (key,) = self._keys("wrong")
        flat = self._do("ZRANGEBYSCORE", key, first, until, "WITHSCORES", "LIMIT", passed, limit)
        return [(int(at), member) for member, at in zip(flat[::2], flat[1::2], strict=True)]

    def _wrong_rows(self, places: Sequence[tuple[int, StreamKey]]) -> Iterator[WrongRow]:
        keys = [key for _, key in places]
        records = {record.key: record for record in self._records(keys)}
        for since, key in places:
            if key in records:
                yield WrongRow(since, key, records[key])

    def count(self, counts: Mapping[str, int]) -> None:
        """Add these numbers to the stage's counters. A save does the same with its `counts`."""
        (key,) = self._keys("counters")
        # A repeat, because the first answer was lost, would count twice.
        self._asked(
            [("HINCRBY", key, name, number) for name, number in counts.items()], repeatable=False
        )

    def counters(self) -> Mapping[str, int]:
        """Return the stage's counters by name, counted since the store was made."""
        found = _pairs(self._do("HGETALL", *self._keys("counters")))
        return {name: int(number) for name, number in found.items()}

    def set_text(self, name: str, text: str) -> None:
        """Store the text under this name, in place of an earlier one."""
        self._do("HSET", *self._keys("notes"), name, text)

    def get_text(self, name: str) -> str | None:
        """Return the text that `set_text` stored under this name; None if there is none."""
        found: str | None = self._do("HGET", *self._keys("notes"), name)
        return found

    def now(self) -> int:
        return int(self._run(scripts.NOW, self._keys("now")))

    def durability(self) -> Durability:
        """Return the settings that decide how safely data is kept. A setting is left out if this
        user, or a managed engine, is not allowed the command that reads it."""
        found: dict[str, str] = {}
        with suppress(StoreUnavailable):
            info = self._info()
            found |= {name: info[name] for name in SAFETY if name in info}
        with suppress(StoreUnavailable):
            found |= _pairs(self._do("CONFIG", "GET", "appendfsync"))
        return Durability("redis", found)

    def missing_commands(self) -> Sequence[str]:
        """Return the commands that the store needs, but that this user may not run or this engine
        does not know. Each command is tried without harm. Raise StoreUnavailable if nobody
        answers."""
        (key,) = self._keys("timestamps")
        return [
            name
            for name, arguments in NEEDED.items()
            if self._refuses(name, *(argument or key for argument in arguments))
        ]

    def _refuses(self, *command: str) -> bool:
        try:
            self._do(*command)
        except StoreUnavailable as error:
            if error.problem in AWAY:
                raise
            return error.problem in REFUSALS
        return False

    def _info(self, *sections: str) -> Mapping[str, str]:
        lines = self._do("INFO", *sections).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def size(self) -> Size | None:
        """Return how full the engine is; None if this user may not ask. The limit is the engine's
        own, or else the machine's memory; it is None if the engine reports neither."""
        info = self._memory()
        if info is None:
            return None
        used = int(info["used_memory"])
        limit = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
        now, *samples = self._run(scripts.SIZES, self._keys("sizes"))
        known = {int(at): int(size) for at, size in (sample.split(" ") for sample in samples[1::2])}
        return Size(used, limit or None, growth(known, used, int(now)))

    def note_size(self) -> None:
        """Store today's size, unless it is stored already. `size` computes the growth from these
        sizes."""
        info = self._memory()
        if info is not None:
            used = info["used_memory"]
            self._run(scripts.NOTE_SIZE, self._keys("sizes"), used, DAY_MS, SAMPLES_MS)

    def _memory(self) -> Mapping[str, str] | None:
        try:
            return self._info("memory")
        except StoreUnavailable as error:
            if error.problem != NO_PERMISSION:
                raise
            return None

    def watched(self, domain: str) -> Sequence[Watched]:
        """Return the sessions of a domain that have not ended."""
        found = []
        for member, seen in _pairs(self._do("HGETALL", *self._keys(f"watched:{domain}"))).items():
            listed, doubted = seen.split(" ")
            found.append(Watched(key_of(member), int(listed) if listed else None, doubted == "1"))
        return found

    def listed(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamRecord | Unreadable]:
        """Return up to `limit` of the records that fit `wanted`, ordered by key, beginning after
        the key `after`. A record that is added on an earlier page does not move a later page."""
        found: list[StreamRecord | Unreadable] = []
        while len(found) < limit:
            keys = self.named(wanted, after=after, limit=PAGE_ROWS)
            fitting = [key for key in keys if wanted.app in (None, key.app)]
            found += self._records(fitting[: limit - len(found)])
            if len(keys) < PAGE_ROWS:
                break
            after = keys[-1]
        return found

    def accounts(
        self, wanted: Filter, *, after: StreamKey | None, limit: int
    ) -> Sequence[StreamKey]:
        """Return up to `limit` streams that have a ledger, ordered by key, beginning after the key
        `after`. The phase in `wanted` is ignored, because a forgotten stream has a ledger and no
        phase."""
        found, first = dict[StreamKey, None](), pieces_of(after)[1] if after else "-"
        while len(found) < limit:
            range_ = (first, "+", "LIMIT", 0, PAGE_ROWS)
            names = self._do("ZRANGEBYLEX", *self._keys("accounts"), *range_)
            keys = [key_of(name.rpartition("\0")[0]) for name in names]
            found |= dict.fromkeys(key for key in keys if wanted.fits(key))
            if len(names) < PAGE_ROWS:
                break
            first = f"({names[-1]}"
        return list(found)[:limit]

    def named(self, wanted: Filter, *, after: StreamKey | None, limit: int) -> Sequence[StreamKey]:
        """Return up to `limit` keys of the records that fit `wanted`, ordered by key, beginning
        after the key `after`. No record is read. Without `wanted.domain`, `wanted.app` is ignored,
        because the keys are sorted by domain first."""
        name = "phases" if wanted.phase else "names"
        prefix = f"{wanted.phase.value}\0" if wanted.phase else ""
        domain = f"{prefix}{wanted.domain}\0" if wanted.domain is not None else prefix
        in_domain = wanted.domain is not None and wanted.app is not None
        range_ = f"{domain}{wanted.app}\0" if in_domain else domain
        behind = f"{prefix}{name_of(after)}" if after else ""
        first = f"({behind}" if behind.encode() >= range_.encode() and behind else f"[{range_}"
        last = f"({range_[:-1]}\1" if range_ else "+"
        found = self._do("ZRANGEBYLEX", *self._keys(name), first, last, "LIMIT", 0, limit)
        return [key_of(member[len(prefix) :]) for member in found]

    def state(self) -> StoreState:
        """Return the state of the store itself: its id, when it was last touched, and how long its
        clock has been steady."""
        fields = ("store_id", "steady_since", "emptied_at", "gap_from", "seen", "misplaced_after")
        row = self._do("HMGET", *self._keys("store"), *fields)
        *known, seen, after = row
        found = _state_of(*(value or "" for value in known))
        return replace(found, seen=int(seen) if seen else None, misplaced_after=after)

    def continuity(self) -> Continuity:
        """Return since when the store's clock has been steady, and whether the store has lost its
        data. Raise ForeignStore if the store belongs to another stage."""
        now = self.now()
        return self.state().examined(self._store_id, now).continuity(self._store_id, now)

    def accept(self, *, replaces: str) -> StoreState:
        """Write this stage's id into the store, if the store has no id or the id `replaces`.
        Otherwise change nothing. Return the state of the store after this."""
        self._run(scripts.ACCEPT, self._keys("store"), self._store_id, replaces)
        return self.state()

    def misplaced_after(self) -> str | None:
        """Return how far the repair of due entries has come: a phase and a stream (`misplaced`), or
        "" at its beginning. Return None if all due entries are in order."""
        found: str | None = self._do("HGET", *self._keys("store"), "misplaced_after")
        return found

    def move_misplaced(self, before: str, after: str) -> None:
        """Store that the repair of due entries has come from `before` to `after`. If both are
        equal, all due entries are in order. If the store no longer holds `before`, do nothing."""
        self._run(scripts.MOVE_MISPLACED, self._keys("store"), before, after)

    def _records(self, keys: Sequence[StreamKey]) -> Iterator[StreamRecord | Unreadable]:
        fields = ("document", "sent", "lease")
        rows = self._asked([("HMGET", self._of("record", key), *fields) for key in keys])
        for key, (document, sent, lease) in zip(keys, rows, strict=True):
            if document is not None:
                yield _read(key, document, sent, lease)

    def phases(self) -> Mapping[Phase, int]:
        """Return the number of stream records in each phase. Phases without records, and those that
        this release does not know, are left out."""
        counts = _pairs(self._do("HGETALL", *self._keys("counts")))
        found = {phase: int(counts.get(f"phase:{phase.value}", 0)) for phase in Phase}
        return {phase: number for phase, number in found.items() if number}

    def files(self, key: StreamKey, limit: int) -> Sequence[File]:
        """Return up to `limit` files of a stream, newest first."""
        found = self._do("ZREVRANGE", self._of("files", key), 0, limit - 1, "WITHSCORES")
        if not found:
            return []
        kept = self._kept(key, [member[AGE_CHARS:] for member in found[::2]])
        rows = zip(found[::2], found[1::2], kept, strict=True)
        return [_judged(file_of(member, at, row), judged) for member, at, (row, judged) in rows]

    def _kept(self, key: StreamKey, uris: Sequence[str]) -> Sequence[tuple[str | None, str | None]]:
        """Return, for each name of a file, its stored details and its verdict, with None in place
        of what is not stored."""
        named = [own_uri_of(key, uri) for uri in uris] + [uri_of(key.domain, uri) for uri in uris]
        known, judged = self._asked(
            [("HMGET", of, *named) for of in self._keys("uris", "verdicts")]
        )
        places = [at if known[at] else at + len(uris) for at in range(len(uris))]
        return [(known[at], judged[at]) for at in places]

    def file(self, key: StreamKey, uri: str) -> File | None:
        """Return a file of a stream; None if it is unknown or was dropped."""
        ((row, judged),) = self._kept(key, [uri])
        start = (row or "").partition(" ")[0]
        member = f"{int(start) if start.isdecimal() else 0:0{AGE_CHARS}d}{uri}"
        at = self._do("ZSCORE", self._of("files", key), member) if row else None
        return None if at is None else _judged(file_of(member, at, row), judged)

    def take_tasks(self, queue: str, *, limit: int, lease_ms: int) -> Sequence[Task]:
        """Take up to `limit` tasks of a queue that are due, the longest due first. For `lease_ms`
        nobody else gets them, and whoever took them earlier can no longer settle them."""
        keys = self._keys("tasks", "tasks_due", "counts")
        flat = self._run(scripts.TAKE_TASKS, keys, queue, limit, lease_ms, LONGEST_WAIT_MS)
        taken = map(task_of, flat[::2], flat[1::2])
        return [task for task in taken if task]

    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
        """Store, in one step, what follows from the attempts at tasks that were taken: each task's
        next state, its file's verdict, and its new tasks. Return a value for each task. It is True
        if the task's results were stored, and False if nothing was, because the task was taken
        again or is gone."""
        keys = [*self._letters(), *self._keys("uris", "verdicts")]
        arguments = (encode_settled(settled), DEAD_MAX_BYTES, OUTBOX_MAX_BYTES)
        return list(map(bool, self._run(scripts.SETTLE_TASKS, keys, *arguments)))

    def add_tasks(self, key: StreamKey, tasks: Sequence[NewTask]) -> int:
        """Add tasks of a stream without saving its record; return how many had no room."""
        encoded = encode_tasks(tasks, key)
        return int(self._run(scripts.ADD_TASKS, self._letters(), encoded, OUTBOX_MAX_BYTES))

    def redrive(self, task_id: str) -> Redriven:
        """Make a dead letter an open task again, due now, with no attempt counted. Return whether
        that worked, or why not."""
        return Redriven(self._run(scripts.REDRIVE, self._letters(), task_id, OUTBOX_MAX_BYTES))

    def drop_dead_letters(self, keep_ms: int) -> int:
        """Drop dead letters older than `keep_ms`, at most OLD_ROWS at a time; return how many."""
        keys = self._keys("dead_tasks", "dead_tasks_by_age", "counts")
        return int(self._run(scripts.DROP_DEAD_LETTERS, keys, keep_ms, OLD_ROWS))

    def _letters(self) -> list[str]:
        tasks = ("tasks", "tasks_due", "tasks_of_streams")
        return self._keys(*tasks, "dead_tasks", "dead_tasks_by_age", "counts")

    def open_tasks(self, *, after: str, limit: int) -> Sequence[Placed]:
        """Return up to `limit` open tasks, ordered by stream, beginning after the place `after`
        (`Placed.place`; "" for the first page)."""
        found = self._page("tasks_of_streams", "tasks", after, limit)
        return [Placed.open(task) for task in found]

    def dead_letters(self, *, after: str, limit: int) -> Sequence[Placed]:
        """Return up to `limit` dead letters, oldest first, beginning after the place `after`
        (`Placed.place`; "" for the first page)."""
        found = self._page("dead_tasks_by_age", "dead_tasks", after, limit)
        return [Placed.dead(task) for task in found]

    def _page(self, places: str, rows: str, after: str, limit: int) -> Sequence[Task]:
        index, of = self._keys(places, rows)
        first = f"({after}" if after else "-"
        found = self._do("ZRANGEBYLEX", index, first, "+", "LIMIT", 0, limit)
        cut = PLACE_CHARS if rows == "dead_tasks" else 0
        ids = [place[cut:] if cut else place.rpartition("\0")[2] for place in found]
        return self._tasks(of, ids)

    def open_of_kind(self, kind: str, *, limit: int) -> Sequence[Task]:
        """Return up to `limit` open tasks of a kind; the task with the latest due time comes first.
        Each failed attempt delays a task further, so the first ones were tried most often."""
        due, rows = self._keys("tasks_due", "tasks")
        range_ = (f"[{kind}\0", f"({kind}\1")
        first = max(int(self._do("ZLEXCOUNT", due, *range_)) - limit, 0)
        found = self._do("ZRANGEBYLEX", due, *range_, "LIMIT", first, limit)
        ids = [place[len(kind) + 1 + PLACE_CHARS :] for place in reversed(found)]
        return self._tasks(rows, ids)

    def _tasks(self, rows: str, ids: Sequence[str]) -> Sequence[Task]:
        kept = self._do("HMGET", rows, *ids) if ids else ()
        tasks = [task_of(name, row) for name, row in zip(ids, kept, strict=True) if row]
        return [task for task in tasks if task]

    def alerts(self) -> AlertsCopy:
        """Return the alert book; version 0 and no text if none is stored yet."""
        version, text = self._do("HMGET", *self._keys("alerts"), "version", "text")
        return AlertsCopy(int(version), text) if version else AlertsCopy()

    def put_alerts(self, text: str, *, replaces: int, tasks: Sequence[NewTask] = ()) -> int | None:
        """Store the next version of the alert book, and in the same step the tasks that result from
        it. Return how many of the tasks had no room. If the stored version is not `replaces`, store
        nothing and return None. Even a full engine stores the book, because the book does not grow
        beyond one or two megabytes.
        """
        keys = [*self._letters(), *self._keys("alerts")]
        encoded = encode_tasks(tasks, OF_STAGE)
        dropped = self._run(scripts.PUT_ALERTS, keys, replaces, text, encoded, OUTBOX_MAX_BYTES)
        return None if dropped is None else int(dropped)

    def outbox(self) -> OutboxState:
        """Return the number and size of the open tasks and of the dead letters."""
        keys = self._keys("tasks", "tasks_due", "dead_tasks", "counts")
        return OutboxState(*map(int, self._run(scripts.OUTBOX, keys)))

    def edges(self, key: StreamKey) -> Sequence[Edge]:
        """Return a stream's ledger: the changes of its state (edges), in the order in which they
        were noted."""
        names = self._do("ZRANGEBYLEX", *self._keys("accounts"), *pieces_of(key))
        pieces = self._do("HMGET", *self._keys("ledger"), *names) if names else ()
        lines = [line for piece in pieces for line in (piece or "").splitlines()]
        return [edge for line in lines if (edge := edge_from_text(line.partition(" ")[2]))]

    def history(self, key: StreamKey, limit: int) -> Sequence[HistoryLine]:
        """Return up to `limit` lines of a stream's history, newest first."""
        entries = []
        for line in self._do("LRANGE", self._of("history", key), 0, limit - 1):
            at, last_at, count, code, about = line.split(" ", 4)
            entry = entry_from_json(code, about)
            entries.append(HistoryLine(entry, int(at), int(last_at), int(count)))
        return entries

    def put_policy(self, text: str, *, replaces: int) -> PolicyCopy | None:
        """Store the policy as version `replaces` + 1, and return it. If the newest version is not
        `replaces` (0 if there is none yet), store nothing and return None."""
        at = self._run(scripts.PUT_POLICY, self._keys("policies"), text, replaces)
        return None if at is None else PolicyCopy(replaces + 1, text, at)

    def get_policy(self) -> PolicyCopy | None:
        """Return the newest version of the policy; None if there is none."""
        return self.in_force().policy

    def in_force(self) -> InForce:
        """Return the newest policy, and the temporary rules of each schedule that has some."""
        keys = self._keys("policies", "temporary_rules")
        version, newest, *temporary = self._run(scripts.IN_FORCE, keys)
        at, _, text = (newest or "").partition(" ")
        copy = PolicyCopy(version, text, int(at)) if version else None
        return InForce(copy, _pairs(temporary))

    def add_token(self, name: str, text: str) -> bool:
        """Store an API token's document under its name; return False if the name is taken."""
        (key,) = self._keys("tokens")
        self._do("HSETNX", key, name, text)
        return bool(self._do("HGET", key, name) == text)

    def remove_token(self, name: str) -> bool:
        """Delete an API token, even if the engine is full. Return False if there is none with that
        name."""
        return bool(self._do("HDEL", *self._keys("tokens"), name))

    def tokens(self) -> Mapping[str, str]:
        """Return the document of each API token, by the token's name. Raise ForeignStore if the
        store belongs to another stage."""
        key, store = self._keys("tokens", "store")
        flat, store_id = self._asked([("HGETALL", key), ("HGET", store, "store_id")])
        StoreState(store_id=store_id).continuity(self._store_id, 0)
        return dict(sorted(_pairs(flat).items()))

    def put_schedule(
        self, name: str, text: str, due_at: int | None, *, replaces: str | None, rules: str = ""
    ) -> bool:
        """Store a schedule's document, the time at which it is due (None for never), and its
        temporary rules ("" for none). If the stored document is not `replaces` (None if there is
        none yet), store nothing and return False."""
        return self._put_schedule(name, text, due_at, replaces, rules)

    def remove_schedule(self, name: str, *, replaces: str) -> bool:
        """Delete a schedule, even if the engine is full. If its stored document is not `replaces`,
        do nothing and return False."""
        return self._put_schedule(name, "", None, replaces)

    def _put_schedule(
        self, name: str, text: str, due_at: int | None, replaces: str | None, rules: str = ""
    ) -> bool:
        due = "" if due_at is None else due_at
        keys = self._keys("schedules", "schedules_due", "temporary_rules")
        return bool(self._run(scripts.PUT_SCHEDULE, keys, name, text, due, replaces or "", rules))

    def get_schedule(self, name: str) -> str | None:
        """Return the document of a schedule; None if there is none."""
        found: str | None = self._do("HGET", *self._keys("schedules"), name)
        return found

    def schedules(self) -> Mapping[str, str]:
        """Return the document of each schedule, by the schedule's name."""
        return dict(sorted(_pairs(self._do("HGETALL", *self._keys("schedules"))).items()))

    def due_schedules(self, limit: int) -> Mapping[str, str]:
        """Return the documents of up to `limit` schedules that are due, by name, the longest due
        first."""
        keys = self._keys("schedules", "schedules_due")
        return _pairs(self._run(scripts.DUE_SCHEDULES, keys, limit))

    def touch(self, name: str) -> None:
        """Set the timestamp of this name to now, by the clock of Redis."""
        self._run(scripts.TOUCH, self._keys("timestamps"), name)

    def age_ms(self, name: str) -> int | None:
        """Return how many ms ago the timestamp of this name was set; None if it never was."""
        ago = self._run(scripts.AGE_MS, self._keys("timestamps"), name)
        return None if ago is None else int(ago)

    def ages(self) -> Mapping[str, int]:
        """Return how many ms ago each timestamp was set, by the timestamp's name."""
        found = self._run(scripts.AGES, self._keys("timestamps"))
        return {name: int(ago) for name, ago in zip(found[::2], found[1::2], strict=True)}

    def try_write(self, name: str) -> bool:
        """Set the timestamp of this name to now, and return True. Raise StoreFull if the engine is
        full. No writer of this engine waits for another, so the result is never False."""
        self._run(scripts.TRY_WRITE, self._keys("timestamps"), name)
        return True

    def close(self) -> None:
        self._connection.close()

    def _of(self, kind: str, key: StreamKey) -> str:
        return f"{self._prefix}{kind}:{name_of(key)}"

    def _keys(self, *names: str) -> list[str]:
        return [self._prefix + name for name in names]

    def _time(self) -> str:
        return f"={self._clock()}" if self._clock else f"+{self._ahead()}"

    def _run(
        self,
        script: Script,
        keys: Sequence[str],
        *args: str | float,
        interval_ms: float | None = None,
    ) -> Any:  # noqa: ANN401 - as the script says
        """Run the script by its digest, or by its text if the engine does not know it yet.
        `interval_ms` belongs to the script's rate limit; None means the rate limit for commands."""
        digest = script.digest  # a missing file must not look like an engine that is away
        preludes = self._of_preludes(script, interval_ms or self._interval)
        arguments = (len(keys), *keys, self._time(), *preludes, *args)
        repeatable = script.repeatable
        try:
            return self._asked([("EVALSHA", digest, *arguments)], repeatable=repeatable)[0]
        except StoreUnavailable as error:
            if not is_unknown_script(error.__cause__):
                raise
        return self._asked([("EVAL", script.text, *arguments)], repeatable=repeatable)[0]

    def _of_preludes(self, script: Script, interval_ms: float) -> tuple[str | float, ...]:
        """Return the arguments of the script's preludes, to be put before the script's own."""
        if script.uses_rate_limit:
            return (furthest_slot_ms(interval_ms),)
        if script.watches_clock:
            return (GAP_MS, SEEN_EVERY_MS, STEP_MS, self._store_id)
        return ()

    def _do(self, *command: str | float) -> Any:  # noqa: ANN401 - as the command says
        """Execute a command that may be repeated; return the engine's answer unchanged."""
        return self._asked([command])[0]

    def _asked(self, commands: Sequence[Command], *, repeatable: bool = True) -> list[Any]:
        """Return one answer for each command. Raise StoreUnavailable if one is refused or gets no
        answer. Each command was then carried out wholly or not at all."""
        connection = self._connection
        connection.prepare()  # sets `failures`
        try:
            return connection.execute(commands, repeatable=repeatable)
        except connection.failures as error:
            problem = problem_of(error)
            kind = StoreFull if problem == OUT_OF_MEMORY else StoreUnavailable
            text = f"{type(error).__name__}: {error}"[:_SHOWN_CHARS]
            raise kind(f"{self._url.where}: {problem} ({text})", problem) from error


_SHOWN_CHARS = 300
"""Characters shown of an engine's answer, which may quote a whole command."""


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _read(key: StreamKey, document: str, sent: str, lease: str) -> StreamRecord | Unreadable:
    try:
        return _complete(from_json(key, document), sent, lease)
    except Unreadable as error:
        return error


def _complete(record: StreamRecord, sent: str, lease: str) -> StreamRecord:
    """Return the record with the flight's slot and lease, which the engine gave."""
    if record.flight is None or not sent:
        return record
    flight: Flight = replace(record.flight, sent_at=int(sent), lease_until=int(lease))
    return replace(record, flight=flight)


def _judged(file: File, verdict: str | None) -> File:
    return replace(file, verdict=verdict_from_text(verdict)) if verdict else file


def _state_of(store_id: str, steady_since: str, emptied_at: str, gap_from: str) -> StoreState:
    """Return the state from a script's values, "" where there is none."""
    return StoreState(
        steady_since=int(steady_since or 0),
        gap_from=int(gap_from or 0),
        store_id=store_id or None,
        emptied_at=int(emptied_at) if emptied_at else None,
    )
