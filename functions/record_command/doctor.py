"""Reports to `live-record doctor` the facts that only the stage can see: the state of its store,
which people's machines seldom reach; what Live allows its role; and which secrets it has."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Sequence

from functions.record_command.answers import (
    DoctorView,
    DomainView,
    MatchesView,
    PolicyInForceView,
    SettingsView,
    StoreView,
)
from functions.record_command.routes import ApiRequest
from shared.config import load_stage_policy, mode_of, target_faults
from shared.config.path_tokens import kind_of_token
from shared.config.tokens import digest_of
from shared.errors import Misconfigured
from shared.inbound.catalogue import catalogue, problem_words
from shared.inbound.function_compute import Response
from shared.inbound.request_fields import Field
from shared.invocation.app import DOCTOR_ASKS_EVERY_S, App
from shared.invocation.composition import dev_offset
from shared.protocol.command_errors import LiveError
from shared.protocol.durations import rfc3339
from shared.store.store_errors import StoreUnavailable

MARK, ASKED_LIVE = "examined", "doctor"
ASK_LIVE_EVERY_MS = round(1_000 * DOCTOR_ASKS_EVERY_S)
"""ms between two requests that ask Live, across all instances. Anybody with a token may call this,
and Live limits calls by account (docs/platform/live.md §1.5). One request may wait for its turn;
all others do not ask Live."""
ASKED_JUST_NOW = "AskedJustNow"


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("write a SHA-256, as 64 hexadecimal digits in lower case")
    return bytes.fromhex(value)


def _question(name: str, doc: str) -> Field:
    schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    says = f"SHA-256 of {doc}; the answer says whether the stage has this secret"
    return Field(name, _digest, schema, says, "0" * 64)


DIGESTS: tuple[Field, ...] = (
    _question("stream_key", "a key of Live's ingest callbacks"),
    _question("record_key", "a key of Live's recording callbacks"),
    _question("path_token", "the last part of a callback URL"),
)


def examine(request: ApiRequest) -> Response:
    """Return the settings, the secrets that match the digests of the query, the state of the store
    and the policy, and what Live answers about each domain. If one check fails, the others are
    answered all the same."""
    app = request.invocation.app
    app.policies.forget()
    return Response(
        200,
        DoctorView(
            stage=app.settings.stage,
            mode=mode_of(app.settings, app.policy),
            now=rfc3339(app.clock()),
            settings=_settings(app),
            matches=_matches(request),
            store=_store(request),
            policy=PolicyInForceView(app.policies.version, _policy_fault(app)),
            live=list(_live(request)),
        ),
    )


def _settings(app: App) -> SettingsView:
    settings = app.settings
    return SettingsView(
        callback_host=settings.callback_host,
        callback_hosts=list(settings.callback_hosts),
        merge_delay_ms=settings.merge_delay,
        signature_window_ms=settings.signature_window,
        max_duration_ms=settings.max_duration,
        max_concurrent=settings.max_concurrent,
        rate=settings.rate,
        clock_offset_ms=dev_offset(settings.dev_clock),
        on_demand_default=settings.on_demand_default,
        wakes=bool(settings.wake_url),
        signs_files=bool(settings.bucket),
        bucket=settings.bucket,
        relays=bool(settings.relay_url),
        stream_keys=len(settings.stream_keys),
        record_keys=len(settings.record_keys),
        path_tokens=len(settings.path_tokens),
    )


def _matches(request: ApiRequest) -> MatchesView:
    settings, asked = request.invocation.app.settings, request.query.get
    path_token = asked("path_token")
    kind = path_token and kind_of_token(path_token, settings.path_tokens)
    return MatchesView(
        stream_key=_is_ours(settings.stream_keys, asked("stream_key")),
        record_key=_is_ours(settings.record_keys, asked("record_key")),
        path_token=None if path_token is None else kind is not None,
        path_token_kind=kind,
    )


def _is_ours(secrets: Sequence[str], digest: bytes | None) -> bool | None:
    if digest is None:
        return None
    same = [hmac.compare_digest(digest_of(secret), digest) for secret in secrets]
    return any(same)


def _store(request: ApiRequest) -> StoreView:
    """Return the state of the store. To see whether writes work, write a timestamp that nobody
    reads."""
    app, missing = request.invocation.app, list[str]()
    expected = app.settings.store_id
    try:
        missing += app.store.missing_commands()
        app.store.touch(MARK)
        found = app.store.durability()
        found_id = app.store.state().store_id or ""
    except StoreUnavailable as error:
        why = _why(request, error)
        return StoreView("", {}, False, why, missing, expected, "")  # noqa: FBT003 - its fields in order
    return StoreView(found.engine, found.settings, True, "", missing, expected, found_id)  # noqa: FBT003 - as above


def _why(request: ApiRequest, error: StoreUnavailable) -> str:
    """Return a sentence that says what is wrong with the store, together with the store's own
    answer."""
    words = problem_words(error.problem, error.about, request.language)
    answer = _without(request.invocation.app, str(error))
    return words.text + catalogue(request.language).store_answer.format(answer=answer)


def _policy_fault(app: App) -> str:
    """Return why the newest policy, or a part of it, is not in force: another release wrote the
    policy, or it does not fit the settings. Return "" if all of it is in force."""
    try:
        copy = app.store.get_policy()
        if copy is not None:
            load_stage_policy(copy.text, kind="json", settings=app.settings)
    except (Misconfigured, StoreUnavailable) as error:
        return _without(app, str(error))
    return "; ".join(map(str, target_faults(app.policy, app.settings)))


def _live(request: ApiRequest) -> Iterator[DomainView]:
    """Yield what Live answers to this function's role about each domain. A request with digests
    gets `matches` instead."""
    invocation = request.invocation
    if request.query:
        return
    may_ask = _may_ask_live(invocation.app)
    for domain in invocation.app.policy.domains:
        online, code = None, None if may_ask else ASKED_JUST_NOW
        if may_ask and invocation.has_time():
            try:
                online = len(invocation.online(domain.streaming))
            except LiveError as error:
                code = error.code
        yield DomainView(domain.streaming, online, code)


def _may_ask_live(app: App) -> bool:
    """Take the next slot of the rate limit that all instances share, and wait for it. Return False
    if other requests have taken the coming slots. If the store does not answer, each instance
    limits itself."""
    try:
        slot_in_ms = app.store.take_slot(ASKED_LIVE, ASK_LIVE_EVERY_MS, ASK_LIVE_EVERY_MS)
    except StoreUnavailable:
        return app.doctor_throttle.may_pass(app.monotonic())
    if slot_in_ms is None:
        return False
    app.wait(slot_in_ms / 1000)
    return True


def _without(app: App, text: str) -> str:
    for secret in app.settings.secrets:
        text = text.replace(secret, "***")
    return text
