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

SUBJECTS = {
    "Commands on the wire": rules_flight,
    "Requests in doubt": rules_doubt,
    "What is wanted": rules_intent,
    "Sessions": rules_session,
    "What an answer of Live proves": rules_proof,
    "The store and its clock": rules_store,
    "Forgetting": rules_retention,
    "Schedules": rules_schedule,
}
"""The rules by subject, in the order of the page."""

RULES = {removal.name: removal for module in SUBJECTS.values() for removal in module.REMOVALS}
