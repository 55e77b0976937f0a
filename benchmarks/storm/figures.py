"""What a storm came to, counted on the wire by the stand-in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.storm.stage import CALLBACKS, RECONCILE, Options, Stage
from cli.api import Api
from cli.local.stack import TOKEN
from emulator.live import Remote

NOTHING = 99_999_999
"""A place in the list of calls that is behind all of them."""
DOUBTED = {"answer_lost", "in_doubt"}

Json = Mapping[str, Any]


def wait_for(live: Remote, streams: int, patience: float) -> None:
    """Until all of them are recorded."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        counters = live.get("calls", since=NOTHING, since_callback=NOTHING)["counters"]
        if counters["recording"] >= streams:
            return
        time.sleep(0.25)


def of_wire(live: Remote, options: Options) -> dict[str, object]:
    told = live.calls()
    starts = [call for call in told["calls"] if _is_ours(call)]
    publishes = [one for one in told["callbacks"] if one["event"] == "publish"]
    began = publishes[0]["at_ms"] if publishes else starts[0]["at_ms"]
    first = {call["stream"]: call["at_ms"] for call in reversed(starts) if call["acted"]}
    drained = (max(first.values(), default=began) - began) / 1000
    ideal = (options.streams - 1) / options.rate
    counters = told["counters"]
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
        "duplicates": len(told["duplicates"]),
        "peak_per_s": counters["peak_per_second"],
    }


def of_callbacks(stage: Stage) -> dict[str, object]:
    told = stage.live.get("calls", since=NOTHING)["callbacks"]
    took = sorted(one["took_ms"] or 0 for one in told)
    return {
        "callbacks": len(told),
        "callback_p50_ms": _at(took, 0.5),
        "callback_p99_ms": _at(took, 0.99),
        "callback_timeouts": sum(one["trouble"] == "TimeoutError" for one in told),
        "fc_429": sum(one["status"] == 429 for one in told),
        "callbacks_failed": sum(one["status"] not in (200, 429) for one in told),
        "instances": len(stage.function(CALLBACKS)["instances"]),
        "reconciles": stage.function(RECONCILE)["coldStarts"],
    }


def unexplained(stage: Stage) -> int:
    """Duplicates of a start whose answer was neither lost nor in doubt."""
    api, found = Api(stage.stack.fc, TOKEN), 0
    for one in stage.live.get("calls", since=NOTHING)["duplicates"]:
        if one["first_fault"] is None:
            lines = api.history(f"{one['domain']}/{one['app']}/{one['stream']}")["history"]
            found += not DOUBTED & {line["code"] for line in lines}
    return found


def _is_ours(call: Json) -> bool:
    return call["action"] == "RealTimeRecordCommand" and not call["stream"].startswith("thief")


def _at(values: Sequence[int], share: float) -> int:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0
