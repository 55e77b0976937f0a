"""Serves one call of a function. Every HTTP request gets an answer; a call by a timer or by
Function Compute's API may fail.

The functions' handlers call this module. It knows no function and no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.errors import Misconfigured
from shared.inbound import function_compute
from shared.invocation.app import App
from shared.invocation.composition import app, wall_clock
from shared.invocation.invocation import Invocation
from shared.logs import Log, to_stdout

Respond = Callable[[Invocation, Any], function_compute.Response]
Answer = Callable[..., dict[str, object]]


def serve(respond: Respond, event: bytes, context: object, *, seconds: float) -> dict[str, object]:
    """Return the answer of an HTTP function to a call, whatever its input. `seconds` is the time
    that the call may take."""
    return _serve(function_compute.answer, respond, event, context, seconds)


def serve_any(
    respond: Respond, event: bytes, context: object, *, seconds: float
) -> dict[str, object]:
    """Do as `serve`, for a function that a timer or Function Compute's API calls, too. Raise
    InvocationFailed if such a call fails, because Function Compute takes any answer to it as a
    success."""
    return _serve(function_compute.answer_any, respond, event, context, seconds)


def _serve(
    answer: Answer,
    respond: Respond,
    event: bytes,
    context: object,
    seconds: float,
) -> dict[str, object]:
    try:
        ours = app()
    except Misconfigured as error:
        log = Log(to_stdout, now=wall_clock)
        log.error("settings.refused", faults=list(map(str, error.faults)))
        if answer is function_compute.answer_any and not function_compute.is_http(event):
            raise function_compute.InvocationFailed(error) from None
        return function_compute.problem(
            error, function_compute.log_context(context)["request_id"]
        ).to_fc()
    ours.life.begin_call()
    try:
        return answer_in(ours, answer, respond, event, context, seconds=seconds)
    finally:
        ours.life.end_call()


def answer_in(  # noqa: PLR0913 - an app and all that a call consists of
    app: App,
    answer: Answer,
    respond: Respond,
    event: bytes,
    context: object,
    *,
    seconds: float,
) -> dict[str, object]:
    """Answer one call with an app that already exists; a simulation has its own."""
    invocation = Invocation(app, context, seconds=seconds)
    return answer(lambda trigger: respond(invocation, trigger), event, context, log=app.log)
