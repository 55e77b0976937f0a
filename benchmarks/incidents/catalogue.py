"""The incidents: each breaks something, and returns what ends it.

The first thirteen are those of a trial of this product by an operator; the others were added here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from benchmarks.drills.servers import ask
from benchmarks.incidents.stage import IncidentStage, fire_timer, full_name
from cli.errors import Failure
from emulator.live import Remote

Break = Callable[[IncidentStage], Callable[[], None] | None]
START = {"action": "RealTimeRecordCommand", "command": "start"}
LIST = "DescribeLiveStreamsOnlineList"
SOON, LONG = (10.0, 60.0), (10.0, 60.0, 300.0)


@dataclass(frozen=True)
class Incident:
    """`impaired_after_s`: from then on something is wrong even if every stream is recorded.
    `not_ok`: checks of doctor that must not be ok from then on."""

    name: str
    breaks: Break
    moments: tuple[float, ...] = SOON
    impaired_after_s: float = float("inf")
    not_ok: frozenset[str] = frozenset()
    redis: bool = False
    timer: bool = True
    more_policy: str = ""


def lost_callbacks_of_a_reconnect(stage: IncidentStage) -> Callable[[], None]:
    """Streams drop and come back, and both callbacks are lost; the list cannot be read."""
    stage.fail(code="InternalError", status=500, action=LIST)
    stage.lose("publish_done")
    stage.lose("publish")
    stage.republish(*stage.names[:10])
    return stage.heal


def throttled(stage: IncidentStage) -> Callable[[], None]:
    stage.fail(code="Throttling.User", **START)
    stage.republish(*stage.names)
    return stage.heal


def credentials_refused(stage: IncidentStage) -> Callable[[], None]:
    stage.fail(code="InvalidAccessKeyId.NotFound", status=404, action="RealTimeRecordCommand")
    stage.fail(code="InvalidAccessKeyId.NotFound", status=404, action=LIST)
    stage.republish(*stage.names)
    return stage.heal


def live_answers_500(stage: IncidentStage) -> Callable[[], None]:
    stage.fail(code="InternalError", status=500, action="RealTimeRecordCommand")
    stage.republish(*stage.names)
    return stage.heal


def list_unreadable(stage: IncidentStage) -> Callable[[], None]:
    """Ten streams begin, and nobody tells of them."""
    stage.fail(code="InternalError", status=500, action=LIST)
    stage.unpublish(*stage.names[:10], wait=True)
    stage.lose("publish")
    stage.publish(*stage.names[:10])
    return stage.heal


def observe_left_on(stage: IncidentStage) -> Callable[[], None]:
    policy = stage.api.policy()["policy"]
    stage.apply({**policy, "mode": "observe"})
    stage.republish(*stage.names)
    return lambda: stage.apply({**policy, "mode": "act"})


def not_found_though_listed(stage: IncidentStage) -> Callable[[], None]:
    for name in stage.names[:5]:
        stage.fail(code="StreamNotFound", stream=name, **START)
    stage.republish(*stage.names[:5])
    return stage.heal


def store_paused(stage: IncidentStage) -> Callable[[], None]:
    pid = stage.server.pid
    os.kill(pid, signal.SIGSTOP)
    stage.republish(*stage.names[:10])
    return lambda: os.kill(pid, signal.SIGCONT)


def policy_without_the_domain(stage: IncidentStage) -> Callable[[], None]:
    """Take the domain out. What is recorded goes on, and still has to be answered for."""
    policy = stage.api.policy()["policy"]
    stage.apply({"domain": [{"streaming": "other.example.com"}]})
    return lambda: stage.apply(policy)


def short_end(stage: IncidentStage) -> None:
    """Give running shows an end that is a little more than a minute away."""
    for name in stage.names[:5]:
        stage.api.ask(full_name(name), "extend", until=_at(SHORT_S))
    stage.wanted -= {full_name(name) for name in stage.names[:5]}


SHORT_S = 70


def _at(in_s: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=in_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def stage_down(stage: IncidentStage) -> None:
    _live, compute = stage.stack.pids
    os.kill(compute, signal.SIGKILL)


def manual_start_without_configuration(stage: IncidentStage) -> None:
    yard = Remote(stage.stack.live, app="yard")
    for number in range(5):
        name = full_name(f"y{number}", "yard")
        yard.publish(f"y{number}", wait=True)
        stage.wanted.add(name)
        with suppress(Failure):  # it is refused, which is the incident
            stage.api.ask(name, "start")


def timer_silent(stage: IncidentStage) -> Callable[[], None]:
    return lambda: fire_timer(stage.stack)


def callbacks_silent(stage: IncidentStage) -> Callable[[], None]:
    stage.unpublish(*stage.names[:10], wait=True)
    stage.lose()
    stage.publish(*stage.names[:10])
    return stage.heal


def start_swallowed(stage: IncidentStage) -> Callable[[], None]:
    """Live accepts every start, and does nothing."""
    stage.fail(transport="swallow", **START)
    stage.republish(*stage.names[:10])
    return stage.heal


def live_hangs(stage: IncidentStage) -> Callable[[], None]:
    stage.fail(transport="hang", action="RealTimeRecordCommand")
    stage.republish(*stage.names[:10])
    return stage.heal


def list_is_stale(stage: IncidentStage) -> Callable[[], None]:
    stage.live.switch(online_list_lag_ms=20_000)
    stage.lose("publish_done")
    stage.unpublish(*stage.names[:10])

    def end() -> None:
        stage.heal()
        stage.live.switch(online_list_lag_ms=0)

    return end


def recording_breaks(stage: IncidentStage) -> None:
    for name in stage.names[:5]:
        stage.live.record_error(name, code="BucketNotFound", message="Bucket not found")


def store_out_of_memory(stage: IncidentStage) -> Callable[[], None]:
    engine = stage.server
    ask(engine, "CONFIG", "SET", "maxmemory", "1")
    stage.republish(*stage.names[:10])
    return lambda: ask(engine, "CONFIG", "SET", "maxmemory", "0")


def quota_reached(stage: IncidentStage) -> None:
    """Begin five streams more than the rule allows."""
    more = [f"t{number}" for number in range(5)]
    stage.wanted |= {full_name(name) for name in more}
    stage.publish(*more)


STORE = frozenset({"store", "durable", "timer", "wake", "identity", "health"})
INCIDENTS: tuple[Incident, ...] = (
    Incident("lost_callbacks", lost_callbacks_of_a_reconnect),
    Incident("throttled", throttled),
    Incident("credentials_refused", credentials_refused, LONG, 15, frozenset({"role"})),
    Incident("live_500", live_answers_500, LONG),
    Incident("list_unreadable", list_unreadable, LONG, 75),
    Incident("observe", observe_left_on, not_ok=frozenset({"policy"}), impaired_after_s=12),
    Incident("not_found_though_listed", not_found_though_listed, LONG),
    Incident("store_paused", store_paused, SOON, 9, STORE, redis=True),
    Incident("policy_without_domain", policy_without_the_domain),
    Incident("short_end", short_end),
    Incident("stage_down", stage_down, SOON, 5, frozenset({"stage", "store"})),
    Incident("manual_start", manual_start_without_configuration, not_ok=frozenset({"recording"})),
    Incident("timer_silent", timer_silent, LONG, 200, frozenset({"timer"}), timer=False),
    Incident("callbacks_silent", callbacks_silent),
    Incident("start_swallowed", start_swallowed),
    Incident("live_hangs", live_hangs),
    Incident("list_stale", list_is_stale),
    Incident("recording_breaks", recording_breaks),
    Incident("store_out_of_memory", store_out_of_memory, SOON, 9, redis=True),
    Incident("quota_reached", quota_reached, more_policy="max_concurrent = 40"),
)
