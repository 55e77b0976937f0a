"""Every check, in the order in which they are told: what the later ones rest on comes first."""

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
