"""Sets a store back to an earlier copy of its data, as a fail-over or a restored file does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import fields
from typing import Any, cast

from shared.store import Store
from shared.store.redis import RedisStore
from shared.store.sqlite import SqliteStore
from tests.simulation.memory import MemoryStore, Shared
from tests.support.emptied_store import empty


def copied(store: Store) -> Callable[[], None]:
    """Copy the store's data. Return a function that sets the store back to the copy, once."""
    kept: Any = store
    if isinstance(kept, SqliteStore):
        return _copied_file(kept)
    if isinstance(kept, RedisStore):
        return _copied_keys(kept)
    return _copied_memory(cast("MemoryStore", kept).shared)


def _copied_file(store: SqliteStore) -> Callable[[], None]:
    copy = sqlite3.connect(":memory:")
    with store._reading() as db:
        db.backup(copy)

    def set_back() -> None:
        with closing(copy), store._reading() as db:
            copy.backup(db)

    return set_back


def _copied_keys(store: RedisStore) -> Callable[[], None]:
    keys = cast("list[str]", store._do("KEYS", f"{store._prefix}*"))
    for key in keys:
        store._do("COPY", key, f"copy:{key}")

    def set_back() -> None:
        empty(cast("Store", store))
        for key in keys:
            store._do("RENAME", f"copy:{key}", key)

    return set_back


def _copied_memory(shared: Shared) -> Callable[[], None]:
    names = [field.name for field in fields(Shared) if field.name != "lock"]
    copy = {name: deepcopy(getattr(shared, name)) for name in names}

    def set_back() -> None:
        for name, value in copy.items():
            setattr(shared, name, value)

    return set_back
