"""Reads the settings of a recording bucket through the official SDK of OSS.

Doctor checks these settings and calls bucket(), which only reads. `play` and `rehearse` call
client().
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from gettext import gettext as _
from typing import Any

from cli.account import LIVE_URL, Account, Declined
from cli.doctor.snapshot import Bucket
from shared.protocol.command_errors import LiveError, NeverSent

TIMEOUT_S = 5
"""Time limit for the connection, and again for the answer."""
NO_RULES, NO_CORS = "NoSuchLifecycle", "NoSuchCORSConfiguration"
ELSEWHERE = "WrongEndpoint"
"""Our own code for a bucket that is at another endpoint. OSS answers AccessDenied, and only its
message names the right endpoint."""


def bucket(account: Account, name: str, endpoint: str) -> Bucket:
    """Return the settings that OSS has for the bucket at this endpoint. Raise Declined if OSS
    refuses or does not answer."""
    import alibabacloud_oss_v2 as oss

    sdk = client(oss, account, endpoint)
    info = calling(
        "GetBucketInfo", lambda: sdk.get_bucket_info(oss.GetBucketInfoRequest(bucket=name))
    ).bucket_info
    expiry, rules = _shortest_expiry(oss, sdk, name), _cors_rules(oss, sdk, name)
    readers = [rule for rule in rules if "GET" in (rule.allowed_methods or ())]
    origins = tuple(origin for rule in readers for origin in rule.allowed_origins or ())
    return Bucket(name, info.extranet_endpoint or "", expiry, origins, has_cors_rules=bool(rules))


def client(oss: Any, account: Account, endpoint: str) -> Any:  # noqa: ANN401 - the SDK is untyped
    """Return a client of OSS at the endpoint; for an emulator's account, at the emulator's address
    instead. `oss` is the module of the SDK."""
    config = oss.config.load_default()
    key = account.credentials
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        key.access_key_id, key.access_key_secret, key.security_token or None
    )
    is_emulator = account.live != LIVE_URL and account.live.startswith("http://")
    config.endpoint = account.live if is_emulator else f"https://{endpoint}"
    config.use_path_style = is_emulator
    config.region = endpoint.partition(".")[0].removeprefix("oss-").removesuffix("-internal")
    config.retry_max_attempts = 1
    config.connect_timeout = config.readwrite_timeout = TIMEOUT_S
    return oss.Client(config)


def _shortest_expiry(oss: Any, sdk: Any, name: str) -> int | None:  # noqa: ANN401 - as above
    """Return the smallest number of days after which an enabled rule deletes objects, or None."""
    request = oss.GetBucketLifecycleRequest(bucket=name)
    try:
        answer = calling("GetBucketLifecycle", lambda: sdk.get_bucket_lifecycle(request))
    except Declined as error:
        if error.code == NO_RULES:
            return None
        raise
    return min(_days(answer.lifecycle_configuration.rules or ()), default=None)


def _cors_rules(oss: Any, sdk: Any, name: str) -> Sequence[Any]:  # noqa: ANN401 - as above
    """Return the rules for pages of other origins, empty if the bucket has none."""
    request = oss.GetBucketCorsRequest(bucket=name)
    try:
        answer = calling("GetBucketCors", lambda: sdk.get_bucket_cors(request))
    except Declined as error:
        if error.code == NO_CORS:
            return ()
        raise
    return list(answer.cors_configuration.cors_rules or ())


def _days(rules: Any) -> Iterator[int]:  # noqa: ANN401 - as above
    for rule in rules:
        if rule.status == "Enabled" and rule.expiration and rule.expiration.days:
            yield int(rule.expiration.days)


def calling(action: str, call: Any) -> Any:  # noqa: ANN401 - as above
    """Return what `call` returns. Raise Declined, with the name of the action, if it fails."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the SDK's errors end here: they hold secrets
        raise Declined(action, _error_of(error)) from None


def _error_of(error: Exception) -> LiveError:
    unwrap = getattr(error, "unwrap", None)
    cause = unwrap() if unwrap else error
    code, message = getattr(cause, "code", None), str(getattr(cause, "message", ""))
    if not isinstance(code, str) or not code:
        return NeverSent("", _("OSS does not answer"))
    if "specified endpoint" in message:
        code = ELSEWHERE
    return LiveError(code, message, status=getattr(cause, "status_code", 0))
