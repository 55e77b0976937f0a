"""The composition root: the only module that names all parts and puts them together.

`serve` and `index` call this module. It alone reads the settings' environment variables and the
wall clock; other modules get them as arguments.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from shared import retry
from shared.config import Kind as PolicyKind
from shared.config import Settings, load_stage_policy
from shared.config.policy_cache import DomainCapabilities, PolicyCache, StreamSettingsCache
from shared.config.token_cache import TokenCache
from shared.engine.recorder import Recorder
from shared.engine.resync import Resync
from shared.engine.tally import Tally
from shared.engine.timer_watch import TimerWatch
from shared.engine.worker_lease import WorkerLease
from shared.engine.workers import MAX_WORKERS, ThreadWorkers
from shared.errors import Fault, Misconfigured
from shared.invocation.app import App, Clock
from shared.logs import Log, to_stdout
from shared.outbound.heartbeat import Heartbeat
from shared.outbound.live import LiveClient
from shared.outbound.relay import Relay
from shared.outbound.wake import Wake
from shared.protocol.policy import Policy
from shared.store import Store, open_store
from shared.store.write_probe import WriteProbe

CODE = Path(__file__).resolve().parents[2]
"""The folder of the code, with index.py. The working directory of a handler is not documented
(docs/platform/function-compute.md §1.2)."""


def build(
    settings: Settings,
    clock: Clock,
    store: Store | None = None,
    *,
    live: LiveClient | None = None,
    write: Callable[[str], object] = to_stdout,
) -> App:
    """Return the app for these settings. If `store` or `live` is given, the app uses it instead of
    one built from the settings. `write` gets the lines of the log. Nothing is connected yet."""
    store = store or open_store(
        settings.store,
        rate=settings.rate,
        clock=clock,
        stage=settings.stage,
        ahead=lambda: dev_offset(settings.dev_clock),
        folder=CODE,
        lazy_imports=settings.lazy_imports,
        store_id=settings.store_id,
    )
    live = live or LiveClient(
        endpoint=settings.live_endpoint,
        protocol=settings.live_protocol,
        connections=MAX_WORKERS + 1,  # one for each worker, one for the resync
        lazy_imports=settings.lazy_imports,
    )
    log = Log(write, now=clock, hide=settings.secrets)
    policies = PolicyCache(store, _policy(settings), clock=clock, log=log)
    capabilities = DomainCapabilities(store, clock=clock, log=log)
    stream_settings = StreamSettingsCache(settings, policies, capabilities)
    recorder = Recorder(stream_settings, lambda: secrets.token_hex(8), live.lease)
    return App(
        settings=settings,
        tokens=TokenCache(
            store,
            settings.api_tokens,
            clock=clock,
            log=log,
            hosts=[host.partition(":")[0].lower() for host in settings.callback_hosts],
        ),
        policies=policies,
        capabilities=capabilities,
        stream_settings=stream_settings,
        store=store,
        write_probe=WriteProbe(store, clock),
        live=live,
        recorder=recorder,
        resync=Resync(recorder),
        lease=lambda: WorkerLease(store, secrets.token_hex(8), time.monotonic),
        workers=ThreadWorkers,
        wake=_wake(settings, capabilities, log),
        relay=Relay(settings.relay_url, settings.relay_key),
        tally=Tally(store, clock),
        timer_watch=TimerWatch(store, clock),
        heartbeat=Heartbeat(settings.heartbeat_url, anywhere=settings.is_emulated),
        log=log,
        clock=clock,
        monotonic=time.monotonic,
        wait=retry.wait,
    )


def _wake(settings: Settings, capabilities: DomainCapabilities, log: Log) -> Wake:
    def report(why: str) -> None:
        log.warning("wake.lost", why=why)
        capabilities.record_lost_wake()

    return Wake(settings.wake_url, settings.wake_key, monotonic=time.monotonic, report=report)


def _policy(settings: Settings) -> Policy:
    """Return the packaged policy; a relative path starts at the folder of the code."""
    path = CODE / settings.policy
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured([Fault("LIVE_RECORD_POLICY", f"cannot be read: {error}")]) from error
    kind: PolicyKind = "toml" if path.suffix == ".toml" else "json"
    return load_stage_policy(text, kind=kind, settings=settings)


@cache
def app() -> App:
    """Return this process's app, which the first call builds. Raise Misconfigured as long as the
    settings are wrong."""
    settings = Settings.from_env(os.environ)  # noqa: TID251 - its place
    return build(settings, dev_clock(settings.dev_clock) if settings.dev_clock else wall_clock)


def prepare(*, live: bool = True) -> None:
    """Load the modules for which the first event would wait. `live` is False for a function that
    never calls Live. Wrong settings are not reported here, but at the event."""
    with suppress(Misconfigured):
        ours = app()
        if live:
            ours.live.prepare()
        ours.store.prepare()


def wall_clock() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - its place


def dev_clock(file: str) -> Clock:
    """Return a clock that adds to the real time the offset that the emulators keep in this file."""
    return lambda: wall_clock() + dev_offset(file)


def dev_offset(file: str) -> int:
    """Return the offset, in ms, that the emulators keep in this file; 0 if the file cannot be
    read."""
    import json

    if not file:
        return 0
    try:
        return int(json.loads(Path(file).read_text())["offset_ms"])
    except (OSError, ValueError, KeyError):
        return 0
