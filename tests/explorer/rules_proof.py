"""Rules about what it proves that Live accepts a command."""

from __future__ import annotations

from dataclasses import replace as replace_scenario
from typing import Any

from msgspec.structs import replace

from shared.engine import recorder
from shared.protocol import Flight, StreamRecord
from shared.protocol.rules import command_result, stop_check
from shared.protocol.rules import confirmation as confirmation_rules
from shared.protocol.rules.claim import claim as _real_claim
from shared.protocol.rules.transition import Transition
from shared.protocol.state.confirmation import Confirmation, ConfirmationState, StartSource
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    END_REPLAYED,
    FOREIGN,
    LIVE,
    PAUSED,
    RECORDED,
    RETURNS,
    RETURNS_PAUSED_LATE,
    RETURNS_REPORTED_LATE,
    RETURNS_SILENTLY,
    START,
    STATUS,
    STOP,
)
from tests.explorer.world import Fault

Patches = tuple[Patch, ...]
_real_doubt = command_result.doubt
_real_started = command_result.accept_start


def _one(*faults: Fault) -> dict[str, Any]:
    return {"faults": frozenset(faults), "budget": 1}


def _accepted_is_enough() -> Patches:
    real = confirmation_rules._first_state

    def first(
        transition: Transition, confirmation: Confirmation, before: Confirmation | None
    ) -> ConfirmationState:
        accepted = confirmation.source is StartSource.ACCEPTED
        return ConfirmationState.UNCONFIRMED if accepted else real(transition, confirmation, before)

    return ((confirmation_rules, "_first_state", first),)


def _already_is_enough() -> Patches:
    return ((command_result, "_may_be_paused", lambda *_: False),)


def _older_reports_do_not_stand() -> Patches:
    def first(_transition: Transition, confirmation: Confirmation, _before: object) -> Any:  # noqa: ANN401 - as the real one
        state = ConfirmationState
        return state.WAITING_OUT_PAUSE if confirmation.repeated else state.MAY_BE_PAUSED

    return ((confirmation_rules, "_first_of_adopted", first),)


def _split_without_a_look() -> Patches:
    real = confirmation_rules._first_of_adopted

    def first(
        transition: Transition, confirmation: Confirmation, before: Confirmation | None
    ) -> ConfirmationState:
        found, state = real(transition, confirmation, before), ConfirmationState
        return state.MAY_BE_PAUSED if found is state.MAY_GO_ON else found

    return ((confirmation_rules, "_first_of_adopted", first),)


def _stands_whatever_is_reported() -> Patches:
    return ((confirmation_rules, "paused", lambda _transition: None),)


def _unproved_again_and_again() -> Patches:
    def started(transition: Transition, flight: Flight, answer: Any, how: StartSource) -> None:  # noqa: ANN401
        if transition.record.confirmation is not None:
            transition.change(confirmation=replace(transition.record.confirmation, repeated=False))
        _real_started(
            transition, flight, answer, StartSource.ADOPTED if how is StartSource.ACCEPTED else how
        )

    return (
        (command_result, "accept_start", started),
        (command_result, "_may_be_paused", lambda *_: True),
    )


def _doubtful_stop_is_none() -> Patches:
    def claim(record: StreamRecord, flight: str, now: int) -> StreamRecord | None:
        flying = _real_claim(record, flight, now)
        return flying and replace(flying, stopped_at=record.stopped_at)

    def doubt(transition: Transition, flight: Flight) -> None:
        before = transition.record.stopped_at
        _real_doubt(transition, flight)
        transition.change(stopped_at=before)

    return ((recorder, "claim", claim), (command_result, "doubt", doubt))


def _stop_is_believed() -> Patches:
    return ((stop_check, "check", lambda _: None),)


def _others_are_not_spared() -> Patches:
    return ((stop_check, "recording_reported", lambda *_, **__: None),)


def _reports_are_never_older() -> Patches:
    return ((confirmation_rules, "_older_until", lambda _record, **_: 0),)


def _pauses_are_never_late() -> Patches:
    return ((confirmation_rules, "LATE_PAUSE_MS", 0),)


_RETURNING: dict[str, Any] = {"before": RECORDED, "script": RETURNS}
REMOVALS = (
    Removal(
        "an unconfirmed start is repeated",
        "If no report follows an accepted start, the start is checked, and sent again until Live "
        "shows that it records.",
        _accepted_is_enough,
        Scenario("", (START,), before=LIVE, settings=STATUS, **_one(Fault.MUTE)),
    ),
    Removal(
        "a report may be older",
        "If Live accepts a start soon after an earlier one, or after a stop, a report without a "
        "time may be about the earlier recording, and one more start goes out after a minute.",
        _reports_are_never_older,
        replace_scenario(RETURNS_REPORTED_LATE, name=""),
    ),
    Removal(
        "a pause may be older",
        "If Live reports a pause without a time soon after an interruption, and has accepted a "
        "start since, one more start goes out at once.",
        _pauses_are_never_late,
        replace_scenario(RETURNS_PAUSED_LATE, name=""),
    ),
    Removal(
        "adopted is unproved",
        "TaskAlreadyStarted within the merge delay of a stop or an interruption does not "
        "prove a recording.",
        _already_is_enough,
        Scenario("", **_RETURNING, switches=PAUSED),
    ),
    Removal(
        "a doubtful stop counts as a stop",
        "A stop in doubt counts as a stop that Live carried out at the last possible moment.",
        _doubtful_stop_is_none,
        Scenario("", (STOP, START), before=RECORDED, switches=PAUSED, **_one(Fault.LOST_ANSWER)),
    ),
    Removal(
        "one restart for what is unproved",
        "If TaskAlreadyStarted proves no recording and no report comes within 10 s, a restart "
        "goes out, once for each session.",
        _unproved_again_and_again,
        Scenario("", (START,), before=LIVE),
    ),
    Removal(
        "a poll comes before a split",
        "If only an interruption can have paused the recording, the stream is polled before such "
        "a restart. If the poll shows the session's own publish, no restart goes out.",
        _split_without_a_look,
        Scenario("", before=RECORDED, script=END_REPLAYED, goes_on=True),
    ),
    Removal(
        "an older report stands",
        "If the domain is known to send reports, an earlier report of this session still proves "
        "the recording, unless a stop was sent or a pause was reported since.",
        _older_reports_do_not_stand,
        Scenario("", before=RECORDED, script=END_REPLAYED, settings=STATUS, goes_on=True),
    ),
    Removal(
        "a pause ends what stood",
        "After a reported pause, that earlier report proves nothing any more, and the session is "
        "checked again.",
        _stands_whatever_is_reported,
        Scenario(
            "",
            before=RECORDED,
            aged=False,
            gap=1000,
            script=RETURNS_SILENTLY,
            settings=STATUS,
            switches=PAUSED,
            **_one(Fault.LATE),
        ),
    ),
    Removal(
        "an unreported end is checked",
        "If Live has reported a recording, accepts the stop and does not report the end, the stop "
        "goes out again.",
        _stop_is_believed,
        Scenario("", (STOP,), before=RECORDED, settings=STATUS, **_one(Fault.MUTE)),
    ),
    Removal(
        "a stop that goes out again spares what others record",
        "If Live reports a recording again after it has accepted the stop, the stop does not go "
        "out again: somebody else may have begun this recording.",
        _others_are_not_spared,
        Scenario(
            "",
            (STOP,),
            before=RECORDED,
            script=(FOREIGN,),
            settings=STATUS,
            **_one(Fault.LOSE),
        ),
    ),
)
