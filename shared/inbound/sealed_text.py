"""Text that its holder can hand back and cannot read.

A list gives it to a token that is bound to some streams: where a page ended may be another one's
stream.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_MARK = "~"
"""No other cursor begins with it."""
_SUM_BYTES = 16


def is_sealed(text: str) -> bool:
    return text.startswith(_MARK)


def seal(text: str, key: bytes) -> str:
    """Return the text, readable and writable only with the key; the same each time."""
    plain = text.encode()
    checksum = _checksum(plain, key)
    return _MARK + base64.urlsafe_b64encode(checksum + _crossed(plain, checksum, key)).decode()


def unseal(text: str, key: bytes) -> str:
    """Return the text that was sealed. Raise ValueError for any other."""
    sealed = base64.urlsafe_b64decode(text.removeprefix(_MARK).encode("ascii"))
    checksum, crossed = sealed[:_SUM_BYTES], sealed[_SUM_BYTES:]
    plain = _crossed(crossed, checksum, key)
    if not hmac.compare_digest(checksum, _checksum(plain, key)):
        raise ValueError("it was not sealed with this key")
    return plain.decode()


def _checksum(plain: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"sum" + plain, "sha256")[:_SUM_BYTES]


def _crossed(text: bytes, checksum: bytes, key: bytes) -> bytes:
    """Return text XOR a key stream of its own, which undoes itself. Two texts have the same stream
    only if they have the same checksum, that is, are the same."""
    stream = hashlib.shake_256(key + checksum).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
