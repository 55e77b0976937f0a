"""The errors of live-record, grouped by what the caller should do about them.

    LiveRecordError
    + RequestError               the request is wrong: fix it. Each kind has a status of its own
    | · BadRequest               400; the answer names every wrong field
    | · Unauthorized             401; the request has no valid token
    | · Forbidden                403; the token does not allow the request
    | · NotFound                 404
    | · MethodNotAllowed         405; the answer names the allowed methods
    | · WrongState               409; the present state does not allow the request
    | · TooLarge                 413
    | · UnsupportedMediaType     415
    | · KeyReused                422; the Idempotency-Key came with another body before
    | · TooManyRequests          429; too many sign-ins to the console
    + UnverifiedCallback         a callback is not proved genuine: 401, nothing changes
    + MalformedCallback          a genuine callback makes no sense: 400
    | · UnusableName             no command can contain the name of the callback's stream
    + LiveError                  ApsaraVideo Live refused a command, or gave no clear answer
    | · AlreadyStarted           Live records the stream already
    | · StreamNotLive            Live knows no such live stream
    | + InvalidCommand           the command itself is wrong: repeating it is useless
    | | · NoRecordConfig         no recording configuration covers the stream
    | · UnknownRejection         Live does not document this refusal
    | + Retryable                the command had no effect: send it again after retry_after
    | | · Throttled              too many commands at once
    | | · NeverSent              the command did not reach Live
    | | · Unavailable            Live was unavailable
    | · InDoubt                  the command may have taken effect, or may still do so
    | + OperatorActionNeeded     credentials, permissions or clock: an operator must act
    | | · LiveNotActivated       ApsaraVideo Live is not activated for the account
    + StoreUnavailable           the write may or may not be stored: repeat the event
    | · ForeignStore             the store belongs to another stage: nothing is sent
    | · StoreFull                the store has no room left: nothing was stored
    + Unreadable                 this release cannot read a record: only a stop replaces it
    + Misconfigured              the settings are wrong: the error lists every fault

People and the protocol act on these kinds alone. The SDK's own exceptions do not match them,
and are turned into `LiveError`s: throttling, for example, may raise any of three classes of the
SDK (docs/platform/sdk.md §B4).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class LiveRecordError(Exception):
    """The base class of all errors that are raised on purpose."""


class Fault(Struct, frozen=True):
    """One fault in a request, a setting or a file. `field` says where the fault is, `detail` what
    is wrong and what to do. `line` is its line in a file, or 0."""

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
