"""Every rule of design.md 3 that can be taken out, by name."""

from __future__ import annotations

from tests.explorer import rules_doubt, rules_flight, rules_proof, rules_session, rules_wish

RULES = {
    removal.name: removal
    for module in (rules_flight, rules_doubt, rules_wish, rules_session, rules_proof)
    for removal in module.REMOVALS
}
