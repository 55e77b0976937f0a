"""Rules about when a stream is forgotten."""

from __future__ import annotations

from typing import Any

from shared.protocol import StreamRecord
from shared.protocol.rules import retention
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    LIVE,
    RECORDED,
    RETURNS,
    SHORT_STOP,
    SOON_FORGOTTEN,
    START,
    STOP,
    UNPUBLISH,
)
from tests.explorer.world import Fault

Patches = tuple[Patch, ...]


def _at_rest_whatever_is_wanted() -> Patches:
    def is_at_rest(record: StreamRecord) -> bool:
        return record.pending is None and record.flight is None and not record.doubts

    return ((StreamRecord, "is_at_rest", property(is_at_rest)),)


def _at_rest_in_doubt() -> Patches:
    def is_at_rest(record: StreamRecord) -> bool:
        return not record.intent.wanted and record.pending is None and record.flight is None

    return ((StreamRecord, "is_at_rest", property(is_at_rest)),)


def _holds_forgotten() -> Patches:
    def kept_until(record: StreamRecord, keep: int) -> int:
        return record.changed_at + keep

    return ((retention, "_kept_until", kept_until),)


def _one(*faults: Fault) -> dict[str, Any]:
    return {"faults": frozenset(faults), "budget": 1}


REMOVALS = (
    Removal(
        "what is wanted is not forgotten",
        "A stream is forgotten only if nobody wants it recorded.",
        _at_rest_whatever_is_wanted,
        Scenario("", (START,), before=LIVE, script=RETURNS, gap=50_000, settings=SOON_FORGOTTEN),
    ),
    Removal(
        "what is in doubt is not forgotten",
        "A stream is forgotten only if no request is in doubt.",
        _at_rest_in_doubt,
        Scenario(
            "",
            (START, SHORT_STOP),
            before=LIVE,
            script=RETURNS,
            gap=50_000,
            settings=SOON_FORGOTTEN,
            **_one(Fault.LOST_ANSWER),
        ),
    ),
    Removal(
        "a hold is not forgotten",
        "A stream is not forgotten before its hold has ended.",
        _holds_forgotten,
        Scenario("", (STOP,), before=RECORDED, script=(UNPUBLISH,), settings=SOON_FORGOTTEN),
    ),
)
