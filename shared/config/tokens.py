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
LEAST_CHARS = 16
"""Of a secret that nobody guesses: 64 bits, if its characters are hexadecimal."""
_HOW = "write it as name:read+control:token, or name:read:sha256:<hex>"


class Caller(NamedTuple):
    name: str
    scopes: frozenset[str]


class Token(Struct, frozen=True):
    """One token. Only its digest is kept, so that no dump of the settings can show the token."""

    caller: Caller
    digest: bytes
    is_short: bool = False

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


_OF_NOTHING = digest_of("")


def read_tokens(text: str) -> Tokens:
    """Return the tokens. Raise ValueError with every fault, which quotes none of them, unless all
    can be used."""
    read = [_token_or_fault(entry, n) for n, entry in enumerate(_entries(text), 1)]
    tokens = [each for each in read if isinstance(each, Token)]
    faults = [each for each in read if isinstance(each, str)]
    names = [token.caller.name for token in tokens]
    faults += [
        f"give each token a name of its own; {name} stands there twice"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return Tokens(tuple(tokens))


def _entries(text: str) -> Sequence[str]:
    return [entry for entry in re.split(r"[,\s]+", text) if entry]


def _token_or_fault(entry: str, n: int) -> Token | str:
    try:
        return _token(entry, n)
    except ValueError as error:
        return str(error)


def _token(entry: str, n: int) -> Token:
    name, _, rest = entry.partition(":")
    scopes, _, secret = rest.partition(":")
    granted = frozenset(scopes.split("+"))
    if not _NAME.fullmatch(name) or not secret:
        raise ValueError(f"token {n}: {_HOW}")
    if not granted <= set(SCOPES):
        raise ValueError(f"token {n} ({name}): its scopes are {' and '.join(SCOPES)}, joined by +")
    which, caller = f"token {n} ({name})", Caller(name, granted)
    kind, _, value = secret.partition(":")
    if kind == "sha256":
        return Token(caller, _digest(value, which))
    if not _CLEAR.fullmatch(secret):
        raise ValueError(f"{which}: a token has 8 to 256 visible ASCII characters and no comma")
    return Token(caller, digest_of(secret), is_short=len(secret) < LEAST_CHARS)


def _digest(text: str, which: str) -> bytes:
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"{which}: sha256: is followed by 64 hexadecimal digits")
    digest = bytes.fromhex(text)
    if digest == _OF_NOTHING:
        raise ValueError(f"{which}: sha256: is the digest of nothing; make a token and digest that")
    return digest
