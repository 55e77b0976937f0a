"""A stored record that this release cannot read, in each engine."""

from __future__ import annotations

from typing import Any

from shared.protocol import StreamKey
from shared.store import Store
from shared.store.redis import RedisStore
from shared.store.sqlite import SqliteStore
from tests.simulation.memory import MemoryStore

LATER_STATE = (
    '{"format":1,"record":{"key":{"domain":"live.example.com","app":"app","stream":"room1"},'
    '"session":{"number":1,"opened_at":1,"state":"resting"}}}'
)
"""A record in a state that only a later release knows."""


def break_record(store: Store | MemoryStore, key: StreamKey, document: str = LATER_STATE) -> None:
    if isinstance(store, SqliteStore):
        with store._writing() as db:
            where = " WHERE domain=? AND app=? AND stream=?"
            row = (document, key.domain, key.app, key.stream)
            db.execute(f"UPDATE record SET document=?{where}", row)  # noqa: S608 - a constant
    elif isinstance(store, RedisStore):
        store._do("HSET", store._of("record", key), "document", document)
    else:
        assert store.break_record(key)


def set_aside(store: Store, key: StreamKey) -> Any:  # noqa: ANN401 - a text, or None
    """Return the document that was replaced although nobody could read it."""
    if isinstance(store, SqliteStore):
        with store._reading() as db:
            where = " WHERE domain=? AND app=? AND stream=?"
            found = db.execute(
                f"SELECT aside FROM record{where}",  # noqa: S608 - a constant
                (key.domain, key.app, key.stream),
            )
            return found.fetchone()[0]
    assert isinstance(store, RedisStore)
    return store._do("HGET", store._of("record", key), "aside")
