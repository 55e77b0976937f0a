"""Shows the policy in force, replaces it without a deploy, and suspends its rules."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec.structs import replace

from functions.record_command.answers import PolicyView
from functions.record_command.routes import ApiRequest
from shared.config import example_faults, load_stage_policy, target_faults
from shared.config.policy_dump import policy_document
from shared.errors import Misconfigured
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, WrongState
from shared.inbound.request_fields import DURATION, Field, text
from shared.outbox.event import EventBody, EventType, event_task
from shared.outbox.task import OF_STAGE
from shared.protocol.durations import duration
from shared.protocol.policy import Policy, Suspension
from shared.protocol.stored_text import storable
from shared.store.contract import DAY_MS


def show(request: ApiRequest) -> Response:
    """Return the policy in force. It is read from the store anew, so that every instance returns
    the same: people edit this answer and send it back."""
    policies = request.invocation.app.policies
    policies.forget()
    return _view(request, policies.policy(), policies.version, policies.newest)


def _view(request: ApiRequest, policy: Policy, version: int, newest: int) -> Response:
    """Return the policy, without a suspension that is over, so that nobody stores that suspension
    again."""
    is_suspended = policy.is_suspended(request.invocation.app.clock())
    shown = policy if is_suspended else replace(policy, suspended=None)
    return Response(200, PolicyView(version, newest, policy_document(shown)))


def _read_policy(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("write a policy as an object")  # noqa: TRY004 - one way to say faults
    text = json.dumps(value, ensure_ascii=False)
    if storable(text) != text:
        raise ValueError("write whole characters: the text contains half of a surrogate pair")
    return value


def _read_version(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("write the newest version that `GET /v1/policy` shows")
    return value


APPLY: tuple[Field, ...] = (
    Field(
        "policy",
        _read_policy,
        {"type": "object"},
        "the new policy, with the fields of `policy.toml`",
        {"domain": [{"streaming": "live.example.com", "ingest": ["push.example.com"]}]},
        is_required=True,
    ),
    Field(
        "replaces",
        _read_version,
        {"type": "integer", "minimum": 0},
        "the newest version that `GET /v1/policy` showed; if there is a newer version now, the"
        " answer is 409",
        0,
        is_required=True,
    ),
)


def apply(request: ApiRequest) -> Response:
    """Check a policy as a deploy checks the packaged one, and store it. It is in force within ten
    seconds. Raise BadRequest if it has faults, and WrongState if `replaces` is not the newest
    version."""
    app = request.invocation.app
    document = json.dumps(request.body["policy"], ensure_ascii=False)
    try:
        policy = load_stage_policy(document, kind="json", settings=app.settings)
    except Misconfigured as error:
        raise BadRequest(error.faults) from None
    examples = () if app.settings.is_emulated else example_faults(policy)
    if faults := [*target_faults(policy, app.settings), *examples]:
        raise BadRequest(faults)
    return _put(request, policy, document, replaces=request.body["replaces"])


MAX_SUSPENSION_MS = 7 * DAY_MS


def _suspended_for(value: object) -> int:
    lasts_ms = duration(value)
    if lasts_ms > MAX_SUSPENSION_MS:
        raise ValueError('write a duration like "2h", `7d` at most')
    return lasts_ms


SUSPEND: tuple[Field, ...] = (
    Field(
        "for",
        _suspended_for,
        DURATION,
        "how long no rule starts a recording; `7d` at most",
        "2h",
        is_required=True,
    ),
    text(
        "note",
        "the reason; the overview and the console show it",
        example="the venue is rehearsing",
    ),
)


def suspend(request: ApiRequest) -> Response:
    """Suspend the rules for a while: none starts a recording. Running recordings go on, and people
    and schedules can still start others."""
    until = request.invocation.app.clock() + request.body["for"]
    return _suspend(request, Suspension(until, request.who, request.body.get("note", "")))


def resume(request: ApiRequest) -> Response:
    """Let the rules start recordings again, also of streams that came up in the meantime."""
    return _suspend(request, None)


def _suspend(request: ApiRequest, suspended: Suspension | None) -> Response:
    policies = request.invocation.app.policies
    policies.forget()
    policy, version = policies.policy(), policies.version
    if policies.newest != version:
        hint = "apply a policy that this release can read: `live-record policy apply policy.toml`"
        raise WrongState(f"this release cannot read policy version {policies.newest}", hint=hint)
    if policy.suspended == suspended:
        return _view(request, policy, version, version)
    changed = replace(policy, suspended=suspended)
    document = json.dumps(policy_document(changed), ensure_ascii=False)
    return _put(request, changed, document, replaces=version)


def _put(request: ApiRequest, policy: Policy, document: str, *, replaces: int) -> Response:
    """Store a checked policy. Raise WrongState if there is a newer one."""
    copy = request.invocation.app.store.put_policy(document, replaces=replaces)
    if copy is None:
        hint = "see what your file would change: `live-record policy diff`"
        raise WrongState(f"version {replaces} is not the newest policy", hint=hint)
    _note_event(request, policy, copy.version)
    request.invocation.apply_policy_soon()
    request.invocation.log.warning("policy.applied", version=copy.version, who=request.who)
    return _view(request, policy, copy.version, copy.version)


def _note_event(request: ApiRequest, policy: Policy, version: int) -> None:
    """Store an event about the new policy, if one of its webhook receivers wants it."""
    kind, app = EventType.STAGE_POLICY_APPLIED, request.invocation.app
    if any(kind.fits(hook.events) for hook in policy.webhooks):
        body = EventBody(kind, app.clock(), {"version": version})
        app.store.add_tasks(OF_STAGE, (event_task(OF_STAGE, body, body.at, origin=str(version)),))
