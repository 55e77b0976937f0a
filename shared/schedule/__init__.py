"""Schedules: when streams are to be recorded, by date, recurrence rule and time zone.

The HTTP API and reconcile use it. It is pure: the time is an argument, and time zones are bundled.
A schedule reaches the protocol as occurrences alone.
"""

from __future__ import annotations

from shared.schedule.schedule import Schedule, StoredSchedule

__all__ = ["Schedule", "StoredSchedule"]
