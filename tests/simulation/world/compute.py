"""Function Compute: which call gets an instance, which gets a 429, and which is retried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from .agenda import Agenda

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DEFAULT_TIMEOUT_MS = 3_000


class Outcome(Enum):
    """How an invocation ended: an ERROR keeps the instance, a KILLED one (time-out, exit, out of
    memory) ends it (function-compute.md §1.1)."""

    OK = "ok"
    ERROR = "error"
    KILLED = "killed"


@dataclass(slots=True, eq=False)
class Instance:
    """One process. `memory` is what it keeps between calls, and is lost with it; between calls it
    is frozen (function-compute.md §5)."""

    number: int
    function: str
    frozen_at: int
    idle_ms: int
    memory: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Invocation:
    """One call in one instance, from `at` (cold start included) to no later than `deadline`.
    attempt counts from 0; request keeps its number through all attempts."""

    request: int
    function: str
    payload: object
    instance: Instance
    at: int
    deadline: int
    cold: bool
    attempt: int
    asynchronous: bool
    since: int


@dataclass(slots=True, eq=False)
class Queued:
    """An asynchronous call that waits for its turn."""

    request: int
    function: str
    payload: object
    since: int
    attempt: int = 0
    refused: int = 0


class Compute:
    """Instances serve one request at a time and are frozen in between; beyond the quota a call
    is answered 429 (function-compute.md §5). quota may be changed at any time.

    Not in the facts, and so drawn or assumed: only busy instances count; an idle one lives 1 to
    6 min (§5 says 3 to 5, without guarantee); a function error is retried within a minute.
    """

    def __init__(  # noqa: PLR0913 - the settings of one account
        self,
        random: Random,
        quota: int = 100,
        timeout_ms: Mapping[str, int] | None = None,
        *,
        retries: int = 3,
        age_ms: int = 5 * HOUR_MS,
        cold_ms: tuple[int, int] = (200, 2_000),
    ) -> None:
        """`timeout_ms` is by function, and 3 s for one that it does not name (§5); `retries` and
        `age_ms` are the asyncInvokeConfig (§3)."""
        self.quota = quota
        self.refused = 0
        self.lost: list[object] = []
        self._random = random
        self._timeouts = timeout_ms or {}
        self._retries = retries
        self._age_ms = age_ms
        self._cold_ms = cold_ms
        self._agenda = Agenda()
        self._idle: dict[str, list[Instance]] = {}
        self._busy: set[Instance] = set()
        self._begun: list[Invocation] = []
        self._requests = 0
        self._instances = 0

    @property
    def busy(self) -> int:
        return len(self._busy)

    def invoke(self, at: int, function: str, payload: object) -> Invocation | None:
        """Invoke synchronously; return None for a 429, which the platform does not retry (§3)."""
        self._agenda.advance(at)
        self._requests += 1
        return self._begin(at, Queued(self._requests, function, payload, at), asynchronous=False)

    def invoke_async(self, at: int, function: str, payload: object, delay_ms: int = 0) -> None:
        """Accept an asynchronous call, as with 202; `due` returns it once it has an instance
        (§3)."""
        self._agenda.advance(at)
        self._requests += 1
        self._agenda.enter(at + delay_ms, self._try, Queued(self._requests, function, payload, at))

    def timer(
        self,
        at: int,
        function: str,
        payload: object = None,
        *,
        every_ms: int = MINUTE_MS,
        jitter_ms: int = 1_000,
    ) -> None:
        """Start a timer trigger at `at`: asynchronous calls, retried on error (§3).

        The facts do not say how late a timer may be: a random delay of up to jitter_ms.
        """
        self._agenda.advance(at)
        self._agenda.enter(at, self._tick, function, payload, every_ms, jitter_ms)

    def next_due(self) -> int | None:
        return self._agenda.now if self._begun else self._agenda.next_due()

    def due(self, at: int) -> list[Invocation]:
        """Return the asynchronous calls that got an instance, each once.

        Their code runs from `invocation.at`, which a cold start puts after `at`.
        """
        self._agenda.advance(at)
        begun = self._begun
        self._begun = []
        return begun

    def finished(self, at: int, invocation: Invocation, outcome: Outcome) -> None:
        """Take the end of an invocation. Call this once for each, at its deadline at the latest
        (KILLED)."""
        self._agenda.advance(at)
        self._busy.discard(invocation.instance)
        if outcome is not Outcome.KILLED:
            self._freeze(at, invocation.instance)
        if outcome is not Outcome.OK and invocation.asynchronous:
            self._repeat(at, invocation)

    def recycle(self, at: int, function: str | None = None) -> None:
        """Drop frozen instances, as the platform may at any time (§5)."""
        self._agenda.advance(at)
        if function is None:
            self._idle.clear()
        else:
            self._idle.pop(function, None)

    def _tick(self, at: int, function: str, payload: object, every_ms: int, jitter_ms: int) -> None:
        self._agenda.enter(at + every_ms, self._tick, function, payload, every_ms, jitter_ms)
        self._requests += 1
        late = self._random.randint(0, jitter_ms)
        self._agenda.enter(at + late, self._try, Queued(self._requests, function, payload, at))

    def _try(self, at: int, queued: Queued) -> None:
        """Try a queued call. After a 429 retry it after 0.5, 1, 2, 4, 8… s, until the call is too
        old (§3)."""
        invocation = self._begin(at, queued, asynchronous=True)
        if invocation is not None:
            self._begun.append(invocation)
            return
        wait = min(500 << min(queued.refused, 20), HOUR_MS)
        queued.refused += 1
        self._enter_again(at + wait, queued)

    def _repeat(self, at: int, invocation: Invocation) -> None:
        """Retry a call after a function error: three times unless configured (§3)."""
        again = Queued(
            invocation.request,
            invocation.function,
            invocation.payload,
            invocation.since,
            invocation.attempt + 1,
        )
        if again.attempt > self._retries:
            self.lost.append(again.payload)
        else:
            self._enter_again(at + self._random.randint(0, MINUTE_MS), again)

    def _enter_again(self, at: int, queued: Queued) -> None:
        if at - queued.since > self._age_ms:
            self.lost.append(queued.payload)
        else:
            self._agenda.enter(at, self._try, queued)

    def _begin(self, at: int, queued: Queued, *, asynchronous: bool) -> Invocation | None:
        if len(self._busy) >= self.quota:
            self.refused += 1
            return None
        instance, cold = self._instance(at, queued.function)
        self._busy.add(instance)
        begins = at + (self._random.randint(*self._cold_ms) if cold else 0)
        timeout = self._timeouts.get(queued.function, DEFAULT_TIMEOUT_MS)
        return Invocation(
            queued.request,
            queued.function,
            queued.payload,
            instance,
            begins,
            begins + timeout,
            cold,
            queued.attempt,
            asynchronous,
            queued.since,
        )

    def _instance(self, at: int, function: str) -> tuple[Instance, bool]:
        """Return a frozen instance that still lives, or a new one, and whether it is new."""
        idle = [each for each in self._idle.get(function, ()) if each.frozen_at + each.idle_ms > at]
        if not idle:
            self._idle[function] = idle
            self._instances += 1
            return Instance(self._instances, function, at, 0), True
        chosen = idle.pop(self._random.randrange(len(idle)))
        self._idle[function] = idle
        return chosen, False

    def _freeze(self, at: int, instance: Instance) -> None:
        instance.frozen_at = at
        instance.idle_ms = self._random.randint(MINUTE_MS, 6 * MINUTE_MS)
        self._idle.setdefault(instance.function, []).append(instance)
