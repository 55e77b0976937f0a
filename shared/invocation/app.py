"""Holds the parts that one process keeps from call to call.

`composition` builds an `App`, and each invocation reads it. An `App` holds no state of a single
call.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from shared.config import Settings
from shared.config.policy_cache import DomainCapabilities, PolicyCache, StreamSettingsCache
from shared.config.token_cache import TokenCache
from shared.engine.recorder import Recorder
from shared.engine.resync import Resync
from shared.engine.tally import Tally
from shared.engine.timer_watch import TimerWatch
from shared.engine.worker_lease import WorkerLease
from shared.engine.workers import Workers
from shared.invocation.process_life import ProcessLife
from shared.logs import Log
from shared.outbound.heartbeat import Heartbeat
from shared.outbound.live import LiveClient
from shared.outbound.relay import Relay
from shared.outbound.wake import Wake
from shared.protocol.policy import Policy
from shared.protocol.stream import StreamKey
from shared.retry import Throttle
from shared.store import Store
from shared.store.store_errors import Unreadable
from shared.store.write_probe import WriteProbe

Clock = Callable[[], int]
DOCTOR_ASKS_EVERY_S = 1.0
"""s between two questions to Live for the doctor."""


class App(Struct, frozen=True):
    """The parts of one process. `clock` gives ms since the epoch, `monotonic` seconds; `wait` takes
    seconds."""

    settings: Settings
    tokens: TokenCache
    policies: PolicyCache
    capabilities: DomainCapabilities
    stream_settings: StreamSettingsCache
    store: Store
    write_probe: WriteProbe
    live: LiveClient
    recorder: Recorder
    resync: Resync
    lease: Callable[[], WorkerLease]
    workers: Callable[[], Workers]
    wake: Wake
    relay: Relay
    tally: Tally
    timer_watch: TimerWatch
    heartbeat: Heartbeat
    log: Log
    clock: Clock
    monotonic: Callable[[], float]
    wait: Callable[[float], None]
    life: ProcessLife = field(default_factory=ProcessLife)
    doctor_throttle: Throttle = field(default_factory=lambda: Throttle(DOCTOR_ASKS_EVERY_S))

    def is_stored(self, key: StreamKey) -> bool:
        """Return True if the store has a record of the stream, readable or not."""
        try:
            return self.store.load(key).version > 0
        except Unreadable:
            return True

    @property
    def policy(self) -> Policy:
        """Return the policy in force, which may change between two calls."""
        return self.policies.policy()
