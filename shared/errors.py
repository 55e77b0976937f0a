"""What can go wrong, by what the caller should do about it.

    LiveRecordError
    + RequestError               fix the request: it is answered with its own status
    | · BadRequest               400, every bad field at once
    | · Unauthorized             401, who are you
    | · Forbidden                403, not allowed to you
    | · NotFound                 404
    | · MethodNotAllowed         405, with the methods that are
    | · WrongState               409, not while the stream stands as it does
    | · TooLarge                 413
    | · UnsupportedMediaType     415
    | · KeyReused                422, an Idempotency-Key with another body
    | · TooManyRequests          429, sign-ins to the console
    + UnverifiedCallback         a callback that is not proved genuine: 401, nothing changes
    + MalformedCallback          a genuine callback that makes no sense: 400
    | · UnusableName             it is about a stream that no command can name
    + LiveError                  what ApsaraVideo Live answered, or that it did not
    | · AlreadyStarted           it records already
    | · StreamNotLive            it has no such stream now
    | + InvalidCommand           the command itself is wrong, repeating it is useless
    | | · NoRecordConfig         a recording configuration must exist first
    | · UnknownRejection         a refusal nobody documented
    | + Retryable                it did nothing: send it again, and not before retry_after
    | | · Throttled              too many commands at once
    | | · NeverSent              nobody received it
    | | · Unavailable
    | · InDoubt                  it may have acted, or may yet
    | + OperatorActionNeeded     credentials, permissions or clock: an operator must act
    | | · LiveNotActivated       the account has no ApsaraVideo Live
    + StoreUnavailable           the write may or may not be stored: the event may be repeated
    | · ForeignStore             another stage's: nothing is sent
    | · StoreFull                it has no room left: nothing was stored
    + Unreadable                 a record that this release cannot read: only a stop replaces it
    + Misconfigured              the settings are wrong: the error lists every fault

`LiveError`s are separate from the SDK's own exceptions. A person or the protocol acts on
these kinds alone, and the SDK's classes do not match them: a throttling may be any of three
of its classes (docs/platform/sdk.md §B4).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class LiveRecordError(Exception):
    """The base class of all errors that are raised on purpose."""


class Fault(Struct, frozen=True):
    """One fault: where it is, and what to do about it. `line` is the line in a file; 0 for none."""

    field: str
    detail: str
    code: str = "MalformedParam"
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.field} (line {self.line})" if self.line else self.field
        return f"{where}: {self.detail}"


class Misconfigured(LiveRecordError):
    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)
