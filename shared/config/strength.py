"""Finds secrets of a stage that somebody could guess or knows already.

The settings call it for every stage except the emulator's. It never quotes a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shared.config.tokens import LEAST_CHARS, Tokens, digest_of

MAKE_ONE: Final = "make one of your own: `openssl rand -hex 16`"
_TOKENS: Final = "API_TOKENS"
_OF_DEVELOPMENT: Final = ("dev-", "whsec_ZGV2L")
"""The beginnings of the development account's secrets. The second is the base64 of the first."""


def weaknesses(secrets: Mapping[str, Sequence[str]], tokens: Tokens) -> Iterator[tuple[str, str]]:
    """Yield a setting's name and a text for each fault. A fault is a secret of the development
    account, a short secret, or a secret that is used twice. The text says what is wrong and what to
    do. `secrets` holds the secrets of each setting by the setting's name; `tokens` are those of
    API_TOKENS."""
    for name, values in secrets.items():
        if any(value.startswith(_OF_DEVELOPMENT) for value in values):
            yield name, f"is a development secret: {MAKE_ONE}"
        if any(0 < len(value) < LEAST_CHARS for value in values):
            yield name, f"has fewer than {LEAST_CHARS} characters: {MAKE_ONE}"
    if tokens.has("dev-token"):
        yield _TOKENS, f"holds a development secret: {MAKE_ONE}"
    for token in tokens.tokens:
        if token.is_short:
            caller = token.caller.name
            detail = f"the token of {caller} has fewer than {LEAST_CHARS} characters: {MAKE_ONE}"
            yield _TOKENS, detail
    yield from _repeated(secrets, tokens)


def _repeated(secrets: Mapping[str, Sequence[str]], tokens: Tokens) -> Iterator[tuple[str, str]]:
    """Yield a fault for each secret that is used twice: anybody who knows a secret for one purpose
    could use it for the other."""
    used = [
        (name, digest_of(value)) for name, values in secrets.items() for value in values if value
    ]
    used += [(_TOKENS, token.digest) for token in tokens.tokens]
    first: dict[bytes, str] = {}
    for name, digest in used:
        if (other := first.get(digest)) == name:
            yield name, f"contains the same secret twice: {MAKE_ONE}"
        elif other is not None:
            yield name, f"contains a secret that {other} contains, too: {MAKE_ONE}"
        first.setdefault(digest, name)
