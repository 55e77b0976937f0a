"""Answers every HTTP request, also if the function fails: never with a stack trace, and never with
a 5xx without a reason. A failed call by a timer or by Function Compute's API gets no answer, since
any answer would count as a success; an error is raised instead.

`shared.invocation.serve` calls this module. It knows no function and no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.errors import Fault, LiveRecordError
from shared.inbound.catalogue import Language, preferred_language
from shared.inbound.function_compute.request import (
    Invoked,
    Request,
    TimerEvent,
    TriggerEvent,
    headers_of,
    parse,
    text_of,
)
from shared.inbound.function_compute.response import Response, problem
from shared.inbound.request_errors import (
    BadRequest,
    MalformedCallback,
    RequestError,
    UnverifiedCallback,
)
from shared.logs import Log

READS, CALLBACKS = ("GET", "HEAD"), "/callbacks/"


class InvocationFailed(Exception):
    """A call by a timer or by Function Compute's API has failed. It is raised out of the handler,
    so that Function Compute counts the failure and retries the call
    (docs/platform/function-compute.md §3.2). Anybody may see its text, so the details are only in
    the log."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: the function's log says why")


def credentials_of(context: object, environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the access key id, the secret and the security token of the function's role; all are
    empty if it has none. They are in the context up to python3.10, and in the environment after
    that (docs/platform/function-compute.md §1.4)."""
    names = ("access_key_id", "access_key_secret", "security_token")
    if brings_credentials(context):
        credentials = getattr(context, "credentials", None)
        key_id, secret, token = (text_of(getattr(credentials, name, "")) for name in names)
    else:
        key_id, secret, token = (
            environment.get(f"ALIBABA_CLOUD_{name.upper()}", "") for name in names
        )
    return (key_id, secret, token) if key_id and secret else ("", "", "")


def brings_credentials(context: object) -> bool:
    """Return True if the call's context holds credentials; False if they are in the environment."""
    credentials = getattr(context, "credentials", None)
    names = ("access_key_id", "access_key_secret")
    return all(text_of(getattr(credentials, name, "")) for name in names)


def log_context(context: object) -> dict[str, str]:
    function = getattr(context, "function", None)
    return {
        "request_id": text_of(getattr(context, "request_id", "")),
        "function": text_of(getattr(function, "name", "")),
    }


def answer(
    respond: Callable[[Request], Response], event: bytes | str, context: object, *, log: Log
) -> dict[str, object]:
    """Return the answer of a function that is called only over HTTP, for any event and whatever
    `respond` raises."""

    def over_http(trigger: TriggerEvent) -> Response:
        if not isinstance(trigger, Request):
            raise BadRequest([Fault("event", "this function accepts only HTTP requests")])
        return respond(trigger)

    return answer_any(over_http, event, context, log=log)


def answer_any(
    respond: Callable[[TriggerEvent], Response], event: bytes | str, context: object, *, log: Log
) -> dict[str, object]:
    """Return the answer of a function that may be called over HTTP, by a timer or by Function
    Compute's API. Answer an HTTP request whatever `respond` raises. If another call fails, raise
    InvocationFailed; but if the call itself is wrong (RequestError), answer it with the error,
    since a retry would be useless."""
    who = log_context(context)
    log = log.bind(**who)
    trigger: TriggerEvent | None = None
    try:
        trigger = parse(event)
        response = respond(trigger)
        sent = response.to_fc()
    except Exception as error:  # noqa: BLE001 - what an uncaught one becomes is UNCONFIRMED
        _log_error(log, error)
        if isinstance(trigger, TimerEvent | Invoked) and not isinstance(error, RequestError):
            raise InvocationFailed(error) from None
        language, is_read = _language(event), _is_read(trigger)
        sent = problem(error, who["request_id"], language=language, is_read=is_read).to_fc()
    else:
        log.info("request.answered", status=response.status, **_asked(trigger))
    if isinstance(trigger, Request) and trigger.method == "HEAD":
        return {**sent, "body": ""}
    return sent


def is_http(event: bytes | str) -> bool:
    """Return True for an HTTP request, even one that cannot be read."""
    try:
        return isinstance(parse(event), Request)
    except RequestError:
        return True


def _language(event: bytes | str) -> Language:
    return preferred_language(headers_of(event).get("accept-language", ""))


def _is_read(trigger: TriggerEvent | None) -> bool:
    """Return True for a request that stores nothing. A callback stores something, even by GET."""
    if not isinstance(trigger, Request):
        return False
    return trigger.method in READS and not trigger.path.startswith(CALLBACKS)


def _asked(trigger: TriggerEvent) -> dict[str, str]:
    if isinstance(trigger, Request):
        return {"method": trigger.method, "path": trigger.path}
    return {"method": type(trigger).__name__}


def _log_error(log: Log, error: Exception) -> None:
    if isinstance(error, UnverifiedCallback | MalformedCallback):
        log.warning("callback.refused", why=error.why)
    elif isinstance(error, RequestError):
        log.info("request.refused", code=error.code, why=str(error))
    elif isinstance(error, LiveRecordError):
        log.error("request.failed", error=error, code=getattr(error, "code", ""))
    else:
        log.error("request.crashed", error=error, trace=error.__traceback__)
