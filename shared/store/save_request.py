"""Encodes saves and tasks for the Lua scripts of Redis, and decodes what the scripts stored.

RedisStore uses this module. Names and queue positions are encoded so that they sort correctly.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.decoding import Undecodable, decode
from shared.ledger.edges import LEDGER_MAX_ENTRIES
from shared.outbox.settlement import Settlement
from shared.outbox.task import OUTBOX_MAX_BYTES, NewTask, Task, size_of
from shared.protocol.derived.due_times import (
    PRIORITY_OF,
    command_priority,
    counts_against_quota,
    due_at,
    ends_at,
    queue_priority,
)
from shared.protocol.derived.phase import phase
from shared.protocol.derived.wrong import wrong_since
from shared.protocol.file import File, PushArgs
from shared.protocol.quota import ConcurrencyQuota
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import Command, StreamKey
from shared.store.codec import edge_to_text, entry_to_json, to_json, verdict_to_text
from shared.store.contract import (
    HISTORY_MAX_ENTRIES,
    RECHECK_MS,
    STEP_MS,
    Save,
    entry_of,
    watched_of,
)

POSITION_PREFIX_CHARS = 1 + 3 + 14
"""Characters of a queue position before the name: command_priority, priority, age."""
AGE_CHARS = 14
_LOWEST_POINTS = 100
PIECE_ENTRIES, PIECE_MS = 50, 30 * 86_400_000
"""The edges, and the ms, after which a ledger's next piece begins. A piece expires as a whole."""


def name_of(key: StreamKey) -> str:
    """Return a text that sorts like the key."""
    return f"{key.domain}\0{key.app}\0{key.stream}"


def pieces_of(key: StreamKey) -> tuple[str, str]:
    """Return the two ends of a range for ZRANGEBYLEX. The range holds the names under which the
    pieces of the stream's ledger are stored."""
    return f"[{name_of(key)}\0", f"({name_of(key)}\1"


def key_of(member: str) -> StreamKey:
    """Parse the key from the text that `name_of` returns. Old releases wrote some texts with one
    NUL too many. This NUL becomes a part of the stream's name, so that a list with such a text can
    be read all the same."""
    return StreamKey(*member.split("\0", 2))


def encode_save(save: Save, interval: float) -> str:
    """Return the save as JSON, in the form that `save_or_claim.lua` reads."""
    domain = save.key.domain
    request = {
        "token": secrets.token_hex(8),
        "member": name_of(save.key),
        "domain": domain,
        "forgets": save.if_no_slot.is_blank,
        "keep_ms": save.keep_ms,
        "must_fit": save.must_fit,
        "version": save.version,
        "clock_at_least": save.decided_at - STEP_MS,
        "slot_wait_ms": save.slot_wait_ms,
        "lease_ms": save.lease_ms,
        "interval": interval,
        "queue_position": _queue_position(save),
        "rule": save.quota.rule,
        "scopes": list(_scopes(save.quota)),
        "if_no_slot": _variant(save.if_no_slot, due_at(save.if_no_slot)),
        "entries": [_entry(entry) for entry in save.entries],
        "no_quota": f"{Reason.NO_QUOTA.value} {entry_to_json(HistoryEntry(Reason.NO_QUOTA))}",
        "files": [_file(file) for file in save.files],
        "edges": [edge_to_text(edge) for edge in save.edges],
        "edges_over_quota": [edge_to_text(edge) for edge in save.edges_over_quota],
        "keep_ledger_ms": save.keep_ledger_ms,
        "counts": list(save.counts.items()),
        "piece_edges": PIECE_ENTRIES,
        "piece_ms": PIECE_MS,
        "max_pieces": LEDGER_MAX_ENTRIES // PIECE_ENTRIES,
        "age_chars": AGE_CHARS,
        "start_priority": str(PRIORITY_OF[Command.START]),
        "recheck_ms": RECHECK_MS,
        "history_max_entries": HISTORY_MAX_ENTRIES,
    }
    if save.tasks or save.tasks_over_quota:
        request["tasks"] = _rows(save.key, save.tasks)
        request["tasks_over_quota"] = _rows(save.key, save.tasks_over_quota)
        request["outbox_max_bytes"] = OUTBOX_MAX_BYTES
    if save.sets_aside:
        request["sets_aside"] = True
    if save.if_slot:
        request["if_slot"] = _variant(save.if_slot, due_at(replace(save.if_slot, flight=None)))
    if save.if_no_quota:
        request["if_no_quota"] = _variant(
            save.if_no_quota, due_at(replace(save.if_no_quota, pending=None))
        )
    return msgspec.json.encode(request).decode()


def _queue_position(save: Save) -> str:
    """Return the text by which the engine sorts the queue: more urgent commands first; among equals
    the older one."""
    since = save.if_no_slot.pending.since if save.if_no_slot.pending else 0
    points = 2 * _LOWEST_POINTS - queue_priority(save.if_no_slot, save.quota.priority)
    return f"{points:03d}{since:0{AGE_CHARS}d}{name_of(save.key)}"


def _scopes(quota: ConcurrencyQuota) -> Iterator[tuple[str, int]]:
    if quota.of_rule is not None:
        yield f"rule:{quota.rule}", quota.of_rule
    if quota.of_account is not None:
        yield "account", quota.of_account


def _variant(record: StreamRecord, due: int | None) -> dict[str, object]:
    """Return one variant of the save, as the script takes it. `due` is in ms; None for never. The
    script adds the end of the lease and the next check of the quota."""
    watched = watched_of(record)
    variant: dict[str, object] = {
        "document": to_json(record),
        "phase": phase(record).value,
        "command_priority": str(command_priority(record)),
        "takes": counts_against_quota(record),
        "ends_at": str(ends_at(record)),
    }
    if due is not None:
        variant["due"] = due
    if (wrong_at := wrong_since(record)) is not None:
        variant["wrong"] = wrong_at
    if record.is_watched:
        variant["watched"] = f"{watched.listed or ''} {watched.doubted:d}"
    return variant


def _entry(entry: HistoryEntry) -> str:
    return f"{entry.code.value} {entry_to_json(entry)}"


def _rows(key: StreamKey, tasks: Sequence[NewTask]) -> list[dict[str, object]]:
    """Return the rows of new tasks, without their times and sequence, which the engine adds."""
    return [_task(task, name_of(key)) for task in tasks]


def _task(task: NewTask, stream: str) -> dict[str, object]:
    row = {"kind": task.queue, "stream": stream, "body": task.body, "attempts": 0}
    known = {"id": task.id, "of_file": task.of_file}
    return {**known, "row": {**row, "version": 1, "why": "", "size": task.size_bytes}}


def encode_tasks(tasks: Sequence[NewTask], key: StreamKey) -> str:
    """Return new tasks of a stream as JSON, in the form that the scripts read."""
    return msgspec.json.encode(_rows(key, tasks)).decode()


def encode_settled(settled: Sequence[tuple[Task, Settlement]]) -> str:
    """Return the results of tasks as JSON, in the form that settle_tasks.lua reads."""
    return msgspec.json.encode([_settled(task, each) for task, each in settled]).decode()


def _settled(task: Task, settled: Settlement) -> dict[str, object]:
    key = task.stream
    return {
        "id": task.id,
        "version": task.version,
        "next": settled.next.value,
        "retry_in_ms": settled.retry_in_ms,
        "why": settled.why,
        "own_uri": own_uri_of(key, settled.uri),
        "uri": uri_of(key.domain, settled.uri),
        "verdict": verdict_to_text(settled.verdict) if settled.verdict else "",
        "kind": settled.kind,
        "body": settled.body,
        "size": size_of(settled.body),
        "tasks": _rows(key, settled.tasks),
    }


class _TaskRow(Struct, frozen=True):
    kind: str
    stream: str
    body: str
    made_at: int
    due_at: int
    attempts: int
    version: int
    why: str
    sequence: int = 0


def task_of(task_id: str, row: str) -> Task | None:
    """Parse the row of a task; return None if it cannot be read."""
    try:
        kept = decode(row, _TaskRow)
    except Undecodable:
        return None
    times = (kept.made_at, kept.due_at, kept.attempts, kept.version)
    stream = key_of(kept.stream)
    return Task(task_id, kept.kind, stream, kept.body, *times, kept.why, kept.sequence)


_MS, _UNKNOWN = "ms", "-"


def _file(file: File) -> dict[str, str]:
    start, stop, duration = (
        _UNKNOWN if ms is None else str(ms) for ms in (file.start, file.stop, file.duration)
    )
    args = urlencode(file.push_args) or _UNKNOWN
    known = {"name": file.uri, "start": start, "stop": stop, "duration": duration, "args": args}
    return {**known, "entry": _entry(entry_of(file))}


def uri_of(domain: str, uri: str) -> str:
    return f"{domain}\0{uri}"


def own_uri_of(key: StreamKey, uri: str) -> str:
    """Return the name under which a file of this stream is stored if its uri was reported for
    another stream first."""
    return f"{uri_of(key.domain, uri)}\0{name_of(key)}"


def file_of(member: str, at: str, known: str | None) -> File:
    """Build a file from what the engine stores. `member` and its score `at` are in the stream's
    sorted set. `known` holds the details: "start stop duration stored", then "args" if there are
    any. An earlier release wrote only "<duration>ms" or "1"."""
    uri, (first, *more) = member[AGE_CHARS:], (known or "").split(" ")
    if more:
        start, stop, duration = (None if ms == _UNKNOWN else int(ms) for ms in (first, *more[:2]))
        return File(uri, start, stop, duration, push_args_of(*more[3:]))
    lasted = int(first.removesuffix(_MS)) if first.endswith(_MS) else None
    return File(uri, int(member[:AGE_CHARS]) or None, int(at) or None, lasted)


def push_args_of(kept: str = _UNKNOWN) -> PushArgs:
    """Parse the arguments of the push URL from their stored text, a query string; "-" stands for
    none."""
    return () if kept == _UNKNOWN else tuple(parse_qsl(kept, keep_blank_values=True))
