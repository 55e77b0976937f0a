"""Computes fingerprints of a stage's secrets, so that a rollback can tell which secrets it would
revive.

The deploy writes them into the description of each version. A fingerprint is 24 bits of a digest:
too few to find a secret, enough to see that it changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
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
)
_CHARS: Final = 6
_ONE: Final = re.compile(r"\b([A-Z_]+)=([0-9a-f]{6}|-)(?!\S)")


def fingerprints(environment: Mapping[str, str]) -> str:
    """Return the fingerprint of each secret, `-` for one that is empty."""
    values = {name: environment.get(PREFIX + name, "").strip() for name in SECRETS}
    return " ".join(f"{name}={_of(name, value)}" for name, value in values.items())


def _of(name: str, value: str) -> str:
    return hashlib.sha256(f"{name}={value}".encode()).hexdigest()[:_CHARS] if value else "-"


def changed(serving: str, before: str) -> list[str] | None:
    """Return the variables whose secrets differ between two descriptions, None if one of them has
    no fingerprints."""
    now, then = dict(_ONE.findall(serving)), dict(_ONE.findall(before))
    if not now or not then:
        return None
    return [PREFIX + name for name in SECRETS if now.get(name, "-") != then.get(name, "-")]
