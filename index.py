"""The handlers that Function Compute calls, one for each function. Each loads only what it
needs."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module


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


def files(event: bytes, context: object) -> dict[str, object]:
    from functions import files as function

    return function.handler(event, context)


def notify(event: bytes, context: object) -> dict[str, object]:
    from functions import notify as function

    return function.handler(event, context)


def console(event: bytes, context: object) -> dict[str, object]:
    from functions import console as function

    return function.handler(event, context)


def deliver(event: bytes, context: object) -> dict[str, object]:
    from functions import deliver as function

    return function.handler(event, context)


def initialize(context: object) -> None:
    """Load all that the first event would wait for. Function Compute calls this once for each
    instance (docs/platform/function-compute.md §1.3)."""
    from shared.lazy_imports import stub_imports, without_collector

    with without_collector():
        # Another release of Python may use one of them at once: then everything is imported below.
        with suppress(Exception), stub_imports(_UNUSED):
            import_module("shared.invocation.composition")
        from shared.invocation.composition import prepare

        name = _function_name(context)
        prepare(live=name not in _WITHOUT_LIVE)
        if name:
            import_module(f"functions.{name}")


_WITHOUT_LIVE = ("on_demand", "relay", "notify", "console")
"""The functions that send nothing to Live: none of its SDK is loaded for them."""


_UNUSED = ("msgspec._json_schema", "msgspec.inspect", "subprocess", "traceback")
"""Modules that msgspec, `uuid` and `logging` import, and that an event does not use. Code that uses
one later, such as the description of the API, gets the real module."""


def initialize_files(_context: object) -> None:
    """Do the same as `initialize` for the function `files`, whose package has the SDK of OSS."""
    from shared.lazy_imports import without_collector

    with without_collector():
        from functions import files as function

        function.prepare()


def initialize_deliver(_context: object) -> None:
    """Do the same as `initialize` for the function `deliver`, whose package has the SDKs of OSS and
    of S3."""
    from shared.lazy_imports import without_collector

    with without_collector():
        from functions import deliver as function

        function.prepare()


def _function_name(context: object) -> str:
    """Return the name of the function that this instance serves, by its handler, such as
    `index.stream_events`. Return "" if the context has no handler; then the first event loads the
    function."""
    handler = str(getattr(getattr(context, "function", None), "handler", ""))
    file, _, name = handler.rpartition(".")
    return name if file == __name__ and name.isidentifier() and name in globals() else ""
