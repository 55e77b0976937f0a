"""The errors of a request, each with its status, and those of a callback.

Code that reads a request raises them; `function_compute.response` answers them.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Fault, LiveRecordError


class RequestError(LiveRecordError):
    status = 400
    code = "MalformedParam"

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint


MAX_FAULTS = 30
_MAX_NAME_CHARS, _MAX_DETAIL_CHARS = 100, 400


class BadRequest(RequestError):
    """The request is wrong. To limit the size of the answer, only the first MAX_FAULTS faults are
    listed and the others counted, and names from the request are shortened."""

    def __init__(self, faults: Sequence[Fault], *, hint: str = "") -> None:
        shown = [_shortened(fault) for fault in faults[:MAX_FAULTS]]
        rest = len(faults) - len(shown)
        shown += [Fault("and more", f"faults that are not listed: {rest}")] if rest else []
        super().__init__("; ".join(map(str, shown)), hint=hint)
        self.faults = tuple(shown)
        missing = all(fault.code == "MissingParam" for fault in faults)
        self.code = "MissingParam" if missing else "MalformedParam"


def _shortened(fault: Fault) -> Fault:
    name, detail = fault.field[:_MAX_NAME_CHARS], fault.detail[:_MAX_DETAIL_CHARS]
    return Fault(name, detail, fault.code)


class Unauthorized(RequestError):
    status, code = 401, "Unauthorized"


class Forbidden(RequestError):
    status, code = 403, "Forbidden"


class NotFound(RequestError):
    status, code = 404, "NotFound"


class MethodNotAllowed(RequestError):
    status, code = 405, "MethodNotAllowed"

    def __init__(self, detail: str, *, allow: Sequence[str]) -> None:
        super().__init__(detail, hint=f"use {' or '.join(allow)}")
        self.allow = tuple(allow)


class WrongState(RequestError):
    status, code = 409, "WrongState"


class TooLarge(RequestError):
    status, code = 413, "TooLarge"


class UnsupportedMediaType(RequestError):
    status, code = 415, "UnsupportedMediaType"


class KeyReused(RequestError):
    status, code = 422, "IdempotencyKeyReused"


class TooManyRequests(RequestError):
    status, code = 429, "TooManyRequests"


class UnverifiedCallback(LiveRecordError):
    """It is not proved that ApsaraVideo Live sent the callback. `why` is for the log, not for the
    sender."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class MalformedCallback(LiveRecordError):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class UnusableName(MalformedCallback):
    """The callback is about a stream whose name live-record cannot use in a command. live-record
    never records such a stream."""
