"""How many streams may be recorded at once."""

from __future__ import annotations

from msgspec import Struct


class ConcurrencyQuota(Struct, frozen=True):
    """Under which rule a stream counts, how many streams may be recorded at once under it and in
    all (None: any number), and how urgent it is where places or slots are short."""

    rule: str = ""
    of_rule: int | None = None
    of_account: int | None = None
    priority: int = 0

    @property
    def is_limited(self) -> bool:
        return self.of_rule is not None or self.of_account is not None
