"""Computes fingerprints of a stage's secrets, so that a rollback can warn of older secrets that it
would put in force again.

The deploy writes them into the description of each version. A fingerprint is 24 bits of a digest:
too few to find a secret, enough to see that it changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Final

from shared.config.settings import PREFIX

SECRETS: Final = (
    "STORE",
    "API_TOKENS",
    "STREAM_KEYS",
    "RECORD_KEYS",
    "PATH_TOKENS",
    "WAKE_KEY",
    "RELAY_KEY",
    "WEBHOOK_SECRETS",
    "ROBOTS",
    "DELIVER_CREDENTIALS",
    "HEARTBEAT_URL",
)
"""In the order of the fingerprints, which have no names: a description has little room. Add a new
secret at the end only."""
_CHARS: Final = 6
_NONE: Final = "-"
_ALL: Final = re.compile(r" secrets: ((?:[0-9a-f]{6}|-)(?:\.(?:[0-9a-f]{6}|-))*)(?!\S)")


def fingerprints(environment: Mapping[str, str]) -> str:
    """Return the fingerprints of the stage's secrets, with dots between them, and `-` in place of
    an empty secret."""
    return ".".join(_of(name, environment.get(PREFIX + name, "").strip()) for name in SECRETS)


def _of(name: str, value: str) -> str:
    return hashlib.sha256(f"{name}={value}".encode()).hexdigest()[:_CHARS] if value else _NONE


def changed(serving: str, before: str) -> list[str] | None:
    """Return the variables whose secrets differ between two versions; `serving` and `before` are
    the descriptions of these versions. A secret for which a description has no fingerprint counts
    as empty. Return None if one of the descriptions has no fingerprints at all."""
    found = [_ALL.search(description) for description in (serving, before)]
    now, then = (each[1].split(".") if each else [] for each in found)
    if not now or not then:
        return None
    rows = zip_longest(SECRETS, now[: len(SECRETS)], then[: len(SECRETS)], fillvalue=_NONE)
    return [PREFIX + name for name, new, old in rows if new != old]
