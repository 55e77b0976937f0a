"""Empties a store as FLUSHALL does, under those who use it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

from shared.store import Store
from shared.store.redis import RedisStore
from shared.store.sqlite import SqliteStore
from tests.simulation.memory import MemoryStore, Shared


def empty(store: Store) -> None:
    kept: Any = store
    if isinstance(kept, SqliteStore):
        with kept._writing() as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
            for (table,) in tables:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
    elif isinstance(kept, RedisStore):
        for key in cast("list[str]", kept._do("KEYS", f"{kept._prefix}*")):
            kept._do("DEL", key)
    else:
        empty_memory(cast("MemoryStore", kept).shared)


def empty_memory(shared: Shared) -> None:
    fresh = Shared()
    for field in fields(Shared):
        if field.name != "lock":
            setattr(shared, field.name, getattr(fresh, field.name))
