"""Makes a new development stage ready. A deployed stage becomes ready by `setup` and by the first
run of its timer.

The command dev calls make_ready(). It calls the emulators and the stage's API.
"""

from __future__ import annotations

import time

import requests

from cli.api import ALL_ROWS, Api
from cli.local.stack import TIMEOUT_S, TOKEN, Stack
from shared.protocol.policy import Match, Policy

MANUAL = 7
"""OnDemand of a manual recording configuration (docs/platform/live.md §5)."""
GLOB = frozenset("*?[")
POLL_S = 0.1


def make_ready(stack: Stack, policy: Policy) -> None:
    """Add to the emulator of Live a recording configuration for each rule that may record. Then run
    reconcile, and wait until it has compared Live's online list with the stage's records."""
    began = time.monotonic()
    domains = {domain.streaming for domain in policy.domains}
    for rule in policy.rules:
        for domain in domains if rule.may_record else ():
            if rule.match.is_of(domain):
                stack.control("recording", domain=domain, on_demand=MANUAL, **_names(rule.match))
    answer = requests.post(f"{stack.fc}/_fc/timer/reconcile", json={}, timeout=TIMEOUT_S)
    answer.raise_for_status()
    api = Api(stack.fc, TOKEN)
    while not _is_compared(api, began) and time.monotonic() - began < TIMEOUT_S:
        time.sleep(POLL_S)


def _is_compared(api: Api, began: float) -> bool:
    """Return True once reconcile has run since `began`, and has noticed that this emulator of Live,
    which has only begun, shows none of the streams that an earlier one had."""
    ran_ms_ago = api.health().get("reconciled_ms_ago")
    if ran_ms_ago is None or ran_ms_ago > (time.monotonic() - began) * 1000:
        return False
    return all(row["live"] != "yes" for row in api.list_recordings(ALL_ROWS)["recordings"])


def _names(match: Match) -> dict[str, str]:
    """Return the application and stream of a configuration; Live knows no pattern but "*"."""
    names = {"app": match.app, "stream": match.stream}
    return {kind: "*" if GLOB & set(name) else name for kind, name in names.items()}
