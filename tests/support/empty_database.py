"""A store in a SQLite file that is new, but has its tables: to make them takes longer than most
tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.store import open_store


def sqlite_url(folder: Path) -> str:
    """Return the URL of the store in the folder's file, which is made if it does not exist yet."""
    file = folder / "records.db"
    if not file.exists():
        file.write_bytes(_empty())
    return f"sqlite:///{file}"


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder, "records.db")
        store = open_store(f"sqlite:///{file}", rate=50, clock=lambda: 0)
        store.schedules()
        store.close()
        return file.read_bytes()
