"""The state of the account that may change during a run: configurations, keys, credentials,
buckets."""

from __future__ import annotations

from .switches import Switches
from .terms import Account, Config, Stream

SKEW_MS = 15 * 60_000


class Holdings:
    """The account's state, apart from its streams."""

    __slots__ = ("_nonces", "_switches", "account", "broken", "configs", "expired", "keys")

    def __init__(self, account: Account, switches: Switches) -> None:
        self.account = account
        self.keys = (account.stream_key, account.record_key)
        self.configs: dict[tuple[str, str, str], Config] = {}
        self.broken: dict[str, str] = {}
        self.expired = False
        self._nonces: set[str] = set()
        self._switches = switches
        if account.config is not None:
            self.configs.update(((domain, "", ""), account.config) for domain in account.ingest)

    def config(self, stream: Stream) -> Config | None:
        """Return the effective configuration: one for domain, app and stream goes before one for
        domain and app, and that before one for the domain (live.md §6)."""
        domain, app, name = stream
        for place in (domain, app, name), (domain, app, ""), (domain, "", ""):
            if place in self.configs:
                return self.configs[place]
        return None

    def host(self) -> str:
        """Return the host that signs a recording callback; whether it has its port is UNCONFIRMED
        (live.md §3)."""
        account = self.account
        return (
            f"{account.host}:{account.port}" if self._switches.signature_has_port else account.host
        )

    def unproved(self, at: int, signed_at: int) -> str:
        """Return the error code of a caller with more than 15 min of skew or expired credentials,
        else "" (live.md §1.5)."""
        if abs(signed_at - at) > SKEW_MS:
            return "InvalidTimeStamp.Expired"
        return "InvalidSecurityToken.Expired" if self.expired else ""

    def repeated(self, nonce: str) -> str:
        """Return the error code of a repeated nonce, empty for a new one (live.md §1.5)."""
        if not nonce:
            return ""
        if nonce in self._nonces and self._switches.nonce_refused:
            return "SignatureNonceUsed"
        self._nonces.add(nonce)
        return ""
