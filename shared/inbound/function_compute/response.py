"""Builds the answers that Function Compute sends, and the answer to each kind of error (RFC 9457).

The handler and the functions use this module. An error's own text reaches the caller only if the
error's row in ANSWERS has no `detail`.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

from shared.errors import LiveRecordError, Misconfigured
from shared.inbound.catalogue import Language, catalogue, problem_words
from shared.inbound.catalogue.details import detail_in
from shared.inbound.request_errors import (
    BadRequest,
    MalformedCallback,
    MethodNotAllowed,
    RequestError,
    TooManyRequests,
    Unauthorized,
    UnusableName,
    UnverifiedCallback,
)
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
from shared.store.store_errors import ForeignStore, StoreFull, StoreUnavailable, Unreadable

_PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Response(Struct, frozen=True):
    """An HTTP answer. A `body` that is neither text nor bytes (a Struct or dict) is sent as
    JSON."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_fc(self) -> dict[str, object]:
        """Return the answer in the full form of Function Compute. What Function Compute does with
        the short forms is UNCONFIRMED."""
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        body = b64encode(self.body).decode() if isinstance(self.body, bytes) else self._text
        return {
            "statusCode": self.status,
            "headers": {**headers, **self.headers},
            "isBase64Encoded": isinstance(self.body, bytes),
            "body": body,
        }

    @property
    def _text(self) -> str:
        text = self.body if isinstance(self.body, str) else _json(self.body)
        return text.encode("utf-8", "replace").decode()


def _json(body: object) -> str:
    if isinstance(body, Struct):
        try:
            return msgspec.json.encode(body).decode()
        except UnicodeEncodeError:  # a lone surrogate, in a name that somebody sent
            body = msgspec.to_builtins(body)
    return json.dumps(body, ensure_ascii=False, allow_nan=False)


class FieldFault(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    field: str
    detail: str = ""
    code: str = ""


class Problem(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A problem document (RFC 9457). Empty fields are left out."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    code: Annotated[str, Meta(description="Live's, or ours")] = ""
    request_id: Annotated[str, Meta(description="Live's, or Function Compute's")] = ""
    hint: Annotated[str, Meta(description="what to do about it")] = ""
    errors: Annotated[Sequence[FieldFault], Meta(description="every field that is wrong")] = ()


class _Row(Struct, frozen=True):
    """How to answer one kind of error. If `code` is empty, the error's own code is used. If
    `detail` is empty, the error's own text is shown; any reader may then see it."""

    status: int
    code: str = ""
    detail: str = ""
    hint: str = ""
    retry_after: int = 0


_LATER: Final = "send the same request again after the seconds that `Retry-After` says"
_OURS: Final = "live-record failed to handle this request"

ANSWERS: Final[Mapping[type[Exception], _Row]] = {
    Exception: _Row(500, "InternalError", _OURS),
    LiveRecordError: _Row(500, "InternalError", _OURS),
    RequestError: _Row(0),  # it has its own status
    UnverifiedCallback: _Row(401, "UnverifiedCallback", "not proved to come from ApsaraVideo Live"),
    MalformedCallback: _Row(400, "MalformedParam"),
    UnusableName: _Row(400, "MalformedParam"),
    LiveError: _Row(502),
    AlreadyStarted: _Row(409, "TaskAlreadyStarted"),
    StreamNotLive: _Row(
        409,
        "StreamNotFound",
        "Live does not know the stream: it is not live",
        "push the stream first, or leave out `if_not_live: fail`: the start then waits for the"
        " stream",
    ),
    InvalidCommand: _Row(400),
    NoRecordConfig: _Row(
        400,
        "CodeConfigNotFound",
        "no recording configuration covers the stream",
        hint="add a recording configuration with `OnDemand` 7 for the application, then push again",
    ),
    UnknownRejection: _Row(400),
    Retryable: _Row(503, hint=_LATER, retry_after=1),
    Throttled: _Row(429, hint=_LATER, retry_after=1),
    NeverSent: _Row(503, hint=_LATER, retry_after=1),
    Unavailable: _Row(503, hint=_LATER, retry_after=1),
    InDoubt: _Row(
        502,
        hint=(
            "the command may have taken effect: check the state of the stream before you repeat the"
            " command"
        ),
    ),
    OperatorActionNeeded: _Row(
        502,
        "UpstreamAuth",
        "ApsaraVideo Live refused live-record's own credentials, permissions or clock",
        "an operator must fix this; the function's log says what Live answered",
    ),
    LiveNotActivated: _Row(
        502,
        "LiveServiceNotFound",
        "ApsaraVideo Live is not activated for this account",
        "an operator must activate ApsaraVideo Live in its console",
    ),
    StoreUnavailable: _Row(
        503,
        "StoreUnavailable",
        "",
        "send the request again. A start without an `Idempotency-Key` that is sent again may undo"
        " a stop that was sent in between",
        1,
    ),
    StoreFull: _Row(
        503,
        "StoreFull",
        "",
        "stops are still stored and sent; for everything else, give the store more memory or disk"
        " space",
    ),
    ForeignStore: _Row(
        503,
        "ForeignStore",
        "the store belongs to another stage: nothing is sent",
        "`GET /v1/health` shows the problem and what to do",
    ),
    Unreadable: _Row(
        503,
        "UnreadableRecord",
        hint=(
            "a stop is still sent and replaces the record; for everything else, deploy the release"
            " that wrote the record"
        ),
    ),
    Misconfigured: _Row(
        503,
        "Misconfigured",
        "live-record's settings are wrong",
        "the function's log has the details",
    ),
}


def problem(
    error: Exception,
    request_id: str = "",
    *,
    language: Language = Language.ENGLISH,
    is_read: bool = False,
) -> Response:
    """Return the answer to an error, as a problem document (RFC 9457). The document shows the id of
    Live's answer if the error has one, else `request_id`, which is Function Compute's. `is_read`:
    the request would have stored nothing, so the answer does not say that something may have been
    stored."""
    row = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    status, code = _status_and_code(error, row)
    in_words = partial(detail_in, language)
    body = Problem(
        type="about:blank",
        title=in_words(_PHRASES.get(status, "Error")),
        status=status,
        detail=_detail(error, row, language, is_read=is_read),
        code=code,
        request_id=getattr(error, "request_id", "") or request_id,
        hint=_hint(error, row, language, is_read=is_read),
        errors=[
            FieldFault(fault.field, in_words(fault.detail), fault.code) for fault in _faults(error)
        ],
    )
    headers = {"Content-Type": "application/problem+json", **_headers(error, row)}
    return Response(status, body, headers)


def _hint(error: Exception, row: _Row, language: Language, *, is_read: bool) -> str:
    """Return the hint, which says what to do. If the store fails a request that stores nothing,
    return the fix of the store's problem."""
    if is_read and row is ANSWERS[StoreUnavailable] and isinstance(error, StoreUnavailable):
        return problem_words(error.problem, error.about, language).fix
    return detail_in(language, row.hint or getattr(error, "hint", ""))


def _detail(error: Exception, row: _Row, language: Language, *, is_read: bool) -> str:
    if isinstance(error, BadRequest) and language is Language.CHINESE:
        faults = (f"{fault.field}：{detail_in(language, fault.detail)}" for fault in error.faults)
        return "；".join(faults)
    if isinstance(error, StoreUnavailable):
        text = problem_words(error.problem, error.about, language).text
        return text if is_read else f"{text}{catalogue(language).unknown_if_stored}"
    return detail_in(language, row.detail or str(error))


def _status_and_code(error: Exception, row: _Row) -> tuple[int, str]:
    """Return status and code. Live's documented InternalError keeps its status 500 here. The rows
    of the table keep the status of Live's five other documented errors."""
    if isinstance(error, RequestError):
        return error.status, error.code
    if isinstance(error, InDoubt) and (error.status, error.code) == (500, "InternalError"):
        return 500, "InternalError"
    return row.status, row.code or getattr(error, "code", "")


def _headers(error: Exception, row: _Row) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allow)}
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": "1"}
    if isinstance(error, UnverifiedCallback):
        return {"WWW-Authenticate": "ALI-LIVE-SIGNATURE"}
    if isinstance(error, Throttled):
        return {"Retry-After": str(max(row.retry_after, math.ceil(error.retry_after / 1000)))}
    return {"Retry-After": str(row.retry_after)} if row.retry_after else {}


def _faults(error: Exception) -> Sequence[FieldFault]:
    """Return the faults. For settings return only the names, because the values belong in the
    log."""
    if isinstance(error, BadRequest):
        return [FieldFault(fault.field, fault.detail, fault.code) for fault in error.faults]
    if isinstance(error, Misconfigured):
        return [FieldFault(fault.field) for fault in error.faults]
    return ()
