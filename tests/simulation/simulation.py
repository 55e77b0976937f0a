"""Plays one seed from beginning to end: bad days, then quiet, then the final checks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replace_deed
from typing import Any, cast

from greenlet import getcurrent
from msgspec.structs import replace

from shared.invocation.app import App
from shared.protocol import Flight, RestartAsked, StreamKey, StreamRecord, due_at
from shared.protocol.policy import Mode
from shared.protocol.state.intent import IdempotencyKey
from shared.store import Store
from shared.store.contract import Save
from shared.store.store_errors import StoreUnavailable
from tests.simulation import final_checks, fleet
from tests.simulation.account_judge import AccountJudge
from tests.simulation.alarms import Alarms
from tests.simulation.chances import Fault, Lots, Strike, stream_of_chance
from tests.simulation.deployment import app_of, settings_of
from tests.simulation.fleet import TIMEOUTS, Process
from tests.simulation.judge import RATE, Judge
from tests.simulation.memory import MemoryStore
from tests.simulation.network import Wire, sent_again
from tests.simulation.plan import DOMAIN, INGEST, LASTS, MINUTE_MS, NOON, Deed, Do, Plan
from tests.simulation.requests import Request
from tests.simulation.run_log import Line, ask_text, difference
from tests.simulation.strangers import LATE_AFTER_A_STEP_MS, Strangers
from tests.simulation.stream_watch import Broken
from tests.simulation.tasks import TaskRunners
from tests.simulation.timetables import Timetables
from tests.simulation.virtual_clock import Clock
from tests.simulation.world import Account, Callback, Compute, Invocation, Live, Outcome
from tests.support.emptied_store import empty_memory

ACCOUNTS_JUDGED = 3
"""How often the accounts are judged while things go wrong; they are judged again at the end."""
QUIET, LONGEST_QUIET = 5 * MINUTE_MS, 30 * MINUTE_MS
"""ms of quiet at the end, least and most. Forgetting a stream takes twice as long if it had an open
task."""
ALERTS_AFTER_MS = 30_500
"""ms after the beginning at which alerts are evaluated first; then they are each minute."""
OBSERVED_MS = 75_000
"""ms after which everything is sent that was due while the stage only observed: reconcile compares
modes each minute, and an instance may use an old policy for 10 s."""
CALM = 10 * MINUTE_MS
"""Something due in more ms than this is not waited for."""
NEXT_KEYS = ("stream-key-1111111", "record-key-1111111")
STORE = "cn-shanghai.simulation.0000"
NOBODY = StreamKey(DOMAIN, "app", "nobody")
Answered = Callable[[int, bool], None]
_FAILED = (500, 503)
"""Our answers that ask for a retry."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a seed ended; `broken` is None when every promise was kept."""

    seed: int
    events: int
    commands: int
    faults: Counter[str]
    struck: tuple[Strike, ...]
    story: tuple[Line, ...] = ()
    broken: Broken | None = None


class Simulation:
    def __init__(
        self,
        plan: Plan,
        *,
        without: frozenset[Strike] = frozenset(),
        store: Store | None = None,
        clock: Clock | None = None,
        story: bool = False,
    ) -> None:
        self.plan = plan
        self.clock = clock or Clock(NOON)
        self.lots = Lots(plan.seed, without, self.trouble)
        self.random = stream_of_chance(plan.seed, "ways").random
        self.events = self.commands = self._flights = self._alive = self._under_way = 0
        self.story: list[Line] | None = [] if story else None
        self._memory = None if store else MemoryStore(rate=RATE, clock=self.clock, store_id=STORE)
        self.store = store or cast("Store", self._memory)
        self.store.accept(replaces="")
        self._down_until = self._refusing_until = self._full_until = 0
        self._no_timer_until = 0
        self._lines: list[str] = []
        self.broken: set[StreamKey] = set()
        """Streams whose record cannot be read at present."""
        self.ever_broken: set[str] = set()
        self.ever_observed = False
        self.claims = 0
        self.has_lost_writes = False
        self.hub = getcurrent()
        self._begin_world()
        self.judge = Judge(self)
        self.accounts = AccountJudge(self)
        self.tasks = TaskRunners(self)
        self.alarms = Alarms(self)
        self.wire = Wire(self)
        self.strangers = Strangers(self)
        self.timetables = Timetables(self)

    def _begin_world(self) -> None:
        plan = self.plan
        account = Account(ingest={DOMAIN: INGEST}, config=plan.config)
        self.live = Live(plan.switches, account)
        chance = stream_of_chance(plan.seed, "compute")
        self.compute = Compute(chance, plan.instances, TIMEOUTS, cold_ms=(100, 800))
        self.compute.timer(NOON - MINUTE_MS + int(chance.random() * MINUTE_MS), "reconcile")
        keys = [(account.stream_key, account.record_key), NEXT_KEYS]
        settings = settings_of(plan.merge_delay, f"{account.host}:{account.port}", keys)
        self.settings = replace(settings, keep=plan.keep)

    # --- from beginning to end ------------------------------------------------------------------

    def run(self) -> Result:
        broken = None
        self.hub = getcurrent()
        for deed in self.plan.deeds:
            self.clock.at(deed.at, self._do, deed)
        self.clock.at(NOON + LASTS, self._calm_down)
        self.clock.at(NOON, self.tasks.run)
        self.clock.at(NOON + ALERTS_AFTER_MS, self.alarms.run)
        moments = stream_of_chance(self.plan.seed, "accounts")
        for _ in range(ACCOUNTS_JUDGED):
            self.clock.at(NOON + moments.randrange(LASTS), self.accounts.judge)
        try:
            self._play(NOON + LASTS + QUIET)
            self._wait_for_calm()
            final_checks.judge(self)
            self.accounts.judge()
            self.tasks.judge()
            self.alarms.judge()
            self.timetables.judge()
        except Broken as error:
            broken = error
            self.tell("BROKEN", str(error))
        return self._outcome(broken)

    def _outcome(self, broken: Broken | None) -> Result:
        return Result(
            self.plan.seed,
            self.events,
            self.commands,
            self.lots.counts,
            tuple(self.lots.struck),
            tuple(self.story or ()),
            broken,
        )

    def _play(self, until: int) -> None:
        """Run what comes next, of our own clock, Live and Function Compute, until that time."""
        clock, live, compute = self.clock, self.live, self.compute
        far = until + 1
        while True:
            soonest, theirs, its = clock.next_at(), live.next_due(), compute.next_due()
            if soonest is None:
                soonest = far
            if theirs is not None and theirs < soonest:
                soonest = theirs
            if its is not None and its < soonest:
                soonest = its
            if soonest > until:
                clock.now = until
                return
            if theirs is not None and theirs <= soonest:
                clock.now = max(clock.now, theirs)
                for callback in live.callbacks_due(clock.now):
                    self.wire.carry(callback)
            elif its is not None and its <= soonest:
                clock.now = max(clock.now, its)
                for invocation in compute.due(clock.now):
                    self._begin(invocation, cast("Request", _timer_or(invocation.payload)), None)
            else:
                clock.step()

    def _calm_down(self) -> None:
        """End all faults, also those that last."""
        self.lots.over = True
        self._down_until = self._refusing_until = self._no_timer_until = self._full_until = 0
        self.judge.troubled_at = max(self.judge.troubled_at, self.clock.now)
        for key in sorted(self.broken):
            self.repair_record(key)
        self.accept_store()
        self.set_mode(Mode.ACT)
        self.compute.quota = 100
        self.live.renew_credentials(self.clock.now)
        self.live.break_bucket(self.clock.now, DOMAIN, "")
        self.live.set_config(self.clock.now, self.plan.config, DOMAIN)
        self.tell("all", "is well from now on")

    def _wait_for_calm(self) -> None:
        """Wait until nobody is at work and nothing is due soon. If the store's clock was set back,
        everything comes so much later."""
        end = NOON + LASTS + LONGEST_QUIET + max(-self.clock.ahead, 0)
        while self._alive or self._under_way or self._is_due_soon():
            if self.clock.now >= end:
                raise Broken("at rest", "something is due for ever")
            self._play(self.clock.now + 15_000)

    def _is_due_soon(self) -> bool:
        """Return True if something is due soon, except a start that waits for a quota: it is
        retried for ever."""
        named = {StreamKey(*stream) for stream in self.plan.streams}
        for key in sorted(named | self.strangers.forger.named):
            record = self.record(key)
            waits = record.pending is not None and record.pending.over_quota
            due = due_at(replace(record, pending=None) if waits else record)
            if due is not None and due < self.clock() + CALM:
                return True
        return False

    # --- what is planned ------------------------------------------------------------------------

    def _do(self, deed: Deed) -> None:
        self.events += 1
        self.lots.counts[deed.do.value] += 1
        self.strangers.do(deed)

    def after(self, ms: float, act: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - act's own
        self.clock.after(ms, act, *args)

    def trouble(self, ms: int = 0) -> None:
        """Note a fault: for `ms`, what is due may be late."""
        self.judge.troubled_at = max(self.judge.troubled_at, self.clock.now + ms)

    def observe(self, ms: int) -> None:
        """Let the stage only observe for `ms`. A minute later, everything is sent that was due."""
        self.trouble(ms + OBSERVED_MS)
        self.set_mode(Mode.OBSERVE)
        self.after(ms, self.set_mode, Mode.ACT)

    def set_mode(self, mode: Mode) -> None:
        """Apply the policy with this mode, if the present one has another. If the store was
        emptied, an instance may still use the policy that it has read before."""
        copy = self.store.get_policy()
        policy = json.loads(copy.text if copy else self.plan.policy)
        is_lost = self.ever_observed and copy is None
        if is_lost or policy.get("mode", Mode.ACT.value) != mode.value:
            text = json.dumps({**policy, "mode": mode.value})
            self.store.put_policy(text, replaces=copy.version if copy else 0)
            self.ever_observed = True

    def store_is_down(self, ms: int) -> None:
        self._down_until = max(self._down_until, self.clock.now + ms)

    def store_is_full(self, ms: int) -> None:
        self._full_until = max(self._full_until, self.clock.now + ms)

    def timer_is_missed(self, ms: int) -> None:
        self._no_timer_until = max(self._no_timer_until, self.clock.now + ms)

    def fail_over(self, ms: int) -> None:
        """Lose the writes of the last `ms`. Do nothing with a real engine."""
        if self._memory is not None:
            self.has_lost_writes = True
            lost = self._memory.lose(self.clock() - ms)
            # If the lost write had replaced a record that cannot be read, that record is back.
            known = self.broken | lost
            self.broken = {key for key in known if self._memory.is_unreadable(key)}
            self.judge.lost(lost)
            self.accounts.lost(lost)
            self.timetables.lost(lost)

    def set_clock(self, ahead: int) -> None:
        """Set the store's clock so many ms ahead of the true time."""
        if self.clock.ahead != ahead:
            self.accounts.clock_steps()
            self.judge.clock_steps(ahead - self.clock.ahead)
            if self._memory is not None:
                self._memory.clock_steps(ahead - self.clock.ahead)
            self.clock.ahead = ahead
            self.trouble(LATE_AFTER_A_STEP_MS)

    def empty_store(self) -> None:
        """Empty the store. Do nothing with a real engine."""
        if self._memory is not None:
            self.has_lost_writes = True
            keys = {StreamKey(*stream) for stream in self.plan.streams}
            empty_memory(self._memory.shared)
            self.broken.clear()
            self.judge.emptied(keys)
            self.tasks.forget()
            self.accounts.lost(keys)
            self.timetables.lost(keys)
            self.trouble()

    def accept_store(self) -> None:
        """Have a person accept the store after it was emptied."""
        self.store.load(NOBODY)
        self.store.accept(replaces="")
        self.judge.accepted()

    def store_takes_no_writes(self, ms: int) -> None:
        self._refusing_until = max(self._refusing_until, self.clock.now + ms)

    # --- records that cannot be read ------------------------------------------------------------

    def record(self, key: StreamKey) -> StreamRecord:
        """Return the stored record, also one that cannot be read."""
        return self._memory.peek(key) if self._memory else self.store.load(key).record

    def is_outdated(self, save: Save) -> bool:
        """Return True if the record was saved after this save was decided."""
        return self._memory is not None and self._memory.version_of(save.key) != save.version

    def break_record(self, key: StreamKey) -> bool:
        """Make the record unreadable. Return False if there is none, or with a real engine."""
        if self._memory is None or not self._memory.break_record(key):
            return False
        self.broken.add(key)
        self.ever_broken.add(str(key))
        return True

    def repair_record(self, key: StreamKey) -> None:
        """Make the record readable again. What was due meanwhile is handled within a minute."""
        if self._memory is not None and key in self.broken:
            self.broken.discard(key)
            self._memory.repair_record(key)
            self.judge.watch(key).troubled_at = self.clock.now + MINUTE_MS

    def stop_unreadable(self, deed: Deed) -> None:
        key = StreamKey(*self.plan.streams[deed.stream])
        if key in self.broken:
            self.ask(replace_deed(deed, do=Do.ASK))
            at = self.clock.now + MINUTE_MS
            self.clock.at(at, self.judge.is_replaced, key, self.clock.now)

    # --- the store ------------------------------------------------------------------------------

    def store_is_up(self) -> bool:
        """Return True if the store answers and takes writes, apart from single failures."""
        return max(self._down_until, self._refusing_until) <= self.clock.now

    def store_answers(self) -> None:
        if self._down_until > self.clock.now or self.lots.strikes(Fault.STORE_FAILED):
            self.trouble()
            raise StoreUnavailable("the store is away")

    def store_takes_writes(self) -> None:
        if self._refusing_until > self.clock.now:
            self.trouble()
            raise StoreUnavailable("the store is read-only")

    def fits(self, save: Save) -> bool:
        """Return True if the store has room for it."""
        is_full = self._full_until > self.clock.now
        return not is_full or save.must_fit or save.if_no_slot.is_blank

    # --- invocations ----------------------------------------------------------------------------

    def invoke(self, request: Request, answered: Answered | None) -> None:
        """Invoke the function synchronously; answer 429 if the account has no instance left."""
        invocation = self.compute.invoke(self.clock.now, request.function, request)
        if invocation is None:
            self.trouble()
            self.lots.counts["429"] += 1
            self.tell("Function Compute", f"429 for {request.function}")
            if answered:
                answered(429, False)
            return
        self._begin(invocation, request, answered)

    def _begin(self, invocation: Invocation, request: Request, answered: Answered | None) -> None:
        self._under_way += 1
        self.clock.at(invocation.at, self._start, invocation, request, answered)

    def _start(self, invocation: Invocation, request: Request, answered: Answered | None) -> None:
        self.events += 1
        self._under_way -= 1
        if request.function == "reconcile" and self.clock.now < self._no_timer_until:
            self.trouble()
            self.compute.finished(self.clock.now, invocation, Outcome.OK)
            return
        memory = invocation.instance.memory
        if "app" not in memory:
            memory["app"] = self._app()
        self._alive += 1
        process = Process(self, request, invocation)
        process.answered = answered
        fleet.begin(process, cast("App", memory["app"]))

    def _app(self) -> App:
        skew, chance = 0, self.lots.chance("skew")
        if self.lots.strikes(Fault.CLOCK_SKEWED):
            skew = round(chance.uniform(-240_000, 240_000))
        return app_of(self, self.settings, skew)

    def flight_id(self) -> str:
        self._flights += 1
        return f"f{self._flights}"

    def logged(self, line: str) -> None:
        """Keep a line of the deployed log until the simulation may judge it."""
        self._lines.append(line)

    def ended(self, process: Process, reply: Mapping[str, object] | None) -> None:
        """End a process, whose `reply` is None if it was killed: the caller then gets Function
        Compute's 500."""
        request, assigned = process.request, process.assigned
        status = cast("int", reply["statusCode"]) if reply else 500
        failed = status in _FAILED
        self._alive -= 1
        if assigned is not None:
            ended = Outcome.KILLED if reply is None else Outcome.ERROR if failed else Outcome.OK
            self.compute.finished(self.clock.now, assigned, ended)
        self._judge_lines()
        is_asked = request.function == "on_demand" and request.expected != 401
        if is_asked and reply is not None and status != 200:
            raise Broken("promise 7", "an on-demand callback was not answered with 200")
        if failed:
            if request.key not in self.broken:  # a broken record excuses no other stream
                self.trouble()
        elif request.expected not in (None, status):
            raise Broken("promise 6", f"a {request.genuine} was answered {status}")
        elif request.asked is not None and status in (200, 202):
            self.judge.asked(process)
        if process.answered:
            process.answered(status, bool(reply) and fleet.need_record(reply or {}))

    def _judge_lines(self) -> None:
        for line in self._lines:
            final_checks.judge_line(line, self.ever_broken)
        self._lines.clear()

    def heard_again(self, key: StreamKey, flight: Flight, answer: object) -> None:
        request = Request("heard again", key=key, sent=sent_again(flight, answer))
        self._alive += 1
        fleet.begin(Process(self, request, None), self._app())

    # --- asks -----------------------------------------------------------------------------------

    def ask(self, deed: Deed, *, once: bool = False, tries: int = 5) -> None:
        """Send a person's request; retry it after 2 s on 429, 500 and 503."""
        assert deed.ask is not None
        key = StreamKey(*self.plan.streams[deed.stream])
        asked = deed.ask
        if once:
            asked = replace(
                asked,
                idempotency_key=IdempotencyKey(f"key-{deed.at}-{deed.stream}", repr(deed.ask)),
            )
        if isinstance(asked, RestartAsked):
            self.judge.restart_asked(key)
        said = ask_text(asked) if self.story is not None else ""
        self.tell("a person", f"asks for {key.stream}: {said}")

        def answered(status: int, _need: bool) -> None:
            self.tell("a person", f"has {status} for {said} of {key.stream}")
            if status in (429, 500, 503) and tries and not self.lots.over:
                self.clock.after(2_000, lambda: self.ask(deed, once=once, tries=tries - 1))

        self.invoke(Request("record_command", key=key, asked=asked), answered)

    # --- the story ------------------------------------------------------------------------------

    def tell(self, who: str, what: str, *about: object) -> None:
        if self.story is not None:
            words = " ".join(str(one) for one in about if one not in (None, ""))
            self.story.append((self.clock.now - NOON, who, f"{what} {words}".rstrip()))

    def story_of(self, process: Process, before: StreamRecord, after: StreamRecord) -> None:
        if self.story is not None:
            for line in difference(before, after):
                self.tell(process.name, f"{after.key.stream}: {line}")


def _timer_or(payload: object) -> object:
    return payload if isinstance(payload, Request) else Request("reconcile")


__all__ = ["Callback", "Result", "Simulation"]
