"""Keys of other stores, which files are copied to, each by the name that the policy knows.

The settings hold them, and the function `deliver` alone is given any. None is shown or stored.
"""

from __future__ import annotations

from msgspec import Struct


class StoreKey(Struct, frozen=True):
    name: str
    key_id: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"StoreKey({self.name!r}, …)"
