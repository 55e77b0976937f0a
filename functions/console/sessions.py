"""Signs people in to the console and out of it, and returns who is signed in."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from shared.config.session import SESSION_MS
from shared.config.tokens import Caller
from shared.errors import Fault
from shared.inbound.authorization import SESSION_COOKIE, authorize, require_console
from shared.inbound.function_compute import Request, Response, json_body
from shared.inbound.request_errors import BadRequest, Forbidden, TooManyRequests, Unauthorized
from shared.invocation.invocation import Invocation

_FLAGS = "Path=/; Secure; HttpOnly; SameSite=Strict"
_MAX_TOKEN_CHARS = 256
SIGN_IN_EVERY_MS = 1_000
"""ms after which an address may sign in again. Two sign-ins at once are accepted."""
_PLACES_NUMBER = 256
"""The number of sign-in rate limits. Addresses share them, so that no caller can make the store
grow."""


class ConsoleSessionView(Struct, frozen=True):
    """The name of the token that opened the session; null if nobody is signed in. Even then the
    status is 200, because a browser logs an error for 401 or 403."""

    name: str | None


def show(invocation: Invocation, request: Request) -> Response:
    """Return the name of the token with which the browser is signed in; null if it is not signed
    in."""
    app = invocation.app
    try:
        caller = authorize(app.tokens, request, "read", now=app.clock())
    except (Forbidden, Unauthorized):
        return Response(200, ConsoleSessionView(None))
    return Response(200, ConsoleSessionView(caller.name))


def open_one(invocation: Invocation, request: Request) -> Response:
    """Sign in with the API token in the request's body: open a session, and return its cookie.
    Raise TooManyRequests after too many sign-ins from one address, Unauthorized if the token is
    unknown or has expired, and Forbidden if it lacks the scope `read`."""
    app, token = invocation.app, _token_of(request)
    require_console(request, app.tokens.hosts)
    place, every_ms = f"sign_ins:{_place_of(request.source_ip)}", SIGN_IN_EVERY_MS
    if app.store.take_slot(place, every_ms, every_ms) is None:
        raise TooManyRequests(
            "too many sign-ins from this address", hint="wait a second, and try again"
        )
    caller, session = app.tokens.caller_of(token), app.tokens.open_session(token)
    if caller is None or session is None or _is_over(caller, app.clock()):
        invocation.log.warning("console.refused", source=request.source_ip)
        raise Unauthorized("no such token", hint="ask the operator of this stage for a token")
    if "read" not in caller.scopes:
        raise Forbidden(
            f"the token {caller.name} does not have the scope `read`",
            hint="use a token with the scope `read`",
        )
    invocation.log.info("console.opened", who=caller.name, source=request.source_ip)
    return Response(200, ConsoleSessionView(caller.name), _cookie(session, SESSION_MS // 1000))


def close(invocation: Invocation, request: Request) -> Response:
    """Sign out: make the browser forget its session."""
    require_console(request, invocation.app.tokens.hosts)
    return Response(200, ConsoleSessionView(None), _cookie("", 0))


def _cookie(session: str, age_s: int) -> dict[str, str]:
    return {"Set-Cookie": f"{SESSION_COOKIE}={session}; Max-Age={age_s}; {_FLAGS}"}


def _token_of(request: Request) -> str:
    token = json_body(request).get("token")
    if not isinstance(token, str) or not token.strip() or len(token) > _MAX_TOKEN_CHARS:
        raise BadRequest([Fault("token", "write the text of an API token")])
    return token.strip()


def _is_over(caller: Caller, now: int) -> bool:
    return caller.until is not None and now >= caller.until


def _place_of(source_ip: str) -> str:
    """Return the name of the rate limit that the caller's address shares."""
    return f"{hashlib.sha256(source_ip.encode()).digest()[0] % _PLACES_NUMBER:02x}"
