"""Sends the commands that are due, compares the records with Live's online lists, and reads the
callbacks that Live could not deliver.

A timer starts all of these steps every minute. Sending begins in the first second; the other steps
run at the same time. If one of them fails, the others go on. A wake-up call only sends commands.
"""

from __future__ import annotations

from shared.engine.recorder import HandlingOptions
from shared.engine.side_steps import SideSteps
from shared.engine.step_marks import AUDIT, REPLAY, RESYNC, SCHEDULES
from shared.inbound import authorization
from shared.inbound.function_compute import (
    Invoked,
    Request,
    Response,
    TimerEvent,
    TriggerEvent,
    body_of,
)
from shared.invocation import serve
from shared.invocation.invocation import Invocation
from shared.outbound.wake import KEY_HEADER, key_in

BUDGET_S = 70.0
"""s that one run works at most. The next minute's run has begun by then."""
SLOT_WAIT_MS = 250
"""A slot that is further ahead than this is not taken."""


def handler(event: bytes, context: object) -> dict[str, object]:
    """Answer the timer's call, or a wake-up call over HTTP. Raise InvocationFailed if the timer's
    run could do nothing."""
    return serve.serve_any(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, trigger: TriggerEvent) -> Response:
    """Run reconcile, and return what was done. Function Compute itself authorizes the timer. Every
    other call is a wake-up call: it needs the stage's own key, only sends what is due, and does
    nothing if enough other runs are at work."""
    options = HandlingOptions(
        slot_wait_ms=SLOT_WAIT_MS, may_query_live=True, may_send=invocation.has_time
    )

    def resync() -> int:
        invocation.report_store()
        invocation.note_size()
        return invocation.resync()

    steps = {
        RESYNC: resync,
        REPLAY: invocation.replay_undelivered,
        AUDIT: invocation.audit,
        SCHEDULES: invocation.tend_schedules,
    }
    if not isinstance(trigger, TimerEvent):
        authorization.check_key(_key_of(trigger), invocation.app.settings.wake_key)
        if not invocation.is_needed():
            return _answer(0, None)
        steps = {}
    dispatcher, side_steps = invocation.dispatcher(options), invocation.side_steps(steps)
    done = dispatcher.run(invocation.app.workers(), invocation.has_time, side_steps)
    if isinstance(trigger, TimerEvent):
        invocation.send_heartbeat()
        invocation.watch_timers()
    return _answer(done, side_steps)


def _answer(done: int, side_steps: SideSteps | None) -> Response:
    results = side_steps.results if side_steps else {}
    return Response(
        200,
        {
            "differences": results.get(RESYNC, 0),
            "undelivered": results.get(REPLAY, 0),
            "done": done,
            "failed": side_steps.failed if side_steps else [],
        },
    )


def _key_of(woken: Request | Invoked) -> str:
    """Return the key that a wake-up call carries in its header, its body or both."""
    header = woken.headers.get(KEY_HEADER, "") if isinstance(woken, Request) else ""
    return header or key_in(body_of(woken))
