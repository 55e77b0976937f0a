"""How many streams may be recorded at once."""

from __future__ import annotations

from msgspec import Struct


class ConcurrencyQuota(Struct, frozen=True):
    """The rule that a stream counts under, how many streams may be recorded at once under it and
    in the account (None: any number), and the stream's priority if quota or slots are short."""

    rule: str = ""
    of_rule: int | None = None
    of_account: int | None = None
    priority: int = 0

    @property
    def is_limited(self) -> bool:
        return self.of_rule is not None or self.of_account is not None
