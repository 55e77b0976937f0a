"""Schedules: when to record streams, by date, recurrence rule and time zone.

The HTTP API and reconcile use this module. It is pure: the time is an argument, and time zones are
bundled. The protocol sees only occurrences.
"""
