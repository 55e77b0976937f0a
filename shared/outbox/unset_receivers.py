"""Robots, secrets and access keys that the policy names, and that the settings of the function
which needs them do not have.

The functions `notify` and `deliver` note them in each run, because no other function has these
settings; health and the alerts read the notes. This module sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from shared.decoding import Undecodable, decode

FUNCTIONS: Final = ("notify", "deliver")


class ReceiverNotes(Protocol):
    """What this module needs of the store."""

    def get_text(self, name: str) -> str | None: ...
    def set_text(self, name: str, text: str) -> None: ...


def unset(setting: str, named: Iterable[str], known: Iterable[str]) -> Sequence[str]:
    """Return the names that the policy uses (`named`) and the setting lacks (`known` has its
    names), each as a text for people: the name, and the setting in parentheses."""
    missing = set(named) - set(known)
    return [f"{name} ({setting})" for name in sorted(missing)]


def note(notes: ReceiverNotes, function: str, found: Sequence[str]) -> None:
    """Store what a run of the function has found, unless the last run found the same."""
    text = msgspec.json.encode(found).decode()
    if (notes.get_text(_name(function)) or "[]") != text:
        notes.set_text(_name(function), text)


def noted(notes: ReceiverNotes) -> Sequence[str]:
    """Return what the last runs of all these functions have found."""
    return [each for function in FUNCTIONS for each in _of(notes, function)]


def _of(notes: ReceiverNotes, function: str) -> tuple[str, ...]:
    try:
        return decode(notes.get_text(_name(function)) or "[]", tuple[str, ...])
    except Undecodable:
        return ()  # the function's next run writes it anew


def _name(function: str) -> str:
    return f"unset receivers:{function}"
