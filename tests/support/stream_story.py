"""Drives the pure `decide` through one stream's story: what happens, what is sent, what is
answered."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    HistoryEntry,
    Phase,
    Polled,
    Published,
    Reason,
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
    phase,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.continuity import UNBROKEN
from shared.protocol.policy import OnInterruption, OnPublish, Rule
from shared.protocol.state.invariants import broken
from tests.conftest import KEY, NOON

LEASE = 8_000
OK = Accepted("R-1")
SECOND = 1000
RECORDS = Rule(on_publish=OnPublish.RECORD)


class Story:
    """One stream's story. `sent` are the commands that were claimed; the newest is in flight until
    `answer` gives Live's answer."""

    def __init__(self, settings: StreamSettings | None = None) -> None:
        self.record = StreamRecord(KEY)
        self.now = NOON
        self.settings = settings or StreamSettings()
        self.sent: list[str] = []
        self.history: list[HistoryEntry] = []
        self.reasons: list[Reason] = []
        self.polls = 0
        self.refused: Reason | None = None
        self.lane_is_free = True
        self.continuity = UNBROKEN

    def happens(self, event: Event) -> Story:
        decision = decide(self.record, event, self.now, self.settings, self.continuity)
        self.record, self.refused = decision.record, decision.refused
        self.history += decision.entries
        self.reasons += [note.code for note in decision.entries]
        self.polls += decision.query_online
        names = broken(self.record, observe=self.settings.observe)
        assert not names, f"{names}: {self.record}"
        self._claim()
        return self

    def _claim(self) -> None:
        flying = claim(self.record, f"flight-{len(self.sent)}", self.now)
        if self.lane_is_free and flying is not None and flying.flight is not None:
            flight = replace(flying.flight, sent_at=self.now, lease_until=self.now + LEASE)
            self.record = replace(flying, flight=flight)
            self.sent.append(flight.command.value)

    def start(self, who: str = "ann") -> Story:
        return self.happens(StartAsked(who))

    def stop(self, who: str = "ann") -> Story:
        return self.happens(StopAsked(who))

    def publish(self, at: int | None = None) -> Story:
        return self.happens(Published(self.now if at is None else at))

    def unpublish(self, at: int | None = None) -> Story:
        return self.happens(Unpublished(self.now if at is None else at))

    def seen(self, published: int, asked_at: int | None = None) -> Story:
        return self.happens(Polled(published, self.now if asked_at is None else asked_at))

    def missed(self, asked_at: int | None = None) -> Story:
        return self.happens(Polled(None, self.now if asked_at is None else asked_at))

    def answer(self, answer: Accepted | LiveError = OK) -> Story:
        flight = self.record.flight
        assert flight is not None, "nothing is in flight"
        return self.happens(CommandSettled(flight.id, answer))

    def answer_when_due(self, answer: Accepted | LiveError) -> Story:
        """Let time pass until the retry is sent, and answer it."""
        pending = self.record.pending
        assert pending is not None, "nothing is pending"
        return self.passes(pending.not_before - self.now).answer(answer)

    def confirm(self) -> Story:
        """Let Live report that it records."""
        return self.happens(Reported("record_started", recording=True))

    def pauses(self) -> Story:
        """Let Live report that it has paused the recording, as it does after a stop."""
        return self.happens(Reported("record_paused", recording=False))

    def passes(self, ms: int) -> Story:
        """Let time pass, and let reconcile come each time something is due."""
        end = self.now + ms
        while (at := due_at(self.record)) is not None and at <= end:
            self.now = max(self.now, at)
            before = self.record
            self.happens(TimePassed())
            assert self.record != before or not self.lane_is_free, "due for ever"
            if not self.lane_is_free:
                break
        self.now = end
        return self

    def goes_off(self) -> Story:
        """End the stream, and let two polls miss it."""
        self.unpublish().passes(5 * SECOND).missed()
        return self.passes(10 * SECOND).missed()

    @property
    def phase(self) -> Phase:
        return phase(self.record)


def recording(settings: StreamSettings | None = None) -> Story:
    """Return a story whose stream is live, asked for, accepted by Live and reported to be
    recorded."""
    return accepted(settings).confirm()


def accepted(settings: StreamSettings | None = None) -> Story:
    """Return a story whose stream is live, asked for and accepted by Live, which has reported
    nothing."""
    return Story(settings).publish().start().answer()


def by_rule(**rule: object) -> StreamSettings:
    return StreamSettings(rule=replace(RECORDS, **rule))


STOPS = OnInterruption.STOP
FINALIZES = OnInterruption.FINALIZE
