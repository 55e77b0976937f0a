"""The backup of Live's configuration: a file that is written before each change.

`setup`, `emergency`, `try` and `probe` write such files and restore from them. A file holds
callback keys, because undo has to set them again: only its owner may be able to read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from gettext import gettext as _
from pathlib import Path
from typing import Any

from cli import stage_registry
from cli.errors import Failure, unreadable
from cli.setup.configurations import ConfigTarget, Value

FORMAT = 2
"""The version of the file's format; in 2, `place` of an entry was renamed to `target`."""


@dataclass(slots=True)
class Entry:
    """One target: `before` is its value before the first setup, `after` the last one written. None
    means that the configuration does not exist."""

    target: ConfigTarget
    before: Value | None = field(repr=False)
    after: Value | None = field(repr=False)


@dataclass(slots=True)
class Backup:
    """One backup. `url` is the address of the stage that `setup` or `probe` was called for. For
    `emergency` and `try`, which need no stage, `url` is the address of Live.

    `forward` holds the addresses that a take-over added to forward_to, by kind of callback.
    """

    path: Path
    url: str
    entries: list[Entry] = field(default_factory=list)
    forward: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.entries and not self.forward

    def before(self, target: ConfigTarget, now: Value | None, after: Value | None) -> None:
        """Store `now`, the target's value in Live. Call this before `after` is written to Live. If
        the backup has a value of the target already, that one stays."""
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
        """Write the file atomically and flush it to the disk; remove it if nothing is left."""
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
    """Return the backup with this name; an empty one if there is no file.

    Raise Failure if the file is unreadable, of another release, or for another `url`.
    """
    path = stage_registry.path().parent / "setup" / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Backup(path, url)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if document.get("format") != FORMAT:
        sentence = _(
            "{file} was written by another release of live-record. Undo its changes with that"
            " release, or move the file away."
        )
        raise Failure(sentence.format(file=path))
    if document.get("url") != url:
        sentence = _(
            "{file} is about the stage at {other}, not {url}. Undo the setup of that stage first,"
            " or move the file away."
        )
        raise Failure(sentence.format(file=path, other=document.get("url"), url=url))
    entries = [_entry(row) for row in document["entries"]]
    return Backup(path, url, entries, dict(document["forward"]))


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(ConfigTarget(**row["target"]), row["before"], row["after"])
