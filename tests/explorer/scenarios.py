"""The table of what is explored: by default with every pair of faults, or every single one where
the stream itself does much; by `--deep` with three instances and more faults."""

from __future__ import annotations

from dataclasses import replace

from msgspec.structs import replace as with_fields

from shared.protocol import (
    CancelDelayAsked,
    IfNotLive,
    Occurrence,
    OccurrenceSkipped,
    OccurrencesPlanned,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamSettings,
)
from shared.protocol.policy import OnInterruption, OnPublish, Rule
from tests.explorer.live_model import Switches
from tests.explorer.normalize import FAR_AWAY_MS, OLD
from tests.explorer.scenario import Scenario, ScriptStep
from tests.explorer.world import NOW, Fault

START, STOP = StartAsked("me"), StopAsked("me")
START_STOP = StartAsked("me", on_interruption=OnInterruption.STOP)
START_FINALIZE = StartAsked("me", on_interruption=OnInterruption.FINALIZE)
STOP_FINALIZE = StopAsked("me", finalize=True)
SHORT_START = StartAsked("me", max_duration=40_000)
START_OR_FAIL = StartAsked("me", if_not_live=IfNotLive.FAIL)
RESTART, CANCEL_DELAY = RestartAsked("me"), CancelDelayAsked("me")
PUBLISH, UNPUBLISH, FOREIGN = ScriptStep.PUBLISH, ScriptStep.UNPUBLISH, ScriptStep.FOREIGN_START

LIVE = (PUBLISH,)
RECORDED = (PUBLISH, START)
RETURNS = (UNPUBLISH, PUBLISH)
DOUBTED = (ScriptStep.DOUBTED_PUBLISH,)
RETURNS_DOUBTED = (UNPUBLISH, *DOUBTED)
REPLAYED_DOUBTED = (ScriptStep.DOUBTED_REPLAY,)
REPLAYED = (ScriptStep.REPLAYED_PUBLISH,)
RETURNS_SILENTLY = (UNPUBLISH, ScriptStep.SILENT_PUBLISH)
END_REPLAYED = (ScriptStep.REPLAYED_END,)


def occurrence(number: int, begins_in: int, lasts: int, runs_over: int = 0) -> Occurrence:
    begins_at = NOW + begins_in
    ends_at = begins_at + lasts
    return Occurrence(f"show@{number}", "show", NOW, begins_at, ends_at, ends_at + runs_over)


SHOW = occurrence(1, 20_000, 60_000, runs_over=60_000)
STRICT = occurrence(1, 20_000, 60_000)
NEAR, FAR_OFF = occurrence(2, 90_000, 60_000), occurrence(2, 150_000, 60_000)
PLAN, PLAN_STRICT = OccurrencesPlanned("show", (SHOW,)), OccurrencesPlanned("show", (STRICT,))
PLAN_NEAR = OccurrencesPlanned("show", (STRICT, NEAR))
PLAN_FAR = OccurrencesPlanned("show", (STRICT, FAR_OFF))
PLAN_BEGUN = OccurrencesPlanned("show", (occurrence(1, -10_000, 60_000),))
SKIP = OccurrenceSkipped("me", SHOW.id)
CANCEL = OccurrencesPlanned("show", cancelled=(SHOW.id,))
SHORT_DELAY = StreamSettings(merge_delay=30_000)
CLOCK_AHEAD = Scenario(
    "scheduled, a clock ahead",
    (PLAN,),
    before=LIVE,
    faults=frozenset({Fault.JUMP, Fault.SET_BACK}),
)
PLAN_PATTERN = OccurrencesPlanned("show", (with_fields(SHOW, by_pattern=True),))
FOR_EVER = Occurrence(
    "show@1",
    "show",
    NOW - OLD,
    NOW - OLD,
    NOW + FAR_AWAY_MS,
    NOW + FAR_AWAY_MS,
    by_pattern=True,
)
"""An occurrence under way, whose times do not move when time passes."""
BY_PATTERN = StreamSettings(occurrences=(FOR_EVER,))


WIRE = frozenset(
    {
        Fault.KILL,
        Fault.LOST_ANSWER,
        Fault.LOST_REQUEST,
        Fault.PAUSE,
        Fault.THROTTLED,
        Fault.NO_SLOT,
    }
)
NEWS = frozenset(
    {Fault.LOSE, Fault.TWICE, Fault.LATE, Fault.STALE, Fault.FAILED_LOOK, Fault.NOT_YET}
)
ALL = WIRE | NEWS
NONE: frozenset[Fault] = frozenset()

PAUSED = Switches(already_while_paused=True)
RESUMES = Switches(resumes=True)
CANCEL_ENDS = Switches(cancel_ends=True)
STATUS = StreamSettings(status_known=True)
STATUS_SHORT = StreamSettings(status_known=True, merge_delay=15_000)
RETURNS_REPORTED_LATE = Scenario(
    "returns, a late report",
    before=RECORDED,
    aged=False,
    gap=16_000,
    script=(*RETURNS, ScriptStep.LATE_REPORT),
    settings=STATUS_SHORT,
    faults=frozenset({Fault.MUTE}),
    budget=1,
)
RETURNS_PAUSED_LATE = Scenario(
    "returns, a late pause",
    before=RECORDED,
    script=RETURNS,
    settings=STATUS,
    faults=frozenset({Fault.LATE}),
    budget=1,
    says_so=True,
)


def recording(
    then: OnInterruption = OnInterruption.RESUME, max_duration: int | None = None
) -> StreamSettings:
    """Return settings by which policy records what is published."""
    rule = Rule(on_publish=OnPublish.RECORD, on_interruption=then, max_duration=max_duration)
    return StreamSettings(rule=rule)


SOON_FORGOTTEN = StreamSettings(merge_delay=15_000, keep=20_000)
"""A stage that forgets a stream sooner than callbacks are late and instances stand still. A real
stage keeps a stream for seven days at least, and neither lasts as long."""
SHORT_STOP = StopAsked("me", hold=1)


def _named(*scenarios: Scenario) -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in scenarios}


DOUBTS = frozenset({Fault.LOST_ANSWER, Fault.LOST_REQUEST})
JUMPS = Scenario("start, stop, a jump", (START, STOP), before=LIVE, faults=DOUBTS | {Fault.JUMP})
RETURNS_JUMPS = Scenario(
    "returns, a jump",
    before=RECORDED,
    script=RETURNS,
    switches=PAUSED,
    faults=frozenset({Fault.JUMP, Fault.LOSE}),
)
SET_BACK = Scenario(
    "start, stop, set back",
    (START, STOP),
    before=LIVE,
    faults=frozenset({Fault.LOST_ANSWER, Fault.KILL, Fault.SET_BACK}),
)
EMPTIED = Scenario(
    "stopped, emptied",
    (STOP,),
    before=RECORDED,
    settings=recording(),
    polls=1,
    faults=frozenset({Fault.EMPTIED, Fault.LOSE, Fault.TWICE}),
)
FULL = Scenario(
    "start, stop, full",
    (START, STOP),
    before=LIVE,
    faults=frozenset({Fault.FULL, Fault.KILL, Fault.NO_SLOT}),
)
STORE = _named(
    FULL,
    Scenario(
        "start, stop, refused",
        (START, STOP),
        before=LIVE,
        faults=frozenset({Fault.REFUSED, Fault.LOST_ANSWER}),
    ),
    Scenario(
        "stop, unreadable",
        (STOP,),
        before=RECORDED,
        faults=frozenset({Fault.UNREADABLE, Fault.LOST_ANSWER}),
    ),
    Scenario(
        "start, stop, unreadable",
        (START, STOP),
        before=LIVE,
        faults=frozenset({Fault.UNREADABLE, Fault.KILL, Fault.LOST_REQUEST}),
    ),
    Scenario(
        "published, unstorable",
        script=(PUBLISH, UNPUBLISH),
        settings=recording(OnInterruption.STOP),
        faults=frozenset({Fault.UNSTORABLE, Fault.TWICE}),
    ),
    Scenario(
        "400 days, stopped",
        (STOP,),
        before=RECORDED,
        script=RETURNS,
        settings=recording(),
        faults=frozenset({Fault.DAYS}),
        budget=1,
    ),
    Scenario(
        "400 days, recorded",
        before=RECORDED,
        script=RETURNS,
        faults=frozenset({Fault.DAYS, Fault.LOSE}),
    ),
    JUMPS,
    replace(
        JUMPS, name="stop, start, a jump", asks=(STOP, START), before=RECORDED, switches=PAUSED
    ),
    RETURNS_JUMPS,
    SET_BACK,
    Scenario(
        "returns, set back",
        before=RECORDED,
        script=RETURNS,
        faults=frozenset({Fault.SET_BACK, Fault.LOSE}),
    ),
    EMPTIED,
)
PAIRS = _named(
    Scenario(
        "finalize, unpublished",
        (STOP_FINALIZE,),
        before=RECORDED,
        script=(UNPUBLISH,),
        budget=1,
        faults=ALL,
    ),
    Scenario("fails unless live", (START_OR_FAIL,), script=(PUBLISH,), faults=ALL),
    Scenario("start, stop, start", (START, STOP, START), before=LIVE, faults=WIRE, switches=PAUSED),
    Scenario("stop, start, slowly", (STOP, START), before=RECORDED, faults=WIRE, slow=True),
    Scenario(
        "stop, start, short delay",
        (STOP, START),
        before=RECORDED,
        settings=StreamSettings(merge_delay=30_000),
        switches=PAUSED,
        faults=WIRE,
        slow=True,
    ),
    Scenario("returns", before=RECORDED, script=RETURNS, switches=PAUSED, faults=ALL),
    Scenario("stop, start", (STOP, START), before=RECORDED, switches=PAUSED, faults=ALL),
    Scenario("start, stop", (START, STOP), before=LIVE, faults=ALL),
    Scenario(
        "finalize, start",
        (STOP_FINALIZE, START),
        before=RECORDED,
        switches=CANCEL_ENDS,
        faults=WIRE,
    ),
    Scenario("cancel_delay", (STOP, CANCEL_DELAY), before=RECORDED, faults=WIRE),
    Scenario("restart, stop", (RESTART, STOP), before=RECORDED, faults=WIRE),
    Scenario("reported", (START, STOP), before=LIVE, settings=STATUS, faults=WIRE | {Fault.MUTE}),
    Scenario(
        "reported, paused",
        (STOP, START),
        before=RECORDED,
        settings=STATUS,
        switches=PAUSED,
        faults=WIRE,
    ),
    Scenario(
        "started elsewhere", script=(PUBLISH, FOREIGN, UNPUBLISH), settings=STATUS, faults=ALL
    ),
    Scenario(
        "stop, reported",
        (STOP,),
        before=RECORDED,
        settings=STATUS,
        faults=ALL | {Fault.MUTE},
    ),
    Scenario(
        "stop, reported, started elsewhere",
        (STOP,),
        before=RECORDED,
        script=(FOREIGN,),
        settings=STATUS,
        faults=frozenset({Fault.LOSE, Fault.LATE, Fault.TWICE, Fault.KILL}),
        budget=1,
    ),
    Scenario(
        "list first",
        script=(PUBLISH,),
        skew=-2000,
        polls=1,
        settings=recording(OnInterruption.STOP),
        faults=ALL,
    ),
    Scenario("published", script=(PUBLISH,), settings=recording(), faults=ALL),
    Scenario("published, doubted", script=DOUBTED, settings=recording(), faults=ALL),
    Scenario("returns, doubted", before=RECORDED, script=RETURNS_DOUBTED, faults=WIRE, budget=1),
    Scenario("replayed, doubted", before=RECORDED, script=REPLAYED_DOUBTED, faults=WIRE),
    Scenario("unpublished", before=RECORDED, script=(UNPUBLISH,), faults=ALL),
    Scenario("replayed", before=(PUBLISH, START_STOP), script=REPLAYED, faults=ALL, budget=1),
    Scenario(
        "replayed twice, and over",
        before=(PUBLISH, START_STOP),
        script=(ScriptStep.REPLAYED_END, *REPLAYED, UNPUBLISH),
        faults=NEWS,
        budget=1,
    ),
    Scenario(
        "replayed, and returns",
        before=(PUBLISH, START_STOP),
        script=(*REPLAYED, *RETURNS),
        faults=NEWS,
        budget=1,
    ),
    Scenario(
        "replayed, and returns at once",
        before=(PUBLISH, START_STOP),
        aged=False,
        gap=1000,
        script=(*REPLAYED, *RETURNS),
    ),
    Scenario(
        "session over, returns at once",
        before=(PUBLISH, START_STOP),
        aged=False,
        gap=1000,
        script=RETURNS,
    ),
    Scenario("session over", before=(PUBLISH, START_STOP), script=(UNPUBLISH,), faults=ALL),
    Scenario("end replayed, goes on", before=RECORDED, script=END_REPLAYED, goes_on=True),
    Scenario(
        "end replayed, reported, goes on",
        before=RECORDED,
        script=END_REPLAYED,
        settings=STATUS,
        goes_on=True,
    ),
    Scenario("end replayed", before=RECORDED, script=END_REPLAYED, settings=STATUS, faults=ALL),
    Scenario("time over", (SHORT_START,), before=LIVE, faults=WIRE),
    Scenario(
        "forgotten",
        (SHORT_STOP,),
        before=RECORDED,
        script=(UNPUBLISH,),
        settings=SOON_FORGOTTEN,
        faults=ALL,
    ),
    Scenario("forgotten, never seen", (SHORT_STOP,), settings=SOON_FORGOTTEN, faults=WIRE),
    Scenario("forbidden", (START, STOP), before=LIVE, faults=WIRE | {Fault.FORBIDDEN}),
)

SINGLES = _named(
    Scenario(
        "forgotten, and returns",
        (SHORT_STOP,),
        before=RECORDED,
        script=RETURNS,
        gap=50_000,
        settings=SOON_FORGOTTEN,
        faults=frozenset({Fault.KILL, Fault.LOST_ANSWER, Fault.LATE, Fault.TWICE}),
        budget=1,
    ),
    Scenario(
        "forgotten, policy",
        script=(PUBLISH, *RETURNS),
        gap=95_000,
        settings=with_fields(recording(OnInterruption.STOP), merge_delay=15_000, keep=60_000),
        faults=ALL,
        budget=1,
    ),
    Scenario(
        "policy stops",
        script=(PUBLISH, *RETURNS),
        settings=recording(OnInterruption.STOP),
        budget=1,
        faults=NEWS,
    ),
    Scenario(
        "time over, returns", (SHORT_START,), before=LIVE, script=RETURNS, budget=1, faults=NEWS
    ),
    Scenario(
        "returns by itself, stop",
        (STOP,),
        before=RECORDED,
        script=RETURNS,
        switches=RESUMES,
        budget=1,
        faults=ALL,
    ),
    Scenario(
        "returns, stop",
        (STOP,),
        before=RECORDED,
        script=RETURNS,
        switches=Switches(resumes=True, stop_offline_ok=True),
        faults=WIRE,
        budget=1,
    ),
    Scenario(
        "never heard of",
        (START_STOP,),
        script=(PUBLISH, UNPUBLISH),
        faults=ALL - {Fault.LOSE},  # a publish that was never reported has no end either
        budget=1,
    ),
    Scenario(
        "reported, returns",
        before=RECORDED,
        script=RETURNS,
        settings=STATUS,
        switches=RESUMES,
        faults=ALL | {Fault.MUTE},
        budget=1,
    ),
    Scenario(
        "reported, returns paused",
        before=RECORDED,
        script=RETURNS,
        settings=STATUS,
        switches=PAUSED,
        faults=ALL | {Fault.MUTE},
        budget=1,
    ),
    Scenario(
        "reported, returns soon and silently",
        before=RECORDED,
        aged=False,
        gap=1000,
        script=RETURNS_SILENTLY,
        settings=STATUS,
        switches=PAUSED,
        faults=frozenset({Fault.LATE, Fault.STALE, Fault.FAILED_LOOK, Fault.LOST_ANSWER}),
    ),
    Scenario(
        "returns soon, unreported",
        before=RECORDED,
        aged=False,
        gap=2000,
        script=RETURNS_SILENTLY,
        settings=STATUS,
        switches=PAUSED,
        faults=frozenset({Fault.LOSE, Fault.MUTE, Fault.LOST_ANSWER}),
    ),
    RETURNS_REPORTED_LATE,
    RETURNS_PAUSED_LATE,
    Scenario(
        "listed later, goes on",
        before=RECORDED,
        aged=False,
        skew=3000,
        polls=1,
        faults=NONE,
        budget=1,
        goes_on=True,
    ),
    Scenario(
        "finalized by its session",
        before=(PUBLISH, START_FINALIZE),
        script=RETURNS,
        budget=1,
        faults=ALL,
    ),
    Scenario(
        "returns soon", before=RECORDED, aged=False, gap=1000, script=RETURNS, budget=1, faults=ALL
    ),
    Scenario(
        "held for a session",
        (StopAsked("me", hold_session=True),),
        before=LIVE,
        script=RETURNS,
        settings=recording(),
        faults=NEWS,
        budget=1,
    ),
    Scenario("step by step", (START, STOP), before=LIVE, faults=WIRE, fine=True, budget=1),
    Scenario(
        "policy, stop", (STOP,), script=(PUBLISH, *RETURNS), settings=recording(), faults=NONE
    ),
)
SCHEDULES = _named(
    Scenario("scheduled", (PLAN_STRICT,), before=LIVE, faults=WIRE),
    Scenario("scheduled, stop", (PLAN, STOP), before=LIVE, faults=WIRE, budget=1),
    Scenario("stop, scheduled", (STOP, PLAN), before=RECORDED, faults=WIRE, budget=1),
    Scenario("scheduled, planned anew", (PLAN, STOP, PLAN_BEGUN), before=LIVE, faults=NONE),
    Scenario("scheduled, runs over", (PLAN,), script=(PUBLISH, UNPUBLISH), faults=NEWS, budget=1),
    Scenario("scheduled, returns", (PLAN,), before=LIVE, script=RETURNS, faults=NEWS, budget=1),
    Scenario(
        "scheduled, policy",
        (PLAN,),
        script=(PUBLISH,),
        settings=recording(),
        faults=WIRE | NEWS,
        budget=1,
    ),
    Scenario(
        "scheduled, policy returns", (PLAN,), before=LIVE, script=RETURNS, settings=recording()
    ),
    Scenario(
        "scheduled, policy stops",
        (PLAN_STRICT,),
        script=(PUBLISH, UNPUBLISH),
        settings=recording(OnInterruption.STOP),
        faults=NEWS,
        budget=1,
    ),
    Scenario("scheduled, short start", (PLAN, SHORT_START), before=LIVE, faults=WIRE, budget=1),
    Scenario("scheduled, start", (PLAN_STRICT, START, STOP), before=LIVE, faults=NONE),
    Scenario("scheduled, start that stops", (PLAN, START_STOP), before=LIVE, script=(UNPUBLISH,)),
    Scenario("scheduled, fails unless live", (PLAN, START_OR_FAIL), script=(PUBLISH,)),
    Scenario("scheduled, skipped", (PLAN, SKIP), before=LIVE, faults=WIRE, budget=1),
    Scenario(
        "scheduled twice, near",
        (PLAN_NEAR, STOP),
        before=LIVE,
        settings=SHORT_DELAY,
        faults=frozenset({Fault.KILL, Fault.LOST_ANSWER}),
        budget=1,
    ),
    Scenario(
        "scheduled twice, far",
        (PLAN_FAR, STOP),
        before=LIVE,
        settings=SHORT_DELAY,
        switches=PAUSED,
        faults=frozenset({Fault.KILL, Fault.LOST_ANSWER}),
        budget=1,
    ),
    Scenario(
        "a pattern to come", (PLAN_PATTERN,), before=LIVE, script=RETURNS, faults=NEWS, budget=1
    ),
    Scenario("a pattern", script=(PUBLISH, *RETURNS), settings=BY_PATTERN, faults=NEWS, budget=1),
    Scenario(
        "a pattern, stop",
        (STOP,),
        script=(PUBLISH, UNPUBLISH),
        settings=BY_PATTERN,
        faults=NEWS,
        budget=1,
    ),
    Scenario("a pattern, doubted", script=DOUBTED, settings=BY_PATTERN, faults=NEWS, budget=1),
    Scenario(
        "a pattern, start", (SHORT_START,), script=LIVE, settings=BY_PATTERN, faults=WIRE, budget=1
    ),
    Scenario(
        "scheduled, a bad store",
        (PLAN, STOP),
        before=LIVE,
        faults=frozenset({Fault.FULL, Fault.REFUSED, Fault.JUMP}),
        budget=1,
    ),
    CLOCK_AHEAD,
    Scenario("scheduled, cancelled", (PLAN, CANCEL), before=LIVE, faults=WIRE, budget=1),
)
DEFAULT = PAIRS | SINGLES | STORE | SCHEDULES


def _deeper(scenario: Scenario) -> Scenario:
    faults = scenario.faults and scenario.faults | ALL
    return replace(scenario, faults=faults, instances=3, polls=1, limit=5_000_000)


DEEP = {name: _deeper(scenario) for name, scenario in (PAIRS | SINGLES).items()}
