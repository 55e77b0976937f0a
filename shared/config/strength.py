"""Finds secrets of a stage that somebody could guess, or already knows.

The settings call it for every stage except the emulator's. It never quotes a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shared.config.tokens import LEAST_CHARS, Tokens, digest_of

_TOKENS: Final = "API_TOKENS"
_OF_DEVELOPMENT: Final = ("dev-", "whsec_ZGV2L")
"""The beginnings of the development account's secrets. The second is the base64 of the first."""


def weaknesses(secrets: Mapping[str, Sequence[str]], tokens: Tokens) -> Iterator[tuple[str, str]]:
    """Yield each fault: the name of the setting, and the fault in words."""
    for name, values in secrets.items():
        if any(value.startswith(_OF_DEVELOPMENT) for value in values):
            yield name, "is a development secret"
        if any(0 < len(value) < LEAST_CHARS for value in values):
            yield name, f"has fewer than {LEAST_CHARS} characters"
    if tokens.has("dev-token"):
        yield _TOKENS, "holds a development secret"
    for token in tokens.tokens:
        if token.is_short:
            yield _TOKENS, f"has fewer than {LEAST_CHARS} characters for {token.caller.name}"
    yield from _repeated(secrets, tokens)


def _repeated(secrets: Mapping[str, Sequence[str]], tokens: Tokens) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting whose secret another setting has, too: anybody who knows a
    secret for one purpose could use it for the other."""
    used = [
        (name, digest_of(value)) for name, values in secrets.items() for value in values if value
    ]
    used += [(_TOKENS, token.digest) for token in tokens.tokens]
    first: dict[bytes, str] = {}
    for name, digest in used:
        if digest in first:
            others = f"{first[digest]} also has" if first[digest] != name else "it has twice"
            yield name, f"has a secret that {others}"
        first.setdefault(digest, name)
