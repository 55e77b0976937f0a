"""Derives the path tokens: the secret last part of a callback URL, one for each kind of callback.

The callback functions check the token of each call, `live-record setup` gives the tokens to Live,
and the log hides them. A secret of the stage gives one token for each kind.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

CallbackKind = Literal["stream", "record", "on-demand"]
KINDS: tuple[CallbackKind, ...] = ("stream", "record", "on-demand")
TOKEN_CHARS = 32


@lru_cache(maxsize=64)  # every callback needs it
def path_token_of(kind: CallbackKind, secret: str) -> str:
    """Return the token that the secret gives for one kind of callback. From this token, nobody can
    derive the token of another kind."""
    key, about = secret.encode("utf-8", "surrogatepass"), f"callback path: {kind}".encode()
    return hmac.new(key, about, hashlib.sha256).hexdigest()[:TOKEN_CHARS]


def kind_of_token(digest: bytes, secrets: Sequence[str]) -> CallbackKind | Literal["all"] | None:
    """Return the kind of callback for which a token is valid; `digest` is the SHA-256 of the token.
    Return None if none of the secrets gives this token. Return "all" if the token is a secret
    itself: release 0.2 put the secret at the end of each URL."""
    for kind in KINDS:
        if _is_one(digest, [path_token_of(kind, secret) for secret in secrets]):
            return kind
    return "all" if _is_one(digest, secrets) else None


def _is_one(digest: bytes, tokens: Sequence[str]) -> bool:
    same = [hmac.compare_digest(hashlib.sha256(one.encode()).digest(), digest) for one in tokens]
    return any(same)


def path_tokens_of(secrets: Sequence[str]) -> list[str]:
    """Return the tokens that these secrets give, for all kinds of callback."""
    return [path_token_of(kind, secret) for kind in KINDS for secret in secrets]
