"""The HTTP API as one table: the routes of the commands, and all others.

An instance loads this module for its first request that is no command. The OpenAPI document is
built from the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from functions.file_view import PLAYLIST_QUERY, QUERY, M3u8, SignedFilesView
from functions.record_command import (
    account,
    alerts,
    commands,
    deliveries,
    doctor,
    overview,
    policies,
    queries,
    rehearsals,
    schedules,
    state,
    stores,
    tokens,
    webhooks,
)
from functions.record_command import answers as views
from functions.record_command.health import QUERY as HEALTH_QUERY
from functions.record_command.health import health
from functions.record_command.metrics import metrics
from functions.record_command.routes import LIST, SIGNED, STREAM, ApiRequest, Route
from shared.inbound.function_compute import Response
from shared.inbound.request_fields import Field, choice, text

_reads = partial(Route, method="GET", scope="read")
_controls = partial(Route, method="POST", scope="control")


_SCHEDULE = "/v1/schedules/{schedule}"


def _changes(name: str, summary: str, answer: type[Struct], body: Sequence[Field] = ()) -> Route:
    """Return the route by which a person changes a schedule, or one of its occurrences."""
    return _controls(
        path=f"{_SCHEDULE}/{name}",
        respond=getattr(schedules, name),
        summary=summary,
        answers={200: answer},
        errors=(404, 409),
        body=body,
        operation=f"{name}_schedule",
        shows_own=True,
    )


def _document(request: ApiRequest) -> Response:
    """Return the OpenAPI document, which is built only on request."""
    from functions.record_command.openapi import document

    return Response(200, document(ROUTES, request.invocation.app.clock()))


_ALERTS: tuple[Field, ...] = (
    choice(
        "state",
        views.AlertState,
        "`open`: alerts that hold now, critical ones first; `resolved`: alerts that ended in the"
        " last 24 h. If left out, `open`",
    ),
)
_ACKNOWLEDGE: tuple[Field, ...] = (
    text("note", "what others should know; lists of alerts show the note", example="Ann is on it"),
)


ROUTES: tuple[Route, ...] = (
    *commands.ROUTES,
    _reads(
        path=STREAM,
        respond=queries.status,
        summary="Return the state of the stream, and its reason",
        answers={200: views.RecordingView},
    ),
    _reads(
        path=f"{STREAM}/history",
        respond=queries.history,
        summary="List what happened and why, newest first",
        answers={200: views.HistoryView},
        query=queries.LIMIT_ONLY,
    ),
    _reads(
        path=f"{STREAM}/files",
        respond=queries.files,
        summary="List the files that the stream was recorded into, newest first",
        answers={200: views.FilesView},
        query=queries.FILES,
    ),
    _reads(
        path=f"{STREAM}/rehearsal",
        respond=rehearsals.last,
        summary="Return the last rehearsal of the stream's application",
        answers={200: views.LastRehearsalView},
    ),
    Route(
        method="PUT",
        path=f"{STREAM}/rehearsal",
        scope="control",
        respond=rehearsals.store,
        summary="Store the verdict of a rehearsal of the stream's application",
        answers={200: views.RehearsalView},
        body=rehearsals.STORED,
        operation="store_rehearsal",
    ),
    _reads(
        path=f"{STREAM}/coverage",
        respond=account.of_stream,
        summary="Return when the stream was recorded, and each gap with its cause",
        answers={200: views.CoverageView},
        query=account.COVERAGE,
    ),
    _reads(
        path="/v1/report",
        respond=account.report,
        summary="Return the coverage of all streams, page by page, in the order of names",
        answers={200: views.ReportView},
        errors=(404,),
        query=account.REPORT,
        shows_own=True,
    ),
    _reads(
        path=f"{SIGNED}/{{domain}}/{{app}}/{{stream}}",
        respond=queries.misrouted,
        summary="List the files with sizes and playback URLs",
        answers={200: SignedFilesView},
        errors=(409,),
        query=QUERY,
    ),
    _reads(
        path=f"{STREAM}/playlist.m3u8",
        respond=queries.playlist,
        summary="Redirect to the playlist of the recordings",
        answers={200: M3u8, 307: str},  # a client that follows gets the 200
        query=queries.PLAYLIST,
        operation="find_playlist",
    ),
    _reads(
        path=f"{SIGNED}/{{domain}}/{{app}}/{{stream}}/playlist.m3u8",
        respond=queries.misrouted,
        summary="Return one M3U8 playlist of all recordings of the last intent, or of a period",
        answers={200: M3u8},
        errors=(409,),
        query=PLAYLIST_QUERY,
    ),
    _reads(
        path=LIST,
        respond=queries.listed,
        summary="List every stream that the stage knows, in the order of names",
        answers={200: views.RecordingsView},
        errors=(404,),
        query=queries.LIST,
        shows_own=True,
    ),
    _reads(
        path="/v1/overview",
        respond=overview.overview,
        summary="List the streams that are not recorded as they should be, and count the others",
        answers={200: views.OverviewView},
        headers=overview.HEADERS,
        shows_own=True,
    ),
    _reads(
        path="/v1/deliveries",
        respond=deliveries.listed,
        summary="List the tasks that failed for good, or the tasks still to be done",
        answers={200: views.DeliveriesView},
        query=deliveries.LIST,
    ),
    _controls(
        path="/v1/deliveries/{id}/redrive",
        respond=deliveries.redrive,
        summary="Retry a task that failed for good",
        answers={200: views.RedrivenView},
        errors=(404, 409),
    ),
    Route(
        method="PUT",
        path=_SCHEDULE,
        scope="control",
        respond=schedules.put,
        summary="Store a schedule, which records streams by the calendar. Return its occurrences",
        answers={200: views.ScheduleView},
        errors=(409,),
        body=schedules.PUT,
        faults=schedules.faults,
        operation="put_schedule",
        shows_own=True,
    ),
    _reads(
        path=_SCHEDULE,
        respond=schedules.show,
        summary="Return a schedule and its next occurrences",
        answers={200: views.ScheduleView},
        errors=(404, 409),
        operation="schedule",
        shows_own=True,
    ),
    Route(
        method="DELETE",
        path=_SCHEDULE,
        scope="control",
        respond=schedules.delete,
        summary="Delete a schedule. Occurrences that have begun go on until their end",
        answers={200: views.ScheduleDeletedView},
        errors=(404, 409),
        operation="delete_schedule",
        shows_own=True,
    ),
    _reads(
        path="/v1/schedules",
        respond=schedules.listed,
        summary="List the schedules, in the order of their ids",
        answers={200: views.SchedulesView},
        shows_own=True,
    ),
    _reads(
        path=f"{_SCHEDULE}/next",
        respond=schedules.following,
        summary="List the next occurrences of a schedule",
        answers={200: views.OccurrencesView},
        errors=(404, 409),
        query=schedules.NEXT,
        operation="next_occurrences",
        shows_own=True,
    ),
    _changes(
        "pause",
        "Pause a schedule: no further occurrence begins. Occurrences that have begun go on",
        views.ScheduleView,
        schedules.PAUSE,
    ),
    _changes(
        "resume", "Resume a schedule: occurrences begin again", views.ScheduleView, schedules.RESUME
    ),
    _changes(
        "skip", "Record nothing for one occurrence", views.OccurrenceChangedView, schedules.SKIP
    ),
    _changes("trigger", "Begin an occurrence now", views.OccurrenceChangedView, schedules.TRIGGER),
    _changes(
        "extend",
        "Let the occurrence that is under way end later",
        views.OccurrenceChangedView,
        schedules.EXTEND,
    ),
    _reads(
        path="/v1/alerts",
        respond=alerts.listed,
        summary="List the alerts, and who takes care of each",
        answers={200: views.AlertsView},
        query=_ALERTS,
    ),
    _controls(
        path="/v1/alerts/{id}/ack",
        respond=alerts.acknowledge,
        summary="Acknowledge an alert: until it ends, no robot gets it again",
        answers={200: views.AlertView},
        errors=(404, 409),
        body=_ACKNOWLEDGE,
    ),
    _controls(
        path="/v1/alerts/test",
        respond=alerts.test_sinks,
        summary="Send a test message to each robot of the policy, within a minute",
        answers={200: views.TestedSinksView},
        errors=(409,),
        operation="test_sinks",
    ),
    _reads(
        path="/v1/webhooks",
        respond=webhooks.listed,
        summary="List the webhook receivers of the policy, and whether each takes events",
        answers={200: views.WebhooksView},
    ),
    _controls(
        path="/v1/webhooks/{receiver}/test",
        respond=webhooks.test,
        summary="Send a test event to a receiver. A receiver that takes the event is active again",
        answers={202: views.TestedWebhookView},
        errors=(404, 409),
        operation="test_webhook",
    ),
    Route(
        method="GET",
        path="/v1/policy",
        scope="control",
        respond=policies.show,
        summary="Return the policy in force; version 0 is the packaged one",
        answers={200: views.PolicyView},
    ),
    Route(
        method="POST",
        path="/v1/policy/apply",
        scope="policy",
        respond=policies.apply,
        summary="Apply a new policy, without a deploy",
        answers={200: views.PolicyView},
        errors=(409,),
        body=policies.APPLY,
    ),
    Route(
        method="POST",
        path="/v1/policy/suspend",
        scope="policy",
        respond=policies.suspend,
        summary="Suspend the rules: no rule starts a recording. Running recordings go on",
        answers={200: views.PolicyView},
        errors=(409,),
        body=policies.SUSPEND,
        operation="suspend_policy",
    ),
    Route(
        method="POST",
        path="/v1/policy/resume",
        scope="policy",
        respond=policies.resume,
        summary="Resume the rules. They also start recordings of streams that came up meanwhile",
        answers={200: views.PolicyView},
        errors=(409,),
        operation="resume_policy",
    ),
    _controls(
        path="/v1/store/accept",
        respond=stores.accept,
        summary="Claim the store for this stage, if the store is new or was emptied",
        answers={200: views.StoreAcceptedView},
        errors=(409,),
        body=stores.ACCEPT,
    ),
    Route(
        method="GET",
        path="/v1/state",
        scope="control",
        respond=state.export,
        summary="Export intents, ends and holds for another stage, which then takes over",
        answers={200: views.StateView},
        query=state.EXPORT,
    ),
    _controls(
        path="/v1/state/import",
        respond=state.take_over,
        summary="Import intents, ends and holds of another stage. If both stages have an intent,"
        " usually the newer one counts",
        answers={200: views.StateImportView},
        body=state.IMPORT,
    ),
    Route(
        method="GET",
        path="/v1/tokens",
        scope="tokens",
        respond=tokens.listed,
        summary="List the tokens with their scopes and streams, but without secrets or digests",
        answers={200: views.TokensView},
    ),
    Route(
        method="POST",
        path="/v1/tokens",
        scope="tokens",
        respond=tokens.add,
        summary="Add a token that you made, by its digest. It is in force within 10 s",
        answers={200: views.TokenView},
        errors=(409,),
        body=tokens.ADD,
        operation="add_token",
    ),
    Route(
        method="DELETE",
        path="/v1/tokens/{name}",
        scope="tokens",
        respond=tokens.revoke,
        summary="Revoke a token. After 10 s no instance accepts it",
        answers={200: views.TokenRevokedView},
        errors=(404, 409),
        operation="revoke_token",
    ),
    Route(
        method="GET",
        path="/v1/health",
        scope=None,
        respond=health,
        summary="Report whether the stage is ready, and each problem",
        answers={200: views.HealthView, 503: views.HealthView},
        query=HEALTH_QUERY,
    ),
    Route(
        method="HEAD",
        path="/v1/health",
        scope=None,
        respond=health,
        summary="Report by the status alone whether the stage is ready",
        answers={200: views.HealthView, 503: views.HealthView},
        query=HEALTH_QUERY,
    ),
    _reads(
        path="/v1/metrics",
        respond=metrics,
        summary="Return the stage's metrics in Prometheus' text form",
        answers={200: str},
    ),
    _reads(
        path="/v1/doctor",
        respond=doctor.examine,
        summary="Return facts that only the stage can see, for a check of the stage",
        answers={200: views.DoctorView},
        query=doctor.DIGESTS,
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        scope=None,
        respond=_document,
        summary="Return the OpenAPI description of the API",
        answers={200: views.DocumentView},
    ),
)
