"""Stable codes that say why something was done, not done, or ignored.

The whole project uses them. Their sentences are data, in shared/inbound/catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field


class OpenEnum(str, Enum):
    """An enum that keeps values which this release does not know. A later release wrote them, and
    the next save writes them back unchanged."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


class Reason(OpenEnum):
    # what people and policy want
    NEVER_ASKED = "never_asked"
    ASKED_START = "asked_start"
    ASKED_AGAIN = "asked_again"
    ASKED_STOP = "asked_stop"
    ASKED_EXTEND = "asked_extend"
    ASKED_RESTART = "asked_restart"
    ASKED_CANCEL_DELAY = "asked_cancel_delay"
    RULE_RECORDS = "rule_records"
    RULE_IGNORES = "rule_ignores"
    RULE_PENDING = "rule_pending"
    SCHEDULE_RECORDS = "schedule_records"
    SCHEDULE_COVERED = "schedule_covered"
    SCHEDULE_TAKES_OVER = "schedule_takes_over"
    SCHEDULE_HELD = "schedule_held"
    SCHEDULE_MISSED = "schedule_missed"
    SCHEDULE_NOT_LIVE = "schedule_not_live"
    SCHEDULE_RUNS_OVER = "schedule_runs_over"
    SCHEDULE_OVER = "schedule_over"
    SCHEDULE_SKIPPED = "schedule_skipped"
    SCHEDULE_CANCELLED = "schedule_cancelled"
    SCHEDULE_MOVED = "schedule_moved"
    POLICY_TAKES_OVER = "policy_takes_over"
    HELD = "held"
    ONCE_PER_SESSION = "once_per_session"
    POLICY_SUSPENDED = "policy_suspended"
    STORE_EMPTIED = "store_emptied"
    SESSION_OVER = "session_over"
    TIME_OVER = "time_over"
    NEVER_LIVE = "never_live"
    NEVER_RECORDED = "never_recorded"
    GAVE_UP_NOT_LIVE = "gave_up_not_live"
    NOTHING_TO_UNDO = "nothing_to_undo"
    ASKED_BEFORE = "asked_before"
    KEY_REUSED = "key_reused"
    IMPORTED = "imported"
    NOT_WANTED = "not_wanted"
    NOT_SCHEDULED = "not_scheduled"
    WANTED = "wanted"
    END_IS_PAST = "end_is_past"
    END_TOO_LATE = "end_too_late"
    END_TOO_SOON = "end_too_soon"
    # what the stream does
    PUBLISHED = "published"
    PUBLISHED_TWICE = "published_twice"
    PUBLISHED_LATE = "published_late"
    PUBLISHED_UNSEEN = "published_unseen"
    PUBLISHED_DOUBTED = "published_doubted"
    PUBLISH_TIME_LEARNT = "publish_time_learnt"
    UNPUBLISHED = "unpublished"
    UNPUBLISHED_LATE = "unpublished_late"
    UNPUBLISHED_TWICE = "unpublished_twice"
    UNPUBLISHED_REFUTED = "unpublished_refuted"
    UNPUBLISHED_UNKNOWN = "unpublished_unknown"
    SEEN_ONLINE = "seen_online"
    SEEN_AGAIN = "seen_again"
    SEEN_STALE = "seen_stale"
    MAY_BE_RECONNECT = "may_be_reconnect"
    NOT_SEEN = "not_seen"
    WENT_OFF = "went_off"
    MAY_HAVE_ENDED = "may_have_ended"
    # what is sent
    SENT = "sent"
    QUEUED = "queued"
    NO_QUOTA = "no_quota"
    WITHHELD = "withheld"
    FINALIZE = "finalize"
    REASSERT = "reassert"
    REASSERT_EARLY = "reassert_early"
    STREAM_RETURNED = "stream_returned"
    UNCONFIRMED = "unconfirmed"
    END_UNREPORTED = "end_unreported"
    UNPROVED = "unproved"
    OBSERVED = "observed"
    RESTART_OBSERVED = "restart_observed"
    # what Live answered
    ACCEPTED = "accepted"
    ALREADY = "already"
    ADOPTED = "adopted"
    OVER = "over"
    OVER_UNPROVED = "over_unproved"
    NOT_LIVE = "not_live"
    NOTHING_TO_SPLIT = "nothing_to_split"
    NOT_LIVE_UNCHECKED = "not_live_unchecked"
    NOT_FOUND = "not_found"
    LISTED_NOT_FOUND = "listed_not_found"
    NOT_LIVE_YET = "not_live_yet"
    NO_RECORD_CONFIG = "no_record_config"
    WRONG_DOMAIN = "wrong_domain"
    REJECTED = "rejected"
    UNKNOWN_REJECTION = "unknown_rejection"
    THROTTLED = "throttled"
    NEVER_SENT = "never_sent"
    SLOT_MISSED = "slot_missed"
    REFUSED_FOR_NOW = "refused_for_now"
    UNAVAILABLE = "unavailable"
    IN_DOUBT = "in_doubt"
    ANSWER_LOST = "answer_lost"
    OPERATOR_ACTION_NEEDED = "operator_action_needed"
    LIVE_NOT_ACTIVATED = "live_not_activated"
    LATE_ANSWER = "late_answer"
    OLD_SESSION = "old_session"
    RESTART_UNKNOWN = "restart_unknown"
    # what Live reports of the recording
    CONFIRMED = "confirmed"
    CONFIRMED_UNPROVED = "confirmed_unproved"
    CONFIRMED_BY_FILE = "confirmed_by_file"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    RECORDED_UNCHECKED = "recorded_unchecked"
    RECORDED_AGE_UNKNOWN = "recorded_age_unknown"
    UNMANAGED = "unmanaged"
    RECORD_ERROR = "record_error"
    FILE = "file"
    FILE_FAILED = "file_failed"
    REPORTED_LATE = "reported_late"
    PAUSE_DOUBTED = "pause_doubted"
    # what the ledger of a stream shows
    NO_FILE = "no_file"
    DETECTED_LATE = "detected_late"
    # what becomes of the record
    FORGOTTEN = "forgotten"
    # what Live asks and remarks
    ON_DEMAND = "on_demand"
    ON_DEMAND_DECLINED = "on_demand_declined"
    EXCEPTION = "exception"
    SWITCHED = "switched"
    # written by a later release, read by this one
    UNKNOWN = "unknown"


class HistoryEntry(Struct, frozen=True, omit_defaults=True):
    """One line of a stream's history: the code, and the details for its text."""

    code: Reason
    about: Mapping[str, str | int] = field(default_factory=dict)
