"""How many streams may be recorded at once."""

from __future__ import annotations

from msgspec import Struct


class ConcurrencyQuota(Struct, frozen=True):
    """What limits the recording of a stream. `rule` is the rule under which the stream counts,
    `of_rule` is that rule's limit on concurrent recordings, and `of_account` is the account's
    limit; None means no limit. If the limits or the rate limit leave too little room, streams with
    a higher `priority` go first."""

    rule: str = ""
    of_rule: int | None = None
    of_account: int | None = None
    priority: int = 0

    @property
    def is_limited(self) -> bool:
        return self.of_rule is not None or self.of_account is not None
