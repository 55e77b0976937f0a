"""The stage of a storm: the deployed functions with the quotas of the event.

benchmarks.storm starts it. It changes s.yaml only in a copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import requests
import yaml

from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import REDIS, Stack, running
from cli.paths import ROOT
from emulator.live import Remote
from shared.engine.dispatcher import HELPING_RECONCILES

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com" }
on_publish = "record"
"""
CALLBACKS, RECONCILE = "stream_events", "reconcile"
TIMEOUT_S = 30.0
LEAST_PRIORITY = 19
KEYS = {"LIVE_RECORD_DELIVER_CREDENTIALS": "archive:key-id:key-secret"}
"""The credentials of the store that copies go to."""


@dataclass(frozen=True, slots=True)
class Options:
    streams: int
    instances: int
    store: str
    rate: float
    per_second: float
    limiter: str
    excess: str
    thief: float
    chaos: bool


@dataclass(frozen=True, slots=True)
class Stage:
    stack: Stack
    live: Remote
    engine: Engine | None
    store: str

    def fc(self, path: str, *, timeout_s: float = TIMEOUT_S, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        url = f"{self.stack.fc}/_fc/{path}"
        answer = (
            requests.post(url, json=body, timeout=timeout_s)
            if body
            else requests.get(url, timeout=timeout_s)
        )
        document: dict[str, Any] = answer.json()
        return document

    def function(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = self.fc("state")["functions"][name]
        return state

    def store_bytes(self) -> int:
        """Return the bytes that the engine holds in memory; 0 without an engine."""
        if self.engine is None:
            return 0
        with redis.Redis.from_url(self.engine.url) as client:
            return int(client.info("memory")["used_memory"])


@contextmanager
def running_stage(folder: Path, options: Options, more_policy: str = "") -> Iterator[Stage]:
    """Provide the stage; `more_policy` is added after its rules."""
    policy, template = folder / "policy.toml", folder / "s.yaml"
    policy.write_text(POLICY + more_policy)
    template.write_text(_with_quota(options.instances))
    engine = Engine(folder / "store", options=DURABLE) if options.store == REDIS else None
    settings = {"LIVE_RECORD_RATE": str(options.rate), **KEYS}
    try:
        if engine:
            engine.start()
            settings["LIVE_RECORD_STORE"] = engine.url
        with running(folder, policy=policy, template=template, settings=settings) as stack:
            store = settings.get("LIVE_RECORD_STORE", f"sqlite:///{folder}/records.db")
            stage = Stage(stack, Remote(stack.live), engine, store)
            stage.live.notify(record_url="", on_demand_url="")
            stage.live.switch(limiter=options.limiter, throttle_mode=options.excess)
            _warm(stage, options.instances)
            yield stage
    finally:
        if engine:
            engine.stop()


def yield_to_others(stage: Stage, function: str) -> None:
    """Give the instances of a function the lowest priority, so that they do not slow the others: in
    a region, each instance has a CPU of its own."""
    for instance in stage.function(function)["instances"]:
        os.sched_setscheduler(instance["pid"], os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, instance["pid"], LEAST_PRIORITY)


def _with_quota(instances: int) -> str:
    """Return s.yaml with a limit on the callbacks' instances; more callbacks are answered 429."""
    document = yaml.safe_load((ROOT / "s.yaml").read_text())
    props = document["resources"][CALLBACKS]["props"]
    props["concurrencyConfig"] = {"reservedConcurrency": instances}
    return yaml.safe_dump(document, sort_keys=False)


def _warm(stage: Stage, instances: int) -> None:
    """Start all instances before the storm, as an operator would, and the instances of all
    reconciles that share a burst."""
    _at_once(HELPING_RECONCILES + 1, lambda: stage.fc(f"timer/{RECONCILE}", wait=True))
    url = f"{stage.stack.fc}/callbacks/stream/not-the-token"
    while len(stage.function(CALLBACKS)["instances"]) < instances:
        _at_once(instances, lambda: requests.get(url, timeout=TIMEOUT_S))


def _at_once(times: int, call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(times) as pool:
        for future in [pool.submit(call) for _ in range(times)]:
            future.result()
