"""The HTTP API: it starts, stops and splits recordings, and answers questions about streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from msgspec import Struct

from functions.file_view import PLAYLIST_QUERY, QUERY, M3u8, SignedFilesView
from functions.record_command import (
    account,
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
)
from functions.record_command.answers import (
    AlertState,
    AlertsView,
    AlertView,
    AskView,
    CoverageView,
    DeliveriesView,
    DoctorView,
    DocumentView,
    FilesView,
    HealthView,
    HistoryView,
    LastRehearsalView,
    OccurrenceChangedView,
    OccurrencesView,
    OverviewView,
    PolicyView,
    RecordingsView,
    RecordingView,
    RedrivenView,
    RehearsalView,
    ReportView,
    ScheduleDeletedView,
    SchedulesView,
    ScheduleView,
    StateImportView,
    StateView,
    StoreAcceptedView,
    TestedSinksView,
    TestedWebhookView,
    TokenRevokedView,
    TokensView,
    TokenView,
    WebhooksView,
)
from functions.record_command.health import QUERY as HEALTH_QUERY
from functions.record_command.health import health
from functions.record_command.routes import SIGNED, ApiRequest, Route, dispatch
from shared.inbound.function_compute import Request, Response
from shared.inbound.request_fields import Field, OneOf, choice, text
from shared.invocation import serve
from shared.invocation.invocation import Invocation

BUDGET_S = 12.0
"""s within which a person has an answer."""


def handler(event: bytes, context: object) -> dict[str, object]:
    return serve.serve(respond, event, context, seconds=BUDGET_S)


def respond(invocation: Invocation, request: Request) -> Response:
    response = dispatch(ROUTES, invocation, request)
    invocation.watch_timers()
    return response


_LIST = "/v1/recordings"
_STREAM = f"{_LIST}/{{domain}}/{{app}}/{{stream}}"


def _asks(
    name: str,
    summary: str,
    errors: Sequence[int],
    body: Sequence[Field] = (),
    one_of: OneOf | None = None,
) -> Route:
    return Route(
        method="POST",
        path=f"{_STREAM}/{name}",
        scope="control",
        respond=getattr(commands, name),
        summary=summary,
        answers={200: AskView, 202: AskView},
        errors=errors,
        body=body,
        headers=commands.HEADERS,
        one_of=one_of,
        begins=name == "start",
    )


_SCHEDULE = "/v1/schedules/{schedule}"


def _changes(name: str, summary: str, answer: type[Struct], body: Sequence[Field] = ()) -> Route:
    """Return the route of what a person does to a schedule or to one occurrence of it."""
    return Route(
        method="POST",
        path=f"{_SCHEDULE}/{name}",
        scope="control",
        respond=getattr(schedules, name),
        summary=summary,
        answers={200: answer},
        errors=(404, 409),
        body=body,
        operation=f"{name}_schedule",
        shows_own=True,
    )


def _document(request: ApiRequest) -> Response:
    """Built only when it is asked for."""
    from functions.record_command.openapi import document

    return Response(200, document(ROUTES, request.invocation.app.clock()))


_ALERTS: tuple[Field, ...] = (
    choice(
        "state",
        AlertState,
        [state.value for state in AlertState],
        "open: what holds now, the gravest first; resolved: what ended within a day. Without it,"
        " open",
    ),
)
_ACKNOWLEDGE: tuple[Field, ...] = (
    text("note", "what the others should know; lists of alerts show it", example="Ann is on it"),
)


def _lazy(module: str, name: str) -> Callable[[ApiRequest], Response]:
    """Return a handler; its module is loaded only when somebody asks for what is there."""

    def respond(request: ApiRequest) -> Response:
        handlers = import_module(f"functions.record_command.{module}")
        response: Response = getattr(handlers, name)(request)
        return response

    return respond


def _metrics(request: ApiRequest) -> Response:
    """Return the metrics; their module is loaded only when somebody asks for them."""
    from functions.record_command.metrics import metrics

    return metrics(request)


ROUTES: tuple[Route, ...] = (
    _asks(
        "start",
        "Record this stream until it is stopped",
        (409, 502),
        commands.START,
        commands.END_OF_START,
    ),
    _asks(
        "stop", "Stop recording it, and keep policy from starting it again", (502,), commands.STOP
    ),
    _asks(
        "extend",
        "Move the end of its recording",
        (409,),
        commands.EXTEND,
        commands.END_OF_EXTEND,
    ),
    _asks("restart", "Finish the file now and continue in a new one", (409, 502)),
    _asks("cancel_delay", "End the wait after a stop, so that the file appears now", (409, 502)),
    Route(
        method="GET",
        path=_STREAM,
        scope="read",
        respond=queries.status,
        summary="Return the state of the stream, and why",
        answers={200: RecordingView},
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/history",
        scope="read",
        respond=queries.history,
        summary="List what happened and why, newest first",
        answers={200: HistoryView},
        query=queries.LIMIT_ONLY,
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/files",
        scope="read",
        respond=queries.files,
        summary="List the files that the stream was recorded into, newest first",
        answers={200: FilesView},
        query=queries.FILES,
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/rehearsal",
        scope="read",
        respond=rehearsals.last,
        summary="Return the last rehearsal of the stream's application",
        answers={200: LastRehearsalView},
    ),
    Route(
        method="PUT",
        path=f"{_STREAM}/rehearsal",
        scope="control",
        respond=rehearsals.store,
        summary="Store what a rehearsal of the stream's application ended with",
        answers={200: RehearsalView},
        body=rehearsals.STORED,
        operation="store_rehearsal",
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/coverage",
        scope="read",
        respond=account.of_stream,
        summary="Return what is there of the stream, and what is missing and why",
        answers={200: CoverageView},
        query=account.COVERAGE,
    ),
    Route(
        method="GET",
        path="/v1/report",
        scope="read",
        respond=account.report,
        summary="Return the same of all streams, page by page, in the order of names",
        answers={200: ReportView},
        errors=(404,),
        query=account.REPORT,
        shows_own=True,
    ),
    Route(
        method="GET",
        path=f"{SIGNED}/{{domain}}/{{app}}/{{stream}}",
        scope="read",
        respond=queries.elsewhere,
        summary="List the files with sizes and playback URLs",
        answers={200: SignedFilesView},
        errors=(409,),
        query=QUERY,
    ),
    Route(
        method="GET",
        path=f"{_STREAM}/playlist.m3u8",
        scope="read",
        respond=queries.playlist,
        summary="Lead to the playlist: what a player with this address follows",
        answers={200: M3u8, 307: str},  # a client that follows gets the 200
        query=queries.PLAYLIST,
        operation="find_playlist",
    ),
    Route(
        method="GET",
        path=f"{SIGNED}/{{domain}}/{{app}}/{{stream}}/playlist.m3u8",
        scope="read",
        respond=queries.elsewhere,
        summary="Return one M3U8 playlist over all recordings of the last intent, or of a stretch",
        answers={200: M3u8},
        errors=(409,),
        query=PLAYLIST_QUERY,
    ),
    Route(
        method="GET",
        path=_LIST,
        scope="read",
        respond=queries.listed,
        summary="List every stream that the stage knows, in the order of names",
        answers={200: RecordingsView},
        errors=(404,),
        query=queries.LIST,
        shows_own=True,
    ),
    Route(
        method="GET",
        path="/v1/overview",
        scope="read",
        respond=overview.overview,
        summary="Return what is not recorded as it should be first, and counts for the rest",
        answers={200: OverviewView},
        headers=overview.HEADERS,
        shows_own=True,
    ),
    Route(
        method="GET",
        path="/v1/deliveries",
        scope="read",
        respond=deliveries.listed,
        summary="List what follows from recordings and failed for good, or is still to be done",
        answers={200: DeliveriesView},
        query=deliveries.LIST,
    ),
    Route(
        method="POST",
        path="/v1/deliveries/{id}/redrive",
        scope="control",
        respond=deliveries.redrive,
        summary="Try once more what failed for good",
        answers={200: RedrivenView},
        errors=(404, 409),
    ),
    Route(
        method="PUT",
        path=_SCHEDULE,
        scope="control",
        respond=schedules.put,
        summary="Record streams by the calendar; the answer shows the next occurrences",
        answers={200: ScheduleView},
        errors=(409,),
        body=schedules.PUT,
        faults=schedules.faults,
        operation="put_schedule",
        shows_own=True,
    ),
    Route(
        method="GET",
        path=_SCHEDULE,
        scope="read",
        respond=schedules.show,
        summary="Return a schedule and its next occurrences",
        answers={200: ScheduleView},
        errors=(404,),
        operation="schedule",
        shows_own=True,
    ),
    Route(
        method="DELETE",
        path=_SCHEDULE,
        scope="control",
        respond=schedules.delete,
        summary="Delete a schedule. What has begun goes on until its end",
        answers={200: ScheduleDeletedView},
        errors=(404, 409),
        operation="delete_schedule",
        shows_own=True,
    ),
    Route(
        method="GET",
        path="/v1/schedules",
        scope="read",
        respond=schedules.listed,
        summary="List the schedules, in the order of their ids",
        answers={200: SchedulesView},
        shows_own=True,
    ),
    Route(
        method="GET",
        path=f"{_SCHEDULE}/next",
        scope="read",
        respond=schedules.following,
        summary="List the next occurrences of a schedule",
        answers={200: OccurrencesView},
        errors=(404,),
        query=schedules.NEXT,
        operation="next_occurrences",
        shows_own=True,
    ),
    _changes("pause", "Let nothing more begin. What has begun goes on", ScheduleView),
    _changes("resume", "Let occurrences begin again", ScheduleView),
    _changes("skip", "Record nothing for one occurrence", OccurrenceChangedView, schedules.SKIP),
    _changes("trigger", "Begin an occurrence now", OccurrenceChangedView, schedules.TRIGGER),
    _changes(
        "extend",
        "Let the occurrence that is under way end later",
        OccurrenceChangedView,
        schedules.EXTEND,
    ),
    Route(
        method="GET",
        path="/v1/alerts",
        scope="read",
        respond=_lazy("alerts", "listed"),
        summary="List what is wrong over time, and who takes care of it",
        answers={200: AlertsView},
        query=_ALERTS,
    ),
    Route(
        method="POST",
        path="/v1/alerts/{id}/ack",
        scope="control",
        respond=_lazy("alerts", "acknowledge"),
        summary="Take an alert over: it is not repeated, and goes on to nobody else",
        answers={200: AlertView},
        errors=(404, 409),
        body=_ACKNOWLEDGE,
    ),
    Route(
        method="POST",
        path="/v1/alerts/test",
        scope="control",
        respond=_lazy("alerts", "test_sinks"),
        summary="Send a test message to each robot of the policy, within a minute",
        answers={200: TestedSinksView},
        errors=(409,),
        operation="test_sinks",
    ),
    Route(
        method="GET",
        path="/v1/webhooks",
        scope="read",
        respond=_lazy("webhooks", "listed"),
        summary="List the receivers of the policy, and whether each takes events",
        answers={200: WebhooksView},
    ),
    Route(
        method="POST",
        path="/v1/webhooks/{receiver}/test",
        scope="control",
        respond=_lazy("webhooks", "test"),
        summary="Send a test event to a receiver; one that takes it is active again",
        answers={202: TestedWebhookView},
        errors=(404, 409),
        operation="test_webhook",
    ),
    Route(
        method="GET",
        path="/v1/policy",
        scope="control",
        respond=policies.show,
        summary="Return the policy in force; version 0 is the packaged one",
        answers={200: PolicyView},
    ),
    Route(
        method="POST",
        path="/v1/policy/apply",
        scope="policy",
        respond=policies.apply,
        summary="Apply a new policy, without a deploy",
        answers={200: PolicyView},
        errors=(409,),
        body=policies.APPLY,
    ),
    Route(
        method="POST",
        path="/v1/policy/suspend",
        scope="policy",
        respond=policies.suspend,
        summary="Let no rule start a recording for a while; recordings that run go on",
        answers={200: PolicyView},
        errors=(409,),
        body=policies.SUSPEND,
        operation="suspend_policy",
    ),
    Route(
        method="POST",
        path="/v1/policy/resume",
        scope="policy",
        respond=policies.resume,
        summary="Let the rules start recordings again, also of what came up meanwhile",
        answers={200: PolicyView},
        errors=(409,),
        operation="resume_policy",
    ),
    Route(
        method="POST",
        path="/v1/store/accept",
        scope="control",
        respond=stores.accept,
        summary="Take the store for this stage's, after it was emptied or after the first deploy",
        answers={200: StoreAcceptedView},
        errors=(409,),
        body=stores.ACCEPT,
    ),
    Route(
        method="GET",
        path="/v1/state",
        scope="control",
        respond=state.export,
        summary="Return what another stage needs to take over: intents, ends and holds",
        answers={200: StateView},
        query=state.EXPORT,
    ),
    Route(
        method="POST",
        path="/v1/state/import",
        scope="control",
        respond=state.take_over,
        summary="Take over intents, ends and holds of another stage; what is as new here stays",
        answers={200: StateImportView},
        body=state.IMPORT,
    ),
    Route(
        method="GET",
        path="/v1/tokens",
        scope="tokens",
        respond=tokens.listed,
        summary="List who may ask for what: names, scopes and bounds, and nothing that proves a"
        " token",
        answers={200: TokensView},
    ),
    Route(
        method="POST",
        path="/v1/tokens",
        scope="tokens",
        respond=tokens.add,
        summary="Add a token, in force within 10 s. Make it yourself and send its digest alone",
        answers={200: TokenView},
        errors=(409,),
        body=tokens.ADD,
        operation="add_token",
    ),
    Route(
        method="DELETE",
        path="/v1/tokens/{name}",
        scope="tokens",
        respond=tokens.revoke,
        summary="Revoke a token, which no instance takes after 10 s",
        answers={200: TokenRevokedView},
        errors=(404, 409),
        operation="revoke_token",
    ),
    Route(
        method="GET",
        path="/v1/health",
        scope=None,
        respond=health,
        summary="Report whether the stage is ready, and each problem",
        answers={200: HealthView, 503: HealthView},
        query=HEALTH_QUERY,
    ),
    Route(
        method="HEAD",
        path="/v1/health",
        scope=None,
        respond=health,
        summary="The same without a body",
        answers={200: HealthView, 503: HealthView},
        query=HEALTH_QUERY,
    ),
    Route(
        method="GET",
        path="/v1/metrics",
        scope="read",
        respond=_metrics,
        summary="Return the stage's metrics in Prometheus' text form",
        answers={200: str},
    ),
    Route(
        method="GET",
        path="/v1/doctor",
        scope="read",
        respond=doctor.examine,
        summary="Return what only the stage itself can see of its configuration",
        answers={200: DoctorView},
        query=doctor.DIGESTS,
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        scope=None,
        respond=_document,
        summary="Return this description",
        answers={200: DocumentView},
    ),
)
