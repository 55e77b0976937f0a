"""The stage's bucket, through the official OSS SDK: playback URLs and sizes.

The function `files` uses it. Only that function's package has the SDK, which is imported when it
is first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Struct

TIMEOUT_S = 2
"""s to connect, and to read: all sizes are requested within the one budget of the function."""
_NOWHERE = "cn-shanghai"
"""The region to sign for if the endpoint names none: the emulator does not care."""


def prepare() -> None:
    """Import the SDK now: it takes 0.3 s."""
    import alibabacloud_oss_v2  # noqa: F401 - that is all


class NoSize(Exception):
    """There is no size. The text says why and is fit for any reader. `is_silent`: OSS does not
    answer at all."""

    def __init__(self, why: str, *, is_silent: bool = False) -> None:
        super().__init__(why)
        self.is_silent = is_silent


class Bucket(Struct, frozen=True):
    """A bucket, and the key of one invocation, which may be temporary. http is the emulator's."""

    name: str
    endpoint: str
    protocol: str
    key_id: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Bucket({self.name!r}, …)"

    def open(self) -> Opened:
        """Return a client for the bucket. Nothing is sent."""
        import alibabacloud_oss_v2 as oss

        config = oss.config.load_default()
        provider = oss.credentials.StaticCredentialsProvider
        config.credentials_provider = provider(self.key_id, self.secret, self.token or None)
        config.endpoint = f"{self.protocol}://{self.endpoint}"
        config.use_path_style = self.protocol == "http"
        config.region = _region(self.endpoint)
        config.retry_max_attempts = 1
        config.connect_timeout = config.readwrite_timeout = TIMEOUT_S
        return Opened(self.name, oss, oss.Client(config))


class Opened:
    def __init__(self, name: str, oss: Any, client: Any) -> None:  # noqa: ANN401 - the SDK is untyped
        self._name, self._oss, self._client = name, oss, client

    def signed(self, uri: str, period: int) -> str:
        """Return a presigned URL that is valid for `period` ms, if the key lasts as long and may
        read the object."""
        request = self._oss.GetObjectRequest(bucket=self._name, key=uri)
        return str(self._client.presign(request, expires=timedelta(milliseconds=period)).url)

    def size(self, uri: str) -> int:
        """Return the size in bytes, or raise NoSize."""
        request = self._oss.HeadObjectRequest(bucket=self._name, key=uri)
        return int(_asked(lambda: self._client.head_object(request)).content_length)


def _region(endpoint: str) -> str:
    place = endpoint.partition(".")[0]
    return place.removeprefix("oss-") if place.startswith("oss-") else _NOWHERE


def _asked(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - as above
    """Return what `call` returns, or raise NoSize. The SDK's own exceptions go no further: their
    text may hold what was signed."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no size
        raise _understood(error) from None


def _understood(error: Exception) -> NoSize:
    unwrap = getattr(error, "unwrap", None)
    cause = unwrap() if unwrap else error
    status = getattr(cause, "status_code", 0)
    if status == 404:  # noqa: PLR2004 - of HTTP
        return NoSize("there is no such object in the stage's bucket")
    if status == 403:  # noqa: PLR2004 - as above
        return NoSize("OSS refuses: the function's role needs oss:GetObject on the bucket")
    if status:
        return NoSize(f"OSS answers with status {status}")
    return NoSize(f"OSS does not answer ({type(cause).__name__})", is_silent=True)
