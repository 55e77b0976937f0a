"""A store that speaks S3, through boto3: the requests needed to copy a file.

The function `deliver` uses this module. Only that function's package has boto3, which is imported
at its first use. No error repeats a text that the store sent, because such a text may contain
access keys.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from shared.outbound.bounded_socket import CallDeadline, ForbiddenAddress, MayReach, connect

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 4, 12
PAGE_ROWS = 1_000
MAX_PAGES = 20
_GONE = frozenset({"NoSuchUpload", "404", "NoSuchKey", "NotFound"})
_NOWHERE = "us-east-1"
"""The region to sign for if none is named; most stores other than AWS accept it."""


def prepare() -> None:
    """Import boto3 now: it takes half a second."""
    import boto3  # noqa: F401 - that is all


class StoreRefuses(Exception):
    """The store refused the request, or gave no clear answer. The text holds no secret."""


class NotThere(StoreRefuses):
    """The store does not have this upload or object."""


class StoreAddress(Struct, frozen=True):
    """The address of a bucket. No host outside `hosts` is called."""

    bucket: str
    endpoint: str
    region: str
    path_style: bool
    hosts: tuple[str, ...]


class Upload(Struct, frozen=True):
    """A multipart upload, and the time at which it was begun, in s since the epoch."""

    key: str
    id: str
    begun_s: float


class Part(Struct, frozen=True):
    number: int
    size: int
    etag: str


class S3Bucket:
    """A bucket of the store. Several threads may use it."""

    def __init__(
        self, address: StoreAddress, key: tuple[str, str, str], may_reach: MayReach
    ) -> None:
        """Keep a client; send nothing. `key` is id, secret and session token ("" for none)."""
        self._name = address.bucket
        self._client = _client(address, key, may_reach)

    def put(self, key: str, data: bytes) -> None:
        """Store an object in one request."""
        self._ask("put_object", Key=key, Body=data, ContentMD5=_md5(data))

    def size(self, key: str) -> int:
        """Return the size of an object in bytes; raise NotThere if there is none."""
        return int(self._ask("head_object", Key=key)["ContentLength"])

    def begin(self, key: str) -> str:
        """Begin a multipart upload; return its id."""
        return str(self._ask("create_multipart_upload", Key=key)["UploadId"])

    def put_part(self, key: str, upload: str, number: int, data: bytes) -> None:
        self._ask(
            "upload_part",
            Key=key,
            UploadId=upload,
            PartNumber=number,
            Body=data,
            ContentMD5=_md5(data),
        )

    def parts(self, key: str, upload: str) -> Sequence[Part]:
        """Return the parts of an upload that the store already has, in the order of their
        numbers."""
        found: list[Part] = []
        more: dict[str, object] = {}
        for _ in range(MAX_PAGES):
            page = self._ask("list_parts", Key=key, UploadId=upload, MaxParts=PAGE_ROWS, **more)
            rows = page.get("Parts", [])
            found += [Part(row["PartNumber"], row["Size"], row["ETag"]) for row in rows]
            if not page.get("IsTruncated") or not rows:
                return found
            more = {"PartNumberMarker": page["NextPartNumberMarker"]}
        raise StoreRefuses("the target's list of parts does not end")

    def complete(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        """Complete the upload: the parts become one object."""
        rows = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        self._ask(
            "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": rows}
        )

    def abort(self, key: str, upload: str) -> None:
        """Abort an upload. If it is gone already, do nothing."""
        try:
            self._ask("abort_multipart_upload", Key=key, UploadId=upload)
        except NotThere:
            return

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Yield the open multipart uploads whose keys begin with `prefix`."""
        more: dict[str, object] = {}
        for _ in range(MAX_PAGES):
            page = self._ask("list_multipart_uploads", Prefix=prefix, **more)
            for row in page.get("Uploads", []):
                begun: datetime = row["Initiated"]
                yield Upload(row["Key"], row["UploadId"], begun.timestamp())
            if not page.get("IsTruncated"):
                return
            names = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
            more = {name: page[of] for name, of in names.items() if page.get(of)}

    def _ask(self, operation: str, **params: object) -> Mapping[str, Any]:
        call: Callable[..., Mapping[str, Any]] = getattr(self._client, operation)
        try:
            return call(Bucket=self._name, **params)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not known to be done
            raise _understood(error) from None


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _understood(error: Exception) -> StoreRefuses:
    """Return our error for a failure of the store. Its text repeats nothing from the store but a
    code and a status.
    """
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        if isinstance(_root(error), ForbiddenAddress):
            return StoreRefuses(
                "the target's host name leads to no address that live-record may call"
            )
        return StoreRefuses(f"the target does not answer ({type(error).__name__})")
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    known = code if code.isascii() and code.isalnum() else "an error"
    kind = NotThere if code in _GONE else StoreRefuses
    return kind(f"the target answers {known} ({status})")


def _root(error: BaseException) -> BaseException:
    for _ in range(10):
        cause = error.__cause__ or error.__context__ or getattr(error, "kwargs", {}).get("error")
        if not isinstance(cause, BaseException):
            return error
        error = cause
    return error


def _client(address: StoreAddress, key: tuple[str, str, str], may_reach: MayReach) -> Any:  # noqa: ANN401 - boto3 is untyped
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path" if address.path_style else "virtual"},
        request_checksum_calculation="when_required",  # only AWS knows the SDK's default
        response_checksum_validation="when_required",
        proxies={},
    )
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region or _NOWHERE,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=key[2] or None,
        config=config,
    )
    _bind(client, address, may_reach)
    return client


def _bind(client: Any, address: StoreAddress, may_reach: MayReach) -> None:  # noqa: ANN401 - as above
    """Make the client connect only to the store's own host, at allowed addresses, wherever a
    redirect or a name leads."""
    from botocore import awsrequest

    host = (urlsplit(address.endpoint).hostname or "").lower()
    allowed = {host, f"{address.bucket}.{host}"} if host in address.hosts else set()

    class Checked:
        def _new_conn(self) -> Any:  # noqa: ANN401 - urllib3's
            name = str(self.host).lower()  # type: ignore[attr-defined] # urllib3's
            if name not in allowed:
                raise ForbiddenAddress(name)
            return connect(name, self.port, CallDeadline(CONNECT_TIMEOUT_S), may_reach)  # type: ignore[attr-defined] # as above

    class Http(Checked, awsrequest.AWSHTTPConnection):  # type: ignore[misc] # untyped
        pass

    class Https(Checked, awsrequest.AWSHTTPSConnection):  # type: ignore[misc] # untyped
        pass

    class HttpPool(awsrequest.AWSHTTPConnectionPool):  # type: ignore[misc] # untyped
        ConnectionCls = Http

    class HttpsPool(awsrequest.AWSHTTPSConnectionPool):  # type: ignore[misc] # untyped
        ConnectionCls = Https

    session = client._endpoint.http_session  # noqa: SLF001 - there is no public way
    session._manager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}  # noqa: SLF001 - as above
