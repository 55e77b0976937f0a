"""Function Compute's events and answers as Requests and Responses; errors as statuses."""

from __future__ import annotations

from shared.inbound.function_compute.handler import answer, answer_any, credentials_of, log_context
from shared.inbound.function_compute.request import (
    Headers,
    Invoked,
    Request,
    TimerEvent,
    TriggerEvent,
    json_body,
    parse,
)
from shared.inbound.function_compute.response import Problem, Response, problem

__all__ = [
    "Headers",
    "Invoked",
    "Problem",
    "Request",
    "Response",
    "TimerEvent",
    "TriggerEvent",
    "answer",
    "answer_any",
    "credentials_of",
    "json_body",
    "log_context",
    "parse",
    "problem",
]
