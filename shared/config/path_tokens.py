"""Derives the path tokens: the secret last part of a callback URL, one for each kind of callback.

The callback functions check the token of each call, `live-record setup` gives the tokens to Live,
and the log hides them. All tokens are derived from one secret.
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


@lru_cache(maxsize=64)
def path_token_of(kind: CallbackKind, secret: str) -> str:
    """Return the token for one kind of callback. It reveals no other kind's token. The result is
    cached, because every callback needs it."""
    key, about = secret.encode("utf-8", "surrogatepass"), f"callback path: {kind}".encode()
    return hmac.new(key, about, hashlib.sha256).hexdigest()[:TOKEN_CHARS]


def kind_of_token(digest: bytes, secrets: Sequence[str]) -> CallbackKind | Literal["all"] | None:
    """Return the kind of callback for which the token with this SHA-256 is valid; None if the token
    is not ours. Return "all" for a secret itself: release 0.2 put the secret at the end of each
    URL."""
    for kind in KINDS:
        if _is_one(digest, [path_token_of(kind, secret) for secret in secrets]):
            return kind
    return "all" if _is_one(digest, secrets) else None


def _is_one(digest: bytes, tokens: Sequence[str]) -> bool:
    same = [hmac.compare_digest(hashlib.sha256(one.encode()).digest(), digest) for one in tokens]
    return any(same)


def path_tokens_of(secrets: Sequence[str]) -> list[str]:
    """Return the tokens of all kinds."""
    return [path_token_of(kind, secret) for kind in KINDS for secret in secrets]
