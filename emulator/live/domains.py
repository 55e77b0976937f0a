"""The account's domains: their kind, their binding and whether they are offline.

backend.py asks it about every domain name; domain_configs.py changes it.
It must not know streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emulator.live.account import Domain
from emulator.live.api_errors import ApiError

STREAMING, INGEST = "liveVideo", "liveEdge"  # LiveDomainType, as the SDK's models have it


class Domains:
    def __init__(self, rows: Sequence[Domain]) -> None:
        self._transcodings = {row.streaming: row.transcodings for row in rows}
        self._kinds = {row.streaming: STREAMING for row in rows}
        self._kinds |= {ingest: INGEST for row in rows for ingest in row.ingest}
        self._bound = {ingest: row.streaming for row in rows for ingest in row.ingest}
        self._offline: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def kind(self, name: str) -> str:
        """Return the LiveDomainType; raise ApiError if the domain is unknown."""
        if name not in self._kinds:
            raise ApiError("InvalidDomain.NotFound")
        return self._kinds[name]

    def find(self, name: str) -> Domain | None:
        """Return the domain by its streaming name or by an ingest name bound to it."""
        streaming = self._bound.get(name, name)
        if self._kinds.get(streaming) != STREAMING:
            return None
        ingest = tuple(edge for edge, main in self._bound.items() if main == streaming)
        return Domain(streaming, ingest, self._transcodings[streaming])

    def is_offline(self, name: str) -> bool:
        return name in self._offline

    def stop(self, name: str) -> None:
        self.kind(name)
        self._offline.add(name)

    def start(self, name: str) -> None:
        self.kind(name)
        self._offline.discard(name)

    def bind(self, ingest: str, streaming: str) -> None:
        self._check(ingest, streaming)
        if ingest in self._bound:
            raise ApiError("ConfigAlreadyExists")
        self._bound[ingest] = streaming

    def release(self, ingest: str, streaming: str) -> None:
        self._check(ingest, streaming)
        if self._bound.get(ingest) != streaming:
            raise ApiError("CodeConfigNotFound")
        del self._bound[ingest]

    def _check(self, ingest: str, streaming: str) -> None:
        if (self.kind(ingest), self.kind(streaming)) != (INGEST, STREAMING):
            raise ApiError("IllegalOperation")
