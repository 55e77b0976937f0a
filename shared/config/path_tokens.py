"""The last part of the callback URLs: a token for each kind of callback, made of one secret.

The callback functions compare with it, `live-record setup` gives it to Live, and the log hides it.
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
    """Return the token of one kind of callback. It reveals no token of another kind. It is kept:
    every callback asks for it."""
    key, about = secret.encode("utf-8", "surrogatepass"), f"callback path: {kind}".encode()
    return hmac.new(key, about, hashlib.sha256).hexdigest()[:TOKEN_CHARS]


def kind_of_token(digest: bytes, secrets: Sequence[str]) -> CallbackKind | Literal["all"] | None:
    """Return the kind of callback that the token of this SHA-256 is good for: "all" for a secret
    itself, with which release 0.2 ended each URL; None if it is not ours."""
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
