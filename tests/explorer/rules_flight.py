"""Rules about what is on the wire: flight, answers, doubt."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from msgspec.structs import replace

from shared.engine import recorder
from shared.protocol import Command, CommandSettled, Flight, StreamRecord
from shared.protocol.command_errors import InDoubt, StreamNotLive
from shared.protocol.rules import command_result, command_retry
from shared.protocol.rules.claim import claim as _real_claim
from shared.protocol.rules.transition import Transition
from tests.explorer.moves import Moves
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    LIVE,
    RECORDED,
    RESTART,
    RESUMES,
    RETURNS,
    START,
    START_STOP,
    STOP,
    STOP_FINALIZE,
    UNPUBLISH,
)
from tests.explorer.world import Fault

Patches = tuple[Patch, ...]
# imported by name, since the package exports a function of this name
claim_rules = import_module("shared.protocol.rules.claim")
_real_settle = command_result.settle
_real_again = command_retry.enqueue_retry
_real_restart = command_result._restart


def _one(*faults: Fault) -> dict[str, Any]:
    return {"faults": frozenset(faults), "budget": 1}


def _oldest_intent_wins() -> Patches:
    """Remove both guards that keep a claim from contradicting the intent: either would do alone."""
    real = Transition.new_intent

    def new_intent(transition: Transition, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        pending = transition.record.pending
        real(transition, **fields)
        transition.change(pending=pending)

    return ((claim_rules, "_contradicts", lambda *_: False), (Transition, "new_intent", new_intent))


def _several_flights() -> Patches:
    def claim(record: StreamRecord, flight: str, now: int) -> StreamRecord | None:
        return _real_claim(replace(record, flight=None), flight, now)

    return ((recorder, "claim", claim),)


def _start_beside_cancel_delay() -> Patches:
    def claim(record: StreamRecord, flight: str, now: int) -> StreamRecord | None:
        held = record.flight is not None and record.flight.command is Command.CANCEL_DELAY
        return _real_claim(replace(record, flight=None) if held else record, flight, now)

    return ((recorder, "claim", claim),)


def _anybodys_answer() -> Patches:
    def settle(transition: Transition, sent: CommandSettled) -> None:
        flight = transition.record.flight
        _real_settle(transition, replace(sent, flight=flight.id) if flight else sent)

    return ((command_result, "settle", settle),)


def _no_compare() -> Patches:
    return ((Moves, "outrun", lambda _self, instances, _saved: instances),)


def _blind_to_sessions() -> Patches:
    return ((command_result, "_opened_since", lambda *_: False),)


def _stop_said_once() -> Patches:
    def missed(transition: Transition, _flight: Flight) -> None:
        transition.change(stop_not_found_at=transition.now)

    return ((command_result, "_stop_missed", missed),)


def _cancelled_in_flight() -> Patches:
    real = Transition.new_intent

    def new_intent(transition: Transition, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        real(transition, **fields)
        transition.change(flight=None)

    return ((Transition, "new_intent", new_intent),)


def _restart_again() -> Patches:
    def restart(transition: Transition, flight: Flight, answer: Any) -> None:  # noqa: ANN401 - as the real one
        _real_restart(transition, flight, answer)
        if isinstance(answer, InDoubt):
            _real_again(transition, flight, after=500)

    return ((command_result, "_MEANING", {**command_result._MEANING, Command.RESTART: restart}),)


def _cancel_delay_for_any_intent() -> Patches:
    def again(transition: Transition, flight: Flight, *, after: int) -> None:
        if flight.command is Command.CANCEL_DELAY:
            transition.enqueue(flight.command, flight.reason, after=after)
        else:
            _real_again(transition, flight, after=after)

    return ((command_retry, "enqueue_retry", again),)


def _no_finalize_when_not_live() -> Patches:
    real = command_result._stop

    def stop(transition: Transition, flight: Flight, answer: Any) -> None:  # noqa: ANN401 - as the real one
        real(transition, flight, answer)
        pending = transition.record.pending
        if (
            isinstance(answer, StreamNotLive)
            and pending
            and pending.command is Command.CANCEL_DELAY
        ):
            transition.change(pending=None)

    return ((command_result, "_MEANING", {**command_result._MEANING, Command.STOP: stop}),)


_RETURNING: dict[str, Any] = {"before": RECORDED, "script": RETURNS}

REMOVALS = (
    Removal(
        "one flight",
        "At most one command of a stream may be on the wire.",
        _several_flights,
        Scenario("", (START, STOP), before=LIVE),
    ),
    Removal(
        "a claim obeys the intent",
        "A command that contradicts the intent cannot be claimed.",
        _oldest_intent_wins,
        Scenario("", (START, STOP), **_one(Fault.NO_SLOT)),
    ),
    Removal(
        "compare and set",
        "A claim is stored only if nobody else has saved the record since it was loaded.",
        _no_compare,
        Scenario("", (START, STOP), before=LIVE, fine=True),
    ),
    Removal(
        "answers have an id",
        "An answer that does not carry the id of the present flight is noted in the history, and "
        "changes nothing else.",
        _anybodys_answer,
        Scenario(
            "",
            (START, STOP),
            before=LIVE,
            faults=frozenset({Fault.PAUSE, Fault.LOST_REQUEST}),
        ),
    ),
    Removal(
        "an answer speaks of its session",
        "An answer is about the session in which its flight was claimed.",
        _blind_to_sessions,
        Scenario("", (START_STOP,), before=LIVE, script=(*RETURNS, UNPUBLISH)),
    ),
    Removal(
        "a missed stop goes out for the new session",
        "If a stop is answered StreamNotFound and a session has opened since its claim, the "
        "stop goes out again.",
        _stop_said_once,
        Scenario("", (STOP,), **_RETURNING, switches=RESUMES),
    ),
    Removal(
        "only what was never claimed is cancelled",
        "A newer intent cancels only a command that was never claimed.",
        _cancelled_in_flight,
        Scenario("", (START, STOP), before=LIVE),
    ),
    Removal(
        "restart at most once",
        "A restart goes out at most once for each request, even if its answer is lost.",
        _restart_again,
        Scenario("", (RESTART,), before=RECORDED, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "cancel_delay belongs to its intent",
        "A `cancel_delay` belongs to one intent: once there is a newer intent, it is not sent "
        "again.",
        _cancel_delay_for_any_intent,
        Scenario("", (STOP_FINALIZE, START), before=RECORDED, **_one(Fault.THROTTLED)),
    ),
    Removal(
        "a start waits for cancel_delay",
        "A start waits until a `cancel_delay` in flight is settled.",
        _start_beside_cancel_delay,
        Scenario("", (STOP_FINALIZE, START), before=RECORDED),
    ),
    Removal(
        "finalize after StreamNotFound",
        "With finalize, `cancel_delay` goes out even if the stop was answered StreamNotFound.",
        _no_finalize_when_not_live,
        Scenario("", (STOP_FINALIZE,), before=RECORDED, script=(UNPUBLISH,)),
    ),
)
