"""Every rule of docs/protocol-explored.md that can be taken out, by name."""

from __future__ import annotations

from tests.explorer import (
    rules_doubt,
    rules_flight,
    rules_intent,
    rules_proof,
    rules_retention,
    rules_schedule,
    rules_session,
    rules_store,
)

RULES = {
    removal.name: removal
    for module in (
        rules_flight,
        rules_doubt,
        rules_intent,
        rules_session,
        rules_proof,
        rules_store,
        rules_retention,
        rules_schedule,
    )
    for removal in module.REMOVALS
}
