"""Decides what is wrong with a stage over time, and which people to notify.

The function `notify` evaluates it and the API shows it. It is pure: it knows no clock, no store and
no robot.
"""

from __future__ import annotations

from shared.alerts.book import (
    MAX_ALERT_ENTRIES,
    Alert,
    AlertBook,
    CallbackWatch,
    CounterWatch,
    acknowledged,
    book_from_text,
    book_to_text,
    observed,
)
from shared.alerts.condition import ONLY_ON_REQUEST, SEVERITIES, Condition
from shared.alerts.conditions import (
    REHEARSAL_DUE_MS,
    WRONG_AHEAD_MS,
    ClosedReceiver,
    FailingTarget,
    Room,
    StageFacts,
    conditions,
    conditions_of_stage,
    live_at,
    missed_occurrences,
    none_live,
    not_rehearsed,
    occurrences_barred,
    scheduled_not_live,
    unmanaged,
    unverified,
)
from shared.alerts.messages import SPACING_MS, Message, messages

__all__ = [
    "MAX_ALERT_ENTRIES",
    "ONLY_ON_REQUEST",
    "REHEARSAL_DUE_MS",
    "SEVERITIES",
    "SPACING_MS",
    "WRONG_AHEAD_MS",
    "Alert",
    "AlertBook",
    "CallbackWatch",
    "ClosedReceiver",
    "Condition",
    "CounterWatch",
    "FailingTarget",
    "Message",
    "Room",
    "StageFacts",
    "acknowledged",
    "book_from_text",
    "book_to_text",
    "conditions",
    "conditions_of_stage",
    "live_at",
    "messages",
    "missed_occurrences",
    "none_live",
    "not_rehearsed",
    "observed",
    "occurrences_barred",
    "scheduled_not_live",
    "unmanaged",
    "unverified",
]
