"""Lists the files of a stream, each with its size and a presigned URL.

People and programs call this module over HTTP; requests for a playlist go on to playlist.py. It
signs with the function's role, reads files, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from msgspec.structs import asdict

from functions.file_view import (
    HOUR_MS,
    PLAYLIST_QUERY,
    QUERY,
    SignedFilesView,
    SignedFileView,
    files_of,
    is_object,
    view_of,
)
from functions.files import playlist
from functions.stage_bucket import OpenBuckets
from shared.config.tokens import Caller
from shared.inbound import authorization
from shared.inbound.catalogue import Language, preferred_language
from shared.inbound.function_compute import Request, Response
from shared.inbound.request_errors import MethodNotAllowed, NotFound, WrongState
from shared.inbound.request_fields import read
from shared.invocation.invocation import Invocation
from shared.outbound import oss
from shared.outbound.oss import NotRead, Opened
from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339
from shared.protocol.file import File
from shared.protocol.policy import Policy

MAX_SIZES = 100
"""Sizes that one call reads at most. Each is a request to OSS."""
_PATH = "/v1/files/"
_PATH_PARTS = 3
_PLAYLIST = "playlist.m3u8"


def respond(invocation: Invocation, request: Request) -> Response:
    if request.method != "GET":
        raise MethodNotAllowed(f"{_PATH} does not accept {request.method}", allow=["GET"])
    tokens, now = invocation.app.tokens, invocation.app.clock()
    caller = authorization.authorize(tokens, request, "read", now=now)
    names, what = _parts(request)
    app = invocation.app
    key = authorization.authorized_stream(caller, app.policy, names, is_stored=app.is_stored)
    if what == _PLAYLIST:
        asked = read(PLAYLIST_QUERY, request.query, where="query")
        return playlist.respond(invocation, caller, key, asked, partial(_why_no_url, app.policy))
    return _listed(invocation, request, caller, key)


def _listed(invocation: Invocation, request: Request, caller: Caller, key: StreamKey) -> Response:
    asked = read(QUERY, request.query, where="query")
    files = files_of(invocation.app.store, key, asked)
    buckets = OpenBuckets(invocation)
    buckets.require(key, files)
    period = asked.get("for", HOUR_MS)
    until = invocation.app.clock() + period
    policy = invocation.app.policy
    language = preferred_language(request.headers.get("accept-language", ""))
    whys = [_why_unsigned(policy, caller, key, file) for file in files]
    found = [
        (file, *_bucket_of(buckets, key, file, why)) for file, why in zip(files, whys, strict=True)
    ]
    signed = list(_signed(invocation, found, period, language))
    return Response(200, SignedFilesView(str(key), rfc3339(until), signed))


def _parts(request: Request) -> tuple[Sequence[str], str]:
    """Return the stream's names and the request's last part. The HTTP route may have removed its
    own prefix from the path."""
    parts = request.segments
    rest = parts[3:] if parts[:3] == _PATH.split("/")[:3] else parts[1:]
    names, what = rest[:_PATH_PARTS], "/".join(rest[_PATH_PARTS:])
    if len(names) != _PATH_PARTS or what not in ("", _PLAYLIST):
        raise NotFound(
            f"the path {request.path} does not exist",
            hint=f"request `{_PATH}{{domain}}/{{app}}/{{stream}}`",
        )
    return names, what


def _why_unsigned(policy: Policy, caller: Caller, key: StreamKey, file: File) -> str | None:
    """Return why no URL of this file may be signed; None if one may."""
    if not is_object(file):
        return "the file is in VOD, not in the bucket"
    return _why_no_url(policy, caller, key, file.uri)


def _bucket_of(
    buckets: OpenBuckets, key: StreamKey, file: File, why_unsigned: str | None
) -> tuple[Opened | None, str | None]:
    """Return the bucket for which a URL of the file may be signed; None and the reason if there is
    none."""
    if why_unsigned:
        return None, why_unsigned
    try:
        return buckets.of(key, file.place), None
    except WrongState as error:
        return None, error.detail


def _why_no_url(policy: Policy, caller: Caller, key: StreamKey, uri: str) -> str | None:
    """Return why no URL of an object may be signed; None if one may. Live's signature does not
    cover the file name in a callback, so a forged callback could name any object of the bucket."""
    if not policy.names_object(key, uri):
        return f"no `object_prefix` of {key.domain} in the policy fits this name and stream"
    if caller.only and not all(
        owner.app and owner.stream and caller.may_reach(owner)
        for owner in policy.object_owners(uri)
    ):
        return (
            "by the policy's `object_prefix`, the file may belong to a stream that the token may"
            " not see"
        )
    return None


def _signed(
    invocation: Invocation,
    found: Sequence[tuple[File, Opened | None, str | None]],
    period: int,
    language: Language,
) -> Iterator[SignedFileView]:
    sizes = _Sizes(invocation)
    for file, bucket, why_no_url in found:
        size, why = sizes.of(file, bucket) if bucket else (None, why_no_url)
        yield SignedFileView(
            **asdict(view_of(file, language)),
            size=size,
            why_no_size=why,
            url=bucket.signed(file.uri, period) if bucket else None,
            why_no_url=why_no_url,
        )


class _Sizes:
    """Reads at most MAX_SIZES sizes, while there is time left and OSS answers."""

    def __init__(self, invocation: Invocation) -> None:
        self._call = invocation
        self._left, self._silence = MAX_SIZES, ""

    def of(self, file: File, bucket: Opened) -> tuple[int | None, str | None]:
        """Return the size in bytes, or the reason why it is unknown."""
        try:
            return self._ask(file, bucket), None
        except NotRead as why:
            self._silence = str(why) if why.is_silent else self._silence
            return None, str(why)

    def _ask(self, file: File, bucket: Opened) -> int:
        if self._silence:
            raise NotRead(self._silence)
        if self._left == 0:
            raise NotRead(
                f"live-record asks OSS only for the sizes of the newest {MAX_SIZES} files"
            )
        if self._call.deadline.left() < 2 * oss.TIMEOUT_S:
            raise NotRead(
                "there was no time left to ask OSS for the size of this file: send the request"
                " again with a smaller `limit`"
            )
        self._left -= 1
        return bucket.size(file.uri)
