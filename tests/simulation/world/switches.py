"""A named switch for every UNCONFIRMED fact that can change what others see."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from random import Random
from typing import Any


class WhenPaused(Enum):
    """A start within the merge delay (live.md §1.2: same file or new one UNCONFIRMED)."""

    RESUMES = "200, the same file goes on"
    NEW_FILE = "200, the old file is closed and a new one begins"
    ALREADY_STARTED = "409 TaskAlreadyStarted, and it stays paused"


class SecondPublisher(Enum):
    """An encoder that publishes a name already in use (live.md §2.1, §11)."""

    REFUSED = "the second connection is refused"
    TAKES_OVER = "the first is cut; its publish_done is sent after the second's publish"
    BESIDE = "dual-stream ingest: both live, one publish_done does not mean offline"


class Excess(Enum):
    """What happens to a call over the quota (live.md §1.5)."""

    REFUSED = "answered Throttling.User"
    DROPPED = "never answered"


class Rate(Enum):
    """How the 50 calls a second are counted (live.md §1.5 leaves it open)."""

    BUCKET = "a bucket of 50, refilled evenly"
    SLIDING = "at most 50 in any second"


@dataclass(frozen=True, slots=True)
class Switches:
    """The defaults are the plain reading of the documents; `drawn` picks each at random."""

    # --- the recording task, live.md §1.2, §6
    resumes_after_interruption: bool = False
    """§6 Tension: a manual recording goes on by itself when the ingest returns within DelayTime."""
    start_while_paused: WhenPaused = WhenPaused.NEW_FILE
    """§1.2: a start after a stop, within the merge delay."""
    start_after_interruption: WhenPaused = WhenPaused.NEW_FILE
    """§6: a start after an interruption that did not resume by itself, within the merge delay."""
    restart_drops_paused_part: bool = False
    """§1.2, D1d: a restart of a paused task leaves no file of what was before."""
    restart_before_start: bool = False
    """§1.2: restart before any start begins a recording; else `out_of_order` answers."""
    out_of_order: str = "TaskNotStarted"
    """§1.2: the code of stop/cancel_delay out of order; "" means 200 and nothing happens."""
    offline_is_not_found: bool = True
    """§1.2 idempotency rule: stop and cancel_delay of an offline stream → StreamNotFound."""
    visible_after_ms: int = 0
    """§11 race: the recorder knows a stream only this long after it connected."""
    automatic_returns: bool = True
    """§1.2: an automatic recording that was stopped begins again with the next ingest."""
    failed_start_is_silent: bool = False
    """§4: an accepted start that fails sends record_error, or nothing."""
    deletion_acts_at_once: bool = False
    """§6: whether a deletion takes effect at once, or from the next publish on as a change does."""
    config_guards_all: bool = False
    """§1.3: CodeConfigNotFound for stop, restart and cancel_delay too, or for start alone."""
    on_demand_commands: bool = True
    """§5: RealTimeRecordCommand works for a configuration with OnDemand 1."""
    # --- what is reported, live.md §2 to §5
    status_callbacks: bool = True
    """§4: NeedStatusNotify: Live sends status callbacks."""
    status_time: bool = False
    """§4: status events carry `time`."""
    restart_reports_start: bool = True
    """§4: a restart sends record_started."""
    resume_reports_start: bool = False
    """§4: a recording that resumes sends record_started instead of record_resumed."""
    interruption_reports_pause: bool = True
    """§4: an interruption sends record_paused."""
    settle_ms: int = 500
    """§4: how long after the change its status event leaves."""
    file_ms: int = 1_000
    """§4: how long after a file is closed its event leaves."""
    publish_time_is_sending: bool = False
    """§2: `time` of a publish is when it is sent, 2 s after the connection; else when it
    connected."""
    done_without_publish: bool = False
    """§2: a connection shorter than 2 s sends publish_done alone; else nothing."""
    second_publisher: SecondPublisher = SecondPublisher.REFUSED
    signature_has_port: bool = False
    """§3: the port is part of the host that a recording callback signs."""
    retry_signs_anew: bool = True
    """§3: a retry carries a fresh timestamp and signature."""
    retries_on_error: bool = False
    """§2: a delivery not answered 200 is retried as one that timed out is."""
    notify_time_is_first: bool = False
    """§7: NotifyTime of a failed callback is its first attempt, or its last."""
    on_demand_failure_records: bool = False
    """§5: Live records a stream whose OnDemandUrl fails or is late."""
    on_demand_retries: bool = False
    """§5: Live calls an OnDemandUrl again that failed."""
    on_demand_signed: bool = False
    """§5: the call of an OnDemandUrl carries the ALI-LIVE-* headers."""
    # --- the API, live.md §1.5, §7
    excess: Excess = Excess.REFUSED
    rate: Rate = Rate.BUCKET
    throttling_status: int = 400
    """§1.5: the status of a throttled call, 400 or 429."""
    throttling_header: bool = False
    """§1.5: x-acs-retry-after comes with it."""
    nonce_refused: bool = True
    """§1.5: a request seen before is answered SignatureNonceUsed; else it acts again."""
    online_lag_ms: int = 0
    """§7: how old the online list is."""

    @classmethod
    def drawn(cls, random: Random) -> Switches:
        """Return switches drawn at random, always the same for the same state of `random`."""
        return cls(
            **{each.name: random.choice(_choices(each.name, each.default)) for each in _FIELDS}
        )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(each.name for each in _FIELDS)


_FIELDS = fields(Switches)
_SPANS: dict[str, tuple[object, ...]] = {
    "out_of_order": ("", "StreamNotFound", "TaskNotStarted"),
    "visible_after_ms": (0, 2_000, 4_000, 12_000),
    "settle_ms": (0, 500, 3_000),
    "file_ms": (0, 1_000, 10_000),
    "throttling_status": (400, 429),
    "online_lag_ms": (0, 1_000, 3_000, 10_000),
}


def _choices(name: str, default: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a field's default has any type
    if name in _SPANS:
        return _SPANS[name]
    return tuple(type(default)) if isinstance(default, Enum) else (False, True)
