"""Lists the tasks that follow from recordings, and retries a task that failed for good.

A list has either the open tasks or those that failed for good. Functions with timers of their own
do the tasks; this module does none.
"""

from __future__ import annotations

from typing import Any

from functions.record_command.answers import (
    DeliveriesView,
    DeliveryState,
    DeliveryView,
    RedrivenView,
)
from functions.record_command.cursors import cursor_field, cursor_of, place_of
from functions.record_command.routes import ApiRequest
from shared.errors import Fault
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, NotFound, WrongState
from shared.inbound.request_fields import DEFAULT_ROWS, LIMIT, Field, choice
from shared.outbox.task import OF_STAGE, Redriven, Task
from shared.protocol.durations import rfc3339


def _cursor(value: object) -> tuple[str, str]:
    """Return the list and the place at which the page before ended."""
    return place_of(value, _parsed)


def _parsed(place: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever JSON holds
    state, behind = place
    return str(DeliveryState(state).value), str(behind).encode().decode()


def _cursor_after(state: DeliveryState, place: str) -> str:
    return cursor_of([state.value, place])


_EXAMPLE = _cursor_after(DeliveryState.DEAD, "017638000000002c26b46b68ffc68ff99b453c")
LIST: tuple[Field, ...] = (
    choice(
        "state",
        DeliveryState,
        "`open`: tasks still to be done, by stream; `dead`: tasks that failed for good, the oldest"
        " first. If left out, `dead`",
    ),
    LIMIT,
    cursor_field(_cursor, _EXAMPLE),
)


def listed(request: ApiRequest) -> Response:
    """Return a page of the tasks, as they are now. A task that is done before its page is requested
    is on no page."""
    state: DeliveryState = request.query.get("state", DeliveryState.DEAD)
    of, after = request.query.get("cursor", (state.value, ""))
    if of != state.value:
        raise BadRequest(
            [Fault("cursor", "comes from a list with another `state`: leave out `cursor`")]
        )
    limit, store = request.query.get("limit", DEFAULT_ROWS), request.invocation.app.store
    read = store.open_tasks if state is DeliveryState.OPEN else store.dead_letters
    found = read(after=after, limit=limit + 1)
    following = _cursor_after(state, found[limit - 1].place) if len(found) > limit else None
    rows = [_view(one.task, state) for one in found[:limit]]
    return Response(200, DeliveriesView(rows, following))


def _view(task: Task, state: DeliveryState) -> DeliveryView:
    return DeliveryView(
        id=task.id,
        kind=task.kind,
        receiver=task.receiver,
        stream="" if task.stream == OF_STAGE else str(task.stream),
        state=state,
        made_at=rfc3339(task.made_at),
        at=rfc3339(task.due_at),
        attempts=task.attempts,
        why=task.why,
    )


def redrive(request: ApiRequest) -> Response:
    """Reopen a task that failed for good: it is due now, and its attempts are counted from 0
    again."""
    (task_id,) = request.values
    match request.invocation.app.store.redrive(task_id):
        case Redriven.UNKNOWN:
            raise NotFound(
                "no task with this id has failed for good",
                hint="`GET /v1/deliveries` lists all tasks; open ones are retried automatically",
            )
        case Redriven.FULL:
            raise WrongState(
                "too many deliveries are open already",
                hint="wait until the stage has done some of these deliveries: `GET /v1/health`"
                " says how many are open",
            )
        case Redriven.OPEN:
            request.invocation.log.info("delivery.redriven", id=task_id, who=request.who)
            return Response(200, RedrivenView(task_id, DeliveryState.OPEN))
