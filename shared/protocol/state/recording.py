"""Everything stored about one stream. Times are milliseconds since the epoch: by Live's clock if
they come from its callbacks, reports or lists, else by the store's clock."""

from __future__ import annotations

from msgspec import Struct, field

from shared.protocol.state.command import (
    IN_DOUBT_MS,
    Answer,
    Doubt,
    Flight,
    PendingCommand,
)
from shared.protocol.state.confirmation import (
    Confirmation,
    ConfirmationState,
    LastReport,
    SessionFailure,
    StartSource,
    StopCheck,
)
from shared.protocol.state.intent import IdempotencyKey, Intent
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import STARTS, Command, StreamKey


class StreamRecord(Struct, frozen=True, omit_defaults=True):
    """One stream's record: the intent, the commands under way, and the known facts about the
    stream."""

    key: StreamKey
    intent: Intent = field(default_factory=Intent)
    pending: PendingCommand | None = None
    flight: Flight | None = None
    doubts: tuple[Doubt, ...] = ()
    session: Session | None = None
    policy_session: int | None = None  # the last session for which policy made an intent
    confirmation: Confirmation | None = None
    failure: SessionFailure | None = None
    stop_check: StopCheck | None = None
    last_report: LastReport | None = None
    answer: Answer | None = None
    interrupted_at: int | None = None
    interrupted_latest_at: int | None = None  # the latest possible time, if it differs
    unseen_end_time: int | None = None  # of the latest publish_done that ended no known session
    stopped_at: int | None = None  # the latest time at which a stop may have paused the recording
    stop_not_found_at: int | None = None  # when a stop was last answered StreamNotFound
    ever_claimed: bool = False
    restart_doubted: bool = False
    asked: tuple[IdempotencyKey, ...] = ()
    changed_at: int = 0  # the last change of the record, or report of a file
    forget_at: int | None = None  # if nothing happens until then; None unless it is at rest
    absence_polled_at: int | None = None  # when it was last polled before being forgotten
    planned: tuple[Occurrence, ...] = ()  # of schedules, to come; the next one first
    begun: tuple[Occurrence, ...] = ()  # begun or skipped; each stays until `stays_until`

    @property
    def is_blank(self) -> bool:
        """Return True if nothing is known. A store keeps no such record, and deletes one that
        becomes blank."""
        if self.session is not None or self.intent.generation:
            return False  # nearly every record returns here, and no second one is made to compare
        return self == StreamRecord(self.key)

    @property
    def is_at_rest(self) -> bool:
        """Return True if nobody wants a recording, no command is pending, in flight or in doubt,
        and the session is not ending. The stream may be live."""
        under_way = self.pending is not None or self.flight is not None or bool(self.doubts)
        is_checked = self.stop_check is not None and self.stop_check.check_at is not None
        return not (self.intent.wanted or under_way or is_checked or self.may_have_ended)

    @property
    def session_number(self) -> int:
        return self.session.number if self.session else 0

    @property
    def stop_lands_by(self) -> int | None:
        """Return the last moment at which a stop in doubt may take effect; None if no stop is in
        doubt."""
        stops = [doubt.until for doubt in self.doubts if doubt.command is Command.STOP]
        return max(stops, default=None)

    @property
    def paused_since(self) -> int:
        """Return the latest moment at which the recording may have been paused; 0 if nothing may
        have paused it."""
        report, paused_at = self.last_report, 0
        if report is not None and report.what == "record_paused":
            paused_at = min(report.when, report.at)  # Live's clock may be ahead of ours
        return max(self.stopped_at or 0, self.last_interruption, paused_at)

    @property
    def last_interruption(self) -> int:
        """Return the latest moment at which the stream may have been interrupted; 0 if it never
        was."""
        return max(self.interrupted_at or 0, self.interrupted_latest_at or 0)

    @property
    def is_off(self) -> bool:
        """Return True if the session has ended. A stream without a session is unknown, not off."""
        return self.session is not None and self.session.state is SessionState.ENDED

    @property
    def may_have_ended(self) -> bool:
        """Return True if the session seems to have ended, but polls have not shown it yet."""
        return self.session is not None and self.session.state is SessionState.ENDING

    @property
    def is_watched(self) -> bool:
        """Return True if there is a session that has not ended. Only then does it matter that a
        poll does not show the stream."""
        return self.session is not None and not self.is_off

    @property
    def is_started(self) -> bool:
        return self.confirmation is not None and self.confirmation.session == self.session_number

    @property
    def is_live(self) -> bool:
        """Return True if there is a session and nothing suggests that it has ended."""
        return self.session is not None and self.session.state is SessionState.LIVE

    @property
    def denied_at(self) -> int | None:
        """Return the time of the last interruption or report that contradicts the recording of this
        started session; None if nothing contradicts it."""
        confirmation, report = self.confirmation, self.last_report
        if confirmation is None or not self.is_started:
            return None
        shown_at, denials = confirmation.at, list[int]()
        if report is not None and report.may_be_after(confirmation):
            if report.recording:
                shown_at = report.at
            else:
                denials.append(report.at)
        if (self.interrupted_at or 0) > shown_at:
            denials.append(self.interrupted_at or 0)
        return max(denials, default=None)

    @property
    def is_pause_doubted(self) -> bool:
        """Return True if Live has reported a pause that is most likely older than the accepted
        start of this session. A start will show whether it is."""
        confirmation = self.confirmation
        if confirmation is None or confirmation.source is not StartSource.ACCEPTED:
            return False
        return confirmation.state is ConfirmationState.CONFIRMED_UNDATED

    @property
    def is_unproved(self) -> bool:
        """Return True if Live has reported a recording of this session, but the report may be about
        an earlier recording. A start will show whether it is."""
        confirmation = self.confirmation
        if confirmation is None or not self.is_started:
            return False
        return confirmation.state is ConfirmationState.CONFIRMED_UNPROVED

    @property
    def is_recorded(self) -> bool:
        """Return True if Live has shown in this session that it records, and nothing has denied
        that since."""
        return self._is_shown and self._goes_on

    @property
    def is_reported(self) -> bool:
        """Return True if Live has reported that it records this wanted session, but the record has
        no accepted start for the session. The answer to the start may have been lost."""
        report, session = self.last_report, self.session
        if report is None or session is None or self.is_started:
            return False
        is_of_now = report.when > max(session.began, self.paused_since)
        return self.intent.wanted and self.is_live and report.recording and is_of_now

    @property
    def awaits_proof(self) -> bool:
        """Return True if the session was started, but Live has not shown since then whether it
        records."""
        return not self._is_shown and self._goes_on

    @property
    def _is_shown(self) -> bool:
        return self.confirmation is not None and self.confirmation.is_shown

    @property
    def _goes_on(self) -> bool:
        if not (self.is_started and self.is_live):
            return False
        return self.denied_at is None and not self.asks_after_error

    @property
    def has_failed(self) -> bool:
        return self.failure is not None and self.failure.session == self.session_number

    @property
    def asks_after_error(self) -> bool:
        """Return True if Live reported that it cannot record this session, and the start that
        checks this is not answered yet."""
        confirmation = self.confirmation
        if confirmation is None or not confirmation.denied or not self.is_started:
            return False
        return self.awaits_start

    @property
    def awaits_start(self) -> bool:
        """Return True if a start is pending or on the wire; its answer will show what Live does."""
        is_pending = self.pending is not None and self.pending.command is Command.START
        return is_pending or self.is_on_wire(Command.START)

    @property
    def lacks_start(self) -> bool:
        """Return True if a start must follow: the stream is wanted; its session has not ended; no
        start of this session was accepted or refused, or is on the wire; and no command is pending.
        In a stage that only observes, this stays True, because no start is sent."""
        if not self.intent.wanted or self.session is None or self.is_off:
            return False
        is_decided = self.is_started or self.has_failed or self.session.start_not_found
        return not is_decided and self.pending is None and not self.is_on_wire(*STARTS)

    def is_on_wire(self, *commands: Command) -> bool:
        """Return True if one of these commands is in flight, and was claimed in the present
        session."""
        flight, number = self.flight, self.session_number
        return flight is not None and flight.session == number and flight.command in commands

    @property
    def may_run_on(self) -> bool:
        """Return True if a recording that we began may be running now: the intent's start was
        claimed, another start is on the wire, or no answer shows yet that the last stop was carried
        out."""
        stops = (self.pending, self.flight, *self.doubts)
        is_stop_open = any(one is not None and one.command is Command.STOP for one in stops)
        return self.intent.claimed or self.is_on_wire(Command.START) or is_stop_open

    @property
    def may_be_recorded(self) -> bool:
        """Return True if a stop may have a recording to end: Live's last report shows one, or one
        that we began may run on and no report of a pause contradicts it."""
        report, confirmation = self.last_report, self.confirmation
        if report is not None and report.recording:
            return True
        if report is None or confirmation is None or self.awaits_start:
            return self.may_run_on
        return self.may_run_on and not report.may_be_after(confirmation)

    @property
    def has_report_of_recording(self) -> bool:
        """Return True if Live's last report shows a recording, and no report of a later start has
        yet to come."""
        report, confirmation = self.last_report, self.confirmation
        if report is None or not report.recording:
            return False
        if confirmation is None or confirmation.source is not StartSource.ACCEPTED:
            return True
        return confirmation.is_confirmed or not self.is_started

    @property
    def awaits_end(self) -> bool:
        """Return True if Live has accepted a stop in this session, which has not ended, and nothing
        has shown since that the recording has ended."""
        check = self.stop_check
        if check is None or not check.accepted or self.is_off:
            return False
        return check.session == self.session_number

    @property
    def is_stop_in_vain(self) -> bool:
        """Return True if Live has accepted stop after stop of a recording that it had reported, and
        nothing has shown the end."""
        return self.stop_check is not None and self.stop_check.is_in_vain and self.awaits_end

    @property
    def is_held(self) -> bool:
        """Return True if a hold covers the present session. `held_at` also checks a hold that lasts
        until a given time."""
        intent, session = self.intent, self.session
        if intent.wanted or session is None:
            return False
        if intent.held_session is not None and session.began - TOGETHER_MS < intent.made_at:
            return True  # the session had begun when the stop was made, even if nobody knew that
        if intent.held_session == session.number:
            return True
        before = intent.held_opening_before
        return before is not None and session.opened_at < before

    def held_at(self, now: int) -> bool:
        """Return True if a hold still keeps policy from making an intent."""
        until = self.intent.held_until
        return self.is_held or (until is not None and now < until)


def record_of_unknown(key: StreamKey, now: int) -> StreamRecord:
    """Return a record for a stream of which nothing is known. The record assumes that a start was
    sent just now, and that its answer was lost."""
    doubt = Doubt(Command.START, now + IN_DOUBT_MS)
    return StreamRecord(key, ever_claimed=True, doubts=(doubt,))
