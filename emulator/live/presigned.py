"""The check of presigned URLs: version 4, with everything in the query.

object_server.py calls it for each download.
It must not read objects.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from emulator.live.account import Account
from emulator.live.clock import Clock
from emulator.live.oss import Denied

SCHEME, SIGNATURE = "OSS4-HMAC-SHA256", "x-oss-signature"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"


def check(account: Account, method: str, target: str, clock: Clock) -> None:
    """Raise Denied if the URL's signature is wrong or expired. An unsigned URL passes.

    An SDK dates a signature by real time. The validity begins at the time that the development
    clock showed then.
    """
    path, _, query = target.partition("?")
    params = dict(parse_qsl(query))
    if SIGNATURE not in params:
        return
    access_key, _, scope = params.get("x-oss-credential", "").partition("/")
    credential = account.credential(access_key)
    if credential is None:
        raise Denied("InvalidAccessKeyId")
    key = b"aliyun_v4" + credential.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = _string_to_sign(method, path, query, scope, params)
    wanted = hmac.digest(key, text.encode(), "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), params[SIGNATURE].encode()):
        raise Denied("SignatureDoesNotMatch")
    began, lasts = _validity_s(params)
    if clock.now_ms() > clock.shown_at_ms(began) + 1000 * lasts:
        raise Denied("AccessDenied")


def _string_to_sign(method: str, path: str, query: str, scope: str, params: dict[str, str]) -> str:
    parts = sorted(pair for pair in query.split("&") if not pair.startswith(f"{SIGNATURE}="))
    wanted = [method, path, "&".join(parts), "", "", "UNSIGNED-PAYLOAD"]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    return f"{SCHEME}\n{params.get('x-oss-date', '')}\n{scope}\n{digest}"


def _validity_s(params: dict[str, str]) -> tuple[int, int]:
    """Return when the URL was signed and how long it is valid, in s."""
    try:
        began = datetime.strptime(params["x-oss-date"], DATE_FORMAT).replace(tzinfo=timezone.utc)
        return int(began.timestamp()), int(params["x-oss-expires"])
    except (KeyError, ValueError, OverflowError):
        raise Denied("AccessDenied") from None
