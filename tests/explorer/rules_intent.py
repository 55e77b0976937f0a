"""Rules about what is wanted: intents, holds, policy, time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.engine import recorder
from shared.protocol import (
    Accepted,
    Command,
    Decision,
    Event,
    Flight,
    Reason,
    StartAsked,
    StopAsked,
    StreamRecord,
)
from shared.protocol.policy import OnInterruption
from shared.protocol.rules import command_result, recording_status
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules.decide import decide as _real_decide
from shared.protocol.rules.transition import Transition
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    FOREIGN,
    LIVE,
    PUBLISH,
    RECORDED,
    RETURNS,
    SHORT_START,
    START,
    START_STOP,
    STATUS,
    STOP,
    UNPUBLISH,
    recording,
)

Patches = tuple[Patch, ...]
_real_end = intent_rules._end
_real_bind = command_result._bind
_real_runs = recording_status._runs


def _intent_waits() -> Patches:
    def decide(record: StreamRecord, event: Event, *about: Any) -> Decision:  # noqa: ANN401 - as the real one
        asked = isinstance(event, (StartAsked, StopAsked))
        if asked and record.flight is not None:
            return Decision(record, (), query_online=False, refused=None)
        return _real_decide(record, event, *about)

    return ((recorder, "decide", decide),)


def _nothing_held() -> Patches:
    return ((StreamRecord, "held_at", lambda _record, _now: False),)


def _stop_only_what_is_wanted() -> Patches:
    return ((intent_rules, "_undoes_nothing", lambda record: not record.intent.wanted),)


def _intent_outlives() -> Patches:
    return ((intent_rules, "end_with_session", lambda *_: None),)


def _intent_dies_with_any_session() -> Patches:
    def end(transition: Transition) -> None:
        if (
            transition.record.intent.wanted
            and transition.record.intent.on_interruption != OnInterruption.RESUME
        ):
            _real_end(transition, Reason.SESSION_OVER, finalize=False)

    return ((intent_rules, "end_with_session", end),)


def _time_holds_nothing() -> Patches:
    def end(transition: Transition, why: Reason, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        _real_end(transition, why, **(fields | {"held_session": None, "held_opening_before": None}))

    return ((intent_rules, "_end", end),)


def _time_counts_anew() -> Patches:
    def bind(transition: Transition) -> None:
        _real_bind(transition)
        intent_rules.count_from_first_start(transition, transition.now)

    def count(transition: Transition, at: int) -> None:
        transition.change_intent(
            first_accepted_at=at, until=at + (transition.record.intent.max_duration or at)
        )

    return ((command_result, "_bind", bind), (intent_rules, "count_from_first_start", count))


def _ends_in_silence() -> Patches:
    def end(transition: Transition, why: Reason, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        _real_end(transition, why, **(fields | {"send": False}))

    return ((intent_rules, "_end", end),)


def _never_over() -> Patches:
    return ((intent_rules, "end_by_time", lambda *_: None),)


def _policy_again() -> Patches:
    real = intent_rules.by_policy

    def by_policy(transition: Transition, **how: Any) -> bool:  # noqa: ANN401 - as the real one
        transition.change(policy_session=None)
        return real(transition, **how)

    return ((intent_rules, "by_policy", by_policy),)


def _always_sends() -> Patches:
    real = intent_rules._start_again

    def again(transition: Transition, asked: StartAsked) -> None:
        real(transition, asked)
        transition.enqueue_if_idle(Command.START, Reason.ASKED_AGAIN)

    return ((intent_rules, "_start_again", again),)


def _stops_what_it_sees() -> Patches:
    def runs(transition: Transition, what: str, time: int | None) -> None:
        _real_runs(transition, what, time)
        if not transition.record.intent.wanted:
            transition.enqueue_if_idle(Command.STOP, Reason.UNMANAGED)

    return ((recording_status, "_runs", runs),)


def _intent_kept_in_flight(claimed: Callable[[Flight], bool]) -> Callable[[], Patches]:
    """Patch claims so that whoever settles the flight forgets what the intent needs by then."""
    real = command_result.settle

    def settle(transition: Transition, sent: Any) -> None:  # noqa: ANN401 - as the real one
        flight = transition.record.flight
        real(transition, sent)
        if flight and claimed(flight) and isinstance(sent.answer, Accepted):
            transition.change(pending=None)

    return lambda: ((command_result, "settle", settle),)


REMOVALS = (
    Removal(
        "an intent never waits",
        "A new intent counts at once, even while a command is in flight.",
        _intent_waits,
        Scenario("", (START, STOP), before=LIVE),
    ),
    Removal(
        "whoever settles sends what is needed",
        "When an instance has settled a flight, it sends what the present intent needs.",
        _intent_kept_in_flight(lambda flight: flight.command is Command.START),
        Scenario("", (START, STOP), before=LIVE),
    ),
    Removal(
        "a stop sticks",
        "An explicit stop makes a hold. Until the hold ends, policy makes no intent.",
        _nothing_held,
        Scenario("", (STOP,), before=LIVE, script=RETURNS, settings=recording()),
    ),
    Removal(
        "an explicit stop is sent",
        "An explicit stop sends a stop to Live, even if no recording is wanted.",
        _stop_only_what_is_wanted,
        Scenario("", (STOP,), before=LIVE),
    ),
    Removal(
        "an intent belongs to its session",
        "An intent with `on_interruption` stop or finalize ends when its session ends or a later "
        "one opens.",
        _intent_outlives,
        Scenario("", before=(PUBLISH, START_STOP), script=(UNPUBLISH,)),
    ),
    Removal(
        "the end of an intent sends a stop",
        "If a start of an intent was claimed, the end of the intent sends a stop.",
        _ends_in_silence,
        Scenario("", (SHORT_START,), before=LIVE),
    ),
    Removal(
        "an intent moves on until it is accepted",
        "An intent whose start was not accepted yet does not end with a session.",
        _intent_dies_with_any_session,
        Scenario("", (START_STOP,), before=(PUBLISH, UNPUBLISH), script=(PUBLISH,)),
    ),
    Removal(
        "time ends an intent",
        "When `until` passes, the intent ends, and a stop goes out.",
        _never_over,
        Scenario("", (SHORT_START,), before=LIVE),
    ),
    Removal(
        "the end of time holds",
        "When the time of a person's or of policy's intent ends, policy records neither the "
        "present session nor one that opens within the merge delay.",
        _time_holds_nothing,
        Scenario(
            "",
            before=LIVE,
            aged=False,
            script=RETURNS,
            settings=recording(max_duration=40_000),
        ),
    ),
    Removal(
        "time counts from the first start",
        "`max_duration` counts from the first accepted start of the intent, through all "
        "reconnects.",
        _time_counts_anew,
        Scenario("", (SHORT_START,), before=LIVE, script=RETURNS),
    ),
    Removal(
        "policy intents once a session",
        "Policy makes at most one intent for each session.",
        _policy_again,
        Scenario("", (StopAsked("me", hold=20_000),), before=LIVE, settings=recording()),
    ),
    Removal(
        "a second start sends nothing",
        "If Live has accepted a start in the session, a second start request only changes the "
        "intent; no command goes out.",
        _always_sends,
        Scenario("", (START,), before=RECORDED),
    ),
    Removal(
        "unmanaged is left alone",
        "An unmanaged recording is never stopped or split automatically.",
        _stops_what_it_sees,
        Scenario("", before=LIVE, script=(FOREIGN,), settings=STATUS),
    ),
)
