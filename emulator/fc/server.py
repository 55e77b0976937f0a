"""Function Compute's HTTP interface: custom domain, HTTP triggers, InvokeFunction.

aiohttp calls `Server.handle` for each request.
It must not start instances itself; compute.py does.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from emulator.fc.answer import Answer, BadResponse, platform_error, to_http
from emulator.fc.asynchronous import AsyncCalls
from emulator.fc.clock import Clock
from emulator.fc.compute import Compute, Outcome
from emulator.fc.control import Control
from emulator.fc.deployment import Function
from emulator.fc.event import Call, http_event
from emulator.fc.fleet import Throttled
from emulator.fc.request_id import new_request_id
from emulator.fc.routing import Routes, without_prefix
from emulator.fc.settings import Settings
from emulator.same_machine import refusal_of

_MAX_HEADER_BYTES = 8 * 1024
_MAX_TARGET_BYTES = 4 * 1024
_MAX_BODY_BYTES = 32 * 1024 * 1024
_MAX_ASYNC_BYTES = 128 * 1024
_OWN_TRIGGER = "/_fc/http/"
_CONTROL = "/_fc/"
_API = "/2023-03-30/functions/"
_INVOCATIONS = "/invocations"


class PlatformError(Exception):
    """An error with which the platform answers a call that does not reach the function."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = platform_error(status, code, message)


class Server:
    def __init__(
        self,
        compute: Compute,
        calls: AsyncCalls,
        control: Control,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._compute = compute
        self._calls = calls
        self._control = control
        self._clock = clock
        self._settings = settings
        self._routes = Routes(compute.deployment.routes)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; each response has X-Fc-Request-Id (docs/platform/function-compute.md
        §2.3)."""
        request_id = new_request_id()
        try:
            answer = await self._answer(request, request_id)
        except PlatformError as error:
            answer = error.answer
        except BadResponse as error:
            answer = platform_error(HTTPStatus.BAD_GATEWAY, "BadResponse", str(error))
        headers = {**answer.headers, "X-Fc-Request-Id": request_id}
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def _answer(self, request: web.BaseRequest, request_id: str) -> Answer:
        _check_head(request)
        self._check_sender(request)
        call = _read_call(request, await _read(request))
        if call.path.startswith(_OWN_TRIGGER):
            return await self._answer_trigger(call, request.headers, request_id)
        if call.path.startswith(_CONTROL):
            path = call.path.removeprefix(_CONTROL)
            return await self._control.answer(call.method, path, call.query, call.body)
        if call.path.startswith(_API):
            return await self._answer_api(call, request.headers, request_id)
        return await self._answer_domain(call, request.headers, request_id)

    def _check_sender(self, request: web.BaseRequest) -> None:
        domains = {route.domain for route in self._compute.deployment.routes}
        refusal = refusal_of(request.headers, domains)
        if refusal:
            raise PlatformError(HTTPStatus.FORBIDDEN, "NotOfThisMachine", refusal)

    async def _answer_domain(
        self, call: Call, headers: Mapping[str, str], request_id: str
    ) -> Answer:
        """Call the function that the route names; it needs no HTTP trigger
        (docs/platform/function-compute.md §2.3)."""
        route = self._routes.find(call.host, call.method, call.path)
        function = self._compute.deployment.function(route.function) if route else None
        if route is None or function is None:
            message = f"no route for {call.method} {call.path}"
            raise PlatformError(HTTPStatus.NOT_FOUND, "RouteNotFound", message)
        if self._settings.strip_prefix:
            call = _with_path(call, without_prefix(route, call.path))
        return await self._invoke_over_http(function, call, headers, request_id)

    async def _answer_trigger(
        self, call: Call, headers: Mapping[str, str], request_id: str
    ) -> Answer:
        """Call the function in /_fc/http/{function}/..., a path that replaces its host name."""
        name, slash, rest = call.path.removeprefix(_OWN_TRIGGER).partition("/")
        function = self._function(name)
        if call.method not in function.http_methods:
            message = f"the http trigger of {name} does not take {call.method}"
            raise PlatformError(HTTPStatus.FORBIDDEN, "AccessDenied", message)
        return await self._invoke_over_http(
            function, _with_path(call, f"{slash or '/'}{rest}"), headers, request_id
        )

    async def _answer_api(self, call: Call, headers: Mapping[str, str], request_id: str) -> Answer:
        """Answer InvokeFunction: the payload is the event. An error of the function also has status
        200."""
        name = call.path.removeprefix(_API).removesuffix(_INVOCATIONS)
        if call.method != "POST" or not call.path.endswith(_INVOCATIONS):
            message = f"'{call.method}' against '{call.path}' is not supported"
            raise PlatformError(HTTPStatus.BAD_REQUEST, "PathNotSupported", message)
        function = self._function(name)
        if _is_asynchronous(headers):
            return self._accept_async(function, call.body, request_id)
        outcome = await self._invoke(function, call.body, request_id)
        return Answer(HTTPStatus.OK, _error_header(outcome), outcome.payload)

    async def _invoke_over_http(
        self, function: Function, call: Call, headers: Mapping[str, str], request_id: str
    ) -> Answer:
        event = http_event(
            call,
            at=self._clock.now(),
            request_id=request_id,
            account_id=self._settings.account_id,
            base64_always=self._settings.base64_always,
        )
        if _is_asynchronous(headers):
            raw = self._settings.async_raw_body
            return self._accept_async(function, call.body if raw else event, request_id)
        outcome = await self._invoke(function, event, request_id)
        if outcome.error_type:
            shown = {**_error_header(outcome), "Content-Type": "application/json"}
            return Answer(self._settings.error_status, shown, outcome.payload)
        return to_http(outcome.payload)

    async def _invoke(self, function: Function, event: bytes, request_id: str) -> Outcome:
        try:
            return await self._compute.invoke(function, event, request_id)
        except Throttled as error:
            message = f"no instance of {function.name} is free, and none may be started"
            throttled = PlatformError(HTTPStatus.TOO_MANY_REQUESTS, "ResourceExhausted", message)
            raise throttled from error

    def _accept_async(self, function: Function, event: bytes, request_id: str) -> Answer:
        """Accept an asynchronous call (docs/platform/function-compute.md §2.3: 128 KB, §3: 202)."""
        if len(event) > _MAX_ASYNC_BYTES:
            raise _too_large(_MAX_ASYNC_BYTES)
        self._calls.submit(function, event, request_id)
        return Answer(HTTPStatus.ACCEPTED)

    def _function(self, name: str) -> Function:
        function = self._compute.deployment.function(name)
        if function is None:
            message = f"function '{name}' does not exist"
            raise PlatformError(HTTPStatus.NOT_FOUND, "FunctionNotFound", message)
        return function


def _check_head(request: web.BaseRequest) -> None:
    """Check the limits: 8 KB of headers, 4 KB of path and query (docs/platform/function-compute.md
    §2.3)."""
    if len(request.raw_path) > _MAX_TARGET_BYTES:
        message = f"path and query exceed {_MAX_TARGET_BYTES} bytes"
        raise PlatformError(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)
    if sum(len(name) + len(value) for name, value in request.raw_headers) > _MAX_HEADER_BYTES:
        message = f"headers exceed {_MAX_HEADER_BYTES} bytes"
        raise PlatformError(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)


async def _read(request: web.BaseRequest) -> bytes:
    if not request.body_exists:
        return b""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise _too_large(_MAX_BODY_BYTES)
    return bytes(body)


def _too_large(max_bytes: int) -> PlatformError:
    message = f"payload size exceeds maximum allowed size ({max_bytes} bytes)"
    return PlatformError(HTTPStatus.BAD_REQUEST, "EntityTooLarge", message)


def _read_call(request: web.BaseRequest, body: bytes) -> Call:
    path, _, query = request.raw_path.partition("?")
    return Call(
        method=request.method,
        path=path,
        query=query,
        headers=request.headers.items(),
        body=body,
        host=request.host.rpartition(":")[0] or request.host,
        source_ip=request.remote or "",
    )


def _with_path(call: Call, path: str) -> Call:
    return Call(
        call.method, path, call.query, call.headers, call.body, call.host, call.source_ip
    )  # fmt: skip


def _is_asynchronous(headers: Mapping[str, str]) -> bool:
    return headers.get("X-Fc-Invocation-Type", "").lower() == "async"


def _error_header(outcome: Outcome) -> dict[str, str]:
    return {"X-Fc-Error-Type": outcome.error_type} if outcome.error_type else {}
