"""The API's tokens: which caller has which scopes, found by digest and in constant time.

The settings read them; `inbound.authorization` and the functions look callers up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

SCOPES = ("read", "control")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLEAR = re.compile(r"[!-+\--~]{8,256}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_HOW = "write it as name:read+control:token, or name:read:sha256:<hex>"


class Caller(NamedTuple):
    name: str
    scopes: frozenset[str]


class Token(Struct, frozen=True):
    """One token. Only its digest is kept, so that no dump of the settings can show the token."""

    caller: Caller
    digest: bytes

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Token({self.caller!r}, …)"


class Tokens(Struct, frozen=True):
    tokens: tuple[Token, ...] = ()

    def scopes(self, bearer: str) -> Caller | None:
        digest = digest_of(bearer)
        found = [token.caller for token in self.tokens if hmac.compare_digest(token.digest, digest)]
        return found[0] if found else None

    def has(self, token: str) -> bool:
        return self.scopes(token) is not None


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def read_tokens(text: str) -> Tokens:
    """Return the tokens. Raise ValueError, which quotes none of them, unless all can be used."""
    tokens = [_token(entry, n) for n, entry in enumerate(_entries(text), 1)]
    names = [token.caller.name for token in tokens]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"give each token a name of its own; {twice[0]} stands there twice")
    return Tokens(tuple(tokens))


def _entries(text: str) -> Sequence[str]:
    return [entry for entry in re.split(r"[,\s]+", text) if entry]


def _token(entry: str, n: int) -> Token:
    name, _, rest = entry.partition(":")
    scopes, _, secret = rest.partition(":")
    granted = frozenset(scopes.split("+"))
    if not _NAME.fullmatch(name) or not secret:
        raise ValueError(f"token {n}: {_HOW}")
    if not granted <= set(SCOPES):
        raise ValueError(f"token {n} ({name}): its scopes are {' and '.join(SCOPES)}, joined by +")
    return Token(Caller(name, granted), _digest(secret, f"token {n} ({name})"))


def _digest(secret: str, which: str) -> bytes:
    kind, _, value = secret.partition(":")
    if kind == "sha256":
        if not _DIGEST.fullmatch(value):
            raise ValueError(f"{which}: sha256: is followed by 64 hexadecimal digits")
        return bytes.fromhex(value)
    if not _CLEAR.fullmatch(secret):
        raise ValueError(f"{which}: a token has 8 to 256 visible ASCII characters and no comma")
    return digest_of(secret)
