"""The incidents: each breaks something, and returns the function that ends it, if one does.

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
from benchmarks.incidents.stage import (
    APP,
    DOMAIN,
    IncidentStage,
    StageOptions,
    full_name,
)
from cli.errors import Failure
from emulator.live import Remote

Break = Callable[[IncidentStage], Callable[[], None] | None]
START = {"action": "RealTimeRecordCommand", "command": "start"}
LIST = "DescribeLiveStreamsOnlineList"
NOBODY = "http://127.0.0.1:9/"
"""An address at which nothing listens."""
SOON, LONG = (10.0, 60.0), (10.0, 60.0, 300.0)

USUAL = StageOptions()


@dataclass(frozen=True)
class Incident:
    """`impaired_after_s`: the time, in s after the beginning, from which something is wrong even if
    every stream is recorded. `not_ok`: the checks of doctor that must not be ok from then on, or
    from the beginning if `impaired_after_s` is infinite."""

    name: str
    breaks: Break
    moments: tuple[float, ...] = SOON
    impaired_after_s: float = float("inf")
    not_ok: frozenset[str] = frozenset()
    stage: StageOptions = USUAL


def lost_callbacks_of_a_reconnect(stage: IncidentStage) -> Callable[[], None]:
    """Let streams drop and come back; both callbacks are lost, and the list cannot be read."""
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
    """Begin ten streams again; their publish callbacks are lost, and the list cannot be read."""
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
    """Take the domain out of the policy. Running recordings go on, and the stage still has to
    answer for them."""
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


def timer_silent(_stage: IncidentStage) -> None:
    """Break nothing more: the stage has no timer from the beginning."""


def callbacks_silent(stage: IncidentStage) -> Callable[[], None]:
    stage.unpublish(*stage.names[:10], wait=True)
    stage.lose()
    stage.publish(*stage.names[:10])
    return stage.heal


def start_swallowed(stage: IncidentStage) -> Callable[[], None]:
    """Let Live accept every start, and do nothing."""
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


def publish_lost(stage: IncidentStage) -> Callable[[], None]:
    """Let ten streams drop and come back; only the callback of the end arrives."""
    stage.lose("publish")
    stage.republish(*stage.names[:10])
    return stage.heal


def callbacks_refused(stage: IncidentStage) -> Callable[[], None]:
    """Let Live sign with keys that the stage does not know, so that the stage refuses each
    callback."""
    stage.live.notify(stream_key="another-key-0000", record_key="another-key-0000")
    stage.unpublish(*stage.names[:10], wait=True)
    stage.publish(*stage.names[:10])

    def end() -> None:
        stage.live.notify(stream_key="dev-stream-key-0000", record_key="dev-record-key-0000")

    return end


def clocks_differ(stage: IncidentStage) -> Callable[[], None]:
    """Let Live's clock go ahead of the stage's by so much that genuine callbacks are refused."""
    stage.live.skew(APART_S)
    stage.republish(*stage.names[:10])

    def end() -> None:
        stage.live.skew(0)

    return end


APART_S = 600


def clock_set_back(stage: IncidentStage) -> Callable[[], None]:
    """Set the clock of the store and the functions back."""
    stage.step_clock(-APART_S)
    stage.republish(*stage.names[:10])
    return lambda: stage.step_clock(0)


def store_emptied(stage: IncidentStage) -> Callable[[], None]:
    """Empty the store while streams are recorded."""
    ask(stage.server, "FLUSHALL")
    return lambda: stage.post("/v1/store/accept")


def record_unreadable(stage: IncidentStage) -> None:
    """Write a stream's record as a later release would; then the stream drops and comes back."""
    name = stage.names[0]
    record = f"live-record:{{dev}}:record:{DOMAIN}\0{APP}\0{name}"
    ask(stage.server, "HSET", record, "document", LATER % (DOMAIN, APP, name))
    stage.republish(name)


LATER = (
    '{"format":1,"record":{"key":{"domain":"%s","app":"%s","stream":"%s"},'
    '"session":{"number":1,"opened_at":1,"state":"resting"}}}'
)
"""A record with a state that this release does not know."""


def wake_up_refused(stage: IncidentStage) -> None:
    """Let nobody answer the wake-up calls: work that cannot be done at once waits for the timer."""
    stage.republish(*stage.names)


def too_few_instances(stage: IncidentStage) -> None:
    """Let so many callbacks come at once that Function Compute refuses most of them."""
    stage.republish(*stage.names)


STORE = frozenset({"store", "durable", "timer", "wake", "identity", "health"})
REDIS, NO_TIMER = StageOptions(redis=True), StageOptions(timer=False)
CAPPED = StageOptions(more_policy="max_concurrent = 40")
NO_WAKE = StageOptions(settings={"LIVE_RECORD_WAKE_URL": NOBODY})
FEW_INSTANCES = StageOptions(fc_options=("--quota", "4"))
INCIDENTS: tuple[Incident, ...] = (
    Incident("lost_callbacks", lost_callbacks_of_a_reconnect),
    Incident("throttled", throttled),
    Incident("credentials_refused", credentials_refused, LONG, 15, frozenset({"role"})),
    Incident("live_500", live_answers_500, LONG),
    Incident("list_unreadable", list_unreadable, LONG, 75),
    Incident("observe", observe_left_on, not_ok=frozenset({"policy"}), impaired_after_s=12),
    Incident("not_found_though_listed", not_found_though_listed, LONG),
    Incident("store_paused", store_paused, SOON, 9, STORE, stage=REDIS),
    Incident("policy_without_domain", policy_without_the_domain),
    Incident("short_end", short_end),
    Incident("stage_down", stage_down, SOON, 5, frozenset({"stage", "store"})),
    Incident("manual_start", manual_start_without_configuration, not_ok=frozenset({"recording"})),
    Incident("timer_silent", timer_silent, LONG, 200, frozenset({"timer"}), stage=NO_TIMER),
    Incident("callbacks_silent", callbacks_silent),
    Incident("start_swallowed", start_swallowed),
    Incident("live_hangs", live_hangs),
    Incident("list_stale", list_is_stale),
    Incident("recording_breaks", recording_breaks),
    Incident("store_out_of_memory", store_out_of_memory, SOON, 9, stage=REDIS),
    Incident("quota_reached", quota_reached, stage=CAPPED),
    Incident("publish_lost", publish_lost),
    Incident("callbacks_refused", callbacks_refused, not_ok=frozenset({"stream-key"})),
    Incident("clocks_differ", clocks_differ, not_ok=frozenset({"clock"})),
    Incident("clock_set_back", clock_set_back),
    Incident("store_emptied", store_emptied, SOON, 5, stage=REDIS),
    Incident("record_unreadable", record_unreadable, (10.0, 75.0), 70, stage=REDIS),
    Incident("wake_up_refused", wake_up_refused, stage=NO_WAKE),
    Incident("too_few_instances", too_few_instances, stage=FEW_INSTANCES),
)
