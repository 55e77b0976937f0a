"""The address that the test picture is pushed to, with a signature if the ingest domain demands
one.

The rehearsal calls this module. The address may hold a signature, and must not be printed.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlencode

from shared.protocol import StreamKey


def push_url(base: str, key: StreamKey, *, ingest: str, push_key: str, at_s: int) -> str:
    """Return the push URL of a stream at `base`, such as rtmp://push.example.com; if `base` is
    empty, at the ingest domain. With a `push_key`, sign the URL by Live's type A, at the time
    `at_s`.

    If `base` does not contain the ingest domain, the query names it as `vhost`, for the emulator.
    """
    base = base.rstrip("/") or f"rtmp://{ingest}"
    query = {} if ingest in base else {"vhost": ingest}
    if push_key:
        query["auth_key"] = _signature(f"/{key.app}/{key.stream}", push_key, at_s)
    path = f"{base}/{quote(key.app)}/{quote(key.stream)}"
    return f"{path}?{urlencode(query)}" if query else path


def _signature(path: str, push_key: str, at_s: int) -> str:
    signed = f"{at_s}-0-0"
    digest = hashlib.md5(f"{path}-{signed}-{push_key}".encode()).hexdigest()  # noqa: S324 - Live's own
    return f"{signed}-{digest}"
