"""The routes of the HTTP API: finds the route of a request, and authorizes, checks and parses it.

commands.py and all_routes.py list the routes. openapi.py describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from shared.config.tokens import Caller
from shared.errors import Fault
from shared.inbound.authorization import authorize, authorized_stream, require_all_streams
from shared.inbound.catalogue import Language, preferred_language
from shared.inbound.function_compute import Headers, Request, Response, json_body
from shared.inbound.request_errors import MethodNotAllowed, NotFound
from shared.inbound.request_fields import Field, OneOf, read
from shared.invocation.invocation import Invocation
from shared.protocol import StreamKey

LIST = "/v1/recordings"
STREAM = f"{LIST}/{{domain}}/{{app}}/{{stream}}"
SIGNED = "/v1/files"
"""The prefix of the paths that the function `files` serves. They are described here, too, because
people see one API."""


WITH_BODY = ("POST", "PUT")


class ApiRequest(Struct, frozen=True):
    """One request, authorized, checked and parsed. `key` is the stream in the path; None if the
    path has none. `values` are all parameters in the path."""

    invocation: Invocation
    caller: Caller
    key: StreamKey | None
    values: Sequence[str]
    body: Mapping[str, Any]
    query: Mapping[str, Any]
    headers: Mapping[str, Any]
    language: Language

    @property
    def who(self) -> str:
        return self.caller.name

    @property
    def stream(self) -> StreamKey:
        if self.key is None:
            raise AssertionError("this route names no stream")
        return self.key


CheckTogether = Callable[[Invocation, Caller, Sequence[str], Mapping[str, Any]], Iterator[Fault]]


class Route(Struct, frozen=True, kw_only=True):
    """One method of one path. `scope` is what the token must allow; None if no token is needed.
    `answers` gives the type of the body for each successful status; str means text. `errors` lists
    further error statuses, besides those that `refusals` finds from the other fields."""

    method: str
    path: str
    scope: str | None
    respond: Callable[[ApiRequest], Response]
    summary: str
    answers: Mapping[int, type[Struct | str]]
    errors: Sequence[int] = ()
    body: Sequence[Field] = ()
    query: Sequence[Field] = ()
    headers: Sequence[Field] = ()
    one_of: OneOf | None = None
    faults: CheckTogether | None = None
    """Yields the faults in the path's values and in the readable part of the body."""
    operation: str = ""
    """The operation's name, if path and method do not make a good one."""
    shows_own: bool = False
    """Whether the answer is limited to the streams that the token is bound to."""
    begins: bool = False
    """Whether the request begins a recording, so that the policy must name the stream's domain."""

    @property
    def name(self) -> str:
        """Return the unique name of the operation: `operation` if that is set, or else a name made
        from the path and the method."""
        if self.operation:
            return self.operation
        last = self.path.rpartition("/")[2]
        if last == "{stream}":
            return "signed" if self.path.startswith(SIGNED) else "status"
        name = {"recordings": "list"}.get(last, last.partition(".")[0])
        return f"head_{name}" if self.method == "HEAD" else name

    @property
    def names_stream(self) -> bool:
        return "{stream}" in self.path

    @property
    def refusals(self) -> Sequence[int]:
        """Return every error status that this route may answer."""
        found = {400, 413, 500, 503, *self.errors}
        found |= {401, 403} if self.scope else set()
        found |= {404} if self.names_stream else set()
        found |= {415} if self.method in WITH_BODY else set()
        found |= {422} if self.reads("Idempotency-Key") else set()
        return sorted(found)

    def reads(self, header: str) -> bool:
        return any(field.name == header for field in self.headers)

    def matches(self, segments: Sequence[str]) -> Sequence[str] | None:
        """Return the values of the path's parameters; None if the path does not match."""
        ours = self.path.split("/")
        if len(ours) != len(segments) or not (ours[-1][:1] == "{" or ours[-1] == segments[-1]):
            return None
        pairs = list(zip(ours, segments, strict=True))
        if any(not part.startswith("{") and part != segment for part, segment in pairs):
            return None
        return [segment for part, segment in pairs if part.startswith("{")]


def dispatch(
    tables: Iterable[Sequence[Route]], invocation: Invocation, request: Request
) -> Response:
    """Answer a request with the route of its path and method. If several tables have the path, the
    first of them is used, and the tables after it are not even loaded. Raise NotFound if no table
    has the path, and MethodNotAllowed if that table has the path only with other methods."""
    segments = request.segments
    if segments[1:2] != ["v1"]:
        segments = ["", "v1", *segments[1:]]
    found = next(filter(None, (_matching(routes, segments) for routes in tables)), [])
    if not found:
        raise NotFound(f"the path {request.path} does not exist", hint="see `GET /v1/openapi.json`")
    allowed = [route.method for route, _ in found]
    at = next((at for at, method in enumerate(allowed) if method == request.method), None)
    if at is None:
        raise MethodNotAllowed(f"{request.path} does not accept {request.method}", allow=allowed)
    route, values = found[at]
    return route.respond(_ask(route, values, invocation, request))


def _matching(
    routes: Sequence[Route], segments: Sequence[str]
) -> Sequence[tuple[Route, Sequence[str]]]:
    return [(route, found) for route in routes if (found := route.matches(segments)) is not None]


def _ask(
    route: Route, values: Sequence[str], invocation: Invocation, request: Request
) -> ApiRequest:
    caller = _caller(route, invocation, request)
    sent = json_body(request) if route.method in WITH_BODY else {}
    return ApiRequest(
        invocation=invocation,
        caller=caller,
        key=_stream(route, values, invocation, caller) if route.names_stream else None,
        values=values,
        body=_body(route, values, invocation, caller, sent),
        query=read(route.query, request.query, where="query"),
        headers=read(route.headers, _declared(route, request), where="headers"),
        language=preferred_language(request.headers.get("accept-language", "")),
    )


def _body(
    route: Route,
    values: Sequence[str],
    invocation: Invocation,
    caller: Caller,
    sent: Mapping[str, Any],
) -> Mapping[str, Any]:
    def together(found: Mapping[str, Any]) -> Iterator[Fault]:
        if route.faults is not None:
            yield from route.faults(invocation, caller, values, found)

    return read(route.body, sent, where="body", one_of=route.one_of, together=together)


def _stream(
    route: Route, values: Sequence[str], invocation: Invocation, caller: Caller
) -> StreamKey:
    is_stored = (lambda _key: False) if route.begins else invocation.app.is_stored
    return authorized_stream(caller, invocation.app.policy, values, is_stored=is_stored)


def _caller(route: Route, invocation: Invocation, request: Request) -> Caller:
    """Return the owner of the token; nobody if the route needs none. A token bound to some streams
    may not use routes about all streams, unless their answer is limited to its own."""
    if route.scope is None:
        return Caller("", frozenset())
    tokens, now = invocation.app.tokens, invocation.app.clock()
    caller = authorize(tokens, request, route.scope, now=now)
    if not (route.names_stream or route.shows_own):
        require_all_streams(caller)
    return caller


def _declared(route: Route, request: Request) -> Mapping[str, str]:
    """Return the headers that the route declares; every request has others, too."""
    headers: Headers = request.headers
    return {one.name: headers[one.name] for one in route.headers if one.name in headers}
