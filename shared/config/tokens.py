"""The API's tokens: which caller has which scopes. A token is found by its digest, in constant
time.

The settings read those of the environment, `stored_tokens` those of the store; `token_cache` looks
callers up in both.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timezone

from msgspec import Struct

from shared.protocol.policy import Match
from shared.protocol.stream import StreamKey

SCOPES = ("read", "control", "policy", "tokens")
FOR_ALL_STREAMS = frozenset({"policy", "tokens"})
"""Scopes that a token bound to some streams cannot have."""
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CLEAR = r"[!-+\--~]{8,256}"
_DIGEST = r"[0-9a-fA-F]{64}"
LEAST_CHARS = 16
"""The least length of a secret: 64 bits if its characters are hexadecimal."""
_HOW = (
    "write it as name:read+control:token, or name:read:sha256:<hex>; before the second colon may"
    " stand @domain/app/stream globs, and ~2027-01-31 for its last day (UTC)"
)
_DAY_MS = 86_400_000


class Caller(Struct, frozen=True):
    """The owner of a token, and what the token allows. `only`: globs of the streams to which the
    token is bound; empty for all streams. `until`: when the token ends, in ms; None for never."""

    name: str
    scopes: frozenset[str]
    only: tuple[Match, ...] = ()
    until: int | None = None

    def may_reach(self, key: StreamKey) -> bool:
        """Return True if the token allows requests about this stream. If `key` is a pattern, return
        True only if the token allows requests about every stream that fits the pattern."""
        return not self.only or any(match.covers(key) for match in self.only)

    def may_reach_domain(self, domain: str) -> bool:
        """Return False if the token allows requests about no stream of the domain, else True."""
        return not self.only or any(match.is_of(domain) for match in self.only)


class Token(Struct, frozen=True):
    """One token. Only the digest of its text is kept, so that no dump of the settings can show the
    text. `is_short`: the text has fewer than LEAST_CHARS characters."""

    caller: Caller
    digest: bytes
    is_short: bool = False

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Token({self.caller!r}, …)"


class Tokens(Struct, frozen=True):
    tokens: tuple[Token, ...] = ()

    def caller_of(self, bearer: str) -> Caller | None:
        """Return the owner of the token with this text; None if there is no such token."""
        token = self.token_of(bearer)
        return token.caller if token else None

    def token_of(self, bearer: str) -> Token | None:
        """Return the token with this text; None if there is no such token."""
        digest = digest_of(bearer)
        found = [token for token in self.tokens if hmac.compare_digest(token.digest, digest)]
        return found[0] if found else None

    def named(self, name: str) -> Token | None:
        return next((token for token in self.tokens if token.caller.name == name), None)

    def has(self, token: str) -> bool:
        return self.caller_of(token) is not None


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


_OF_NOTHING = digest_of("")


def read_tokens(text: str) -> Tokens:
    """Parse the value of LIVE_RECORD_API_TOKENS: tokens such as `ann:read+control:SECRET`,
    separated by commas or spaces. If any of them cannot be used, raise ValueError with every fault;
    no fault quotes a token."""
    read = [_token_or_fault(entry, n) for n, entry in enumerate(_entries(text), 1)]
    tokens = [each for each in read if isinstance(each, Token)]
    faults = [each for each in read if isinstance(each, str)]
    names = [token.caller.name for token in tokens]
    faults += [
        f"give each token a name of its own: {name} is used twice"
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
    allowed, _, secret = rest.partition(":")
    if not is_token_name(name) or not secret:
        raise ValueError(f"token {n}: {_HOW}")
    which = f"token {n} ({name})"
    caller = _caller(name, allowed, which)
    kind, _, value = secret.partition(":")
    if kind == "sha256":
        return Token(caller, _digest(value, which))
    if not re.fullmatch(_CLEAR, secret):
        raise ValueError(f"{which}: a token has 8 to 256 visible ASCII characters and no comma")
    return Token(caller, digest_of(secret), is_short=len(secret) < LEAST_CHARS)


def _caller(name: str, allowed: str, which: str) -> Caller:
    """Parse scopes, streams and end, such as
    `read+control@live.example.com/brand-a/*~2027-01-31`."""
    bound, _, day = allowed.partition("~")
    scopes, *globs = bound.split("@")
    granted = frozenset(scopes.split("+"))
    if not granted <= set(SCOPES):
        raise ValueError(f"{which}: write scopes of {', '.join(SCOPES)}; join several by `+`")
    if globs and (unbound := granted & FOR_ALL_STREAMS):
        about = " and ".join(sorted(unbound))
        raise ValueError(
            f"{which}: a token with the scope {about} cannot be limited to some streams: leave out"
            " this scope, or `@` and the streams after it"
        )
    only = tuple(_glob(glob, which) for glob in globs)
    return Caller(name, granted, only, _end_of(day, which) if "~" in allowed else None)


def _glob(text: str, which: str) -> Match:
    try:
        return read_glob(text)
    except ValueError as error:
        raise ValueError(f"{which}: after `@`, {error}") from None


def is_token_name(text: str) -> bool:
    return re.fullmatch(NAME_PATTERN, text) is not None


def read_glob(text: str) -> Match:
    """Parse `domain/app/stream`, each part a name or a glob. Raise ValueError for any other
    text."""
    parts = text.split("/")
    if len(parts) != len(("domain", "app", "stream")) or not all(parts):
        raise ValueError("write `domain/app/stream`, each a name or a glob")
    return Match(*parts)


def read_digest(text: str) -> bytes:
    """Parse the SHA-256 of a token, written as 64 hexadecimal digits. Raise ValueError for any
    other text, and for the digest of an empty token."""
    if not re.fullmatch(_DIGEST, text):
        raise ValueError("write 64 hexadecimal digits")
    digest = bytes.fromhex(text)
    if digest == _OF_NOTHING:
        raise ValueError(
            "this is the digest of an empty text: make a token, and write the digest of that token"
        )
    return digest


def _end_of(day: str, which: str) -> int:
    """Return the end of the day, in ms."""
    try:
        at = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(
            f"{which}: write the token's last day after `~`, like `2027-01-31`"
        ) from None
    return round(at.timestamp() * 1000) + _DAY_MS


def _digest(text: str, which: str) -> bytes:
    try:
        return read_digest(text)
    except ValueError as error:
        raise ValueError(f"{which}: after `sha256:`, {error}") from None
