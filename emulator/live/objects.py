"""The contents of the buckets: a folder for each bucket.

recorded_files.py writes objects; object_server.py reads them.
It must never return a path outside a bucket's folder.
"""

from __future__ import annotations

import itertools
import secrets
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from urllib.parse import quote

DRAFTS = ".drafts"
"""Recordings that are not objects yet; no bucket's name begins with a dot."""


class Outside(Exception):
    """The name points outside its bucket, or is no valid name."""


class Objects:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._run, self._numbers = secrets.token_hex(4), itertools.count(1)

    def draft(self) -> Path:
        """Return a new path for a recording that has no name yet; no other emulator uses it."""
        return self.folder / DRAFTS / f"{self._run}-{next(self._numbers)}.flv"

    def sweep(self) -> None:
        """Remove the drafts of emulators that have ended; a draft in use is locked."""
        for draft in (self.folder / DRAFTS).glob("*.flv"):
            with suppress(OSError), draft.open("rb") as file:
                flock(file, LOCK_EX | LOCK_NB)
                draft.unlink()

    def path(self, bucket: str, key: str) -> Path:
        """Return an object's path; raise Outside."""
        parts = [bucket, *key.split("/")]
        is_a_name = not bucket.startswith(".") and "/" not in bucket
        if not is_a_name or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise Outside(f"{quote(bucket)}/{quote(key)} is no name of an object")
        found = self.folder.joinpath(*parts).resolve()
        if not found.is_relative_to(self.folder / bucket):
            raise Outside(f"{quote(bucket)}/{quote(key)} leads out of its bucket")
        return found

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the names of the bucket's objects that begin with `prefix`."""
        folder = self.folder / bucket
        found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(prefix))

    def keep(self, draft: Path, bucket: str, key: str) -> Path:
        """Turn the draft into an object; raise Outside or OSError."""
        path = self.path(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return draft.replace(path)

    def free_key(self, bucket: str, key: str) -> str:
        """Return the key, with a number added if an object has it already."""
        stem, dot, container = key.rpartition(".")
        others = (f"{stem}-{number}{dot}{container}" for number in itertools.count(2))
        names = itertools.chain([key], others)
        return next(name for name in names if not self.path(bucket, name).exists())
