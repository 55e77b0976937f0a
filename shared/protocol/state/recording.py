"""What is kept about one stream. All times are milliseconds since the epoch, by the store's clock;
only a session's two times are Live's own."""

from __future__ import annotations

from msgspec import Struct, field

from shared.protocol.state.command import Answer, Doubt, Flight, PendingCommand
from shared.protocol.state.confirmation import Confirmation, LastReport, SessionFailure
from shared.protocol.state.intent import IdempotencyKey, Intent
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from shared.protocol.stream import StreamKey


class StreamRecord(Struct, frozen=True, omit_defaults=True):
    """One stream's record: what is wanted, what may be under way, what is known."""

    key: StreamKey
    intent: Intent = field(default_factory=Intent)
    pending: PendingCommand | None = None
    flight: Flight | None = None
    doubts: tuple[Doubt, ...] = ()
    session: Session | None = None
    policy_session: int | None = None  # the last one that policy made an intent for
    confirmation: Confirmation | None = None
    failure: SessionFailure | None = None
    last_report: LastReport | None = None
    answer: Answer | None = None
    interrupted_at: int | None = None
    stopped_at: int | None = None  # when Live may have paused for a stop at the latest
    stop_not_found_at: int | None = None  # when a stop was last answered StreamNotFound
    ever_claimed: bool = False
    restart_doubted: bool = False
    approved_on_demand_at: int | None = None  # on demand, for the session about to open
    asked: tuple[IdempotencyKey, ...] = ()
    changed_at: int = 0

    @property
    def session_number(self) -> int:
        return self.session.number if self.session else 0

    @property
    def paused_since(self) -> int:
        """When a pause may have begun at the latest; 0 when none may have."""
        last_report = self.last_report
        paused_at = last_report.when if last_report and last_report.what == "record_paused" else 0
        return max(self.stopped_at or 0, self.interrupted_at or 0, paused_at)

    @property
    def is_off(self) -> bool:
        """Known not to be live; a stream never seen is not known to be anything."""
        return self.session is not None and self.session.state is SessionState.ENDED

    @property
    def is_watched(self) -> bool:
        """Its session has not ended, so that a look that misses it says something."""
        return self.session is not None and not self.is_off

    @property
    def is_started(self) -> bool:
        return self.confirmation is not None and self.confirmation.session == self.session_number

    @property
    def has_failed(self) -> bool:
        return self.failure is not None and self.failure.session == self.session_number

    @property
    def is_held(self) -> bool:
        """Held for the session of now, whatever the hour: see `held_at` for the clock's part."""
        intent, session = self.intent, self.session
        if intent.wanted or session is None:
            return False
        if intent.held_session is not None and session.began - TOGETHER_MS < intent.made_at:
            return True  # it was there when the stop was made, whatever was known of it then
        if intent.held_session == session.number:
            return True
        before = intent.held_opening_before
        return before is not None and session.opened_at < before

    def held_at(self, now: int) -> bool:
        """An explicit stop still keeps policy from making an intent."""
        until = self.intent.held_until
        return self.is_held or (not self.intent.wanted and until is not None and now < until)
