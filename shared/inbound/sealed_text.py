"""Seals text, so that its holder can hand it back but not read it.

The HTTP API gives lists page by page, and the cursor of the next page names a stream. If the
caller's token may not know that stream, the API seals the cursor.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_MARK = "~"
"""The first character of every sealed cursor, and of no other."""
_SUM_BYTES = 16


def is_sealed(text: str) -> bool:
    return text.startswith(_MARK)


def seal(text: str, key: bytes) -> str:
    """Return the sealed text, which only a holder of the key can make or read. The same text and
    key always give the same result."""
    plain = text.encode()
    checksum = _checksum(plain, key)
    return _MARK + base64.urlsafe_b64encode(checksum + _crossed(plain, checksum, key)).decode()


def unseal(text: str, key: bytes) -> str:
    """Return the text that `seal` has sealed with this key. Raise ValueError for any other
    `text`."""
    sealed = base64.urlsafe_b64decode(text.removeprefix(_MARK).encode("ascii"))
    checksum, crossed = sealed[:_SUM_BYTES], sealed[_SUM_BYTES:]
    plain = _crossed(crossed, checksum, key)
    if not hmac.compare_digest(checksum, _checksum(plain, key)):
        raise ValueError("the text was sealed with another key, or was changed")
    return plain.decode()


def _checksum(plain: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"sum" + plain, "sha256")[:_SUM_BYTES]


def _crossed(text: bytes, checksum: bytes, key: bytes) -> bytes:
    """Return text XOR a key stream; applying it twice gives the text back. The key stream depends
    on the text's checksum, so two different texts do not share one."""
    stream = hashlib.shake_256(key + checksum).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
