"""A pure model of ApsaraVideo Live, as far as the protocol can see it (docs/platform/live.md §1.2,
6).

There is a switch for each UNCONFIRMED fact, and scenarios for both of its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from shared.protocol import Accepted, Command
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    LiveError,
    NeverSent,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    UnknownRejection,
)
from tests.explorer.world import NOW, Live, Task

ACCEPTED = Accepted("R")
ALREADY, NOT_LIVE, UNKNOWN_REJECTION = AlreadyStarted(), StreamNotLive(), UnknownRejection()
NO_ANSWER, THROTTLED, FORBIDDEN = InDoubt(), Throttled(), OperatorActionNeeded()
SLOT_MISSED = NeverSent("SlotMissed")


@dataclass(frozen=True, slots=True)
class Switches:
    """What nobody has confirmed about Live."""

    resumes: bool = False  # an interrupted manual recording goes on by itself in the delay
    already_while_paused: bool = False  # start during the delay: TaskAlreadyStarted, and no more
    stop_offline_ok: bool = False  # a stop of a stream that is offline works, and says so
    cancel_ends: bool = False  # cancel_delay ends a recording that runs


class Reaction(NamedTuple):
    live: Live
    answer: Accepted | LiveError
    says: str | None = None  # the status callback that follows


def perform(live: Live, command: Command, switches: Switches, merge_delay: int) -> Reaction:
    if live.listed is None and not _works_offline(command, switches):
        return Reaction(live, NOT_LIVE)
    match command:
        case Command.START:
            return _start(live, switches)
        case Command.RESTART:
            return Reaction(_running(live), ACCEPTED, "record_started")
        case Command.STOP:
            return _stop(live, merge_delay)
        case Command.CANCEL_DELAY:
            return _cancel_delay(live, switches)


def _works_offline(command: Command, switches: Switches) -> bool:
    return switches.stop_offline_ok and command in (Command.STOP, Command.CANCEL_DELAY)


def _running(live: Live) -> Live:
    return live._replace(task=Task.RUNS, until=0, ours=True)


def _start(live: Live, switches: Switches) -> Reaction:
    if live.task is Task.RUNS or (live.task and switches.already_while_paused):
        return Reaction(live, ALREADY)
    says = "record_resumed" if live.task else "record_started"
    return Reaction(_running(live), ACCEPTED, says)


def _stop(live: Live, merge_delay: int) -> Reaction:
    if live.task is Task.NONE:
        return Reaction(live, UNKNOWN_REJECTION)
    if live.task is not Task.RUNS:
        return Reaction(live._replace(task=Task.STOPPED), ACCEPTED)
    stopped = live._replace(task=Task.STOPPED, until=NOW + merge_delay)
    return Reaction(stopped, ACCEPTED, "record_paused")


def _cancel_delay(live: Live, switches: Switches) -> Reaction:
    if live.task is Task.RUNS and not switches.cancel_ends:
        return Reaction(live, UNKNOWN_REJECTION)
    says = "record_paused" if live.task is Task.RUNS else None
    return Reaction(live._replace(task=Task.NONE, until=0), ACCEPTED, says)


def publish(live: Live, at: int, listed: int, switches: Switches) -> tuple[Live, str | None]:
    """Begin a true session; the list shows it with the time `listed`."""
    resumed = live.task is Task.CUT and switches.resumes
    after = live._replace(
        publish=live.publish + 1,
        listed=listed,
        published_at=at,
        before=None,
        event_at=NOW,
        task=Task.RUNS if resumed else live.task,
        until=0 if resumed else live.until,
    )
    return after, "record_resumed" if resumed else None


def unpublish(live: Live, merge_delay: int) -> tuple[Live, str | None]:
    says = "record_paused" if live.task is Task.RUNS else None
    return _cut(live, merge_delay)._replace(listed=None, before=live.listed, event_at=NOW), says


def _cut(live: Live, merge_delay: int) -> Live:
    if live.task is not Task.RUNS:
        return live
    return live._replace(task=Task.CUT, until=NOW + merge_delay)


def foreign_start(live: Live) -> tuple[Live, str | None]:
    """Somebody else starts a recording by hand, unless one runs."""
    if live.task is Task.RUNS:
        return live, None
    begun = live._replace(task=Task.RUNS, until=0, ours=False, event_at=NOW)
    return begun, "record_started"


def expire(live: Live) -> Live:
    """End the merge delay once it is over."""
    if live.task is Task.NONE or not live.until or live.until > NOW:
        return live
    return live._replace(task=Task.NONE, until=0)
