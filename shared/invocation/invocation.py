"""One call of a function: its budget, its credentials, its log.

Every function answers through it. It knows what an invocation may do in its time, and none of the
protocol's rules.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared import retry
from shared.config import mode_of
from shared.config.policy_cache import POLICY_AGE_MS, PolicyCache
from shared.engine import counters
from shared.engine.counters import CallbackResult
from shared.engine.dispatcher import Dispatcher
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import CallbackSource, Steps, T, Undelivered, run
from shared.engine.recorder import HandleResult, HandlingOptions
from shared.engine.side_steps import SideSteps
from shared.engine.step_marks import StepMarks, note_unplanned
from shared.engine.unusable_names import note as note_unusable_names
from shared.engine.worker_lease import ENOUGH_RECONCILES, BackfillTimer, WorkerLease
from shared.inbound import function_compute
from shared.inbound.request_errors import MalformedCallback, UnverifiedCallback
from shared.invocation.app import App
from shared.outbound.http import Unanswered
from shared.outbound.live import Credentials, LiveClient, Online
from shared.outbound.relay import ForwardedCallback, Kind, Onward
from shared.protocol import (
    Accepted,
    Command,
    Event,
    HistoryEntry,
    StreamKey,
    StreamRecord,
    TimePassed,
)
from shared.protocol.command_errors import LiveError, NeverSent, StreamNotLive
from shared.protocol.derived.phase import Phase
from shared.protocol.derived.wrong import REPORTED_AFTER_MS, wrong_since
from shared.protocol.durations import rfc3339
from shared.protocol.policy import Mode
from shared.retry import Deadline
from shared.store import misplaced
from shared.store.contract import Filter
from shared.store.store_errors import StoreUnavailable, Unreadable

if TYPE_CHECKING:
    from shared.engine.schedule_planner import SchedulePlanner

_INDEXES = "1"
"""The version of the indexes that each save fills. When it rises, live streams are saved again
once."""
POLICY_CHANGED = "policy changed"
"""Names the timestamp of the latest change of the policy."""
POLICY_EVERYWHERE_MS = POLICY_AGE_MS + 5_000
"""ms after which every instance uses a newly stored policy: POLICY_AGE_MS until it reads that
policy, and 5 s for invocations that have read the one before."""
STORE_RETRY_S = 5.0
"""Pause before a step of reconcile is repeated because the store did not answer. A shorter one
would repeat the step's calls to Live more often."""
AUDITED_ROWS = 100
"""Streams of each phase that are read each minute."""


class _LiveAsRole(Struct, frozen=True):
    """The Live API with the credentials of one invocation, which change while the process runs.
    `note` gets the error of each request, or None, to learn whether the credentials work."""

    live: LiveClient
    credentials: Credentials
    policies: PolicyCache
    require_time: Callable[[], None]
    note: Callable[[LiveError | None], None]

    def prepare(self) -> None:
        self.live.prepare()

    def send(self, command: Command, key: StreamKey) -> str:
        return self._ask(lambda: self.live.send(command, key, credentials=self.credentials))

    def find(self, key: StreamKey) -> int | None:
        return self._ask(lambda: self.live.find(key, credentials=self.credentials))

    def online(self, domain: str) -> Sequence[Online]:
        return self._ask(
            lambda: self.live.online(domain, credentials=self.credentials, pace=self.require_time)
        )

    def undelivered(
        self, source: CallbackSource, since: int, until: int, take_poll_slot: Callable[[], None]
    ) -> Sequence[Undelivered]:
        """Return the undelivered events of the source, for the domains that the policy names."""
        from shared.inbound import live_events

        def pace() -> None:
            self.require_time()
            take_poll_slot()

        options: Any = {"credentials": self.credentials, "take_poll_slot": pace}
        live, where = self.live, (source.domain, since, until)
        if source.is_ingest:
            found = self._ask(lambda: live.undelivered_stream_events(*where, **options))
        else:
            found = self._ask(lambda: live.undelivered_record_events(*where, **options))
        streaming = self.policies.policy().streaming
        return live_events.undelivered([(entry.content, entry.at) for entry in found], streaming)

    def _ask(self, request: Callable[[], T]) -> T:
        try:
            answer = request()
        except LiveError as error:
            self.note(error)
            raise
        self.note(None)
        return answer


class Invocation:
    """One invocation: its budget, its credentials, and what it may do within them."""

    def __init__(self, app: App, context: object, *, seconds: float) -> None:
        self.app = app
        self.deadline = Deadline.after(seconds, clock=app.monotonic)
        self.log = app.log.bind(**function_compute.log_context(context))
        self.credentials = Credentials(*function_compute.credentials_of(context, os.environ))  # noqa: TID251 - its place
        is_kept = not function_compute.brings_credentials(context)
        note = self._note_credentials if is_kept else lambda _error: None
        self._live = _LiveAsRole(app.live, self.credentials, app.policies, self._require_time, note)
        self._dispatcher: Dispatcher | None = None
        self._has_noted_unplanned = False
        self._effects = EffectHandler(
            app.store,
            self._live,
            monotonic=app.monotonic,
            wait=app.wait,
            report=self._report,
            on_free_slot=self._start_worker,
            report_broken=self._report_broken,
            report_crash=self._report_crash,
            log_decided=self._log_decided,
            note_unusable=self._note_unusable,
        )

    @cached_property
    def _lease(self) -> WorkerLease:
        return self.app.lease()

    @cached_property
    def _backfill_timer(self) -> BackfillTimer:
        return BackfillTimer(self.app.store)

    @property
    def mode(self) -> Mode:
        """Return whether this stage acts now, or only observes."""
        return mode_of(self.app.settings, self.app.policy)

    def has_time(self) -> bool:
        """Return True if enough time is left to send a command and get its answer, and if the
        credentials for it have not expired."""
        sending_s = (self.app.live.connect_timeout + self.app.live.read_timeout) / 1000
        return self.deadline.left() > sending_s and not self.app.life.is_over

    def _require_time(self) -> None:
        """Raise a LiveError if no time is left for one more request of a long read."""
        if not self.has_time():
            raise NeverSent("NoTime", "the time of this run is up")

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> HandleResult:
        """Handle an event, and retry its command while Live's answer and the budget allow.

        If there is no time for a command, the command stays due, and a reconcile is woken to send
        it.
        """
        sent: list[tuple[Command, Accepted | LiveError]] = []

        def once(event: Event) -> HandleResult:
            handled = self._run(self.app.recorder.handle(key, event, options))
            sent.extend(handled.sent)
            return handled

        first = once(event)
        again = TimePassed(may_query_online=options.may_query_live)
        steps = chain([first], iter(lambda: once(again), None))
        retry_in = _retry_in if options.slot_wait_ms else _retry_in_callback
        last = retry.while_again(lambda: next(steps), retry_in, self.deadline, sleep=self.app.wait)
        if last.waits:
            self._wake_one()
        return replace(last, refused=first.refused, sent=tuple(sent), is_saved=first.is_saved)

    def handle_callback(self, kind: Kind, key: StreamKey, event: Event) -> None:
        """Handle the event of a genuine callback, and count the callback. Then check the timers
        (`watch_timers`)."""
        counts = {counters.callbacks(kind, CallbackResult.STORED): 1}
        options = HandlingOptions(may_send=self.has_time, counts=counts)
        if self.handle(key, event, options).is_saved:
            self.app.tally.store_if_due()
        else:
            self.count_callback(kind, CallbackResult.UNCHANGED)
        self.watch_timers()

    def watch_timers(self) -> None:
        """Log each timer that no longer runs; check at most once a minute. A function whose timer
        is off cannot log that itself."""
        for function, ms in self.app.timer_watch.silent().items():
            self.log.error("timer.silent", function=function, ms_ago=ms)

    def count_callback(self, kind: Kind, result: CallbackResult) -> None:
        """Count a callback that leads to no save."""
        self.app.tally.add(counters.callbacks(kind, result))
        self.app.tally.store_if_due()

    def counting_failures(self, kind: Kind, take: Callable[[], T]) -> T:
        """Call `take`, which handles a callback, and return its result. If `take` raises, count the
        callback as rejected, malformed or failed, and pass the exception on. The count of a failure
        is stored later, since the store may be what failed."""
        try:
            return take()
        except UnverifiedCallback:
            self.count_callback(kind, CallbackResult.REJECTED)
            raise
        except MalformedCallback:
            self.count_callback(kind, CallbackResult.MALFORMED)
            raise
        except Exception:
            self.app.tally.add(counters.callbacks(kind, CallbackResult.FAILED))
            raise

    def forwarded(self, kind: Kind, request: function_compute.Request) -> ForwardedCallback:
        """Return the callback in the form in which `relay` and `onward` take it. Its field `sign`
        is a function that signs the callback for another host. This field is None if Live did not
        sign the callback, or if the stage has no key."""
        from shared.inbound import live_callbacks

        key = next(iter(self.app.settings.record_keys), "")
        sign = live_callbacks.resign(request.headers, key, self.app.clock())
        return ForwardedCallback(kind, request.headers, request.query, request.body, sign)

    @property
    def onward(self) -> Onward:
        """Return the object that forwards callbacks, to allowed targets only."""
        settings = self.app.settings
        return Onward(settings.forward_hosts, anywhere=settings.is_emulated, mode=self.mode.value)

    def pass_on(self, kind: Kind, request: function_compute.Request) -> None:
        """Hand a callback to the function relay, which forwards it to the previous receiver. Do not
        forward it if the policy names no receiver for this kind, or if another stage of live-record
        has already forwarded it. If both that stage and this one send commands to Live, note that
        another stage acts. A failure is logged, and never affects our own answer."""
        callback = self.forwarded(kind, request)
        if callback.is_of_acting_stage and self.mode is Mode.ACT:
            self.app.capabilities.record_other_stage()
        if not self.app.policy.forward_to.of(kind.value) or callback.is_relayed:
            return
        try:
            self.app.relay.hand(callback)
        except Unanswered as error:
            missed = self.app.relay.missed
            self.log.error("relay.missed", kind=kind, why=str(error), missed=missed)
            self.app.capabilities.record_lost_relay()

    def online(self, domain: str) -> Sequence[Online]:
        """Return Live's online list of a domain, read with the function's role. Raise a LiveError
        if that fails."""
        return self._live.online(domain)

    def resync(self, *, only_awaited: bool = False) -> int:
        """Compare the online list of every domain of the policy with the records; return how many
        differences were handled. With `only_awaited`, handle only listed streams of two kinds:
        those for which the records have no session, or only an ended one; and those whose record
        leaves something undecided (`Watched.doubted`). The commands that follow from this are sent
        later, with everything else that is due."""
        self.app.policies.forget()
        self._backfill_timer.note_resync()
        compare, domains = self.app.resync.compare, self.app.policy.domains
        try:
            return self._each_alone(
                compare(domain.streaming, self.has_time, only_awaited=only_awaited)
                for domain in domains
            )
        finally:
            self._decide_anew()

    def _decide_anew(self) -> None:
        """Decide again about the live streams of each domain where the rules, their suspension, the
        mode or a cap has changed. If time runs out, the next run does the rest.

        An instance may use the old policy for POLICY_AGE_MS, and withhold a start meanwhile. So
        decisions made within that time are repeated after it.
        """
        app, store = self.app, self.app.store
        is_suspended = app.policies.is_suspended()
        wanted = (app.policy.rules, is_suspended, self.mode, app.settings.max_concurrent)
        mark = f"{_INDEXES} {zlib.crc32(msgspec.json.encode(wanted)):08x}"
        changed_ms = store.age_ms(POLICY_CHANGED)
        if changed_ms is not None and changed_ms < POLICY_EVERYWHERE_MS:
            mark += " here"
        for domain in app.policy.domains:
            name = f"decided:{domain.streaming}"
            before = store.get_text(name)
            if before == mark:
                continue
            is_new = before is None or not before.startswith(f"{_INDEXES} ")
            again = app.resync.decide_anew(domain.streaming, self.has_time, fills_index=is_new)
            if self._run(again):
                store.set_text(name, mark)

    def tend_schedules(self) -> int:
        """Plan the schedules that are due, and wait for an occurrence that is about to begin;
        return how many schedules were planned."""
        self.app.policies.forget()  # plan live streams by the newest rules
        self.app.policies.policy()
        if self.app.policies.refuses_rules:
            self._note_unplanned()
        return self._planner().tend(self.app.wait)

    def plan_schedule(self, name: str, text: str) -> None:
        """Plan a schedule that was stored just now, as far as time allows; the timer does the rest.
        `text` is the stored document. A reconcile is woken, so an occurrence that has to begin now
        begins within a second or two."""
        self._planner().plan(name, text)
        self._wake_one()

    def _planner(self) -> SchedulePlanner:
        from shared.engine.schedule_planner import SchedulePlanner  # callbacks plan nothing

        app, run = self.app, self._run
        options: Any = {"may_go_on": self.has_time, "report": self._report_unplanned}
        return SchedulePlanner(app.store, app.recorder, run, **options)

    def apply_policy_soon(self) -> None:
        """Wake a reconcile that decides again about the live streams within a second or two. Call
        this when the policy was changed, or when a person has accepted a store that was emptied
        (`live-record store accept`)."""
        self.app.policies.forget()
        self.app.store.touch(POLICY_CHANGED)
        self._backfill_timer.note_burst()
        self._wake_one()

    def read_lists_soon(self) -> None:
        """Record a burst, so that a reconcile reads the online lists within a second or two. The
        lists show which of the streams that wait for a poll are live."""
        self._backfill_timer.note_burst()

    def replay_undelivered(self) -> int:
        """Replay the callbacks that Live could not deliver, of every domain that the policy names;
        return how many were handled."""
        domains = self.app.policy.domains
        sources = [
            CallbackSource(name, is_ingest=True) for domain in domains for name in domain.ingest
        ]
        sources += [CallbackSource(domain.streaming, is_ingest=False) for domain in domains]
        replay = self.app.resync.replay
        return self._each_alone(replay(source, self.has_time) for source in sources)

    def audit(self) -> int:
        """Find records that cannot be read, and repair the index of the streams that are wanted,
        live and not recorded. Return how many streams have been in this index for
        REPORTED_AFTER_MS; log that number if it is not 0.

        The first records of each phase are read. A stream whose record cannot be read goes into the
        quarantine, which health reports. Before that, the streams that an earlier audit put there
        are released, because their records may be readable now.
        """
        store = self.app.store
        for key in store.never_crashed(AUDITED_ROWS):
            store.release(key)
        for each in Phase:
            for row in store.listed(Filter(each), after=None, limit=AUDITED_ROWS):
                if isinstance(row, Unreadable):
                    store.quarantine(row.key)
                    self._report_crash(row.key, row)
        self._repair_index()
        lost = store.wrong_count(REPORTED_AFTER_MS)
        if lost.count:
            self.log.warning("streams.unrecorded", count=lost.count, oldest_ms=lost.oldest_ms)
        return lost.count

    def _repair_index(self) -> None:
        """Read the first rows of the index of wrong streams (wanted, live and not recorded). Save
        the record again if it contradicts its row, because a release without that index saved it.
        """
        store = self.app.store
        for row in store.wrong(store.now(), after=None, limit=AUDITED_ROWS):
            if isinstance(row.record, StreamRecord) and wrong_since(row.record) != row.since:
                self._run(self.app.recorder.put_in_order(row.key))

    def _each_alone(self, works: Iterable[Steps[int]]) -> int:
        """Do each part of a step, even after one has failed; return the sum of their results. Raise
        the last failure at the end. If the store is unavailable, raise at once."""
        done, failure = 0, None
        for work in works:
            try:
                done += self._run(work)
            except StoreUnavailable:  # noqa: PERF203 - each part takes a request
                raise
            except Exception as error:  # noqa: BLE001 - raised below; a part takes a request
                if failure is not None:
                    self.report_failed("step.crashed", failure)
                failure = error
        if failure is not None:
            raise failure
        return done

    def note_size(self) -> None:
        """Record how full the store is, so that health can say when the store will be full. Ignore
        a store that does not answer."""
        with suppress(StoreUnavailable):
            self.app.store.note_size()

    def is_needed(self) -> bool:
        """Register this reconcile, which was woken, and return True if few enough others are at
        work. If it is not needed, end the registration."""
        needed = self._lease.begin() < ENOUGH_RECONCILES
        if not needed:
            self._lease.end()
        return needed

    def dispatcher(self, options: HandlingOptions) -> Dispatcher:
        """Return the dispatcher, which sends all that is due as far as `options` allow."""
        app = self.app
        app.live.prepare()  # before there are threads (docs/platform/sdk.md §B2)
        # The policy is also read before there are threads: while one thread read it, the others
        # would decide by the packaged policy, or by the one from before the instance was frozen.
        app.policies.policy()
        self._dispatcher = Dispatcher(
            app.store,
            lambda: self._run(app.recorder.drain_one(options)),
            slot_wait_ms=options.slot_wait_ms,
            lease=self._lease,
            marks=StepMarks(app.store),
            backfill_timer=self._backfill_timer,
            backfill=lambda: self.resync(only_awaited=True),
            put_in_order=self.put_in_order,
            wake=app.wake,
            wait=app.wait,
            report=self._report,
        )
        return self._dispatcher

    def report_store(self) -> None:
        """Log an error if the store was emptied and no person has accepted that since (`live-record
        store accept`)."""
        emptied_at = self.app.store.continuity().emptied_at
        if emptied_at is not None:
            fix = "stop what must not be recorded, then run live-record store accept"
            self.log.error("store.emptied", since=rfc3339(emptied_at), fix=fix)

    def side_steps(self, steps: Mapping[str, Callable[[], int]]) -> SideSteps:
        """Return the steps, to be run while the dispatcher sends. When a step begins or ends, a
        timestamp under its name is set (`StepMarks`), from which health sees a step that hangs."""
        marks = StepMarks(self.app.store)
        noted = {name: marks.around(name, step) for name, step in steps.items()}
        return SideSteps(noted, self.app.workers(), self.report_failed, self._waits_for_store)

    def _waits_for_store(self) -> bool:
        """Wait a moment for the store; return False if the time is up."""
        self.app.wait(STORE_RETRY_S)
        return self.has_time()

    def put_in_order(self) -> int:
        """Save one page of records again if the queue's times may be wrong, for example after the
        store's clock was set back (shared/store/misplaced.py). Return how many records were saved.
        """
        store = self.app.store
        page = misplaced.next_page(store)
        if page is None:
            return 0
        for key in page.keys:
            self._run(self.app.recorder.put_in_order(key))
        store.move_misplaced(page.before, page.after)
        return len(page.keys)

    def send_heartbeat(self) -> None:
        """Call the outside monitor, if the settings name one and the dispatcher of this run has
        completed a round. If the call is lost, log and note that, and go on."""
        drained = self._dispatcher is not None and self._dispatcher.rounds > 0
        if not (drained and self.app.heartbeat.url):
            return
        try:
            self.app.heartbeat.send()
        except Unanswered as error:
            self.log.warning("heartbeat.lost", why=str(error))
            self.app.capabilities.record_heartbeat(lost=True)
        else:
            self.app.capabilities.record_heartbeat(lost=False)

    def _start_worker(self) -> None:
        if self._dispatcher:
            self._dispatcher.start_worker()

    def _wake_one(self) -> None:
        if self._lease.may_wake_one():
            self.app.wake()

    def _report(self, event: str, error: Exception) -> None:
        self.log.warning(event, error=error)

    def _report_crash(self, key: StreamKey, error: Exception) -> None:
        self.log.error("stream.crashed", stream=str(key), error=error, trace=error.__traceback__)

    def _report_unplanned(self, name: str, error: Exception) -> None:
        """Log why the schedule `name` cannot be planned, and note it for health and the alerts."""
        trace = error.__traceback__
        self.log.error("schedule.crashed", schedule=name, error=error, trace=trace)
        self._note_unplanned()

    def _note_unplanned(self) -> None:
        """Record that there are schedules that cannot be planned. Only the first call does so."""
        if not self._has_noted_unplanned:
            self._has_noted_unplanned = True
            note_unplanned(self.app.store)

    def _note_unusable(self, domain: str, keys: Sequence[StreamKey]) -> None:
        """Record the streams whose names no command can contain, for health, the list and the
        alerts. Leave out those that neither a rule nor an occurrence under way would record."""
        now = self.app.store.now()
        wanted = [key for key in keys if self._would_record(key, now)]
        with suppress(StoreUnavailable):
            note_unusable_names(self.app.store, domain, wanted)

    def _would_record(self, key: StreamKey, now: int) -> bool:
        settings = self.app.stream_settings(key)
        under_way = any(one.begins_at <= now < one.ends_at for one in settings.occurrences)
        return settings.rule.records_on_publish or under_way

    def report_failed(self, event: str, error: Exception) -> None:
        """Log the exception of one part of a run, with its trace."""
        self.log.error(event, error=error, trace=error.__traceback__)

    def _log_decided(self, key: StreamKey, entries: Sequence[HistoryEntry]) -> None:
        """Log what was decided and sent; no other code logs decisions."""
        stream = str(key)
        self.log.story(
            ("stream." + entry.code, {"stream": stream, "about": dict(entry.about)})
            for entry in entries
        )

    def _note_credentials(self, error: LiveError | None) -> None:
        """End this process after its answer if the credentials in its environment have expired."""
        if error is None:
            self.app.life.accepted()
        elif self.app.life.refused(error.code):
            self.log.error("credentials.expired", code=error.code, why="the process ends")

    def _report_broken(self, key: StreamKey, names: tuple[str, ...]) -> None:
        """Log violated invariants and go on; a person has to find the wrong rule."""
        self.log.error("invariant.broken", stream=str(key), names=list(names))

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self._effects.perform)


def _retry_in(handled: HandleResult) -> int | None:
    return handled.again_in


def _retry_in_callback(handled: HandleResult) -> int | None:
    """Return a delay only for a stream that Live does not know yet. During a burst, an instance
    that waits answers no callback, and Function Compute refuses further ones with 429."""
    unknown = handled.sent and isinstance(handled.sent[-1][1], StreamNotLive)
    return handled.again_in if unknown else None
