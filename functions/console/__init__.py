"""The console: a page for operators, and the sign-in that turns an API token into a cookie.

Browsers call this module. The page reads and changes everything through the HTTP API; this function
itself reads no stream and sends no command.
"""

from __future__ import annotations

from functions.console import page, sessions
from shared.inbound.function_compute import Request, Response
from shared.inbound.request_errors import MethodNotAllowed, NotFound
from shared.invocation import serve
from shared.invocation.invocation import Invocation

BUDGET_S = 5.0
"""s within which a browser gets its answer."""
PREFIX = "/console"
_SESSION = "session"


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, request: Request) -> Response:
    if request.path == PREFIX:
        return Response(308, "", {"Location": f"{PREFIX}/", **page.HEADERS})
    name = request.path.removeprefix(PREFIX).removeprefix("/")
    if name == _SESSION:
        return _session(invocation, request)
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(
            f"{request.path} does not accept {request.method}", allow=["GET", "HEAD"]
        )
    file = page.file_named(name)
    if file is None:
        raise NotFound(f"the path {request.path} does not exist", hint=f"open {PREFIX}/")
    return page.answer(file, request, invocation.app)


def _session(invocation: Invocation, request: Request) -> Response:
    answers = {"GET": sessions.show, "POST": sessions.open_one, "DELETE": sessions.close}
    if request.method not in answers:
        raise MethodNotAllowed(
            f"{request.path} does not accept {request.method}", allow=["GET", "POST", "DELETE"]
        )
    return answers[request.method](invocation, request)
