"""Console sessions: the content of the cookie, and its signature.

`token_cache` opens and checks sessions. A session is the name of a token, a time at which the
session ends, and a signature. It is not stored. The signature covers the token's digest, so the
session also ends if the token is changed or revoked.
"""

from __future__ import annotations

import hmac

from msgspec import Struct

from shared.config.tokens import Token, is_token_name

SESSION_MS = 8 * 3_600_000
"""How long a session lasts."""
SESSION_KEY = "console session key"
"""The name under which the store keeps the signing key."""
_MAX_COOKIE_CHARS = 200
_MAX_TIME_CHARS = 15


class ConsoleSession(Struct, frozen=True):
    """A session: the name of its token, the time in ms at which it ends (`until`), and its
    signature (`proof`)."""

    name: str
    until: int
    proof: str

    def is_of(self, token: Token, key: bytes, now: int) -> bool:
        """Return True if the signature shows that this token opened the session, and the session
        has not ended by `now`."""
        expected = _proof(token, self.until, key)
        is_proved = hmac.compare_digest(self.proof.encode(), expected.encode())
        return is_proved and now < self.until


def signed(token: Token, key: bytes, now: int) -> str:
    """Return the cookie text of a session of this token that begins at `now`, in ms. `key` signs
    it."""
    until = now + SESSION_MS
    return f"{token.caller.name}.{until}.{_proof(token, until, key)}"


def read_session(text: str) -> ConsoleSession | None:
    """Parse the cookie text, but do not check its signature. Return None for any other text."""
    name, _, rest = text[:_MAX_COOKIE_CHARS].rpartition(".")[0].rpartition(".")
    proof = text[:_MAX_COOKIE_CHARS].rpartition(".")[2]
    if not (is_token_name(name) and rest.isascii() and rest.isdecimal() and proof.isascii()):
        return None
    return ConsoleSession(name, int(rest), proof) if len(rest) <= _MAX_TIME_CHARS else None


def _proof(token: Token, until: int, key: bytes) -> str:
    content = f"{token.caller.name}\n{until}\n{token.digest.hex()}"
    return hmac.digest(key, content.encode(), "sha256").hex()
