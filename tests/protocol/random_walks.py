"""Random walks of one stream through everything that can happen to it: no Live that makes sense of
it, no story, only events, answers and time in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from shared.protocol import (
    Accepted,
    CancelDelayAsked,
    CommandSettled,
    Event,
    ExtendAsked,
    FileFailed,
    FileLeft,
    IfNotLive,
    Occurrence,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Polled,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    RestartAsked,
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
    InvalidCommand,
    LiveError,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    UnknownRejection,
)
from shared.protocol.policy import OnInterruption, OnPublish, Rule
from shared.protocol.state.intent import IdempotencyKey
from tests.conftest import KEY, NOON

S = 1000
LEASE_MS = 8 * S
STEPS_MS = (0, 0, 20, 300, S, 3 * S, 6 * S, 12 * S, 31 * S, 61 * S, 130 * S, 200 * S)
ANSWERS: tuple[Callable[[], Accepted | LiveError], ...] = (
    *[lambda: Accepted("R-1")] * 5,
    *[lambda: AlreadyStarted("TaskAlreadyStarted")] * 3,
    *[lambda: StreamNotLive("StreamNotFound")] * 3,
    *[InDoubt] * 4,
    lambda: Throttled("Throttling.User", retry_after=700),
    lambda: OperatorActionNeeded("Forbidden.RAM"),
    lambda: NoRecordConfig("CodeConfigNotFound"),
    lambda: InvalidCommand("MalformedParam"),
    lambda: UnknownRejection("Novel"),
)
REPORTS = ("record_started", "record_resumed", "record_paused")


class Walk:
    """`steps` yields the record after each decision, with what happened."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - lots, not keys
        self.now = NOON
        self.record = StreamRecord(KEY)
        rule = Rule(
            on_publish=self.draw.choice(list(OnPublish)),
            on_interruption=self.draw.choice(list(OnInterruption)),
            max_duration=self.draw.choice([None, 300 * S]),
        )
        self.settings = StreamSettings(
            rule=rule,
            status_known=self.chance(0.5),
            max_duration=self.draw.choice([600 * S, 12 * 3600 * S]),
            observe=self.chance(0.05),
        )
        # Of its own lots, so that the walks without schedules are as they were.
        self.scheduled = random.Random(-seed).choice([0, 0, 2])  # noqa: S311 - as above
        self.has_slots = self.draw.choice([0.3, 0.9, 1.0])
        self.flights = 0

    def chance(self, likely: float) -> bool:
        return self.draw.random() < likely

    def steps(self, count: int) -> Iterator[tuple[Event, StreamRecord]]:
        for _ in range(count):
            event = self._event()
            decision = decide(self.record, event, self.now, self.settings)
            self.record = decision.record
            yield event, self.record
            self._claim()
            self._pass()

    def _claim(self) -> None:
        """As the store does: a slot, none, or no room under a cap."""
        flying = claim(self.record, f"f{self.flights}", self.now)
        if flying is None or flying.flight is None or not self.chance(self.has_slots):
            return
        pending = self.record.pending
        if flying.flight.command.value == "start" and pending and self.chance(0.1):
            self.record = replace(self.record, pending=replace(pending, over_quota=True))
            return
        self.flights += 1
        sent_at = self.now + self.draw.choice([0, 0, 250])
        flight = replace(flying.flight, sent_at=sent_at, lease_until=sent_at + LEASE_MS)
        self.record = replace(flying, flight=flight)

    def _pass(self) -> None:
        due = due_at(self.record)
        if due is not None and due - self.now < 3600 * S and self.chance(0.3):
            self.now = max(self.now, due)
        else:
            self.now += self.draw.choice(STEPS_MS)

    def _event(self) -> Event:
        flight = self.record.flight
        if flight is not None and self.chance(0.4):
            number = flight.id if self.chance(0.95) else "f-older"
            return CommandSettled(number, self.draw.choice(ANSWERS)())
        kinds = (self._asked, self._published, self._reported, self._at_large, self._scheduled)
        kind: Callable[[], Event] = self.draw.choices(kinds, (3, 5, 2, 2, self.scheduled))[0]
        return kind()

    def _time(self) -> int:
        """Live's own, more or less of now."""
        return (self.now + self.draw.choice([-70, -20, -6, -3, -1, 0, 0, 0, 1, 4]) * S) // S * S

    def _asked(self) -> Event:
        draw, key = self.draw, None
        if self.chance(0.2):
            key = IdempotencyKey(f"key-{draw.randrange(300)}", draw.choice("ab"))
        until = draw.choice([None, None, self.now + 20 * S, self.now + 200 * S])
        longest = draw.choice([None, 100 * S])
        events: list[Event] = [
            StartAsked(
                "ann",
                on_interruption=draw.choice([None, *OnInterruption]),
                if_not_live=draw.choice(list(IfNotLive)),
                max_duration=longest,
                until=until,
                idempotency_key=key,
            ),
            StartAsked("ann"),
            StopAsked(
                "bob",
                finalize=self.chance(0.5),
                hold=draw.choice([None, 60 * S]),
                hold_session=self.chance(0.5),
                idempotency_key=key,
            ),
            ExtendAsked("ann", longest, until),
            RestartAsked("ann", key),
            CancelDelayAsked("ann"),
        ]
        return draw.choice(events)

    def _published(self) -> Event:
        shown = self._time()
        if self.record.session is not None and self.chance(0.5):
            shown = self.record.session.listed
        polled = Polled(self.draw.choice([None, None, shown]), self.now - self.draw.choice([0, 50]))
        events: list[Event] = [Published(self._time()), Unpublished(self._time())]
        return self.draw.choice([*events, polled, polled, polled])

    def _reported(self) -> Event:
        time = self.draw.choice([None, self._time()])
        what = self.draw.choice(REPORTS)
        events: list[Event] = [
            Reported(what, what != "record_paused", time),
            Reported(what, what != "record_paused", time),
            RecordFailed("StreamFormatError", "", time),
            FileLeft("file.mp4", self.now - 60 * S, self._time()),
            FileFailed("record_error", "Code", "", "file.mp4"),
        ]
        return self.draw.choice(events)

    def _scheduled(self) -> Event:
        schedule = self.draw.choice("ab")
        occurrences = tuple(self._occurrence(schedule) for _ in range(self.draw.randrange(3)))
        known = [*occurrences, *self.record.planned, *self.record.begun]
        events: list[Event] = [OccurrencesPlanned(schedule, occurrences)] * 3
        for one in known[:1]:
            longer = replace(one, ends_at=one.ends_at + 60 * S, until=one.until + 60 * S)
            events += [OccurrencePut("ann", longer), OccurrenceSkipped("ann", one.id)]
        return self.draw.choice(events)

    def _occurrence(self, schedule: str) -> Occurrence:
        begins_at = (self.now // (100 * S) + self.draw.randrange(-1, 4)) * 100 * S
        ends_at = begins_at + self.draw.choice([50, 100, 150]) * S
        until = ends_at + self.draw.choice([0, 60, 200]) * S
        name = f"{schedule}@{begins_at // S}"
        return Occurrence(name, schedule, begins_at + 10 * S, begins_at, ends_at, until)

    def _at_large(self) -> Event:
        if self.chance(0.02):
            self.settings = replace(self.settings, observe=True)
        events: list[Event] = [
            TimePassed(),
            TimePassed(),
            Remarked(is_exception=True, what="low frame rate"),
        ]
        return self.draw.choice(events)
