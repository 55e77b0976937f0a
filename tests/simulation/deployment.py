"""Builds one process of the simulation: the deployed parts, around the simulation's own store, Live
and clock.

It builds and nothing else, as `shared.invocation.composition` does for the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from shared.config import Settings, load_policy
from shared.config.policy_cache import DomainCapabilities, PolicyCache, StreamSettingsCache
from shared.config.token_cache import TokenCache
from shared.engine.recorder import Recorder
from shared.engine.resync import Resync
from shared.engine.tally import Tally
from shared.engine.timer_watch import TimerWatch
from shared.engine.worker_lease import WorkerLease
from shared.invocation.app import App
from shared.logs import Log
from shared.outbound.heartbeat import Heartbeat
from shared.outbound.http import Outgoing
from shared.outbound.live import CONNECT_MS, LEASE_MS, READ_MS, LiveClient, UndeliveredCallback
from shared.outbound.relay import Relay
from shared.outbound.wake import Wake
from shared.protocol import Accepted, Command, StreamKey
from shared.protocol.command_errors import LiveError
from shared.protocol.policy import Policy
from shared.store.contract import Claimed, Conflict, Save, Saved, Stored
from shared.store.store_errors import StoreFull, StoreUnavailable
from shared.store.write_probe import WriteProbe
from tests.simulation.chances import Fault
from tests.simulation.fleet import LATER, Fiber, Process, TurnWorkers, current
from tests.simulation.requests import API_TOKEN, TOKEN, WAKE_KEY, Request

if TYPE_CHECKING:
    from shared.store import Store
    from tests.simulation.simulation import Simulation

_STRUCK = ("load", "take_due")
"""The steps of the store, besides a save, at which an instance may be killed or paused."""


_READS = (
    *("alerts", "open_of_kind"),
    *("load", "accounts", "age_ms", "ages", "continuity", "dead_letters", "edges", "file", "files"),
    *(
        "in_force",
        "get_policy",
        "get_text",
        "history",
        "listed",
        "misplaced_after",
        "named",
        "next_due",
        "now",
    ),
    *("open_tasks", "outbox", "phases", "queue", "rate_limit_use", "state", "tokens", "watched"),
    *("counters", "wrong", "wrong_count", "due_schedules", "get_schedule", "schedules"),
)
"""The calls that an engine answers although it refuses writes."""


def settings_of(merge_delay: int, callback_host: str, keys: Sequence[tuple[str, str]]) -> Settings:
    """Return the stage's settings. `keys` are pairs of a stream key and a record key, the newest
    last."""
    return Settings.from_env(
        {
            "LIVE_RECORD_STORE": "sqlite:///the/simulation/has/its/own",
            "LIVE_RECORD_STORE_ID": "cn-shanghai.simulation.0000",
            "LIVE_RECORD_API_TOKENS": f"person:control+read:{API_TOKEN}",
            "LIVE_RECORD_PATH_TOKENS": TOKEN,
            "LIVE_RECORD_STREAM_KEYS": ",".join(stream for stream, _ in keys),
            "LIVE_RECORD_RECORD_KEYS": ",".join(record for _, record in keys),
            "LIVE_RECORD_CALLBACK_HOST": callback_host,
            "LIVE_RECORD_BUCKET": "example-bucket",
            "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
            "LIVE_RECORD_MERGE_DELAY": f"{merge_delay // 1000}s",
            "LIVE_RECORD_WAKE_URL": "https://fc.example.com/",
            "LIVE_RECORD_WAKE_KEY": WAKE_KEY,
        }
    )


@lru_cache(maxsize=1)
def packaged_policy(text: str) -> Policy:
    """Return the policy, parsed once for all processes of a day."""
    return load_policy(text, kind="json")


def app_of(sim: Simulation, settings: Settings, skew: int) -> App:
    """Return the app of one process: its caches are empty, and its clock is wrong by `skew` ms."""
    clock, monotonic = lambda: sim.clock.now + skew, lambda: sim.clock.now / 1000
    store = cast("Store", SimulatedStore(sim))
    log = Log(sim.logged, now=clock, hide=settings.secrets)
    policies = PolicyCache(store, packaged_policy(sim.plan.policy), clock=clock, log=log)
    capabilities = DomainCapabilities(store, clock=clock, log=log)
    stream_settings = StreamSettingsCache(settings, policies, capabilities)
    recorder = Recorder(stream_settings, sim.flight_id, LEASE_MS)
    return App(
        settings=settings,
        tokens=TokenCache(store, settings.api_tokens, clock=clock, log=log),
        policies=policies,
        capabilities=capabilities,
        stream_settings=stream_settings,
        store=store,
        write_probe=WriteProbe(store, clock),
        live=cast("LiveClient", SimulatedLive(sim)),
        recorder=recorder,
        resync=Resync(recorder),
        lease=lambda: WorkerLease(store, str(id(current())), monotonic),
        workers=TurnWorkers,
        wake=Wake(settings.wake_url, WAKE_KEY, monotonic=monotonic, post=lambda _: _wake(sim)),
        relay=Relay("", ""),
        tally=Tally(store, clock),
        timer_watch=TimerWatch(store, clock),
        heartbeat=Heartbeat(""),
        log=log,
        clock=clock,
        monotonic=monotonic,
        wait=lambda seconds: current().wait(seconds),
    )


def _wake(sim: Simulation) -> int:
    """Send a wake-up call, which may be lost; do not wait for it."""

    def post(turn: Fiber) -> None:
        sim.judge.writes(turn.process, "wake")
        if sim.lots.strikes(Fault.WAKE_LOST):
            sim.trouble()
            return
        request = Request("reconcile", path="wake")
        sim.compute.invoke_async(sim.clock.now, "reconcile", request, delay_ms=20)

    current().step("wake", 1, post)
    return 202


class SimulatedStore:
    """The simulation's store; each call is a step of the process, at a time of its own."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def prepare(self) -> None:
        """Do nothing: there is nothing to import."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real, sim = getattr(self._sim.store, name), self._sim
        is_read, is_count, is_struck = name in _READS, name == "count", name in _STRUCK

        def call(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - as the store's
            def act(turn: Fiber) -> object:
                sim.store_answers()
                if is_read:
                    return real(*args, **named)
                if is_count:
                    sim.judge.counts(turn.process, *args)
                else:
                    sim.judge.writes(turn.process, name)
                sim.store_takes_writes()
                return real(*args, **named)

            return current().step(name, self._takes_ms(), act, struck=is_struck)

        setattr(self, name, call)
        return call

    def save_or_claim(self, save: Save) -> Saved:
        act = lambda turn: self._save(turn.process, save)  # noqa: E731 - in one line
        saved: Saved = current().step("save", self._takes_ms(), act, struck=True)
        return saved

    def _takes_ms(self) -> float:
        return 1 + 5 * self._sim.random()

    def _save(self, process: Process, save: Save) -> Saved:
        sim = self._sim
        sim.store_answers()
        sim.store_takes_writes()
        if sim.lots.strikes(Fault.CONFLICT, save.key.stream):
            return Conflict()
        before = sim.judge.before(save.key)
        if not sim.fits(save):
            if not sim.is_outdated(save):
                sim.judge.refused_by_full_engine(process, before, save)
            raise StoreFull("it is full")
        saved = sim.store.save_or_claim(save)
        if isinstance(saved, Stored | Claimed):
            if save.key in sim.broken:
                sim.judge.replaced(process, save)
                sim.broken.discard(save.key)
            sim.judge.saved(process, before, save, saved)
        if isinstance(saved, Claimed) and saved.record.flight:
            sim.claims += 1
            process.claims[save.key] = saved.record.flight
            process.holds.add(saved.record.flight.id)
        if sim.lots.strikes(Fault.STORE_UNHEARD, save.key.stream):
            raise StoreUnavailable("stored, and nobody heard")
        return saved


class SimulatedLive:
    """ApsaraVideo Live behind the simulated wire, with the methods of the real client."""

    connect_timeout, read_timeout, lease = CONNECT_MS, READ_MS, LEASE_MS

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def prepare(self) -> None:
        """Do nothing: there is nothing to import."""

    def send(self, command: Command, key: StreamKey, **_credentials: object) -> str:
        request_id: str = current().step(
            "send", 0, lambda turn: self._send(turn, command, key), struck=True
        )
        return request_id

    def _send(self, turn: Fiber, command: Command, key: StreamKey) -> object:
        sim, process = self._sim, turn.process
        flight = process.claims.pop(key, None)
        if flight is None or flight.command is not command:
            sim.judge.sent_unclaimed(command)
            raise AssertionError("the judge lets nothing unclaimed pass")
        sim.judge.sent(flight)

        def answered(answer: Accepted | LiveError) -> None:
            sim.events += 1
            sim.judge.heard(process, flight, answer)
            sim.tell(process.name, f"hears of {command.value}", answer)
            if isinstance(answer, LiveError):
                process.resume(turn, error=answer)
            else:
                process.resume(turn, answer.request_id)

        sim.wire.send(key, flight, answered)
        return LATER

    def find(self, key: StreamKey, **_credentials: object) -> int | None:
        def act(turn: Fiber) -> int | None:
            found = self._sim.wire.find(key)
            if isinstance(found, LiveError):
                raise found
            shown = "online" if found else "-"
            self._sim.tell(turn.process.name, "polls", key.stream, shown)
            return found

        published: int | None = current().step("find", self._takes_ms(80), act, struck=True)
        return published

    def online(self, domain: str, **_credentials: object) -> Sequence[tuple[StreamKey, int]]:
        def act(turn: Fiber) -> Sequence[tuple[StreamKey, int]]:
            online = self._sim.wire.online(domain)
            if isinstance(online, LiveError):
                raise online
            if online:
                names = ", ".join(key.stream for key in online)
                self._sim.tell(turn.process.name, "lists", names)
            return tuple(online.items())

        listed: Sequence[tuple[StreamKey, int]] = current().step(
            "list", self._takes_ms(200), act, struck=True
        )
        return listed

    def undelivered_stream_events(
        self,
        domain: str,
        since: int,
        until: int,
        *,
        take_poll_slot: Callable[[], None],
        **_: object,
    ) -> Sequence[UndeliveredCallback]:
        take_poll_slot()

        def act(turn: Fiber) -> Sequence[UndeliveredCallback]:
            undelivered = self._sim.wire.undelivered(domain, since, until)
            if isinstance(undelivered, LiveError):
                raise undelivered
            if undelivered:
                self._sim.tell(turn.process.name, "reads back", len(undelivered), "callbacks")
            return [UndeliveredCallback("", content, at) for content, at in undelivered]

        read: Sequence[UndeliveredCallback] = current().step("read back", self._takes_ms(80), act)
        return read

    undelivered_record_events = undelivered_stream_events

    def _takes_ms(self, most: float) -> float:
        return 20 + most * self._sim.random()


__all__ = ["Outgoing", "app_of", "settings_of"]
