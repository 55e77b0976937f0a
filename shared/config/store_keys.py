"""Access keys of other stores to which files are copied, by the name used in the policy.

The settings hold them. Only the function `deliver` gets any. No key is shown or stored.
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
