"""How many streams may be recorded at once."""

from __future__ import annotations

from msgspec import Struct


class ConcurrencyQuota(Struct, frozen=True):
    """The rule under which a stream counts, its limit and the account's limit on concurrent
    recordings (None: no limit), and the stream's priority if quota or slots are short."""

    rule: str = ""
    of_rule: int | None = None
    of_account: int | None = None
    priority: int = 0

    @property
    def is_limited(self) -> bool:
        return self.of_rule is not None or self.of_account is not None
