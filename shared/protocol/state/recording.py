"""What is kept about one stream. All times are milliseconds since the epoch, by the store's clock;
only a session's two times are Live's own."""

from __future__ import annotations

from dataclasses import field

from shared.protocol.state.command import Answer, Doubt, Flight, Owed
from shared.protocol.state.confirmation import Evidence, Failed, Started
from shared.protocol.state.intent import Once, Wish
from shared.protocol.state.session import TOGETHER, Session, Standing
from shared.protocol.stream import StreamKey
from shared.quick import dataclass


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream's record: what is wanted, what may be under way, what is known."""

    key: StreamKey
    wish: Wish = field(default_factory=Wish)
    owed: Owed | None = None
    flight: Flight | None = None
    doubts: tuple[Doubt, ...] = ()
    session: Session | None = None
    policy_session: int | None = None  # the last one that policy made a wish for
    started: Started | None = None
    failed: Failed | None = None
    evidence: Evidence | None = None
    answer: Answer | None = None
    interrupted_at: int | None = None
    stopped_at: int | None = None  # when Live may have paused for a stop at the latest
    stop_missed_at: int | None = None  # when a stop was last answered StreamNotFound
    ever_claimed: bool = False
    restart_doubted: bool = False
    told_to_record_at: int | None = None  # on demand, for the session about to open
    asked: tuple[Once, ...] = ()
    changed_at: int = 0

    @property
    def session_number(self) -> int:
        return self.session.number if self.session else 0

    @property
    def paused_since(self) -> int:
        """When a pause may have begun at the latest; 0 when none may have."""
        evidence = self.evidence
        paused_at = evidence.when if evidence and evidence.what == "record_paused" else 0
        return max(self.stopped_at or 0, self.interrupted_at or 0, paused_at)

    @property
    def is_off(self) -> bool:
        """Known not to be live; a stream never seen is not known to be anything."""
        return self.session is not None and self.session.standing is Standing.ENDED

    @property
    def is_watched(self) -> bool:
        """Its session has not ended, so that a look that misses it says something."""
        return self.session is not None and not self.is_off

    @property
    def is_started(self) -> bool:
        return self.started is not None and self.started.session == self.session_number

    @property
    def has_failed(self) -> bool:
        return self.failed is not None and self.failed.session == self.session_number

    @property
    def is_held(self) -> bool:
        """Held for the session of now, whatever the hour: see `held_at` for the clock's part."""
        wish, session = self.wish, self.session
        if wish.wanted or session is None:
            return False
        if wish.held_session is not None and session.began - TOGETHER < wish.made_at:
            return True  # it was there when the stop was made, whatever was known of it then
        if wish.held_session == session.number:
            return True
        before = wish.held_opening_before
        return before is not None and session.opened_at < before

    def held_at(self, now: int) -> bool:
        """An explicit stop still keeps policy from making a wish."""
        until = self.wish.held_until
        return self.is_held or (not self.wish.wanted and until is not None and now < until)
