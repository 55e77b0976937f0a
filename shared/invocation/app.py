"""What one process keeps from call to call."""

from __future__ import annotations

from collections.abc import Callable

from shared.config import Settings
from shared.config.policy_cache import Known, StreamSettingsCache
from shared.engine.recorder import Recorder
from shared.logs import Log
from shared.outbound.live import LiveClient
from shared.outbound.relay import Relay
from shared.outbound.wake import Wake
from shared.protocol.policy import Policy
from shared.quick import dataclass
from shared.store import Store

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class App:
    """What one process keeps from call to call. `clock` gives ms since the epoch."""

    settings: Settings
    known: Known
    terms: StreamSettingsCache
    store: Store
    live: LiveClient
    recorder: Recorder
    wake: Wake
    relay: Relay
    log: Log
    clock: Clock
    monotonic: Callable[[], float]

    @property
    def policy(self) -> Policy:
        """The one in force: it may change from one moment to the next."""
        return self.known.policy()
