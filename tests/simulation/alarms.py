"""Judges alerts on bad days: the deployed evaluation runs once a minute, and is compared with the
truth.

It only reads, and keeps its alert book in the store of the simulation, so that it changes nothing
in how a seed runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from types import SimpleNamespace
from typing import TYPE_CHECKING

from msgspec.structs import replace

from functions.notify.evaluating import evaluate
from shared.alerts.book import Alert, AlertBook, book_from_text
from shared.config import load_policy
from shared.config.policy_cache import DomainCapabilities, PolicyCache, StreamSettingsCache
from shared.invocation.invocation import Invocation
from shared.logs import Log
from shared.protocol import Reason
from shared.protocol.policy import ConditionCode
from shared.protocol.stream import StreamKey
from tests.simulation.deployment import app_of
from tests.simulation.stream_watch import Broken
from tests.simulation.world import Stream

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

EVERY_MS = 60_000
RAISED_WITHIN_MS = 240_000
"""For 130 s Live may leave open whether it records what it accepted; then 20 s and a minute
pass."""
KNOWN_LATE_MS = 180_000
"""ms after a fault for which the state of a stream may be known late: a list is read each minute,
and an end takes three polls."""


class _Timestamps:
    """The store's timestamps, read-only."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def touch(self, name: str) -> None:
        raise AssertionError(name)

    def age_ms(self, name: str) -> int | None:
        return self._sim.store.ages().get(name)


class Alarms:
    """`raised` counts the alerts that were raised, by condition; `explained` those that were untrue
    for a known reason, by the reason."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        store, log = sim.store, Log(lambda _line: None, now=sim.clock)
        policies = PolicyCache(
            store, load_policy(sim.plan.policy, kind="json"), clock=sim.clock, log=log
        )
        capabilities = DomainCapabilities(_Timestamps(sim), clock=sim.clock, log=log)
        app = app_of(sim, sim.settings, 0)
        self._app = replace(
            app,
            store=store,
            policies=policies,
            stream_settings=StreamSettingsCache(app.settings, policies, capabilities),
            log=log,
        )
        self._untrue: dict[StreamKey, int] = {}
        self._silent: dict[StreamKey, int] = {}
        self._seen: set[tuple[str, int]] = set()
        self.raised: Counter[str] = Counter()
        self.explained: Counter[str] = Counter()

    def run(self) -> None:
        """Evaluate and judge, unless the store is away; come again in a minute."""
        if self._sim.store_is_up():
            self._evaluate()
        self._sim.clock.after(EVERY_MS, self.run)

    def _evaluate(self) -> None:
        evaluate(Invocation(self._app, SimpleNamespace(request_id="1-77"), seconds=60))
        open_ = self._book().open
        for alert in open_:
            if (alert.id, alert.raised_at) not in self._seen:
                self._seen.add((alert.id, alert.raised_at))
                self.raised[alert.code] += 1
        lost = [one for one in open_ if one.code == ConditionCode.NOT_RECORDED.value]
        self._judge(lost)
        self._judge_silence({alert.stream for alert in lost})

    def _book(self) -> AlertBook:
        return book_from_text(self._sim.store.alerts().text)

    def _judge(self, lost: list[Alert]) -> None:
        """Raise Broken if an alert calls a stream not recorded that is recorded or off, at two
        evaluations in turn, and no fault explains that."""
        untrue = dict[StreamKey, int]()
        for alert in lost:
            key = alert.stream
            assert key is not None
            if self._is_true(key):
                continue
            untrue[key] = self._untrue.get(key, self._sim.clock.now)
            if self._sim.clock.now - untrue[key] >= EVERY_MS:
                self._judge_untrue(key)
        self._untrue = untrue

    def _judge_untrue(self, key: StreamKey) -> None:
        watch = self._sim.judge.watch(key)
        troubled_at = max(self._sim.judge.troubled_at, watch.troubled_at)
        is_known_late = self._sim.clock.now - troubled_at < KNOWN_LATE_MS
        excuses = {
            "late": is_known_late,
            "unreadable": key in self._sim.broken,
            "clock": watch.skewed,
            "fail-over": self._sim.has_lost_writes,
            "misled": watch.misled,
            "refused": self._is_refused(key),
            "listed": self._is_listed_still(key),
            "by itself": self._records_unheard(key),
            "pause": self._is_paused_late(key) or self._awaits_restart(key),
        }
        excuse = next((name for name, holds in excuses.items() if holds), "")
        if not excuse:
            raise Broken("alerts", f"{key} is called not recorded, and it is not so")
        self.explained[excuse] += 1

    def _judge_silence(self, lost: Collection[StreamKey | None]) -> None:
        """Raise Broken if a stream that is wanted and live has not been recorded for long without
        an alert, and no fault explains that."""
        silent = dict[StreamKey, int]()
        for stream in self._sim.plan.streams:
            key = StreamKey(*stream)
            if key in lost or not self._is_lost(stream, key) or self._is_deceived(key):
                continue
            silent[key] = self._silent.get(key, self._sim.clock.now)
            troubled_at = max(self._sim.judge.troubled_at, self._sim.judge.watch(key).troubled_at)
            since = max(silent[key], troubled_at)
            if self._sim.clock.now - since >= RAISED_WITHIN_MS:
                raise Broken("alerts", f"{key} is not recorded, and no alert says so")
        self._silent = silent

    def _is_deceived(self, key: StreamKey) -> bool:
        """Return True if somebody with a captured signature reported that Live records the
        stream."""
        report = self._sim.record(key).last_report
        is_told = report is not None and report.recording
        return is_told and self._sim.judge.watch(key).replayed

    def _is_refused(self, key: StreamKey) -> bool:
        """Return True if Live has refused a start for good. Without its report nobody can know that
        Live records the stream all the same."""
        return self._sim.record(key).has_failed

    def _is_lost(self, stream: Stream, key: StreamKey) -> bool:
        """Return True if it is wanted, as far as the store knows, and in truth not recorded."""
        live, is_known = self._sim.live, key not in self._sim.broken
        is_wanted = is_known and self._sim.record(key).intent.wanted
        is_observed = self._app.stream_settings(key).observe
        return (
            is_wanted
            and not is_observed
            and live.is_visible(stream)
            and not live.is_recording(stream)
        )

    def _is_listed_still(self, key: StreamKey) -> bool:
        """Return True if the stream has ended, and the online list that was read last may show it
        all the same: the list lags, and is read each minute."""
        # ended ── publish_done ── a poll still shows the stream ── end + lag ── the next list
        live, stream = self._sim.live, Stream(key.domain, key.app, key.stream)
        lag_ms = live.switches.online_lag_ms
        ends = [one.end or 0 for one in live.connections if one.stream == stream]
        if not lag_ms or not ends or live.is_live(stream):
            return False
        return self._sim.clock.now - max(ends) < lag_ms + EVERY_MS

    def _is_true(self, key: StreamKey) -> bool:
        stream = Stream(key.domain, key.app, key.stream)
        return self._sim.live.is_live(stream) and not self._sim.live.is_recording(stream)

    def _records_unheard(self, key: StreamKey) -> bool:
        """Return True if Live began to record by itself, and its report was not stored."""
        report = self._sim.record(key).last_report
        is_told = report is not None and report.recording
        return self._sim.live.is_automatic(Stream(key.domain, key.app, key.stream)) and not is_told

    def _is_paused_late(self, key: StreamKey) -> bool:
        """Return True if Live's report of a pause has no time: it counts until no pause can last
        any more, though it may be older than the recording that goes on."""
        report = self._sim.record(key).last_report
        if report is None or report.what != "record_paused" or report.time is not None:
            return False
        lasts_ms = self._sim.plan.merge_delay + EVERY_MS
        return self._sim.clock() - report.at < lasts_ms

    def _awaits_restart(self, key: StreamKey) -> bool:
        """Return True if a restart whose answer was lost may have left a pause. A start shows
        whether it has, once no pause can last any more."""
        pending = self._sim.record(key).pending
        return pending is not None and pending.reason is Reason.RESTART_UNKNOWN

    def judge(self) -> None:
        """Raise Broken if, in the end, an alert about a stream is open that is not true."""
        self._evaluate()
        for alert in self._book().open:
            key = alert.stream
            if alert.code != ConditionCode.NOT_RECORDED.value or key is None:
                continue
            watch = self._sim.judge.watch(key)
            is_excused = watch.misled or watch.skewed or self._is_refused(key)
            is_excused = is_excused or self._records_unheard(key)
            if not (self._is_true(key) or is_excused):
                raise Broken("alerts", f"{key} is called not recorded for ever")
