"""Opens a bucket through the official OSS SDK: playback URLs, sizes, and verdicts on files.

The functions `files` and `deliver` use this module. Only their packages have the SDK, which is
imported at its first use.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct

from shared.verification.contract import (
    ABSENT,
    DENIED,
    Answer,
    ExpectedFile,
    Request,
    Stat,
    Verdict,
)
from shared.verification.verify import verify

TIMEOUT_S = 2
"""s to connect, and again to read. All sizes are requested within the function's one budget."""
READ_BLOCK_BYTES = 65_536
_ABSENT_STATUS, _DENIED_STATUS = 404, 403
_NOWHERE = "cn-shanghai"
"""The region to sign for if the endpoint names none; the emulator ignores it."""


def prepare() -> None:
    """Import the SDK now: it takes 0.3 s."""
    import alibabacloud_oss_v2  # noqa: F401 - that is all


class NotRead(Exception):
    """The size or the bytes of an object could not be read. The text holds no secret. `is_silent`:
    OSS does not answer at all. `status` (HTTP) and `code` (OSS) are set if OSS answered."""

    def __init__(
        self, why: str, *, is_silent: bool = False, status: int = 0, code: str = ""
    ) -> None:
        super().__init__(why)
        self.is_silent, self.status, self.code = is_silent, status, code


class NotJudged(Exception):
    """The object could not be judged, because OSS gave no usable answer or time ran out: verify it
    again later. The text holds no secret."""


class Bucket(Struct, frozen=True):
    """A bucket, and the access key of one invocation, which may be temporary. `protocol` is https,
    or http for the emulator."""

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


class ObjectState(Struct, frozen=True):
    """An object's size in bytes, and its ETag and CRC-64, which change with the content. `crc64` is
    None if OSS has none."""

    size: int
    etag: str
    crc64: int | None


def crc64(data: bytes, before: int = 0) -> int:
    """Return the CRC-64 as OSS computes it. `before` is the CRC-64 of the data that comes before
    `data`."""
    import crcmod

    found = crcmod.Crc(int(_POLYNOMIAL, 16), initCrc=before, rev=True, xorOut=2**64 - 1)
    found.update(data)
    return int(found.crcValue)


_POLYNOMIAL: Final = "0x142F0E1EBA9EA3693"
"""The polynomial of ECMA-182."""


class Opened:
    def __init__(self, name: str, oss: Any, client: Any) -> None:  # noqa: ANN401 - the SDK is untyped
        self.name, self._oss, self._client = name, oss, client

    def signed(self, uri: str, period: int) -> str:
        """Return a presigned URL. The URL is valid for `period` ms if the credentials last that
        long and may read the object."""
        request = self._oss.GetObjectRequest(bucket=self.name, key=uri)
        return str(self._client.presign(request, expires=timedelta(milliseconds=period)).url)

    def size(self, uri: str) -> int:
        """Return the size in bytes. Raise NotRead if OSS does not answer or refuses."""
        request = self._oss.HeadObjectRequest(bucket=self.name, key=uri)
        return int(_asked(lambda: self._client.head_object(request)).content_length)

    def stat(self, uri: str) -> ObjectState:
        """Return the object's size, ETag and CRC-64, which identify its content. Raise NotRead if
        OSS does not answer or refuses."""
        request = self._oss.HeadObjectRequest(bucket=self.name, key=uri)
        head = _asked(lambda: self._client.head_object(request))
        crc64 = int(head.hash_crc64) if str(head.hash_crc64 or "").isdecimal() else None
        return ObjectState(int(head.content_length), str(head.etag or ""), crc64)

    def read(self, uri: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Return up to `length` bytes of an object from byte `start` on. If OSS does not answer or
        refuses, raise NotRead; its `status` is 412 if the object no longer has the given `etag`."""
        request = self._oss.GetObjectRequest(
            bucket=self.name,
            key=uri,
            range_header=f"bytes={start}-{start + length - 1}",
            range_behavior="standard",
            if_match=etag or None,
        )
        return bytes(_asked(lambda: _body(self._client.get_object(request), length)))


def judge(
    opened: Opened, expected: ExpectedFile, *, has_time: Callable[[], bool] = lambda: True
) -> Verdict:
    """Return the verdict on a file in the bucket; read at most MAX_BYTES of it. Raise NotJudged if
    OSS gives no usable answer, or if `has_time` returns False before a request."""
    steps = verify(expected)
    try:
        request = next(steps)
        while True:
            if not has_time():
                raise NotJudged("reading the object took too long")
            request = steps.send(_answer(opened, request))
    except StopIteration as ended:
        verdict: Verdict = ended.value
        return verdict
    finally:
        steps.close()


def _answer(opened: Opened, request: Request) -> Answer:
    try:
        if isinstance(request, Stat):
            return opened.size(request.uri)
        return opened.read(request.uri, request.start, request.length)
    except NotRead as why:
        if why.status == _DENIED_STATUS:
            return DENIED
        if why.status == _ABSENT_STATUS and why.code != "NoSuchBucket":
            return ABSENT
        raise NotJudged(str(why)) from None


def _body(answer: Any, length: int) -> bytes:  # noqa: ANN401 - as above
    """Return the first bytes of a body. A server that ignores the range sends the whole object."""
    data = bytearray()
    with answer.body as body:
        for piece in body.iter_bytes(block_size=READ_BLOCK_BYTES):
            data += piece
            if len(data) >= length:
                break
    return bytes(data[:length])


def _region(endpoint: str) -> str:
    place = endpoint.partition(".")[0]
    return place.removeprefix("oss-") if place.startswith("oss-") else _NOWHERE


def _asked(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - as above
    """Return the result of `call`; raise NotRead if `call` raises. The SDK's exceptions are
    dropped, because their text may hold signed data."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no size
        raise _understood(error) from None


def _understood(error: Exception) -> NotRead:
    unwrap = getattr(error, "unwrap", None)
    cause = unwrap() if unwrap else error
    status = getattr(cause, "status_code", 0)
    code = str(getattr(cause, "code", ""))
    if status == _ABSENT_STATUS:
        why = "there is no such object in the stage's bucket"
    elif status == _DENIED_STATUS:
        why = "OSS refuses: the function's role needs `oss:GetObject` on the bucket"
    else:
        why = f"OSS answers with status {status}"
    if status:
        return NotRead(why, status=status, code=code)
    return NotRead(f"OSS does not answer ({type(cause).__name__})", is_silent=True)
