"""The meaning of Live's error codes: the left column of docs/errors.md, as a table.

`sdk.py` uses this module. It reads only the code, because the messages are templates that begin
with `%s` (docs/platform/live.md §1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from http import HTTPStatus
from types import MappingProxyType

from msgspec import Struct

from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    Retryable,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)

CODES: Mapping[str, type[LiveError]] = MappingProxyType(
    {
        "TaskAlreadyStarted": AlreadyStarted,
        "StreamNotFound": StreamNotLive,
        "InvalidStream.NotFound": StreamNotLive,
        "CodeConfigNotFound": NoRecordConfig,
        "InvalidConfig.NotFound": NoRecordConfig,
        "MalformedParam": InvalidCommand,
        "MissingParam": InvalidCommand,
        "MissingDomainName": InvalidCommand,
        "MissingAppName": InvalidCommand,
        "MissingStreamName": InvalidCommand,
        "MissingCommand": InvalidCommand,
        "InvalidDomain.NotFound": InvalidCommand,
        "Throttling*": Throttled,
        "SignatureNonceUsed": NeverSent,
        "ServiceUnavailable": Unavailable,
        "InternalError": InDoubt,
        "InvalidAccessKeyId*": OperatorActionNeeded,
        "InvalidSecurityToken*": OperatorActionNeeded,
        "InvalidTimeStamp*": OperatorActionNeeded,
        "InvalidIdentity*": OperatorActionNeeded,
        "InvalidCredentials": OperatorActionNeeded,
        "SignatureDoesNotMatch": OperatorActionNeeded,
        "Forbidden*": OperatorActionNeeded,
        "IllegalOperation": OperatorActionNeeded,
        "LiveServiceNotFound": LiveNotActivated,
    }
)
"""Maps a code, or its beginning and `*`, to an error. The status does not matter: Live sends
throttling with 400 as often as with 429 (docs/platform/live.md §1.5), and each code has had several
statuses."""


class Refusal(Struct, frozen=True):
    """A refusal by Live. `retry_after` is in ms, although its header names no unit."""

    code: str
    message: str = ""
    status: int = 0
    request_id: str = ""
    retry_after: int = 0

    def error(self) -> LiveError:
        kind = self.kind()
        if issubclass(kind, Retryable):
            return kind(
                self.code,
                self.message,
                status=self.status,
                request_id=self.request_id,
                retry_after=self.retry_after,
            )
        return kind(self.code, self.message, status=self.status, request_id=self.request_id)

    def kind(self) -> type[LiveError]:
        """Return the class of the error. If Live refuses with a time after which to retry, the
        class is a Retryable, whatever the code, because Live did nothing and wants the command
        again. The official command-line client behaves the same way (docs/platform/live.md §1.5).
        """
        kind = self._kind_by_code()
        return kind if issubclass(kind, Retryable) or not self._comes_back() else Throttled

    def _comes_back(self) -> bool:
        is_refusal = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return self.retry_after > 0 and (
            is_refusal or self.status == HTTPStatus.SERVICE_UNAVAILABLE
        )

    def _kind_by_code(self) -> type[LiveError]:
        for pattern, kind in CODES.items():
            if fnmatchcase(self.code, pattern):
                return kind
        return self._kind_by_status()

    def _kind_by_status(self) -> type[LiveError]:
        """Return the class for an undocumented code. An answer without a code is not from Live."""
        if not self.code:
            return InDoubt
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return Unavailable
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return OperatorActionNeeded
        if not HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return InDoubt
        too_many = self.status == HTTPStatus.TOO_MANY_REQUESTS
        return Throttled if too_many else UnknownRejection
