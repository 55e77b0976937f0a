"""What stood at Live before setup changed it: a file for each stage, written before each change.

It holds the keys of callbacks, since --undo has to put them back: only its owner can read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cli import stage_registry
from cli.errors import Failure
from cli.setup.configurations import ConfigTarget, Value

FORMAT = 1


@dataclass(slots=True)
class Entry:
    """`before` is what stood there when setup first came by, `after` what it put there last."""

    target: ConfigTarget
    before: Value | None = field(repr=False)
    after: Value | None = field(repr=False)


@dataclass(slots=True)
class Backup:
    """`forward` are the addresses that a take-over put into forward_to, by kind of callback."""

    path: Path
    url: str
    entries: list[Entry] = field(default_factory=list)
    forward: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.entries and not self.forward

    def before(self, target: ConfigTarget, now: Value | None, after: Value | None) -> None:
        """To be called, and stored, before `after` is put there. The first `before` stays."""
        for entry in self.entries:
            if entry.target == target:
                entry.after = after
                break
        else:
            self.entries.append(Entry(target, now, after))
        self.store()

    def drop(self, entry: Entry) -> None:
        self.entries.remove(entry)
        self.store()

    def store(self) -> None:
        """Whole or not at all, and on the disk when this returns."""
        if self.is_empty:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with open(draft, "w", encoding="utf-8", opener=_private) as file:
            json.dump(self._document(), file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def _document(self) -> dict[str, Any]:
        entries = [asdict(entry) for entry in self.entries]
        return {"format": FORMAT, "url": self.url, "forward": self.forward, "entries": entries}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def load_backup(name: str, url: str) -> Backup:
    """`name` is a stage's."""
    path = stage_registry.path().parent / "setup" / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Backup(path, url)
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    if document.get("format") != FORMAT or document.get("url") != url:
        raise Failure(
            f"{path} is about the stage at {document.get('url')}, not {url}: undo that one first,"
            " or move the file away"
        )
    entries = [_entry(row) for row in document["entries"]]
    return Backup(path, url, entries, dict(document["forward"]))


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(ConfigTarget(**row["target"]), row["before"], row["after"])
