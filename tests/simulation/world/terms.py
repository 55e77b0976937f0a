"""The types of the model: streams, answers, callbacks, and what really happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Stream(NamedTuple):
    """One stream by its main streaming (playback) domain (live.md §1.1)."""

    domain: str
    app: str
    name: str


class Trouble(Enum):
    """A fault inside Live that a test wants for one request."""

    NONE = "none"
    ACTED_500 = "acted, then 500 InternalError"
    IDLE_500 = "did nothing, 500 InternalError"
    IDLE_503 = "did nothing, 503 ServiceUnavailable"
    THROTTLED = "refused as if the account had spent its quota elsewhere"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of Live; `code` is empty for a 200. `retry_after_ms` is the header
    x-acs-retry-after, 0 without one (milliseconds, live.md §1.5)."""

    status: int
    code: str
    request_id: str
    retry_after_ms: int = 0


class OnDemand(Enum):
    """Modes of a recording configuration (live.md §5)."""

    AUTOMATIC = 0
    CALLBACK = 1
    MANUAL = 7


@dataclass(frozen=True, slots=True)
class Config:
    """A recording configuration (AddLiveAppRecordConfig) (live.md §5, §6)."""

    mode: OnDemand = OnDemand.MANUAL
    delay_ms: int = 180_000
    cycle_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class Account:
    """What the account has configured before the run: ingest domain by streaming domain, keys,
    and the host and port of the callback URL (live.md §1.1, §2, §3)."""

    ingest: Mapping[str, str]
    host: str = "record.example.com"
    port: int = 443
    stream_key: str = "stream-key-0000000"
    record_key: str = "record-key-0000000"
    calls_per_second: int = 50
    config: Config | None = field(default_factory=Config)


class Online(NamedTuple):
    """One row of DescribeLiveStreamsOnlineList; publish_time in ms, whole seconds (live.md §7)."""

    stream: Stream
    publish_time: int


@dataclass(frozen=True, slots=True)
class Callback:
    """One delivery that leaves Live at `at`. `fields` is the query of a GET or the JSON of a
    POST; `headers` the two ALI-LIVE-* ones. `number` names this delivery, `event` all its
    attempts (0 to 5) (live.md §2 to §5)."""

    number: int
    event: int
    attempt: int
    at: int
    kind: str
    stream: Stream
    method: str
    fields: Mapping[str, object]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotifyRecord:
    """One row of DescribeLive(Streams|Record)NotifyRecords with Status=failed (live.md §7)."""

    at: int
    kind: str
    stream: Stream
    method: str
    fields: Mapping[str, object]


@dataclass(slots=True)
class Interval:
    """Truth: the stream was recorded from `start` until `end`; None: it still is."""

    stream: Stream
    start: int
    automatic: bool
    end: int | None = None
    is_resumed_alone: bool = False
    """Live resumed the recording by itself after an interruption, with the options of the earlier
    request."""


@dataclass(frozen=True, slots=True)
class File:
    """Truth: a file that Live wrote. `start` and `stop` are in ms; `made` is when it was
    written."""

    stream: Stream
    uri: str
    start: int
    stop: int
    made: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Truth: a request as it reached Live. `answer` is None if it was dropped; `acted` says whether
    the recording task changed."""

    at: int
    stream: Stream
    command: str
    answer: Answer | None
    acted: bool
