"""The stage of an incident: a stack, 40 streams, and what the emulator knows of them.

The incidents break it; the judge reads `Truth`, which comes from the emulator alone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from cli.api import Api
from cli.errors import Failure
from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import TOKEN, Stack, running
from cli.paths import S_YAML
from emulator.live import Remote

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

DOMAIN, APP, STREAMS = "live.example.com", "app", 40
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = {{ domain = "live.example.com", app = "app" }}
on_publish = "record"
{more}
"""
LOOK_EVERY_S = 0.5
CLOCK = "functions_clock.json"
"""The clock of the store and the functions; Live has one of its own."""


@dataclass(frozen=True)
class Truth:
    """The true state of one stream, and for how many s it has lasted; a stream is named
    domain/app/stream."""

    live: bool
    recorded: bool
    live_s: float
    recorded_s: float


class Watcher:
    """Polls the emulator twice a second, and knows since when each stream is in its state."""

    def __init__(self, live: Remote) -> None:
        self._live = live
        self._since: dict[str, tuple[bool, float, bool, float]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> dict[str, Truth]:
        """Return the present truth of each stream."""
        with self._lock:
            streams = self._live.get("state")["streams"]
            now = time.monotonic()
            return {_name(stream): self._noted(stream, now) for stream in streams}

    def _noted(self, stream: dict[str, Any], now: float) -> Truth:
        name, live = _name(stream), bool(stream["live"])
        recorded = bool(stream["recording"]) and stream["recording"]["state"] == "recording"
        was_live, live_at, was_recorded, recorded_at = self._since.get(
            name, (not live, now, not recorded, now)
        )
        live_at = live_at if live == was_live else now
        recorded_at = recorded_at if recorded == was_recorded else now
        self._since[name] = (live, live_at, recorded, recorded_at)
        return Truth(live, recorded, now - live_at, now - recorded_at)


def _name(stream: dict[str, Any]) -> str:
    return f"{stream['domain']}/{stream['app']}/{stream['stream']}"


@dataclass
class IncidentStage:
    """`wanted` are the streams that should be recorded while they are live."""

    stack: Stack
    live: Remote
    watcher: Watcher
    folder: Path
    engine: Engine | None
    names: tuple[str, ...]
    wanted: set[str] = field(default_factory=set)

    @property
    def server(self) -> Engine:
        """Return the store's server. Raise LookupError if the store is a file."""
        if self.engine is None:
            raise LookupError("the store of this stage has no server")
        return self.engine

    @property
    def api(self) -> Api:
        return Api(self.stack.fc, TOKEN)

    def publish(self, *names: str, **more: object) -> None:
        for name in names:
            self.live.publish(name, **more)

    def unpublish(self, *names: str, **more: object) -> None:
        for name in names:
            self.live.unpublish(name, **more)

    def republish(self, *names: str) -> None:
        """Let streams drop and come back, with all callbacks."""
        self.unpublish(*names)
        self.publish(*names)

    def fail(self, **fault: object) -> None:
        self.live.fail(times=1_000_000, **fault)

    def step_clock(self, ahead_s: float) -> None:
        """Set the clock of the store and the functions so far ahead of Live's."""
        text = json.dumps({"offset_ms": round(ahead_s * 1000)})
        (self.folder / CLOCK).write_text(text, encoding="utf-8")

    def heal(self) -> None:
        """End the faults that `fail` and `lose` have planted."""
        for what in ("fail", "callbacks"):
            requests.delete(f"{self.stack.live}/_control/{what}", timeout=60).raise_for_status()

    def lose(self, event: str = "*") -> None:
        """Lose every callback of that kind from now on."""
        self.live.detour("drop", event=event, times=1_000_000)

    def post(self, path: str) -> None:
        """Send an empty request to the API of the stage."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = requests.post(self.stack.fc + path, headers=headers, json={}, timeout=60)
        answer.raise_for_status()

    def apply(self, policy: dict[str, Any]) -> None:
        self.api.apply_policy(policy, replaces=self.api.policy()["version"])

    def unrecorded(self) -> dict[str, float]:
        """Return the streams that are wanted, live and not recorded, each with the time that this
        has lasted, in s."""
        found = self.watcher.look()
        return {
            name: min(truth.recorded_s, truth.live_s)
            for name, truth in found.items()
            if name in self.wanted and truth.live and not truth.recorded
        }

    def is_all_known(self) -> bool:
        """Return True if the stage itself counts as many recorded streams as are wanted, False if
        it does not answer."""
        try:
            phases = self.api.health().get("phases") or {}
        except Failure:
            return False
        return bool(phases.get("recording", 0) >= len(self.wanted))

    def not_known(self) -> dict[str, tuple[str, str]]:
        """Return the streams that the stage does not call recorded, with phases and reasons."""
        rows = self.api.list_recordings(len(self.names))["recordings"]
        return {
            row["stream"]: (row["phase"], row["reason"]["text"])
            for row in rows
            if row["phase"] != "recording"
        }

    def await_recorded(self, within_s: float) -> float | None:
        """Wait until every wanted live stream is recorded; return how many s that took, None if it
        takes more than `within_s`."""
        began = time.monotonic()
        while self.unrecorded():
            if time.monotonic() > began + within_s:
                return None
            time.sleep(0.2)
        return round(time.monotonic() - began, 1)


def full_name(name: str, app: str = APP) -> str:
    return f"{DOMAIN}/{app}/{name}"


@dataclass(frozen=True)
class StageOptions:
    """`redis`: the store is a server; without `timer`, reconcile runs only when it is woken;
    `settings` and `fc_options` are those of `running`."""

    redis: bool = False
    timer: bool = True
    more_policy: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    fc_options: tuple[str, ...] = ()


@contextmanager
def incident_stage(
    folder: Path, options: StageOptions, streams: int, turn: AbstractContextManager[object]
) -> Iterator[IncidentStage]:
    """Run a stage whose streams are all recorded. It is set up within `turn`, since many stages
    that start at once delay each other."""
    policy, template = folder / "policy.toml", folder / "s.yaml"
    policy.write_text(POLICY.format(more=options.more_policy))
    text = S_YAML.read_text(encoding="utf-8")
    template.write_text(text if options.timer else text.replace("enable: true", "enable: false"))
    with _engine(folder, needed=options.redis) as engine:
        stored = {"LIVE_RECORD_STORE": engine.url} if engine else {}
        clock = {"LIVE_RECORD_DEV_CLOCK": str(folder / CLOCK)}
        with ExitStack() as stacked:
            with turn:
                stack = stacked.enter_context(
                    running(
                        folder / "stack",
                        policy=policy,
                        template=template,
                        settings={**clock, **stored, **options.settings},
                        fc_options=options.fc_options,
                    )
                )
                watcher = stacked.enter_context(Watcher(live := Remote(stack.live)))
                whole = IncidentStage(stack, live, watcher, folder, engine, _names(streams))
                stage = _filled(whole)
            yield stage


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"s{number:02}" for number in range(count))


@contextmanager
def _engine(folder: Path, *, needed: bool) -> Iterator[Engine | None]:
    if not needed:
        yield None
        return
    with Engine(folder / "engine", options=DURABLE) as engine:
        yield engine


def _filled(stage: IncidentStage) -> IncidentStage:
    """Publish every stream, and return the stage once all are recorded."""
    rows = {
        "url": stage.stack.fc,
        "token": TOKEN,
        "live": stage.stack.live,
        "rtmp": stage.stack.rtmp,
    }
    table = "".join(f'{name} = "{value}"\n' for name, value in rows.items())
    (stage.folder / "stages.toml").write_text(f"[dev]\n{table}")
    fire_timer(stage.stack)
    stage.wanted |= {full_name(name) for name in stage.names}
    stage.publish(*stage.names, wait=True)
    if stage.await_recorded(SETTLED_S) is None:
        raise TimeoutError(f"not recorded within {SETTLED_S:g} s: {stage.unrecorded()}")
    if not wait_until(stage.is_all_known, SETTLED_S):
        raise TimeoutError(f"recorded, and not said so within {SETTLED_S:g} s: {stage.not_known()}")
    return stage


def wait_until(is_so: Callable[[], bool], within_s: float) -> bool:
    """Return True once `is_so()` is True, False after `within_s`."""
    until = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def fire_timer(stack: Stack, *, wait: bool = True) -> None:
    requests.post(f"{stack.fc}/_fc/timer/reconcile", json={"wait": wait}, timeout=120)


SETTLED_S = 120.0
"""Seconds for all streams to be recorded at first, and for Live's reports of that to arrive."""
