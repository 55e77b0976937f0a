"""The last part of the callback URLs: a token for each kind of callback, made of one secret.

The callback functions compare with it, `live-record setup` gives it to Live, and the log hides it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal

CallbackKind = Literal["stream", "record", "on-demand"]
KINDS: tuple[CallbackKind, ...] = ("stream", "record", "on-demand")
TOKEN_CHARS = 32


def path_token_of(kind: CallbackKind, secret: str) -> str:
    """Return the token of one kind: whoever learns the URL of one kind knows those of no other."""
    key, about = secret.encode("utf-8", "surrogatepass"), f"callback path: {kind}".encode()
    return hmac.new(key, about, hashlib.sha256).hexdigest()[:TOKEN_CHARS]


def path_tokens_of(secrets: Sequence[str]) -> list[str]:
    """Return the tokens of all kinds."""
    return [path_token_of(kind, secret) for kind in KINDS for secret in secrets]
