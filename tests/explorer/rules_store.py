"""Rules about a store whose clock steps, or that was emptied."""

from __future__ import annotations

from shared.engine import recorder
from shared.protocol.continuity import Continuity
from shared.protocol.rules import reassert, stored_times
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenarios import CLOCK_AHEAD, EMPTIED, FULL, JUMPS, RETURNS_JUMPS, SET_BACK
from tests.explorer.store_faults import decide

Patches = tuple[Patch, ...]


def _doubt_ends_at_a_jump() -> Patches:
    return ((reassert, "_reopened", lambda doubt, _steady_since: doubt),)


def _pause_ends_at_a_jump() -> Patches:
    return ((decide, "over_the_gap", lambda record, _settings, _continuity: record),)


def _times_stay_ahead() -> Patches:
    return ((decide, "within_reach", lambda record, _now, _settings: record),)


def _missed_stays_missed() -> Patches:
    return ((stored_times, "_with_missed", lambda record, _now: record),)


def _emptied_is_new() -> Patches:
    return ((Continuity, "may_miss_records", lambda _self, _began: False),)


def _full_store_refuses_stops() -> Patches:
    return ((recorder, "ends_recording", lambda *_: False),)


REMOVALS = (
    Removal(
        "a full store takes a stop",
        "A save that ends a recording is stored even if the store is full.",
        _full_store_refuses_stops,
        FULL,
    ),
    Removal(
        "a jump ends no doubt",
        "If the store's clock may have jumped forward, commands that were in doubt stay in doubt "
        "for another 60 s.",
        _doubt_ends_at_a_jump,
        JUMPS,
    ),
    Removal(
        "a jump ends no pause",
        "If the store's clock may have jumped forward less than the merge delay after a pause "
        "began, the recording may still be paused after the jump.",
        _pause_ends_at_a_jump,
        RETURNS_JUMPS,
    ),
    Removal(
        "no time stays ahead",
        "After the store's clock is set back, a stored time may lie too far ahead. It is then set "
        "to the latest time that is possible for it.",
        _times_stay_ahead,
        SET_BACK,
    ),
    Removal(
        "only the right clock misses an occurrence",
        "If an occurrence counts as missed but its end lies ahead (the clock was wrong), it "
        "is planned again.",
        _missed_stays_missed,
        CLOCK_AHEAD,
    ),
    Removal(
        "an emptied store withholds",
        "Policy makes no intent for a session that began before the store was found empty.",
        _emptied_is_new,
        EMPTIED,
    ),
)
