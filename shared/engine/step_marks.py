"""The marks of a reconcile: timestamps at which each of its steps last began and last ended.

The dispatcher and the side steps set the marks, and health reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.engine.worker_lease import Timestamps

DRAIN, RESYNC, REPLAY = "drain", "resync", "replay"
AUDIT = "audit"
"""Finds records that cannot be read, and repairs index rows that an earlier release left."""
SCHEDULES = "schedules"
"""Plans schedules, and waits for the occurrence that is about to begin."""
NOTIFY = "notify"
"""A run of the function `notify`."""
BACKFILL = "backfill"
"""The resync during a burst. It has no marks, because it does not run every minute."""


def began(step: str) -> str:
    """Return the name of the timestamp at which the step last began. The step DRAIN (sending what
    is due) has the name that release 0.2 uses for the whole reconcile."""
    return "reconciled" if step == DRAIN else f"{step} began"


def ended(step: str) -> str:
    return f"{step} done"


def list_read(domain: str) -> str:
    """Return the name of the timestamp at which a domain's online list was last read."""
    return f"list read:{domain}"


def list_failed(domain: str) -> str:
    """Return the name of the timestamp at which a domain's online list last could not be read."""
    return f"list failed:{domain}"


_UNPLANNED, _UNPLANNED_SINCE = "schedule unplanned", "schedules unplanned since"
"""Name the timestamps of the latest schedule that could not be planned, and of the first after a
time in which all could."""
_PLANNED_AGAIN_MS = 120_000
"""ms without a schedule that could not be planned, after which all count as planned. Reconcile
plans those that are due once a minute."""


def note_unplanned(timestamps: Timestamps) -> None:
    """Record that a schedule could not be planned."""
    age_ms = timestamps.age_ms(_UNPLANNED)
    if age_ms is None or age_ms >= _PLANNED_AGAIN_MS:
        timestamps.touch(_UNPLANNED_SINCE)
    timestamps.touch(_UNPLANNED)


def unplanned_ms(ages: Mapping[str, int]) -> int | None:
    """Return for how long there have been schedules that cannot be planned; None if there are none.
    `ages` are the ages of all timestamps. All in ms."""
    is_recent = ages.get(_UNPLANNED, _PLANNED_AGAIN_MS) < _PLANNED_AGAIN_MS
    return ages.get(_UNPLANNED_SINCE) if is_recent else None


class StepMarks:
    def __init__(self, timestamps: Timestamps) -> None:
        self._timestamps = timestamps

    def begin(self, step: str) -> None:
        """Record that the step begins. Health compares this time with the step's latest end, and so
        finds a step that never ends. In a new stage no step has ended yet. So the first DRAIN also
        records the present as the latest end of the three steps DRAIN, RESYNC and REPLAY."""
        self._timestamps.touch(began(step))
        if step == DRAIN and self._timestamps.age_ms(ended(step)) is None:
            for each in (DRAIN, RESYNC, REPLAY):
                self._timestamps.touch(ended(each))

    def around(self, step: str, work: Callable[[], int]) -> Callable[[], int]:
        """Return the work, wrapped so that its begin and end are noted. If the work raises, no end
        is noted."""

        def noted() -> int:
            self.begin(step)
            done = work()
            self.end(step)
            return done

        return noted

    def end(self, step: str) -> None:
        self._timestamps.touch(ended(step))
