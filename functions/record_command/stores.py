"""Accepts the store as this stage's own: after the first deploy, and after the store was
emptied."""

from __future__ import annotations

from functions.record_command.answers import StoreAcceptedView
from functions.record_command.routes import ApiRequest
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import WrongState
from shared.inbound.request_fields import Field, text

ACCEPT: tuple[Field, ...] = (
    text(
        "replaces",
        "the id of the other stage that the store belongs to now, to confirm that this stage"
        " replaces it",
        example="cn-shanghai.prod.0f8fad5bd9cb469f",
    ),
)


def accept(request: ApiRequest) -> Response:
    """Write the id of this stage into the store. If the store has another stage's id, replace it
    only if the request names that id. Only a deploy or a person may send this request: no function
    puts an id into a store by itself."""
    app, replaces = request.invocation.app, request.body.get("replaces", "")
    expected = app.settings.store_id
    if not expected:
        raise WrongState(
            "this stage was deployed without LIVE_RECORD_STORE_ID",
            hint="deploy the stage again: `make deploy` makes the id",
        )
    _refuse_wrong_id(app.store.state().store_id, expected, replaces)
    state = app.store.accept(replaces=replaces)
    if state.is_foreign(expected):
        raise WrongState(
            f"the store belongs to {state.store_id}",
            hint="give each stage a store of its own; to take this store over, send"
            " the other stage's id as `replaces`",
        )
    request.invocation.apply_policy_soon()
    request.invocation.log.warning("store.accepted", store_id=expected, who=request.who)
    return Response(200, StoreAcceptedView(expected))


def _refuse_wrong_id(found: str | None, expected: str, replaces: str) -> None:
    """Raise WrongState if the store is to be taken over, and belongs to no other stage."""
    if replaces and replaces != found and found in (None, expected):
        ours = f"the store does not belong to {replaces}: it belongs to this stage already"
        nobodys = f"the store does not belong to {replaces}: it belongs to no stage yet"
        raise WrongState(
            nobodys if found is None else ours,
            hint="leave out `replaces`: that field is only for a store that belongs to"
            " another stage",
        )
