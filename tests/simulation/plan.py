"""Draws the plan of a seed: streams, what encoders and people do with them, and what breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from shared.protocol import (
    Asked,
    CancelDelayAsked,
    ExtendAsked,
    IfNotLive,
    RestartAsked,
    StartAsked,
    StopAsked,
)
from shared.protocol.policy import OnInterruption
from tests.simulation.chances import stream_of_chance
from tests.simulation.world import Config, OnDemand, Stream, Switches

SECOND, MINUTE_MS = 1_000, 60_000
NOON = 1_763_800_000_000
LASTS = 6 * MINUTE_MS
"""ms for which things go wrong."""
END = NOON + LASTS
KEPT_SHORT, KEPT_LONG = 10 * MINUTE_MS, 30 * 24 * 60 * MINUTE_MS
"""ms for which a stream is kept: longer than callbacks are late, or longer than a run."""
DOMAIN, INGEST = "live.example.com", "push.example.com"
ELSEWHERE = "live.elsewhere.example.com"
"""A domain that no policy names."""
APPS = ("app", "class", "show", "few")


class Do(str, Enum):
    PUBLISH = "publish"
    UNPUBLISH = "unpublish"
    VANISH = "encoder vanishes"
    ASK = "ask"
    ASK_TWICE = "ask, and again with the same key"
    FOREIGN_START = "started by somebody else"
    UNSIGNED = "callback unsigned"
    FORGE = "callback forged"
    EXPIRED = "callback signed long ago"
    OTHER_KEY = "callback signed as another kind"
    WRONG_PATH = "callback to a wrong path"
    OTHER_PATH = "callback to the path of another kind"
    REPLAY = "callback replayed with another payload"
    GARBAGE = "callback of garbage"
    OUTAGE = "store outage"
    FAILOVER = "store fail-over that loses the last writes"
    CROWDED = "429 of Function Compute"
    NO_TIMER = "timer missed"
    POLICY = "policy changed"
    OBSERVE = "stage only observes"
    NO_CONFIG = "recording configuration deleted"
    NO_CREDENTIALS = "credentials expired"
    NO_BUCKET = "bucket refused"
    NEW_KEYS = "callback keys rotated"
    FULL = "store full for a while"
    SPEND = "others spend the account's rate"
    BREAK_RECORD = "record that cannot be read"
    UNSTORABLE = "callback that no store takes"
    CLOCK_BACK = "store's clock set back"
    CLOCK_FORWARD = "store's clock set forward"
    EMPTIED = "store emptied"
    REFUSING = "store refuses writes"
    SCHEDULE = "schedule written"
    UNSCHEDULE = "schedule deleted"
    SKIP = "occurrence skipped"


class Kind(str, Enum):
    """What a callback reports."""

    PUBLISH = "publish"
    PUBLISH_DONE = "publish_done"
    EXCEPTION = "exception"
    SWITCH = "switch"
    ON_DEMAND = "on-demand ask"
    RECORD_STARTED = "record_started"
    RECORD_PAUSED = "record_paused"
    RECORD_RESUMED = "record_resumed"
    RECORD_ERROR = "record_error"
    FILE_FAILED = "transformat_error"
    TRANSCODE_FAILED = "record_force_transcode_fail"
    FILE = "file"
    VOD_FILE = "AddLiveRecordVideoComplete"
    UNKNOWN = "record_of_tomorrow"


@dataclass(frozen=True, slots=True)
class Forgery:
    """A callback that a stranger makes up. `at` is its time, in s from now; an empty `name` is the
    stream's own."""

    kind: Kind = Kind.PUBLISH
    at: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule that a person writes: these streams, by their numbers, at these times. For a skip,
    `begins` is the occurrence to skip. With `by_pattern`, the schedule is for every live stream of
    the first stream's application."""

    name: str
    streams: tuple[int, ...]
    begins: tuple[int, ...]
    lasts_ms: int
    overrun_ms: int
    by_pattern: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that happens at `at`, and lasts `ms` if it lasts."""

    at: int
    do: Do
    stream: int = -1
    ms: int = 0
    ask: Asked | None = None
    text: str = ""
    forgery: Forgery = Forgery()
    timetable: Timetable | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    streams: tuple[Stream, ...]
    deeds: tuple[Deed, ...]
    switches: Switches
    config: Config
    merge_delay: int
    policy: str
    instances: int
    keep: int = KEPT_LONG

    def without(self, *left_out: Deed) -> Plan:
        return replace(self, deeds=tuple(one for one in self.deeds if one not in left_out))


def draw(seed: int, *, patterns: bool = False) -> Plan:
    """Return the plan of a seed; with `patterns`, also with a schedule by a pattern."""
    lots = stream_of_chance(seed, "plan")
    streams = tuple(
        Stream(DOMAIN, lots.choice(APPS), f"room{number}")
        for number in range(lots.choice((1, 1, 2, 3)))
    )
    merge_delay = lots.choice((20, 60, 180)) * SECOND
    deeds: list[Deed] = []
    for number in range(len(streams)):
        deeds += _of_stream(stream_of_chance(seed, "stream", number), number)
    deeds += _of_stage(stream_of_chance(seed, "stage"), len(streams))
    deeds += _of_mode(stream_of_chance(seed, "mode"))
    deeds += _together(stream_of_chance(seed, "together"), len(streams))
    deeds += _of_records(stream_of_chance(seed, "records"), len(streams))
    deeds += _of_engine(stream_of_chance(seed, "engine"))
    deeds += _of_schedules(stream_of_chance(seed, "schedules"), len(streams))
    deeds += _of_patterns(stream_of_chance(seed, "patterns"), len(streams)) if patterns else ()
    switches = stream_of_chance(seed, "switches")
    return Plan(
        seed,
        streams,
        tuple(sorted((one for one in deeds if one.at < END), key=lambda deed: deed.at)),
        Switches.drawn(switches),
        Config(mode=_mode(switches), delay_ms=merge_delay),
        merge_delay,
        policy(lots),
        lots.choice((4, 8, 100)),
        stream_of_chance(seed, "keep").choice((*(KEPT_LONG,) * 3, KEPT_SHORT)),
    )


def _mode(lots: Random) -> OnDemand:
    modes = (OnDemand.MANUAL, OnDemand.CALLBACK, OnDemand.AUTOMATIC)
    return lots.choices(modes, (16, 2, 1))[0]


# --- one stream ---------------------------------------------------------------------------------


def _of_stream(lots: Random, number: int) -> Iterator[Deed]:
    at = NOON + lots.randrange(60 * SECOND)
    for _ in range(lots.choice((1, 1, 2, 2, 3, 4))):
        yield Deed(at, Do.PUBLISH, number)
        at += lots.choice((1, 3, 10, 30, 60, 120)) * SECOND + lots.randrange(SECOND)
        if lots.random() < 0.15:
            break
        yield Deed(at, lots.choice((Do.UNPUBLISH, Do.UNPUBLISH, Do.VANISH)), number)
        at += lots.choice((1, 2, 4, 8, 20, 60, 200)) * SECOND + lots.randrange(SECOND)
    yield from _asks(lots, number)
    yield from _strangers(lots, number)


def _asks(lots: Random, number: int) -> Iterator[Deed]:
    for _ in range(lots.choice((0, 1, 1, 2, 2, 3))):
        at = NOON + lots.randrange(LASTS)
        burst = lots.choice((1, 1, 1, 1, 2, 4, 6))
        for _ in range(burst):
            do = Do.ASK_TWICE if lots.random() < 0.15 else Do.ASK
            yield Deed(at, do, number, ms=lots.randrange(100, 5_000), ask=_ask(lots, at))
            at += lots.choice((10, 200, 1_000, 3_000))


def _ask(lots: Random, at: int) -> Asked:
    what = lots.choices(range(5), (9, 7, 3, 1, 1))[0]
    seconds = lots.choice((20, 45, 90, 240)) * SECOND
    if what == 0:
        return _start(lots, at, seconds)
    if what == 1:
        session, held = lots.random() < 0.2, lots.choice((None, None, 5 * SECOND, 60 * SECOND))
        return StopAsked(
            "ann",
            finalize=lots.random() < 0.3,
            hold=None if session else held,
            hold_session=session,
        )
    if what == 2:
        return RestartAsked("ann")
    return CancelDelayAsked("ann") if what == 3 else ExtendAsked("ann", until=at + seconds)


def _start(lots: Random, at: int, seconds: int) -> StartAsked:
    ends = lots.random()
    return StartAsked(
        "ann",
        on_interruption=lots.choice((None, None, *OnInterruption)),
        if_not_live=IfNotLive.FAIL if lots.random() < 0.1 else IfNotLive.WAIT,
        max_duration=seconds if ends < 0.15 else None,
        until=at + seconds if ends > 0.75 else None,
    )


def _strangers(lots: Random, number: int) -> Iterator[Deed]:
    """Yield what strangers do with the stream or with our URLs."""

    def at() -> int:
        return NOON + lots.randrange(5 * SECOND, LASTS)

    if lots.random() < 0.08:
        yield Deed(at(), Do.FOREIGN_START, number)
    if lots.random() < 0.15:
        yield Deed(at(), Do.GARBAGE, number)
    for do in UNPROVED:
        if lots.random() < 0.15:
            yield Deed(at(), do, number, forgery=_forgery(lots))
    if lots.random() < 0.25:
        for _ in range(lots.choice((1, 1, 2, 3))):
            yield Deed(at(), Do.REPLAY, number, forgery=_forgery(lots))
    if lots.random() < 0.2:  # what an attacker would report first
        kind = lots.choice((Kind.PUBLISH_DONE, Kind.RECORD_ERROR))
        yield Deed(at(), Do.REPLAY, number, forgery=Forgery(kind))


UNPROVED = (Do.UNSIGNED, Do.FORGE, Do.EXPIRED, Do.OTHER_KEY, Do.WRONG_PATH, Do.OTHER_PATH)
"""What strangers send without a valid proof."""
GHOST = "nobody-s-room"


def _forgery(lots: Random) -> Forgery:
    at = lots.choice((0, 0, 0, -2, -30, -3_600, 30, 59, 61, 90, 86_400, 7_000_000_000))
    return Forgery(lots.choice(tuple(Kind)), at, lots.choice(("", "", "", GHOST, ELSEWHERE)))


# --- the stage ----------------------------------------------------------------------------------

_WINDOWS = {
    Do.OUTAGE: (0.15, (500, 20_000)),
    Do.CROWDED: (0.15, (2_000, 60_000)),
    Do.NO_TIMER: (0.1, (30_000, 120_000)),
    Do.NO_CONFIG: (0.08, (20_000, 120_000)),
    Do.NO_CREDENTIALS: (0.12, (5_000, 90_000)),
    Do.NO_BUCKET: (0.06, (20_000, 90_000)),
}


def _of_stage(lots: Random, streams: int) -> Iterator[Deed]:
    for do, (likely, (least, most)) in _WINDOWS.items():
        drawn, at, ms = lots.random(), lots.randrange(LASTS), lots.randrange(least, most)
        if drawn < likely:
            yield Deed(NOON + at, do, ms=min(ms, LASTS - at))
    if lots.random() < 0.12:
        yield Deed(NOON + lots.randrange(LASTS), Do.FAILOVER, ms=lots.choice((50, 500, 2_000)))
    if lots.random() < 0.2:
        yield Deed(NOON + lots.randrange(LASTS), Do.POLICY, text=policy(lots))
    if lots.random() < 0.1:
        yield Deed(NOON + lots.randrange(LASTS), Do.NEW_KEYS)
    for _ in range(lots.choice((0, 0, 0, 3))):
        yield Deed(NOON + lots.randrange(LASTS), Do.SPEND, ms=lots.choice((5, 50, 200)))
    yield from _of_store(lots)


def _of_mode(lots: Random) -> Iterator[Deed]:
    """Yield a while in which the stage decides everything and sends nothing."""
    drawn, at, ms = lots.random(), lots.randrange(LASTS), lots.randrange(20_000, 200_000)
    if drawn < 0.2:
        yield Deed(NOON + at, Do.OBSERVE, ms=min(ms, LASTS - at))


def _of_store(lots: Random) -> Iterator[Deed]:
    """Yield faults of the store: its clock steps, for a while or for good; it forgets, or refuses
    writes."""
    if lots.random() < 0.25:
        way = lots.choice((Do.CLOCK_BACK, Do.CLOCK_FORWARD))
        at, ms = lots.randrange(LASTS), lots.choice((lots.randrange(2_000, 150_000), LASTS))
        yield Deed(NOON + at, way, ms=ms, text=lots.choice(("2", "15", "60")))
    if lots.random() < 0.08:
        yield Deed(NOON + lots.randrange(LASTS), Do.EMPTIED, ms=lots.randrange(10_000, 200_000))
    if lots.random() < 0.1:
        at, ms = lots.randrange(LASTS), lots.randrange(2_000, 60_000)
        yield Deed(NOON + at, Do.REFUSING, ms=min(ms, LASTS - at))


def _together(lots: Random, streams: int) -> Iterator[Deed]:
    """Yield publishes of all streams at the same moment, as of a timetable: there is no slot for
    all."""
    if streams > 1 and lots.random() < 0.4:
        at = NOON + lots.randrange(5 * SECOND)
        for number in range(streams):
            yield Deed(at + lots.randrange(20), Do.PUBLISH, number)
            yield Deed(at + lots.randrange(20, 50) * SECOND, Do.UNPUBLISH, number)


def _of_records(lots: Random, streams: int) -> Iterator[Deed]:
    """Yield a record that another release wrote, and a callback whose text is half a character.
    After `ms` a person stops the stream of the record, or this release can read it again."""
    if lots.random() < 0.1:
        at, ms = NOON + lots.randrange(LASTS), lots.randrange(2_000, 90_000)
        stops = StopAsked("ann") if lots.random() < 0.5 else None
        yield Deed(at, Do.BREAK_RECORD, lots.randrange(streams), ms=ms, ask=stops)
    if lots.random() < 0.1:
        yield Deed(NOON + lots.randrange(LASTS), Do.UNSTORABLE, lots.randrange(streams))


def _of_engine(lots: Random) -> Iterator[Deed]:
    drawn, at, ms = lots.random(), lots.randrange(LASTS), lots.randrange(5_000, 90_000)
    if drawn < 0.15:
        yield Deed(NOON + at, Do.FULL, ms=min(ms, LASTS - at))


def _of_schedules(lots: Random, streams: int) -> Iterator[Deed]:
    """Yield schedules that people write, and their later changes."""
    for number in range(lots.choice((0, 0, 0, 1, 1, 2))):
        yield from _of_schedule(lots, f"show{number}", streams)


def _of_patterns(lots: Random, streams: int) -> Iterator[Deed]:
    """Yield a schedule by a pattern, and its later changes."""
    for deed in _of_schedule(lots, "cameras", streams):
        timetable = deed.timetable and replace(deed.timetable, by_pattern=True)
        yield replace(deed, timetable=timetable)


def _of_schedule(lots: Random, name: str, streams: int) -> Iterator[Deed]:
    at = NOON + lots.randrange(3 * MINUTE_MS)
    written = _timetable(lots, name, at, streams)
    yield Deed(at, Do.SCHEDULE, timetable=written)
    at += lots.randrange(SECOND, 2 * MINUTE_MS)
    do = lots.choice((None, None, Do.SCHEDULE, Do.UNSCHEDULE, Do.SKIP))
    if do is Do.SCHEDULE:
        written = _timetable(lots, written.name, at, streams)
    elif do is Do.SKIP:
        days_ms = lots.choice((0, 24 * 60 * MINUTE_MS))
        written = replace(written, begins=(lots.choice(written.begins) + days_ms,))
    if do is not None:
        yield Deed(at, do, timetable=written)


def _timetable(lots: Random, name: str, at: int, streams: int) -> Timetable:
    first = (at + lots.choice((-20, 5, 20, 45, 70, 110)) * SECOND) // SECOND * SECOND
    return Timetable(
        name,
        tuple(sorted(lots.sample(range(streams), lots.randint(1, streams)))),
        tuple(first + minutes * MINUTE_MS for minutes in lots.choice(((0,), (0, 1), (0, 2)))),
        lots.choice((20, 50, 100)) * SECOND,
        lots.choice((0, 60)) * SECOND,
    )


def policy(lots: Random) -> str:
    """Return a policy as it is applied to a running stage: JSON (docs/policy.md)."""
    few = {"max_concurrent": 1} if lots.random() < 0.7 else {}
    ends = lots.choice(("stop", "finalize"))
    lasts = {"max_duration": lots.choice(("40s", "2m"))} if lots.random() < 0.2 else {}
    rules = [
        _rule("class", on_publish=lots.choice(("record", "record", "ignore")), **lasts),
        _rule("show", on_publish="record", on_interruption=ends),
        _rule("few", on_publish=lots.choice(("record", "ignore")), **few),
    ]
    return json.dumps({"domain": [{"streaming": DOMAIN, "ingest": [INGEST]}], "rule": rules})


def _rule(app: str, **says: object) -> dict[str, object]:
    return {"match": {"domain": DOMAIN, "app": app, "stream": "*"}, **says}
