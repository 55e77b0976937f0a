"""The list of all checks, in the order of the report: a check comes after those it depends on.

The doctor command runs them; a test compares them with docs/doctor.md.
"""

from __future__ import annotations

from cli.doctor import account, callbacks, domains, recording, stage
from cli.doctor.finding import Check

CHECKS: tuple[Check, ...] = (
    *account.CHECKS,
    *stage.CHECKS,
    *domains.CHECKS,
    *recording.CHECKS,
    *callbacks.CHECKS,
)
