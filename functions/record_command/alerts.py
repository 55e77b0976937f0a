"""The alerts of the stage: lists them, acknowledges them, and sends a test message to each robot.

The function `notify` raises and resolves alerts and sends messages. This module reads alerts; it
writes only acknowledgements, and requests for test messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from functions.alert_events import alert_events
from functions.record_command.answers import (
    AlertState,
    AlertsView,
    AlertView,
    OverviewAlertsView,
    SinkView,
    TestedSinksView,
)
from functions.record_command.representations import time
from functions.record_command.routes import ApiRequest
from shared.alerts.book import Alert, AlertBook, acknowledged, book_from_text, book_to_text
from shared.errors import Fault
from shared.inbound.catalogue import condition_words
from shared.inbound.catalogue.details import about_in
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, NotFound, WrongState
from shared.outbox.message import MessageBody, SinkState, message_task, sink_note
from shared.outbox.task import NewTask
from shared.protocol.durations import rfc3339
from shared.store import Store

MAX_TRY_CALLS = 5
"""How often to write the alerts again after another writer came first."""


def listed(request: ApiRequest) -> Response:
    state: AlertState = request.query.get("state", AlertState.OPEN)
    store = request.invocation.app.store
    book, now = _book(store)[0], store.now()
    shown = book.open if state is AlertState.OPEN else _ended(book.alerts.values())
    evaluated_ms_ago = max(now - book.evaluated_at, 0) if book.evaluated_at else None
    return Response(
        200,
        AlertsView(
            alerts=[_view(alert, request) for alert in shown],
            beyond=dict(book.beyond),
            evaluated_ms_ago=evaluated_ms_ago,
            sinks=[_sink(store, sink) for sink in _sinks(request)],
        ),
    )


def _book(store: Store) -> tuple[AlertBook, int]:
    """Return the alerts and their version; empty ones if they cannot be read."""
    copy = store.alerts()
    try:
        return book_from_text(copy.text), copy.version
    except ValueError:
        return AlertBook(), copy.version


def open_alerts(store: Store) -> Mapping[str, int]:
    """Return how many alerts are open for each condition, by its code."""
    book, _ = _book(store)
    return Counter(alert.code for alert in book.open) + Counter(book.beyond)


def counts(store: Store) -> OverviewAlertsView:
    """Return how many alerts are open, and how many of them nobody has acknowledged."""
    book, _ = _book(store)
    beyond = sum(book.beyond.values())
    waiting = sum(alert.acknowledged_at is None for alert in book.open)
    return OverviewAlertsView(len(book.open) + beyond, waiting + beyond)


def _ended(alerts: Iterable[Alert]) -> Sequence[Alert]:
    ended = [alert for alert in alerts if not alert.is_open]
    return sorted(ended, key=lambda alert: (-(alert.resolved_at or 0), alert.id))


def _view(alert: Alert, request: ApiRequest) -> AlertView:
    about = about_in(request.language, alert.condition.about)
    words = condition_words(alert.code, about, alert.cause, request.language)
    return AlertView(
        id=alert.id,
        condition=alert.code,
        severity=alert.severity,
        subject=alert.subject,
        name=words.name,
        text=words.text,
        fix=words.fix,
        since=rfc3339(alert.condition.since),
        raised_at=rfc3339(alert.raised_at),
        resolved_at=time(alert.resolved_at),
        acknowledged_at=time(alert.acknowledged_at),
        acknowledged_by=alert.acknowledged_by or None,
        note=alert.note,
        messages=sum(notice.times for notice in alert.notices.values()),
    )


def _sinks(request: ApiRequest) -> Sequence[str]:
    return list(dict.fromkeys(rule.sink for rule in request.invocation.app.policy.notify))


def _sink(store: Store, name: str) -> SinkView:
    state = SinkState.of(store.get_text(sink_note(name)))
    is_known = state.at > 0
    return SinkView(
        name=name,
        asked_at=rfc3339(state.at) if is_known else None,
        is_taken=state.is_taken if is_known else None,
        answer=state.answer if is_known else None,
    )


def acknowledge(request: ApiRequest) -> Response:
    """Store that the caller takes care of an alert. From then on the alert is neither repeated nor
    escalated."""
    (alert_id,) = request.values
    app, who, note = request.invocation.app, request.who, request.body.get("note", "")

    def change(book: AlertBook, version: int) -> tuple[AlertBook, Sequence[NewTask]]:
        alert, now = book.alerts.get(alert_id), app.store.now()
        if alert is None or not alert.is_open:
            raise NotFound(
                "no alert with this id is open", hint="`GET /v1/alerts` lists the alerts"
            )
        after = acknowledged(book, alert_id, who, now, note)
        return after, alert_events(app.policy, book, after, version, now)

    book, _ = _changed(app.store, change)
    request.invocation.log.info("alert.acknowledged", id=alert_id, who=who)
    return Response(200, _view(book.alerts[alert_id], request))


def test_sinks(request: ApiRequest) -> Response:
    """Make `notify` send a test message to each robot of the policy, in its next run."""
    store, sinks = request.invocation.app.store, _sinks(request)
    if not sinks:
        raise BadRequest([Fault("policy", "has no `[[notify]]`: add one that names a robot")])
    asked_at = store.now()
    bodies = [MessageBody(sink, "", is_test=True) for sink in sinks]
    _, dropped = _changed(
        store, lambda book, version: (book, [message_task(body, version) for body in bodies])
    )
    if dropped:
        raise WrongState(
            "too many deliveries are open already",
            hint="`GET /v1/health` says how many deliveries are open",
        )
    return Response(200, TestedSinksView(asked_at=rfc3339(asked_at), sinks=sinks))


def _changed(
    store: Store, change: Callable[[AlertBook, int], tuple[AlertBook, Sequence[NewTask]]]
) -> tuple[AlertBook, int]:
    """Store a change of the alerts together with the tasks that follow; return the alerts after it,
    and how many tasks had no room."""
    for _ in range(MAX_TRY_CALLS):
        before, version = _book(store)
        book, tasks = change(before, version)
        dropped = store.put_alerts(book_to_text(book), replaces=version, tasks=tasks)
        if dropped is not None:
            return book, dropped
    raise WrongState("the alerts change too fast", hint="try again")
