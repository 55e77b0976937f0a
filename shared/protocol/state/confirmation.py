"""The evidence that Live records this session, and Live's last report of the recording.

The rules change a confirmation's state (rules/confirmation.py); this module knows none of them.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from shared.protocol.reason import OpenEnum, Reason
from shared.protocol.state.session import TOGETHER_MS


class StartSource(OpenEnum):
    """What shows that a session was started. `ACCEPTED`: Live accepted a start. `ALREADY`: Live
    answered that it records already. `ADOPTED`: the same answer, but the recording may be paused.
    `ON_DEMAND`: live-record answered yes when Live asked whether to record."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    ADOPTED = "adopted"
    ON_DEMAND = "on_demand"  # only of release 0.2, which counted our answer to Live as a start


class ConfirmationState(str, Enum):
    """How certain it is that Live records the session. UNCONFIRMED and CONFIRMED may last; a check
    ends every other state at the confirmation's `check_at`, if no report did before."""

    UNCONFIRMED = "unconfirmed"
    AWAITING_REPORT = "awaiting_report"
    POLLED = "polled"
    APPROVED = "approved"
    MAY_BE_PAUSED = "may_be_paused"
    MAY_GO_ON = "may_go_on"
    MAY_GO_ON_POLLED = "may_go_on_polled"
    WAITING_OUT_PAUSE = "waiting_out_pause"
    CONFIRMED_UNDATED = "confirmed_undated"
    CONFIRMED_UNPROVED = "confirmed_unproved"
    CONFIRMED = "confirmed"


State = ConfirmationState


class Confirmation(Struct, frozen=True, omit_defaults=True):
    """The proof that Live records a session: Live has accepted a start in it, or answered that it
    records already (`source`). `check_at` is when to check whether Live records; None if no check
    is planned. A report of a time before `since`, by Live's clock, is about an earlier recording.
    """

    session: int
    at: int
    source: StartSource
    state: ConfirmationState = State.UNCONFIRMED
    check_at: int | None = None
    repeated: bool = False  # the session's one check of a recording that may be paused is spent
    since: int = 0
    begun_at: int | None = None  # when Live began, or was first shown to record, this session
    confirmed: bool = False  # what release 0.2 writes and reads instead of `state`
    denied: int = 0  # errors in a row that Live has reported of this start and those it repeats
    unshown_since: int | None = (
        None  # since the first accepted start, or reported error, no recording was shown
    )
    sent_at: int = 0  # when the command that Live answered was sent; not stored by release 0.2
    accepted_again: int = 0  # starts in a row that Live accepted since, as if nothing ran
    unsent: Reason | None = None  # of a later start, not sent because the stage only observed
    older_until: int = 0  # until then, a report without a time may be about an earlier recording

    @property
    def is_confirmed(self) -> bool:
        """Return True if a report or a file has shown that Live records."""
        return self.state in (
            State.CONFIRMED,
            State.CONFIRMED_UNDATED,
            State.CONFIRMED_UNPROVED,
        )

    @property
    def is_shown(self) -> bool:
        """Return True if Live has shown that it records: by a report, by a file, or by answering a
        start with TaskAlreadyStarted while no pause was possible."""
        return self.is_confirmed or self.source is StartSource.ALREADY

    @property
    def is_lasting(self) -> bool:
        """Return True if no check is planned in this state."""
        return self.state in (State.UNCONFIRMED, State.CONFIRMED)

    def may_explain(self, time: int | None) -> bool:
        """Return True if Live's report of the time `time` may be about this start. A report without
        a time (None) always may."""
        return time is None or time >= self.since

    def may_be_older(self, time: int | None, now: int) -> bool:
        """Return True if Live's report of the time `time`, received at `now`, may be about a
        recording that began before this start: the report gives no time (None)."""
        return time is None and now < self.older_until

    def covers(self, time: int) -> bool:
        """Return True if Live accepted this start, and the start was sent clearly later than
        `time`, which is by Live's clock."""
        return self.source is StartSource.ACCEPTED and self.since > time

    def is_sent_after(self, at: int) -> bool:
        """Return True if Live accepted this start, and it was sent after `at`, by our clock."""
        return self.source is StartSource.ACCEPTED and self.sent_at > at


def with_state(stored: Confirmation) -> Confirmation:
    """Return a stored confirmation with its state. Release 0.2 stored no state, so it is found from
    the other fields. After an accepted start, nobody knows whether release 0.2 has polled; this
    release polls once more."""
    if stored.state is not State.UNCONFIRMED:
        return stored
    if stored.check_at is None:
        return replace(stored, state=State.CONFIRMED) if stored.confirmed else stored
    if stored.confirmed:
        return replace(stored, state=State.CONFIRMED_UNDATED)
    paused = State.WAITING_OUT_PAUSE if stored.repeated else State.MAY_BE_PAUSED
    states = {StartSource.ADOPTED: paused, StartSource.ON_DEMAND: State.APPROVED}
    return replace(stored, state=states.get(stored.source, State.AWAITING_REPORT))


class SessionFailure(Struct, frozen=True, omit_defaults=True):
    """Why this session is not recorded, although the intent wants it recorded."""

    session: int
    reason: Reason
    code: str
    at: int
    message: str = ""
    lost_since: int | None = None  # not stored by release 0.2


class LastReport(Struct, frozen=True, omit_defaults=True):
    """Live's last report on whether it records the stream (`recording`). The report was received at
    `at`, by our clock. What it says has been true since `time`, by Live's clock; `time` is None if
    Live gave no time. If Live accepts our stop, this counts as a report, too."""

    recording: bool
    what: str
    at: int
    time: int | None = None
    code: str = ""  # of an error, with its message
    message: str = ""

    @property
    def when(self) -> int:
        return self.at if self.time is None else self.time

    def may_be_after(self, confirmation: Confirmation) -> bool:
        """Return True if the report may be about the time after the confirmation's start was sent.
        Two things must hold for that. The report was received after Live had answered the start. If
        the report names a second, that second was not over when the start was sent."""
        # Live's time is in whole seconds: time ── sent_at ── the report became true ── time + 1 s
        known_at = confirmation.sent_at or confirmation.at
        return self.at > confirmation.at and (self.time is None or self.time + 1000 > known_at)

    def is_newer(self, time: int | None) -> bool:
        """Return True if this report is newer than another report, whose time is `time`. Return
        False if `time` is None.

        If this report has no time, the result depends on what it says. If it says that Live does
        not record, the time of its receipt counts, less TOGETHER_MS; if it came late, this costs
        one needless start. If it says that Live records, it never counts as newer, because a wrong
        confirmation would end every check.
        """
        if time is None:
            return False
        if self.time is None and not self.recording:
            return time < self.at - TOGETHER_MS
        return self.time is not None and time < self.time

    def is_same(self, what: str, time: int | None) -> bool:
        return time is not None and (self.what, self.time) == (what, time)


MAX_ACCEPTED_CALLS = 3
"""If Live has accepted so many stops and reported no end, it counts as recording on. Fewer prove
little: the report of the first may be lost, and the second may find the recording paused."""


class StopCheck(Struct, frozen=True, omit_defaults=True):
    """The check of a recording that the intent wants to end. Nothing shows yet that the recording
    has ended.

    `reported`: Live has reported this recording, and so will report its end. `accepted`: how many
    stops Live has accepted so far, the first of them at `since`, the last at `at` and in the
    session `session`. `check_at`: when the stop is sent again if nothing has shown the end by then;
    None if that is not planned."""

    reported: bool = False
    accepted: int = 0
    session: int = 0
    since: int = 0
    at: int = 0
    check_at: int | None = None

    @property
    def is_in_vain(self) -> bool:
        """Return True once Live, which had reported the recording, has accepted
        MAX_ACCEPTED_CALLS."""
        return self.reported and self.accepted >= MAX_ACCEPTED_CALLS


FAILED = "record_error"
STOPPED = "stop"
"""The `what` of a LastReport that is our own accepted stop."""
