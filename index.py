"""What Function Compute calls: one name per function. Each loads only what it needs."""

from __future__ import annotations


def record_command(event: bytes, context: object) -> dict[str, object]:
    from functions import record_command as function

    return function.handler(event, context)


def stream_events(event: bytes, context: object) -> dict[str, object]:
    from functions import stream_events as function

    return function.handler(event, context)


def record_events(event: bytes, context: object) -> dict[str, object]:
    from functions import record_events as function

    return function.handler(event, context)


def on_demand(event: bytes, context: object) -> dict[str, object]:
    from functions import on_demand as function

    return function.handler(event, context)


def relay(event: bytes, context: object) -> dict[str, object]:
    from functions import relay as function

    return function.handler(event, context)


def reconcile(event: bytes, context: object) -> dict[str, object]:
    from functions import reconcile as function

    return function.handler(event, context)


def initialize(_context: object) -> None:
    """Once per instance, before its first event (facts/function-compute.md 1.3)."""
    from shared.app import prepare

    prepare()
