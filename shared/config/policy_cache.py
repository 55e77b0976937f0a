"""What a process knows of its stage beyond its settings: the policy in force, and for which domains
Live's status callbacks are known to work. The store is asked now and then, never each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.config import Settings, load_policy, mode_of
from shared.errors import Misconfigured
from shared.logs import Log
from shared.protocol import StreamSettings
from shared.protocol.policy import Mode, Policy
from shared.protocol.stream import StreamKey
from shared.store.contract import PolicyCopy
from shared.store.store_errors import StoreUnavailable

POLICY_FOR = 10_000
"""ms for which a policy is taken to be the newest."""
RELAY_LOST = "relay lost"
"""The mark of the latest callback that whoever had it before did not get."""
MARK_FOR = 60_000
"""ms for which a mark that was not there is taken not to be there."""


class PolicySource(Protocol):
    def get_policy(self) -> PolicyCopy | None: ...
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...


class Known:
    """`packaged` is the policy while the store has none. `clock` gives ms since the epoch."""

    def __init__(
        self, store: PolicySource, packaged: Policy, *, clock: Callable[[], int], log: Log
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._policy = packaged
        self._version = 0
        self._asked: dict[str, int] = {}
        self._works: set[str] = set()

    @property
    def version(self) -> int:
        """Of the policy in force; 0 is the packaged one."""
        return self._version

    def policy(self) -> Policy:
        """The store's newest, at most ten seconds old; while the store is down, the last known."""
        if self._is_time("policy", POLICY_FOR):
            try:
                self._take(self._store.get_policy())
            except StoreUnavailable as error:
                self._log.warning("policy.unread", error=error)
        return self._policy

    def forget(self) -> None:
        """The policy was changed here and now."""
        self._asked.pop("policy", None)

    def _take(self, copy: PolicyCopy | None) -> None:
        if copy is None or copy.version == self._version:
            return
        try:
            self._policy = load_policy(copy.text, kind="json")
            self._version = copy.version
        except Misconfigured as error:  # a later release wrote it
            self._log.error("policy.refused", version=copy.version, error=error)

    def status_works(self, domain: str) -> bool:
        """A status event of the domain has been received."""
        name = f"status:{domain}"
        if domain not in self._works and self._is_time(name, MARK_FOR):
            try:
                if self._store.age_ms(name) is not None:
                    self._works.add(domain)
            except StoreUnavailable as error:
                self._log.warning("mark.unread", mark=name, error=error)
        return domain in self._works

    def heard_status(self, domain: str) -> None:
        """Remembered once a process, and never worth failing for."""
        if self.status_works(domain):
            return
        try:
            self._store.touch(f"status:{domain}")
            self._works.add(domain)
        except StoreUnavailable as error:
            self._log.warning("mark.lost", mark=f"status:{domain}", error=error)

    def lost_relay(self) -> None:
        """A callback could not be passed on. Once a minute and process is enough to be told."""
        if not self._is_time(RELAY_LOST, MARK_FOR):
            return
        try:
            self._store.touch(RELAY_LOST)
        except StoreUnavailable as error:
            self._log.warning("mark.lost", mark=RELAY_LOST, error=error)

    def _is_time(self, name: str, lasts: int) -> bool:
        now = self._clock()
        if name in self._asked and abs(now - self._asked[name]) < lasts:
            return False
        self._asked[name] = now
        return True


class StreamSettingsCache:
    """The terms of a stream; while one event is handled they are asked for several times."""

    def __init__(self, settings: Settings, known: Known) -> None:
        self._settings = settings
        self._known = known
        self._last: tuple[StreamKey, Policy, bool, StreamSettings] | None = None

    def __call__(self, key: StreamKey) -> StreamSettings:
        policy, works = self._known.policy(), self._known.status_works(key.domain)
        last = self._last
        if last and last[0] == key and last[1] is policy and last[2] is works:
            return last[3]
        terms = self._made(policy, key, status_known=works)
        self._last = (key, policy, works, terms)
        return terms

    def _made(self, policy: Policy, key: StreamKey, *, status_known: bool) -> StreamSettings:
        settings = self._settings
        return StreamSettings(
            rule=policy.rule(key),
            max_duration=settings.max_duration,
            hold=settings.hold,
            merge_delay=settings.merge_delay,
            status_known=status_known,
            observe=mode_of(settings, policy) is Mode.OBSERVE,
            max_concurrent=settings.max_concurrent,
        )
