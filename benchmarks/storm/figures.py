"""The figures of a storm, as the emulator counts them on the wire.

benchmarks.storm calls this module. It must not take a figure from live-record itself, except for
the history that explains a duplicate.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.storm.stage import CALLBACKS, RECONCILE, Options, Stage
from cli.api import Api
from cli.local.stack import TOKEN
from emulator.live import Remote

AFTER_ALL_CALLS = 99_999_999
"""An index beyond the last call."""
DOUBTED = {"answer_lost", "in_doubt"}

Json = Mapping[str, Any]


def wait_for(live: Remote, streams: int, timeout_s: float) -> None:
    """Wait until so many streams are recorded, or until the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        counters = live.get("calls", since=AFTER_ALL_CALLS, since_callback=AFTER_ALL_CALLS)[
            "counters"
        ]
        if counters["recording"] >= streams:
            return
        time.sleep(0.25)


def of_wire(live: Remote, options: Options) -> dict[str, object]:
    wire = live.calls()
    starts = [call for call in wire["calls"] if _is_ours(call)]
    publishes = [callback for callback in wire["callbacks"] if callback["event"] == "publish"]
    began = publishes[0]["at_ms"] if publishes else starts[0]["at_ms"]
    first = {call["stream"]: call["at_ms"] for call in reversed(starts) if call["acted"]}
    drained = (max(first.values(), default=began) - began) / 1000
    ideal = (options.streams - 1) / options.rate
    counters = wire["counters"]
    return {
        "streams": options.streams,
        "recorded": counters["recording"],
        "lost": options.streams - counters["recording"],
        "rate": options.rate,
        "ideal_s": round(ideal, 2),
        "drained_s": round(drained, 2),
        "efficiency": round(ideal / drained, 3) if drained else 0.0,
        "sent": len(starts),
        "throttled": counters.get("throttled", 0),
        "dropped": counters.get("dropped", 0),
        "duplicates": len(wire["duplicates"]),
        "peak_per_s": counters["peak_per_second"],
    }


def of_callbacks(stage: Stage) -> dict[str, object]:
    callbacks = stage.live.get("calls", since=AFTER_ALL_CALLS)["callbacks"]
    took_ms = sorted(callback["took_ms"] or 0 for callback in callbacks)
    return {
        "callbacks": len(callbacks),
        "callback_p50_ms": _quantile(took_ms, 0.5),
        "callback_p99_ms": _quantile(took_ms, 0.99),
        "callback_timeouts": sum(callback["trouble"] == "TimeoutError" for callback in callbacks),
        "fc_429": sum(callback["status"] == 429 for callback in callbacks),
        "callbacks_failed": sum(callback["status"] not in (200, 429) for callback in callbacks),
        "instances": len(stage.function(CALLBACKS)["instances"]),
        "reconciles": stage.function(RECONCILE)["coldStarts"],
    }


def unexplained(stage: Stage) -> int:
    """Return the number of duplicates of a start whose answer was neither lost nor in doubt."""
    api, found = Api(stage.stack.fc, TOKEN), 0
    for duplicate in stage.live.get("calls", since=AFTER_ALL_CALLS)["duplicates"]:
        if duplicate["first_fault"] is None:
            lines = api.history(f"{duplicate['domain']}/{duplicate['app']}/{duplicate['stream']}")[
                "history"
            ]
            found += not DOUBTED & {line["code"] for line in lines}
    return found


def _is_ours(call: Json) -> bool:
    return call["action"] == "RealTimeRecordCommand" and not call["stream"].startswith("thief")


def _quantile(values: Sequence[int], share: float) -> int:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0
