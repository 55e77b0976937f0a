"""Checks who calls, and about which stream: the first step of every function of the HTTP API.

It knows tokens and domains, and nothing of recordings.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from shared.config.token_cache import TokenCache
from shared.config.tokens import Caller
from shared.errors import Fault
from shared.inbound.function_compute import Request
from shared.inbound.request_errors import BadRequest, Forbidden, NotFound, Unauthorized
from shared.protocol import StreamKey
from shared.protocol.policy import Policy
from shared.protocol.stream import name_fault


def authorize(tokens: TokenCache, request: Request, scope: str, *, now: int) -> Caller:
    """Return the caller: the owner of the request's token or, if the request has no token, of its
    console session. Raise Unauthorized if there is neither, or if the token or session is unknown
    or has expired at `now`, in ms. Raise Forbidden if the token lacks `scope`, or if a change with
    a console session does not come from the console's page. Raise StoreUnavailable if only the
    store could have the token, and the store does not answer."""
    is_console = "authorization" not in request.headers and session_of(request)
    owner = _of_session(tokens, request) if is_console else _of_bearer(tokens, request)
    if owner.until is not None and now >= owner.until:
        raise Unauthorized(
            f"the token {owner.name} has expired",
            hint="ask the operator of this stage for another token",
        )
    if scope not in owner.scopes:
        raise Forbidden(
            f"the token {owner.name} does not have the scope `{scope}`",
            hint=f"use a token with the scope `{scope}`",
        )
    return owner


def _of_bearer(tokens: TokenCache, request: Request) -> Caller:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("a token is needed", hint="send `Authorization: Bearer <token>`")
    owner = tokens.caller_of(token.strip())
    if owner is None:
        raise Unauthorized("no such token", hint="ask the operator of this stage for a token")
    return owner


SESSION_COOKIE = "__Host-live-record"
"""The console's cookie. A browser accepts a cookie with this prefix only over https, or from its
own machine, and sends it to no other host."""
CONSOLE_HEADER = "X-Live-Record-Console"
"""A header that the console sends with every change. A form on another site cannot send it."""
_SAFE = ("GET", "HEAD")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def session_of(request: Request) -> str:
    """Return the session text in the request's cookie; "" without one."""
    pairs = (each.strip().partition("=") for each in request.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == SESSION_COOKIE), "")


def _of_session(tokens: TokenCache, request: Request) -> Caller:
    if request.method not in _SAFE:
        require_console(request, tokens.hosts)
    owner = tokens.caller_of_session(session_of(request))
    if owner is None:
        raise Unauthorized("the session is over", hint="sign in again")
    return owner


def require_console(request: Request, hosts: Sequence[str]) -> None:
    """Raise Forbidden unless the request comes from the console's own page. A session alone does
    not show that: a browser sends the cookie whichever page caused the request. `hosts` are the
    stage's own hosts, from its settings. The host of the request is not enough. UNCONFIRMED:
    whether Function Compute passes on the name of a custom domain."""
    headers = request.headers
    origin = _origin_of(headers.get("origin", ""))
    is_ours = origin.hostname is not None and origin.hostname in (request.host, *hosts)
    is_safe = origin.scheme == "https" or (origin.scheme == "http" and request.host in _LOOPBACK)
    is_same = headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not (is_ours and is_safe and is_same and CONSOLE_HEADER in headers):
        raise Forbidden(
            "a console session can change something only from the console page",
            hint="use a token: `Authorization: Bearer <token>`",
        )


def _origin_of(text: str) -> SplitResult:
    """Return the parts of an origin; all of them empty for text that is no origin."""
    try:
        parts = urlsplit(text)
        is_one = parts.port != 0  # a port that is no number raises
    except ValueError:
        is_one = False
    return parts if is_one else urlsplit("")


def require_all_streams(caller: Caller) -> None:
    """Raise Forbidden if the token is bound to some streams. Functions that answer requests about
    all streams call this."""
    if caller.only:
        raise _bound(caller)


def require_domain(caller: Caller, domain: str) -> None:
    """Raise Forbidden if the token allows requests about no stream of the domain."""
    if not caller.may_reach_domain(domain):
        raise _bound(caller)


def require_reach(caller: Caller, key: StreamKey) -> None:
    """Raise Forbidden unless the token allows requests about the stream. The error lists the
    streams to which the token is bound, and reveals no other domain of the stage."""
    if not caller.may_reach(key):
        raise _bound(caller)


def authorized_stream(
    caller: Caller,
    policy: Policy,
    values: Sequence[str],
    *,
    is_stored: Callable[[StreamKey], bool],
) -> StreamKey:
    """Return the stream of `values` (domain, app and stream), as `stream_of` does, but raise
    Forbidden if the caller's token is not for this stream. If the policy no longer names the
    domain, return the stream nevertheless if the store has its record (`is_stored`), because the
    stream may still be recorded. For an unknown domain, a token that is bound to some streams gets
    Forbidden, too, so that the error does not reveal which domains the stage has."""
    try:
        key = stream_of(policy, values)
    except NotFound:
        key = StreamKey(*values)
        if caller.may_reach(key) and is_stored(key):
            return key
        require_all_streams(caller)
        raise
    require_reach(caller, key)
    return key


def _bound(caller: Caller) -> Forbidden:
    only = ", ".join(map(str, caller.only))
    return Forbidden(
        f"the token {caller.name} is only for {only}", hint="use a token for this stream"
    )


def check_key(sent: str, key: str) -> None:
    """Raise Unauthorized unless `sent` is `key`, the secret with which the stage's functions call
    each other. If the stage has no `key`, refuse every call."""
    if not key or not hmac.compare_digest(sent.encode("utf-8", "replace"), key.encode()):
        raise Unauthorized(
            "the call does not carry the key with which the functions of this stage call each other"
        )


def stream_of(policy: Policy, values: Sequence[str]) -> StreamKey:
    """Return the stream of `values`: domain, app and stream. If the given domain is an ingest or
    sub-streaming domain, the result has the main streaming domain to which that domain belongs.
    Raise BadRequest with every invalid name, or NotFound if the domain does not belong to this
    stage."""
    faults = [
        Fault(name, reason)
        for name, value in zip(("domain", "app", "stream"), values, strict=True)
        if (reason := name_fault(value))
    ]
    if faults:
        raise BadRequest(faults)
    domain, app, stream = values
    return StreamKey(streaming_domain_of(policy, domain), app, stream)


def streaming_domain_of(policy: Policy, domain: str) -> str:
    """Return the main streaming domain of `domain`, which may be an ingest or sub-streaming domain,
    or the main one itself. Raise NotFound if the policy does not name `domain`."""
    found = policy.streaming(domain)
    if found is None:
        known = ", ".join(one.streaming for one in policy.domains)
        raise NotFound(f"{domain} is not a domain of this stage", hint=f"the policy names: {known}")
    return found
