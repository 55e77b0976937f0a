"""Random histories of one stream: two sessions, callbacks that are lost, doubled and reordered,
looks, asks, and a tiny ApsaraVideo Live that answers as the real one may. Pure, and fast."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from shared.protocol import (
    Accepted,
    Command,
    CommandSettled,
    Event,
    Polled,
    Published,
    Reason,
    RecordFailed,
    Reported,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
    TimePassed,
    Unpublished,
    claim,
    decide,
    due_at,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    LiveError,
    StreamNotLive,
    Throttled,
)
from shared.protocol.policy import OnInterruption, OnPublish, Rule
from shared.protocol.rules.on_demand import is_asked
from shared.protocol.state.confirmation import StartSource
from shared.protocol.state.invariants import broken
from tests.conftest import KEY, NOON

S = 1000
LEASE = 7_300
MERGE = 180 * S
SURVEY = 60 * S
QUIET = 600 * S
"""Nothing new happens any more, and what is due is done."""
SCRIPT = 620 * S
UNCONFIRMED = (Reason.UNCONFIRMED, Reason.UNPROVED)
"""Why a start is repeated that Live accepted and then said nothing of."""
DOUBTED = ("in doubt, acted", "in doubt, lands late", "killed", "late")
AGAIN = ("throttled", "StreamNotLive", *DOUBTED)
"""Answers to a start that ask for it again, or said StreamNotFound."""


@dataclass
class TinyLive:
    """docs/platform/live.md §1.2 and 6: a manual recording that an interruption pauses for good."""

    already_when_paused: bool
    began: int | None = None
    runs: bool = False
    paused_at: int | None = None

    def comes(self, at: int) -> None:
        self.began = at

    def goes(self, at: int) -> None:
        self.began, self.paused_at = None, at if self.runs else self.paused_at
        self.runs = False

    def does(self, command: Command, now: int) -> str | LiveError:
        """Return the event that Live reports after the command, or its error."""
        if self.began is None:
            return StreamNotLive()
        if command is Command.START:
            return self._start(now)
        if command is Command.RESTART:
            self.runs, self.paused_at = True, None
            return "record_started"
        if command is Command.STOP and self.runs:
            self.runs, self.paused_at = False, now
            return "record_paused"
        return ""

    def _start(self, now: int) -> str | LiveError:
        paused = self.paused_at is not None and now - self.paused_at < MERGE
        if self.runs or (paused and self.already_when_paused):
            return AlreadyStarted()
        self.runs, self.paused_at = True, None
        return "record_resumed" if paused else "record_started"


class History:
    """`counts` are the kinds of things that happened, `starts` those that went over the wire."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - lots, not keys
        self.live = TinyLive(already_when_paused=self.chance(0.3))
        self.answers_on_demand = self.chance(0.2)
        self.tells_time = self.chance(0.5)
        self.skew = self.draw.randrange(-4 * S, 4 * S) if self.tells_time else 0
        self.settings = self._stream_settings()
        self.record = StreamRecord(KEY)
        self.now = NOON
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.starts = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ids = itertools.count()
        self._newest = {"publish": 0, "publish_done": 0}

    def chance(self, likely: float) -> bool:
        return self.draw.random() < likely

    def _stream_settings(self) -> StreamSettings:
        how = OnInterruption.RESUME
        if self.chance(0.2):
            how = self.draw.choice([OnInterruption.STOP, OnInterruption.FINALIZE])
        on_publish = OnPublish.RECORD if self.chance(0.4) else OnPublish.IGNORE
        rule = Rule(on_publish=on_publish, on_interruption=how)
        return StreamSettings(rule=rule, merge_delay=MERGE, status_known=self.chance(0.5))

    # --- what is going to happen ----------------------------------------------------------------

    def at(self, when: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._ids), act))

    def after(self, wait: float, act: Callable[[], None]) -> None:
        self.at(self.now + round(wait), act)

    def run(self) -> History:
        self._write()
        self._play(NOON + SCRIPT)
        self.draw = random.Random(0)  # noqa: S311 - as above
        self.faults_end = True
        self._play(NOON + SCRIPT + QUIET)
        return self

    faults_end = False

    def _write(self) -> None:
        """Two sessions, and what people ask meanwhile."""
        lots = self.draw
        first = NOON + lots.randrange(2, 30) * S
        done = first + lots.randrange(2, 90) * S
        second = done + lots.choice([1, 2, 4, 8, 20, 100, 250]) * S
        self.counts["reconnect within" if second - done < MERGE else "reconnect beyond"] += 1
        self._session(first, done)
        self._session(second, second + lots.randrange(5, 200) * S if self.chance(0.5) else None)
        for ask, likely in ((self._start, 0.7), (self._stop, 0.4), (self._start, 0.2)):
            if self.chance(likely):
                self.at(NOON + lots.randrange(0, 400) * S + lots.randrange(S), ask)
        if self.chance(0.1):
            self.at(first + lots.randrange(1, 60) * S, self._false_end)
        if self.chance(0.05):
            self.at(first + lots.randrange(1, 60) * S, self._breaks)
        for minute in range(1, (SCRIPT + QUIET) // SURVEY):
            self.at(NOON + minute * SURVEY + lots.randrange(5 * S), self._survey)

    def _session(self, begins: int, ends: int | None) -> None:
        self.at(begins, lambda: self._comes(begins))
        if ends is not None:
            self.at(ends, lambda: self._goes(ends))

    def _play(self, until: int) -> None:
        while True:
            due = due_at(self.record)
            next_event_at = self._heap[0][0] if self._heap else None
            times = [at for at in (due, next_event_at) if at is not None]
            if not times or min(times) > until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            if next_event_at is not None and next_event_at <= self.now:
                heapq.heappop(self._heap)[2]()
            else:
                before = self.record
                self.happens(TimePassed())
                assert self.record != before, f"due for ever: {before}"

    # --- what happens ---------------------------------------------------------------------------

    def _comes(self, at: int) -> None:
        self.live.comes(at)
        if self.answers_on_demand:
            self._asks_on_demand()
        self._tell("publish", Published(at))

    def _goes(self, at: int) -> None:
        ran = self.live.runs
        self.live.goes(at)
        self._tell("publish_done", Unpublished(at // S * S))
        if ran:
            self._report("record_paused")

    def _asks_on_demand(self) -> None:
        """Live records from the beginning when the answer, heard or not, says so."""
        asked = is_asked(self.record, self.now)
        need = self.settings.rule.on_publish is OnPublish.RECORD if asked is None else asked
        self.counts[f"on demand {need}"] += 1
        if need and self.chance(0.9):
            self.live.runs, self.live.paused_at = True, None
            self._report("record_started")
        elif need:
            self.counts["on demand unheard"] += 1

    def _start(self) -> None:
        self.counts["start asked"] += 1
        self.happens(StartAsked("ann"))

    def _stop(self) -> None:
        self.counts["stop asked"] += 1
        self.happens(StopAsked("ann", hold_session=self.chance(0.3)))

    def _false_end(self) -> None:
        if self.live.began is not None:
            self.counts["refused publisher"] += 1
            self.happens(Unpublished(self.now // S * S))

    def _breaks(self) -> None:
        if self.live.runs:
            self.counts["record_error"] += 1
            self.live.runs = False
            self.happens(RecordFailed("StreamFormatError", "", self._lives_time))

    def _report(self, what: str) -> None:
        if self.settings.status_known:
            self.counts["report with its time"] += self.tells_time
            self._tell(what, Reported(what, what != "record_paused", self._lives_time))

    @property
    def _lives_time(self) -> int | None:
        """docs/platform/live.md §4: whether status events say when is UNCONFIRMED."""
        return (self.now + self.skew) // S * S if self.tells_time else None

    def _tell(self, kind: str, event: Event) -> None:
        """Lost, doubled, late: nothing else is promised of a callback."""
        if self.chance(0.15):
            self.counts[f"{kind} lost"] += 1
            if self.chance(0.5):
                self._reads_back(kind, event)
            return
        self._deliver(kind, event, again=False)
        if self.chance(0.15):
            self._deliver(kind, event, again=True)

    def _reads_back(self, kind: str, event: Event) -> None:
        """Within a minute of Live giving it up, and the minute after that by another process. What
        does not say when it was so, was so when Live tried to tell of it."""
        if isinstance(event, Reported) and event.time is None:
            event = replace(event, time=self.now + round(self.draw.uniform(0, 35)) * S)
        first = self.draw.uniform(35, 100) * S
        self.counts[f"{kind} read back"] += 1
        for wait in (first, first + SURVEY):
            self.after(wait, lambda: self._arrives(kind, event))

    def _deliver(self, kind: str, event: Event, *, again: bool) -> None:
        late = self.chance(0.2)
        wait = self.draw.uniform(2, 35) * S if late else self.draw.uniform(0.05, 2) * S
        self.counts[f"{kind} doubled" if again else f"{kind} late" if late else kind] += 1
        self.after(wait, lambda: self._arrives(kind, event))

    def _arrives(self, kind: str, event: Event) -> None:
        if isinstance(event, Published | Unpublished):
            time, before = event.time, max(self._newest.values())
            self.counts["reordered"] += time < before
            self._newest[kind] = max(self._newest[kind], time)
        late = kind == "record_started" and not self.live.runs and self._adopts
        self.counts["misled" if not self.tells_time else "late, as its time tells"] += late
        self.happens(event)

    @property
    def _adopts(self) -> bool:
        started = self.record.confirmation
        return (
            started is not None
            and started.source is StartSource.ADOPTED
            and not started.is_confirmed
        )

    def _survey(self) -> None:
        """As reconcile does each minute, for what is online or was thought to be."""
        if self.live.began is not None or self.record.is_watched:
            self._look()

    def _look(self) -> None:
        if not self.faults_end and self.chance(0.1):
            self.counts["look failed"] += 1
            return
        asked, seen = self.now, self.live.began
        self.counts["look shows" if seen is not None else "look misses"] += 1
        if not self.faults_end and self.chance(0.1):
            self.counts["look answered late"] += 1
            self.after(self.draw.uniform(0.1, 3) * S, lambda: self.happens(Polled(seen, asked)))
        else:
            self.happens(Polled(seen, asked))

    # --- the recorder, without store and wire ---------------------------------------------------

    def happens(self, event: Event) -> None:
        decision = decide(self.record, event, self.now, self.settings)
        self.record = decision.record
        names = broken(self.record)
        assert not names, f"{names}: {self.record}"
        self.reasons.update(note.code for note in decision.entries)
        if decision.query_online:
            self._look()
        flying = claim(self.record, f"f{next(self._ids)}", self.now)
        if flying is None or flying.flight is None:
            return
        flight = replace(flying.flight, sent_at=self.now, lease_until=self.now + LEASE)
        self.record = replace(flying, flight=flight)
        self.starts += flight.command is Command.START
        self.counts[f"{flight.command.value} because {flight.reason.value}"] += 1
        self._send(flight.id, flight.command)

    def _send(self, flight: str, command: Command) -> None:
        fate = "acts" if self.faults_end else self._fate(command)
        self.counts[f"{command.value} {fate}"] += 1
        if fate == "throttled":
            self._answers(flight, Throttled("Throttling.User"))
        elif fate == "in doubt, lands late":
            self.after(self.draw.uniform(1, 55) * S, lambda: self._lands_unheard(command))
            self._answers(flight, InDoubt())
        else:
            answer = self._lands(command)
            if fate == "in doubt, acted":
                self._answers(flight, InDoubt())
            elif fate != "killed":
                self._answers(flight, answer)

    def _fate(self, command: Command) -> str:
        likely = {"acts": 80, "throttled": 8, "in doubt, acted": 4, "in doubt, lands late": 4}
        lots = {**likely, "killed": 4}
        if command is Command.CANCEL_DELAY:
            return "acts"
        return self.draw.choices(list(lots), list(lots.values()))[0]

    def _lands_unheard(self, command: Command) -> None:
        self._lands(command)

    def _lands(self, command: Command) -> Accepted | LiveError:
        said = self.live.does(command, self.now)
        if isinstance(said, LiveError):
            self.counts[f"{command.value} {type(said).__name__}"] += 1
            return said
        if said:
            self._report(said)
        return Accepted("R-1")

    def _answers(self, flight_id: str, answer: Accepted | LiveError) -> None:
        """Seldom so late that the lease is over, as from an instance that was frozen meanwhile."""
        frozen = not self.faults_end and self.chance(0.03)
        self.counts["answer after its lease"] += frozen
        if frozen and (flight := self.record.flight):
            self.counts[f"{flight.command.value} late"] += 1
        wait = self.draw.uniform(3 * S, 20 * S) if frozen else self.draw.uniform(20, 1500)
        self.after(wait, lambda: self.happens(CommandSettled(flight_id, answer)))

    # --- what must hold -------------------------------------------------------------------------

    @property
    def intent_won(self) -> bool:
        """What is wanted is recorded while it is live, and nothing else is."""
        wanted = self.record.intent.wanted and not self.record.has_failed
        return self.live.runs == (wanted and self.live.began is not None)

    @property
    def most_starts(self) -> int:
        """One a session, and one more for each undone `ending`, list-first session, list that shows
        a later publish, unconfirmed start, and answer to a start that asks for it again or said
        StreamNotFound. A session has two unconfirmed ones at the most: what Live accepted, and then
        found to be one already."""
        rows, counts, sessions = self.reasons, self.counts, self.record.session_number
        undone = rows[Reason.SEEN_AGAIN] + rows[Reason.MAY_BE_RECONNECT]
        list_first = rows[Reason.PUBLISH_TIME_LEARNT]
        repeats = sum(counts[f"start because {why.value}"] for why in UNCONFIRMED)
        unconfirmed = min(repeats, 2 * sessions)
        again = sum(counts[f"start {fate}"] for fate in AGAIN)
        return sessions + undone + list_first + unconfirmed + again + self._more_starts

    @property
    def _more_starts(self) -> int:
        """The starts for other causes. A newer intent: who asks for a start after a stop has
        one. The re-assertion of a stop in doubt, early and when its doubt ends. The start
        in place of a restart of ours, which was to prove an unconfirmed start and is never
        repeated.
        """
        asks = self.reasons[Reason.ASKED_START] + self.reasons[Reason.ASKED_AGAIN]
        doubted_stops = sum(self.counts[f"stop {fate}"] for fate in DOUBTED)
        restarts = sum(self.counts[f"restart {fate}"] for fate in AGAIN)
        return asks + 2 * doubted_stops + restarts
