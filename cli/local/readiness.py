"""Makes a new development stage ready, as `setup` and the first minute make a deployed one.

The command dev calls make_ready(). It speaks to the emulators' control planes alone.
"""

from __future__ import annotations

import requests

from cli.local.stack import TIMEOUT_S, Stack
from shared.protocol.policy import Match, Policy

MANUAL = 7
"""OnDemand of a manual recording configuration (docs/platform/live.md §5)."""
GLOB = frozenset("*?[")


def make_ready(stack: Stack, policy: Policy) -> None:
    """Give each rule that records its configuration, and let reconcile run for the first time."""
    domains = {domain.streaming for domain in policy.domains}
    for rule in policy.rules:
        for domain in domains if rule.may_record else ():
            if rule.match.is_of(domain):
                stack.control("recording", domain=domain, on_demand=MANUAL, **_names(rule.match))
    answer = requests.post(f"{stack.fc}/_fc/timer/reconcile", json={}, timeout=TIMEOUT_S)
    answer.raise_for_status()


def _names(match: Match) -> dict[str, str]:
    """Return the application and stream of a configuration; Live knows no pattern but "*"."""
    names = {"app": match.app, "stream": match.stream}
    return {kind: "*" if GLOB & set(name) else name for kind, name in names.items()}
