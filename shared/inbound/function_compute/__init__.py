"""Turns Function Compute's events into Requests, and Responses and errors into the answers that
Function Compute sends."""

from __future__ import annotations

from shared.inbound.function_compute.handler import (
    InvocationFailed,
    answer,
    answer_any,
    brings_credentials,
    credentials_of,
    is_http,
    log_context,
)
from shared.inbound.function_compute.request import (
    Headers,
    Invoked,
    Request,
    TimerEvent,
    TriggerEvent,
    body_of,
    json_body,
    parse,
)
from shared.inbound.function_compute.response import Problem, Response, problem

__all__ = [
    "Headers",
    "InvocationFailed",
    "Invoked",
    "Problem",
    "Request",
    "Response",
    "TimerEvent",
    "TriggerEvent",
    "answer",
    "answer_any",
    "body_of",
    "brings_credentials",
    "credentials_of",
    "is_http",
    "json_body",
    "log_context",
    "parse",
    "problem",
]
