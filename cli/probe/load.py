"""What only more commands than the account may send can tell: stops of an idle test stream.

For some two seconds nobody else of the account gets a command through: it is asked only on demand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.account import Declined
from cli.probe.experiments import Found, Question
from cli.probe.test_stream import Scene, Unanswered

MOST = 400
"""Commands after which a limit has to have shown."""
QUIET = 1.2
"""s in which whatever counts has forgotten what came before."""
WINDOW = 1.0
TRIES = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """`at` is in seconds since the first of them."""

    at: float
    code: str
    status: int
    retry_after: int

    @property
    def is_over(self) -> bool:
        """Refused for the rate of it, or never answered at all."""
        return self.code.startswith("Throttling") or self.is_dropped

    @property
    def is_dropped(self) -> bool:
        return self.status == 0 and not self.code.startswith("Throttling")


def throttle_mode(scene: Scene) -> Found:
    one = _over(scene)
    mode = "drop" if one.is_dropped else "refuse"
    return mode, f"over the limit: {one.code or 'no answer'}"


def throttle_status(scene: Scene) -> Found:
    one = _refused(scene)
    return one.status, f"{one.code} came with status {one.status}"


def throttle_retry_after(scene: Scene) -> Found:
    one = _refused(scene)
    said = one.retry_after or None
    return said, f"{one.code}: x-acs-retry-after {said or 'absent'}"


def limiter(scene: Scene) -> Found:
    """A bucket goes on at its rate once it is empty; a sliding second takes nothing until its first
    command is a second old."""
    for _ in range(TRIES):
        found = told_apart(_sent(scene, for_seconds=WINDOW * 0.9))
        if found is not None:
            return found
    raise Unanswered("commands went out too slowly to fill the limit: ask from a faster line")


def told_apart(answers: Sequence[Answered]) -> Found | None:
    """None when they came too slowly to tell, for the line or for this machine: one that stood
    still may be answered when the second is over, and then either limit takes it."""
    full = next((one.at for one in answers if one.is_over), None)
    if full is None or full > WINDOW / 2:
        return None
    a_place = WINDOW / max(1, sum(one.at < full for one in answers))
    later = [one for one in answers if full < one.at < WINDOW * 0.9]
    if not later or later[-1].at < full + 2 * a_place:
        return None
    taken = sum(not one.is_over for one in later)
    kind = "bucket" if taken else "sliding_second"
    return kind, f"after the first refusal {taken} of {len(later)} were taken within the second"


def _over(scene: Scene) -> Answered:
    found = next((one for one in _sent(scene) if one.is_over), None)
    if found is None:
        raise Unanswered(f"{MOST} commands were all taken")
    return found


def _refused(scene: Scene) -> Answered:
    found = _over(scene)
    if found.is_dropped:
        raise Unanswered("what is over the limit is not answered at all")
    return found


def _sent(scene: Scene, for_seconds: float = 0.0) -> list[Answered]:
    """Until one is refused, or for so long."""
    scene.fresh()
    time.sleep(QUIET)
    began, answers = time.monotonic(), list[Answered]()
    while len(answers) < MOST and (
        time.monotonic() < began + for_seconds
        or (not for_seconds and not (answers and answers[-1].is_over))
    ):
        answers.append(_one(scene, began))
    return answers


def _one(scene: Scene, began: float) -> Answered:
    try:
        scene.account.ask("RealTimeRecordCommand", **scene.names, Command="stop")
    except Declined as declined:
        at = time.monotonic() - began
        return Answered(at, declined.code, declined.status, declined.retry_after)
    return Answered(time.monotonic() - began, "OK", 200, 0)


LOAD: Mapping[str, Question] = {
    "throttle_mode": Question(
        "§1.5", "whether what is over the limit is answered", throttle_mode, "load"
    ),
    "throttle_status": Question("§1.5", "with which status", throttle_status, "load"),
    "throttle_retry_after": Question(
        "§1.5", "whether it says when to try again", throttle_retry_after, "load"
    ),
    "limiter": Question("§1.5", "how the second is counted", limiter, "load"),
}
