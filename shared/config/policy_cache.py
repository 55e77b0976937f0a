"""Caches what a process reads from the store now and then: policy, capabilities, stream settings.

The caches hold three things: the policy in force; which callbacks Live has sent, and which calls of
the stage were lost; and the settings of the latest stream. Every invocation uses them. None of them
raises an error if the store does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from shared.config import Settings, load_policy, mode_of
from shared.decoding import Undecodable, decode
from shared.logs import Log
from shared.protocol import Occurrence, StreamSettings
from shared.protocol.policy import Mode, Policy
from shared.protocol.state.occurrence import TemporaryRule
from shared.protocol.stream import StreamKey
from shared.store.contract import InForce, PolicyCopy
from shared.store.store_errors import StoreUnavailable

KEEP_REHEARSAL_MS = 24 * 3_600_000
"""ms for which a rehearsal's stream is kept. If the rehearsal was killed, the next one can remove
its files within that time."""
POLICY_AGE_MS = 10_000
"""How long a policy counts as the newest."""
UNREAD_AGE_MS = 1_000
"""ms before a process reads the policy again, as long as it has never read one."""
RELAY_LOST = "relay lost"
"""Names the timestamp of the latest callback that could not be forwarded to its previous
receiver."""
WAKE_LOST = "wake lost"
"""Names the timestamp of the latest wake-up call that did not reach reconcile."""
HEARTBEAT, HEARTBEAT_LOST = "heartbeat", "heartbeat lost"
"""Name the timestamps of the latest answered heartbeat, and of the latest lost one."""
OTHER_STAGE = "other stage acts"
"""Names the timestamp of the latest callback that another acting stage has forwarded to this one,
while this one acts too."""
TIMESTAMP_AGE_MS = 60_000
"""How long a missing timestamp is remembered as missing."""


def file_reported(key: StreamKey) -> str:
    """Return the name of the timestamp that notes when Live last reported a file of the stream's
    application."""
    return f"file:{key.domain}/{key.app}"


class PolicySource(Protocol):
    def in_force(self) -> InForce: ...


class TimestampStore(Protocol):
    def touch(self, name: str) -> None: ...
    def age_ms(self, name: str) -> int | None: ...


class PolicyCache:
    """The policy in force, and the temporary rules of schedules. Both are read from the store now
    and then, not for every call."""

    def __init__(
        self, source: PolicySource, packaged: Policy, *, clock: Callable[[], int], log: Log
    ) -> None:
        """Use `packaged` while the store has no policy. `clock` gives ms since the epoch.

        `is_refused`: the store's newest policy cannot be read, so an earlier or the packaged one is
        in force. `newest` is the newest version even then. `refuses_rules`: the temporary rules of
        some schedule cannot be read.
        """
        self.is_refused = self.refuses_rules = False
        self.newest = 0
        self._is_read = self._has_failed = False
        self._source = source
        self._log = log
        self._policy = packaged
        self._taken: PolicyCopy | None = None
        self._temporary: tuple[TemporaryRule, ...] = ()
        self._texts: Mapping[str, str] = {}
        self._clock = clock
        self._asked = LastAsked(clock)

    @property
    def version(self) -> int:
        """Return the version of the policy in force; 0 if this is the packaged policy."""
        return self._taken.version if self._taken is not None else 0

    def policy(self) -> Policy:
        """Return the policy in force: the newest one of the store, at most ten seconds old. If the
        store does not answer or its newest policy cannot be read, return the policy that was in
        force before; at first this is the packaged policy."""
        if self._asked.may_ask("policy", POLICY_AGE_MS if self._is_read else UNREAD_AGE_MS):
            self._read_store()
        return self._policy

    def policy_of_store(self) -> Policy:
        """Return the policy in force. Call this after a record was loaded, which shows that the
        store answers. So if the last read of the policy failed, or if it was never read, this
        method reads the policy now: it may have changed long ago."""
        if not self._is_read or self._has_failed:
            self.forget()
        return self.policy()

    def _read_store(self) -> None:
        try:
            self._has_failed = True
            in_force = self._source.in_force()
            self._is_read, self._has_failed = True, False
            self._take_temporary(in_force.temporary)
            self._take(in_force.policy)
        except StoreUnavailable as error:
            self._asked.note("policy")  # it may have taken long to fail
            self._log.warning("policy.unread", error=error)
        except Exception as error:  # noqa: BLE001 - whatever is stored, the last one good holds
            self._refuse(0, error)

    def occurrences(self, key: StreamKey) -> tuple[Occurrence, ...]:
        """Return the occurrences of schedules with patterns that fit this stream, as of the last
        read of the store. Schedules that name the stream itself are not considered."""
        return tuple(rule.occurrence for rule in self._temporary if rule.fits(key))

    def is_suspended(self) -> bool:
        """Return True if the rules of the policy in force are suspended now, and so start no
        recording."""
        return self.policy().is_suspended(self._clock())

    def forget(self) -> None:
        """Make the next call of `policy` read the store, even if the last read was a moment ago."""
        self._asked.forget("policy")

    def _take_temporary(self, texts: Mapping[str, str]) -> None:
        if texts != self._texts:
            self.refuses_rules = False
            rules = (rule for name, text in texts.items() for rule in self._read(name, text))
            self._temporary, self._texts = tuple(rules), texts

    def _read(self, name: str, text: str) -> tuple[TemporaryRule, ...]:
        """Return the rules of a schedule; none if they cannot be read, for example because a later
        release wrote them."""
        try:
            return decode(text, tuple[TemporaryRule, ...])
        except Undecodable as error:
            self.refuses_rules = True
            self._log.error("schedule.refused", schedule=name, error=error)
            return ()

    def _take(self, copy: PolicyCopy | None) -> None:
        self.newest = copy.version if copy is not None else 0
        # The whole copy: an emptied store counts its versions from 1 again.
        if copy is None or copy == self._taken:
            self.is_refused = False
            return
        try:
            self._policy = load_policy(copy.text, kind="json", is_stored=True)
            self._taken, self.is_refused = copy, False
        except Exception as error:  # noqa: BLE001 - a later release wrote it, or nobody knows who
            self._refuse(copy.version, error)

    def _refuse(self, version: int, error: Exception) -> None:
        self.is_refused = True
        self._log.error("policy.refused", version=version, error=error)


class DomainCapabilities:
    """Stores when each of these things happened most recently: Live reported a recording status or
    a file; a heartbeat was answered; a forward, a wake-up call or a heartbeat was lost; or another
    stage sent commands for the same streams. No method raises an error if the store does not
    answer."""

    def __init__(self, timestamps: TimestampStore, *, clock: Callable[[], int], log: Log) -> None:
        self._timestamps = timestamps
        self._log = log
        self._asked = LastAsked(clock)
        self._with_status: set[str] = set()

    def has_status_callbacks(self, domain: str) -> bool:
        """Return True if a recording status, such as `record_started`, was ever received for the
        domain."""
        name = f"status:{domain}"
        if domain not in self._with_status and self._asked.is_old(name, TIMESTAMP_AGE_MS):
            try:
                if self._timestamps.age_ms(name) is not None:
                    self._with_status.add(domain)
            except StoreUnavailable as error:
                self._log.warning("timestamp.unread", timestamp=name, error=error)
            self._asked.note(name)  # not before: another thread would take "asked" for "no"
        return domain in self._with_status

    def record_status_callback(self, domain: str) -> None:
        """Remember that a recording status was received for the domain. Each process writes this to
        the store only once."""
        if self.has_status_callbacks(domain):
            return
        if self._touch(f"status:{domain}"):
            self._with_status.add(domain)

    def record_file_callback(self, key: StreamKey) -> None:
        """Remember that a file of the stream's application was reported."""
        self._note(file_reported(key))

    def record_lost_relay(self) -> None:
        """Remember that a callback could not be forwarded."""
        self._note(RELAY_LOST)

    def record_lost_wake(self) -> None:
        """Remember that a wake-up call was lost."""
        self._note(WAKE_LOST)

    def record_heartbeat(self, *, lost: bool) -> None:
        """Remember that the outside monitor answered a heartbeat or, if `lost`, did not answer
        it."""
        self._touch(HEARTBEAT_LOST if lost else HEARTBEAT)

    def record_other_stage(self) -> None:
        """Remember that another stage acts on the same streams."""
        self._note(OTHER_STAGE)

    def _note(self, name: str) -> None:
        """Remember that this happened now, at most once a minute for each process."""
        if self._asked.may_ask(name, TIMESTAMP_AGE_MS):
            self._touch(name)

    def _touch(self, name: str) -> bool:
        try:
            self._timestamps.touch(name)
        except StoreUnavailable as error:
            self._log.warning("timestamp.lost", timestamp=name, error=error)
            return False
        return True


class LastAsked:
    """Remembers when the process last read or wrote each named thing in the store."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._at: dict[str, int] = {}

    def may_ask(self, name: str, age_ms: int) -> bool:
        """Return True if the process has not read or written the named thing within `age_ms`. After
        True, the thing counts as read now."""
        is_old = self.is_old(name, age_ms)
        if is_old:
            self.note(name)
        return is_old

    def is_old(self, name: str, age_ms: int) -> bool:
        at = self._at.get(name)
        return at is None or abs(self._clock() - at) >= age_ms

    def note(self, name: str) -> None:
        self._at[name] = self._clock()

    def forget(self, name: str) -> None:
        self._at.pop(name, None)


class StreamSettingsCache:
    """A function object that returns the settings of a stream. It caches those of the latest
    stream, since one event needs them several times."""

    def __init__(
        self, settings: Settings, policies: PolicyCache, capabilities: DomainCapabilities
    ) -> None:
        self._settings = settings
        self._policies = policies
        self._capabilities = capabilities
        self._last: tuple[StreamKey, Policy, object, StreamSettings] | None = None

    def __call__(self, key: StreamKey) -> StreamSettings:
        policy = self._policies.policy_of_store()
        is_suspended = policy.suspended is not None and self._policies.is_suspended()
        has_status = self._capabilities.has_status_callbacks(key.domain)
        occurrences = self._policies.occurrences(key)
        last, rest = self._last, (has_status, is_suspended, occurrences)
        if last and last[0] == key and last[1] is policy and last[2] == rest:
            return last[3]
        stream_settings = replace(
            self._read(policy, key),
            status_known=has_status,
            is_policy_suspended=is_suspended,
            occurrences=occurrences,
        )
        self._last = (key, policy, rest, stream_settings)
        return stream_settings

    def _read(self, policy: Policy, key: StreamKey) -> StreamSettings:
        settings = self._settings
        return StreamSettings(
            rule=policy.rule(key),
            max_duration=settings.max_duration,
            hold=settings.hold,
            merge_delay=settings.merge_delay,
            keep=KEEP_REHEARSAL_MS if key.is_rehearsal else settings.keep,
            keep_ledger=settings.keep_ledger,
            observe=mode_of(settings, policy) is Mode.OBSERVE,
            max_concurrent=settings.max_concurrent,
            files_in=_files_in(settings, policy, key),
            event_globs=policy.event_globs(key),
        )


def _files_in(settings: Settings, policy: Policy, key: StreamKey) -> str:
    """Return the bucket of the stream's files, as name/endpoint; "" if none is named."""
    named = policy.bucket_of(key.domain, key.app)
    if named is not None:
        return f"{named.name}/{named.endpoint}"
    return f"{settings.bucket}/{settings.oss_endpoint}" if settings.bucket else ""
