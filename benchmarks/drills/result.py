"""The figures of a drill, and whether they are good enough.

Each drill returns one Result; `__main__` prints it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

RECOVERED_WITHIN_S = 15.0
STORE_TOLD_WITHIN_S = 10.0
"""Seconds within which health has to report a fault of the store."""
TOLD_WITHIN_S = 120.0
"""Seconds within which health has to report every other fault: two periods of the timer."""


@dataclass(frozen=True)
class Result:
    """`recovered_s` is None if the stage did not recover while it was watched. `failing_s` is the
    time from the first failed request to the last. If that is shorter than the time that health has
    to report the fault, health need not report it: `health_told_within_s` may then be None."""

    drill: str
    recovered_s: float | None
    stops_lost: int
    health_told_within_s: float | None
    asked: int
    failed: int
    failing_s: float
    health_why: str = ""
    """The problem that health reported."""
    is_store_fault: bool = True

    @property
    def passed(self) -> bool:
        recovered = self.recovered_s is not None and self.recovered_s <= RECOVERED_WITHIN_S
        return recovered and self.stops_lost == 0 and self._was_told

    @property
    def _was_told(self) -> bool:
        bound_s = STORE_TOLD_WITHIN_S if self.is_store_fault else TOLD_WITHIN_S
        if self.health_told_within_s is None:
            return self.failing_s < bound_s
        return self.health_told_within_s <= bound_s

    def shown(self) -> dict[str, object]:
        """Return the figures, as they are printed."""
        fields = asdict(self)
        del fields["is_store_fault"]
        return {**fields, "passed": self.passed}
