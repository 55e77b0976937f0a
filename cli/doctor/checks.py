"""The list of all checks, in the order of the report. Each check comes after those that it depends
on.

The doctor command runs them; a test compares them with docs/doctor.md.
"""

from __future__ import annotations

from cli.doctor import account, callbacks, compute, domains, recording, stage
from cli.doctor.finding import Check, Kind

CHECKS: tuple[Check, ...] = (
    *stage.ROOTS,
    *account.CHECKS,
    *stage.CHECKS,
    *compute.CHECKS,
    *domains.CHECKS,
    *recording.CHECKS,
    *callbacks.CHECKS,
)


def kinds() -> tuple[Kind, ...]:
    """Return all kinds of findings, in the order of the checks."""
    order = [check.name for check in CHECKS]
    modules = (stage, account, compute, domains, recording, callbacks)
    values = [value for module in modules for value in vars(module).values()]
    found = [value for value in values if isinstance(value, Kind)]
    for value in values:
        if isinstance(value, dict):
            found += [kind for kind in value.values() if isinstance(kind, Kind)]
    return tuple(sorted(found, key=lambda kind: order.index(kind.check)))
