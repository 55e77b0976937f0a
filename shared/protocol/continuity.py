"""How far back a store can vouch for what it says: its clock, and that no record was lost.

The store returns it with every record that is loaded, and `decide` takes it. It knows no engine.
"""

from __future__ import annotations

from msgspec import Struct


class Continuity(Struct, frozen=True):
    """Since when the store's clock has run without a gap (`steady_since`; 0: as far as is known).
    After a gap nobody can tell whether the clock jumped or nobody ran."""

    steady_since: int = 0


UNBROKEN = Continuity()
