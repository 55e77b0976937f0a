"""One publish of the stream: when it began, and whether it still lasts."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

TOGETHER_MS = 5_000
"""Two times by different clocks (ours and Live's) may be the same moment if they are this close.
Two polls that miss a stream are at least this far apart."""


class SessionState(str, Enum):
    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"


class Session(Struct, frozen=True, omit_defaults=True):
    """One publish of the stream. `time` is when it began according to Live's callback, and
    `publish_time` according to Live's online list; each is None until it is known."""

    number: int
    opened_at: int
    time: int | None = None
    publish_time: int | None = None
    state: SessionState = SessionState.LIVE
    off_since: int = 0  # since when it is ending or ended
    polls: int = 0  # made since then
    absent_at: int | None = None  # when a poll first missed it since then
    start_not_found: bool = False  # Live answered a start with StreamNotFound
    last_start_not_found: bool = (
        False  # Live has accepted no start since such an answer, whatever a poll shows
    )
    last_unpublish_time: int | None = None  # of the latest publish_done that marked its end
    unverified_publish_time: int | None = (
        None  # of the latest later publish, which a poll has to confirm
    )
    before_time: int | None = None  # of the publish before, if this session opened without a time
    policy_withheld: bool = False  # only the emptied store kept policy from making an intent

    @property
    def is_undated(self) -> bool:
        """Return True if neither a callback nor a list has shown when the session began. Only an
        accepted start, or a publish that may be a replay, shows that there is a session. It began
        at `opened_at` or earlier."""
        return self.time is None and self.publish_time is None

    @property
    def began(self) -> int:
        """Return when the session began, to be compared with a callback's time."""
        known = self.time if self.time is not None else self.publish_time
        return self.opened_at if known is None else known

    @property
    def listed(self) -> int:
        """Return when the session began, to be compared with the online list's time."""
        known = self.publish_time if self.publish_time is not None else self.time
        return self.opened_at if known is None else known

    def is_listed_at(self, published: int) -> bool:
        """Return True if `published`, a publish time of the online list, is exactly that of this
        session."""
        return not self.is_undated and published == self.listed
