"""Draws every chance of a run from the seed, separately for each kind and each stream, so that
leaving one fault out changes no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from random import Random


class Fault(str, Enum):
    """A fault that may strike at any step. A planned fault is a `Deed`."""

    __hash__ = str.__hash__  # each step hashes some; Enum's own hash is slow

    CALLBACK_LOST = "callback lost"
    CALLBACK_DOUBLED = "callback duplicated"
    CALLBACK_REORDERED = "callback reordered"
    CALLBACK_LATE = "callback late by minutes"
    REQUEST_LOST = "request lost"
    REQUEST_LATE = "request landed late"
    REQUEST_TWICE = "request landed twice"
    REQUEST_UNSENT = "connection refused"
    ANSWER_LOST = "answer lost"
    ANSWER_LATE = "answer late"
    ANSWER_TWICE = "answer twice"
    API_ACTED_500 = "500 that acted"
    API_IDLE_500 = "500 that did nothing"
    API_UNAVAILABLE = "503"
    API_THROTTLED = "throttled"
    API_REFUSED = "refused for no known reason"
    LOOK_FAILED = "look failed"
    KILLED_BEFORE = "killed before an effect"
    KILLED_AFTER = "killed after an effect"
    PAUSED = "paused"
    PAUSED_LONG = "paused beyond its lease"
    CONFLICT = "store conflict"
    STORE_FAILED = "store failed once"
    STORE_UNHEARD = "stored, and the answer lost"
    WAKE_LOST = "wake lost"
    CLOCK_SKEWED = "clock skewed"


RATES: Mapping[Fault, tuple[float, float]] = {
    Fault.CALLBACK_LOST: (0.05, 0.5),
    Fault.CALLBACK_DOUBLED: (0.1, 0.5),
    Fault.CALLBACK_REORDERED: (0.1, 0.5),
    Fault.CALLBACK_LATE: (0.05, 0.3),
    Fault.REQUEST_LOST: (0.05, 0.3),
    Fault.REQUEST_LATE: (0.05, 0.4),
    Fault.REQUEST_TWICE: (0.05, 0.3),
    Fault.REQUEST_UNSENT: (0.05, 0.3),
    Fault.ANSWER_LOST: (0.05, 0.3),
    Fault.ANSWER_LATE: (0.1, 0.5),
    Fault.ANSWER_TWICE: (0.1, 0.5),
    Fault.API_ACTED_500: (0.05, 0.3),
    Fault.API_IDLE_500: (0.05, 0.3),
    Fault.API_UNAVAILABLE: (0.05, 0.3),
    Fault.API_THROTTLED: (0.05, 0.3),
    Fault.API_REFUSED: (0.02, 0.2),
    Fault.LOOK_FAILED: (0.05, 0.5),
    Fault.KILLED_BEFORE: (0.005, 0.05),
    Fault.KILLED_AFTER: (0.005, 0.05),
    Fault.PAUSED: (0.01, 0.1),
    Fault.PAUSED_LONG: (0.002, 0.03),
    Fault.CONFLICT: (0.02, 0.3),
    Fault.STORE_FAILED: (0.005, 0.05),
    Fault.STORE_UNHEARD: (0.005, 0.05),
    Fault.WAKE_LOST: (0.1, 0.9),
    Fault.CLOCK_SKEWED: (0.2, 0.9),
}
"""The least and the greatest rate of each fault that a seed has."""

HARMLESS = frozenset(
    {
        Fault.CALLBACK_LOST,
        Fault.CALLBACK_DOUBLED,
        Fault.CALLBACK_REORDERED,
        Fault.CALLBACK_LATE,
        Fault.ANSWER_LATE,
        Fault.ANSWER_TWICE,
        Fault.REQUEST_TWICE,
        Fault.CONFLICT,
    }
)
"""Faults that excuse no delay."""

Strike = tuple[Fault, str, int]
"""The n-th strike of this fault at this place."""


def stream_of_chance(seed: int, *about: object) -> Random:
    words = (one.value if isinstance(one, Fault) else str(one) for one in about)
    return Random(f"{seed}:{':'.join(words)}")  # noqa: S311 - lots, not keys


class Lots:
    """`without`: strikes that the shrinker leaves out. `over`: nothing goes wrong any more."""

    def __init__(
        self,
        seed: int,
        without: frozenset[Strike] = frozenset(),
        troubled: Callable[[], None] = lambda: None,
    ) -> None:
        self.seed = seed
        self.over = False
        self._troubled = troubled
        self.counts: Counter[str] = Counter()
        self.struck: list[Strike] = []
        self._without = without
        self._drawn: Counter[tuple[Fault, str]] = Counter()
        self._chances: dict[object, Random] = {}
        self.rates = self._swarm()

    def _swarm(self) -> dict[Fault, float]:
        """Return rates for a random subset of the faults.

        A few frequent faults find more than all of them together.
        """
        draw = stream_of_chance(self.seed, "rates")
        likely = draw.choice((0.0, 0.1, 0.25, 0.5))
        rates = {}
        for fault, (least, most) in RATES.items():
            rate, taken = draw.uniform(least, most), draw.random() < likely
            if taken:
                rates[fault] = rate
        return rates

    def chance(self, *about: object) -> Random:
        found = self._chances.get(about)
        if found is None:
            found = self._chances[about] = stream_of_chance(self.seed, *about)
        return found

    def strikes(self, fault: Fault, where: str = "") -> bool:
        rate = self.rates.get(fault)
        if rate is None or self.over:
            return False
        if self.chance(fault, where).random() >= rate:
            return False
        self._drawn[fault, where] += 1
        strike = (fault, where, self._drawn[fault, where])
        if strike in self._without:
            return False
        self.struck.append(strike)
        if fault not in HARMLESS:
            self._troubled()
        self.counts[fault.value] += 1
        return True
