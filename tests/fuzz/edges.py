"""Every edge: its name, its cases, and what holds of each case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from hypothesis.strategies import SearchStrategy

from functions import on_demand, record_events, relay, stream_events
from tests.fuzz import answer_edges, console_edge, file_edges, function_edges, media_edges
from tests.fuzz.corpus import Case
from tests.fuzz.function_edges import Check, callback_cases


@dataclass(frozen=True)
class FuzzedEdge:
    """`open` yields what holds a case against the promises, and raises where one is broken."""

    cases: SearchStrategy[Case]
    open: Callable[[], AbstractContextManager[Check]]


@contextmanager
def _plain(check: Check) -> Iterator[Check]:
    yield check


EDGES: Mapping[str, FuzzedEdge] = {
    "stream_callbacks": FuzzedEdge(
        callback_cases("GET POST"), lambda: function_edges.callbacks(stream_events)
    ),
    "record_callbacks": FuzzedEdge(
        callback_cases("POST"), lambda: function_edges.callbacks(record_events)
    ),
    "on_demand_callbacks": FuzzedEdge(
        callback_cases("GET"), lambda: function_edges.callbacks(on_demand)
    ),
    "relayed_callbacks": FuzzedEdge(
        function_edges.relayed_cases, lambda: function_edges.callbacks(relay)
    ),
    "api": FuzzedEdge(function_edges.api_cases, function_edges.api),
    "console": FuzzedEdge(console_edge.console_cases, console_edge.console_edge),
    "wake_up": FuzzedEdge(function_edges.wake_cases, function_edges.reconciles),
    "timer": FuzzedEdge(function_edges.timer_cases, function_edges.reconciles),
    "policy": FuzzedEdge(file_edges.policy_cases, lambda: _plain(file_edges.check_policy)),
    "settings": FuzzedEdge(file_edges.setting_cases, lambda: _plain(file_edges.check_settings)),
    "stages": FuzzedEdge(file_edges.stage_cases, file_edges.stages),
    "state": FuzzedEdge(file_edges.state_cases, file_edges.states),
    "arguments": FuzzedEdge(file_edges.argument_cases, file_edges.arguments),
    "live_answers": FuzzedEdge(answer_edges.live_cases, answer_edges.live_answers),
    "redis_answers": FuzzedEdge(answer_edges.redis_cases, answer_edges.redis_answers),
    "recorded_files": FuzzedEdge(
        media_edges.recorded_file_cases, lambda: _plain(media_edges.check_recorded_file)
    ),
}
