"""Function Compute's events and answers as Requests and Responses; errors as statuses."""

from __future__ import annotations

from shared.fc.answer import answer, answer_any, credentials_of, log_context
from shared.fc.request import Event, Headers, Invoked, Request, TimerEvent, json_body, parse
from shared.fc.response import Response, problem

__all__ = [
    "Event",
    "Headers",
    "Invoked",
    "Request",
    "Response",
    "TimerEvent",
    "answer",
    "answer_any",
    "credentials_of",
    "json_body",
    "log_context",
    "parse",
    "problem",
]
