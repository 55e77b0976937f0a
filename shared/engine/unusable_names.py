"""Live streams that a rule or a schedule should record, but whose names no command can contain.

Reconcile notes them each time it reads an online list; health, the alerts and the list of streams
read the notes. This module decides nothing about a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from shared.decoding import Undecodable, decode
from shared.engine.step_marks import list_read
from shared.protocol.stream import StreamKey

MAX_NAMES_ENTRIES = 50
"""Streams that a note names; further ones are only counted."""
TOGETHER_MS = 2_000
"""A note belongs to the last reading of its list if both were written within this time."""


class Notes(Protocol):
    """What this module needs of the store."""

    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...
    def now(self) -> int: ...
    def get_text(self, name: str) -> str | None: ...
    def set_text(self, name: str, text: str) -> None: ...


class UnusableNames(Struct, frozen=True):
    """The streams of one domain, as its online list last showed them: how many since when (ms since
    the epoch, by the store's clock), and the first of them, written as `StreamKey` writes them for
    people."""

    since: int
    count: int
    streams: tuple[str, ...]


def note(notes: Notes, domain: str, found: Sequence[StreamKey]) -> None:
    """Store which streams the online list of a domain shows. Call this just before the time of the
    reading is noted (`list_read`). Without such streams nothing is written: an older note then no
    longer belongs to the last reading."""
    if not found:
        return
    name = _name(domain)
    ages = {each: notes.age_ms(each) for each in (name, list_read(domain))}
    known = _noted(notes, domain, {each: age for each, age in ages.items() if age is not None})
    since = known.since if known else notes.now()
    first = tuple(str(key) for key in sorted(found)[:MAX_NAMES_ENTRIES])
    text = msgspec.json.encode(UnusableNames(since, len(found), first)).decode()
    notes.set_text(name, text)
    notes.touch(name)


def noted(notes: Notes, domains: Iterable[str], ages: Mapping[str, int]) -> Iterator[UnusableNames]:
    """Yield, for each domain with such streams, what its online list last showed. `ages`: ms since
    each timestamp of the store was set."""
    for domain in domains:
        found = _noted(notes, domain, ages)
        if found is not None:
            yield found


def totals(found: Sequence[UnusableNames], now: int) -> tuple[int, int]:
    """Return how many such streams the domains have together, and since how many ms before `now`
    there have been some; 0 and 0 if there are none."""
    oldest_ms = max((now - each.since for each in found), default=0)
    return sum(each.count for each in found), max(oldest_ms, 0)


def _noted(notes: Notes, domain: str, ages: Mapping[str, int]) -> UnusableNames | None:
    noted_ms = ages.get(_name(domain))
    if noted_ms is None or noted_ms > ages.get(list_read(domain), noted_ms) + TOGETHER_MS:
        return None
    try:
        return decode(notes.get_text(_name(domain)) or "", UnusableNames)
    except Undecodable:
        return None  # the next reading of the list writes it anew


def _name(domain: str) -> str:
    """Return the name of the note, and of the timestamp at which it was written."""
    return f"unusable names:{domain}"
