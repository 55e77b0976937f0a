"""Translates an error of Redis into a code that people see, and tells after which errors to try
another node.

The connection and RedisStore use this module. It reads errors of the client and connects to
nothing.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

NO_PERMISSION, OUT_OF_MEMORY = "store_no_permission", "store_out_of_memory"
ANSWERS = {
    "NOAUTH": "store_needs_password",
    "WRONGPASS": "store_wrong_password",
    "NOPERM": NO_PERMISSION,
    "LOADING": "store_loading",
    "READONLY": "store_read_only",
    "OOM": OUT_OF_MEMORY,
    "MISCONF": "store_disk",
    "CLUSTERDOWN": "store_cluster_down",
    "MASTERDOWN": "store_primary_down",
    "BUSY": "store_busy_script",
    "NOREPLICAS": "store_no_replicas",
    "TRYAGAIN": "store_moving",
    "ASK": "store_moving",
    "MOVED": "store_moving",
    "DENIED": "store_protected",
}
"""The problem, by the first word of the answer; docs/errors.md lists them."""
TEXTS = {
    "max number of clients": "store_too_many_clients",
    "max number of cluster connections": "store_too_many_clients",
    "unauthenticated": "store_needs_password",  # the answer to a long command
    "invalid password": "store_wrong_password",
    "invalid username-password": "store_wrong_password",
    "without any password configured": "store_wrong_password",
    "DB index is out of range": "store_no_database",
    "invalid DB index": "store_no_database",
    "SELECT is not allowed": "store_no_database",
    "unknown command": "store_unknown_command",
    "bad lua script": "store_script_refused",
    "connection closed by server": "store_closed",
    "connecting to": "store_unreachable",
}
"""The problem, by a part of an answer that begins with ERR, or of the client's own text."""
REFUSED, SILENT = "store_refused", "store_unavailable"
PROBLEMS = frozenset(
    [
        *ANSWERS.values(),
        *TEXTS.values(),
        *(REFUSED, SILENT, "store_unknown_host", "store_tls_file"),
        *("store_tls", "store_untrusted", "store_wrong_name"),
    ]
)
AWAY = frozenset(["store_unreachable", "store_closed", SILENT])
"""The problems that mean that nobody answered. Another try would take time and show nothing new."""
ELSEWHERE = frozenset(
    [
        *("store_read_only", "store_loading", "store_cluster_down", "store_primary_down"),
        *("store_moving", "store_no_replicas", "store_too_many_clients"),
    ]
)
"""The problems after which to try another node: the one that answered has done nothing."""
_CODE = re.compile(rf"(?:^|-)({'|'.join(ANSWERS)})\b")
"""Up to Redis 6, a script's error has its code in the middle, after a hyphen."""
_OTHER_NAME = frozenset([62, 64])
"""OpenSSL's codes for a certificate of another name: X509_V_ERR_HOSTNAME_MISMATCH,
X509_V_ERR_IP_ADDRESS_MISMATCH."""


def problem_of(error: BaseException) -> str:
    """Return the code, one of PROBLEMS, under which people see this error."""
    return next(filter(None, map(_of_system, _causes(error))), "") or _of_text(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: the client wraps an error of the system in its own."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _of_system(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "store_wrong_name" if error.verify_code in _OTHER_NAME else "store_untrusted"
    if isinstance(error, ssl.SSLError):
        return "store_tls"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return "store_tls_file"
    return "store_unknown_host" if isinstance(error, socket.gaierror) else ""


def _of_text(error: BaseException) -> str:
    """Return the problem, by the words of the engine or of the client."""
    text = f"{getattr(error, 'status_code', None) or ''} {error}".strip()
    found = _CODE.search(text)
    if found:
        return ANSWERS[found[1]]
    named = (problem for part, problem in TEXTS.items() if part.lower() in text.lower())
    return next(named, REFUSED if _is_answer(error) else SILENT)


def _is_answer(error: BaseException) -> bool:
    return any(kind.__name__ == "ResponseError" for kind in type(error).__mro__)
