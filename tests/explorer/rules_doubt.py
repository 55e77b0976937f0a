"""Rules about requests in doubt, which may still land at Live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.protocol import Command, CommandSettled, Flight
from shared.protocol.command_errors import InDoubt
from shared.protocol.reason import Reason
from shared.protocol.rules import command_result, command_retry, reassert, recording_status
from shared.protocol.rules.command_result import doubt as in_doubt
from shared.protocol.rules.transition import Transition
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    CANCEL_ENDS,
    LIVE,
    RECORDED,
    RESTART,
    START,
    STATUS,
    STOP,
    STOP_FINALIZE,
)
from tests.explorer.world import Fault

Patches = tuple[Patch, ...]
_real_settle = command_result.settle
_real_again = command_retry.enqueue_retry
_real_runs = recording_status._runs


def _one(*faults: Fault) -> dict[str, Any]:
    return {"faults": frozenset(faults), "budget": 1}


def _no_doubt() -> Patches:
    return ((command_result, "doubt", lambda *_: None),)


def _doubt_until_answered() -> Patches:
    def settle(transition: Transition, sent: CommandSettled) -> None:
        _real_settle(transition, sent)
        if not isinstance(sent.answer, InDoubt):
            transition.change(doubts=())

    return ((command_result, "settle", settle),)


def _lapse_leaves_nothing(*, doubts: bool) -> Callable[[], Patches]:
    def lapse(transition: Transition, flight: Flight) -> None:
        transition.change(flight=None)
        if doubts:
            in_doubt(transition, flight)
        else:
            _real_again(transition, flight, after=0)

    return lambda: ((command_result, "lapse", lapse),)


def _no_echo() -> Patches:
    return ((reassert, "ENDS", ()), (reassert, "STARTS", ()))


def _no_early_echo_of_a_stop() -> Patches:
    return ((recording_status, "_may_be_ours", lambda *_: False),)


def _no_early_echo_of_a_start() -> Patches:
    return ((recording_status, "_start_early", lambda *_: None),)


def _early_echo_ends_it() -> Patches:
    def runs(transition: Transition, what: str, time: int | None) -> None:
        _real_runs(transition, what, time)
        if transition.record.pending and transition.record.pending.reason is Reason.REASSERT_EARLY:
            transition.change(doubts=())

    return ((recording_status, "_runs", runs),)


def _restart_is_no_start() -> Patches:
    return ((reassert, "STARTS", (Command.START,)),)


def _cancel_delay_is_no_stop() -> Patches:
    return ((reassert, "ENDS", (Command.STOP,)),)


REMOVALS = (
    Removal(
        "doubt",
        "A request whose answer was never stored stays in doubt until 60 s after it was sent.",
        _no_doubt,
        Scenario("", (START, STOP), before=LIVE, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "doubt is kept",
        "A doubt stays, whatever Live answers to later requests.",
        _doubt_until_answered,
        Scenario("", (START, STOP), before=LIVE, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "a lost lease is a doubt",
        "If an instance dies with a command in flight, that command is in doubt.",
        _lapse_leaves_nothing(doubts=False),
        Scenario("", (START, STOP), before=LIVE, **_one(Fault.KILL)),
    ),
    Removal(
        "a lost lease is sent again",
        "A start, stop or `cancel_delay` whose lease ended without an answer is sent again.",
        _lapse_leaves_nothing(doubts=True),
        Scenario("", (STOP,), before=RECORDED, **_one(Fault.KILL)),
    ),
    Removal(
        "reassert",
        "When a doubt ends and its request may have undone the wanted state, the wanted "
        "command goes out again.",
        _no_echo,
        Scenario("", (START, STOP), before=LIVE, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "early re-assertion of a stop",
        "If Live reports an unwanted recording while a start is in doubt, the stop goes out "
        "again at once.",
        _no_early_echo_of_a_stop,
        Scenario("", (START, STOP), before=LIVE, settings=STATUS, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "early re-assertion of a start",
        "If Live reports a pause while a stop is in doubt, the wanted start goes out again at "
        "once.",
        _no_early_echo_of_a_start,
        Scenario("", (STOP, START), before=RECORDED, settings=STATUS, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "an early re-assertion does not end the doubt",
        "If a report of Live makes a command go out again, the request in doubt stays in doubt.",
        _early_echo_ends_it,
        Scenario("", (START, STOP), before=LIVE, settings=STATUS, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "a restart is the opposite of a stop",
        "A restart in doubt counts as a start in doubt: the wanted stop goes out again.",
        _restart_is_no_start,
        Scenario("", (RESTART, STOP), before=RECORDED, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "cancel_delay is the opposite of a start",
        "A `cancel_delay` in doubt counts as a stop in doubt: the wanted start goes out again.",
        _cancel_delay_is_no_stop,
        Scenario(
            "",
            (STOP_FINALIZE, START),
            before=RECORDED,
            settings=STATUS,
            switches=CANCEL_ENDS,
            faults=frozenset({Fault.LOST_ANSWER, Fault.LOSE}),
        ),
    ),
)
