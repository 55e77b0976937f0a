"""The HTTP API: it starts, stops and splits recordings, and answers questions about streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.record_command import commands
from functions.record_command.routes import Route, dispatch
from shared.inbound.function_compute import Request, Response
from shared.invocation import serve
from shared.invocation.invocation import Invocation

BUDGET_S = 12.0
"""s within which a person has an answer."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, request: Request) -> Response:
    response = dispatch(_tables(), invocation, request)
    invocation.watch_timers()
    return response


def _tables() -> Iterator[Sequence[Route]]:
    """Yield the routes of the commands, then all routes. A new instance whose first request is a
    command loads nothing for the others."""
    yield commands.ROUTES
    from functions.record_command.all_routes import ROUTES

    yield ROUTES
