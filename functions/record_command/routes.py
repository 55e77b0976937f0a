"""The HTTP API as one table: it dispatches, refuses, and describes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.record_command.fields import Field, read
from shared.app import Call
from shared.domain import StreamKey
from shared.domain.texts import Language
from shared.errors import (
    BadRequest,
    Fault,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
)
from shared.fc import Request, Response, json_body


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, proved, checked and read."""

    call: Call
    request: Request
    who: str
    key: StreamKey | None
    body: Mapping[str, Any]
    query: Mapping[str, Any]
    language: Language

    @property
    def stream(self) -> StreamKey:
        if self.key is None:
            raise AssertionError("this route names no stream")
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`scope` is what the token must allow, None for no token at all; `answers` are the statuses
    besides the errors that any route has."""

    method: str
    path: str
    scope: str | None
    respond: Callable[[Ask], Response]
    summary: str
    body: Sequence[Field] = ()
    query: Sequence[Field] = ()
    answers: Sequence[int] = (200,)
    schema: str = ""
    errors: Sequence[int] = ()

    @property
    def names_stream(self) -> bool:
        return "{stream}" in self.path

    def matches(self, path: str) -> Sequence[str] | None:
        """The values of the path's parameters; None when it is another path."""
        ours, theirs = self.path.split("/"), path.split("/")
        if len(ours) != len(theirs):
            return None
        pairs = list(zip(ours, theirs, strict=True))
        if any(not part.startswith("{") and part != given for part, given in pairs):
            return None
        return [given for part, given in pairs if part.startswith("{")]


def dispatch(routes: Sequence[Route], call: Call, request: Request) -> Response:
    path = request.path.rstrip("/")
    path = path if path.startswith("/v1/") else f"/v1{path}"
    found = [(route, values) for route in routes if (values := route.matches(path)) is not None]
    if not found:
        raise NotFound(f"there is no {request.path}", hint="see GET /v1/openapi.json")
    allowed = [route.method for route, _ in found]
    at = next((at for at, method in enumerate(allowed) if method == request.method), None)
    if at is None:
        raise MethodNotAllowed(f"{path} takes no {request.method}", allow=allowed)
    route, values = found[at]
    return route.respond(_ask(route, values, call, request))


def _ask(route: Route, values: Sequence[str], call: Call, request: Request) -> Ask:
    who = _authorize(route, call, request) if route.scope else ""
    sent = json_body(request) if route.method == "POST" else {}
    return Ask(
        call=call,
        request=request,
        who=who,
        key=_key(call, values) if route.names_stream else None,
        body=read(route.body, sent, where="body"),
        query=read(route.query, request.query, where="query"),
        language=_language(request),
    )


def _authorize(route: Route, call: Call, request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("a token is needed", hint="send Authorization: Bearer <token>")
    owner = call.app.settings.api_tokens.scopes(token.strip())
    if owner is None:
        raise Unauthorized("no such token", hint="ask the operator of this stage for one")
    if route.scope not in owner.scopes:
        raise Forbidden(
            f"the token {owner.name} may not {route.scope}",
            hint=f"use one with the scope {route.scope}",
        )
    return owner.name


_LONGEST_NAME = 256


def _key(call: Call, values: Sequence[str]) -> StreamKey:
    faults = [
        Fault(name, reason)
        for name, value in zip(("domain", "app", "stream"), values, strict=True)
        if (reason := _unfit(value))
    ]
    if faults:
        raise BadRequest(faults)
    domain, app, stream = values
    streaming = call.app.policy.streaming(domain)
    if streaming is None:
        known = ", ".join(found.streaming for found in call.app.policy.domains) or "none"
        raise NotFound(f"{domain} is not a domain of this stage", hint=f"the policy names: {known}")
    return StreamKey(streaming, app, stream)


def _unfit(value: str) -> str:
    if not value:
        return "is empty"
    if "*" in value or "?" in value:
        return "is a wildcard: the API takes one stream a call, so name each stream itself"
    if len(value) > _LONGEST_NAME or not value.isprintable() or " " in value:
        return f"is not a name: at most {_LONGEST_NAME} characters, none of them blank"
    return ""


def _language(request: Request) -> Language:
    wanted = request.headers.get("accept-language", "").lower()
    return Language.CHINESE if wanted.startswith("zh") else Language.ENGLISH
