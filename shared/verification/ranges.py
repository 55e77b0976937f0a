"""Reads ranges of objects within the limits of one verdict.

The judges of the formats use this module. It knows no format.
"""

from __future__ import annotations

from shared.verification.contract import (
    DENIED,
    MAX_BYTES,
    MAX_NUMBER,
    MAX_REQUESTS,
    Answer,
    Concluded,
    EvidenceCode,
    FileOutcome,
    NoAnswer,
    ReadRange,
    Request,
    Stat,
    Steps,
)

PAGE_BYTES = 16_384
"""The least that one request reads, so that neighbouring headers need no request of their own."""


class Limits:
    """Counts how many bytes and requests are left for one verdict."""

    def __init__(self) -> None:
        self.bytes_left = MAX_BYTES
        self.requests_left = MAX_REQUESTS

    @property
    def read_bytes(self) -> int:
        return MAX_BYTES - self.bytes_left

    def ask(self, request: Request) -> Steps[Answer]:
        """Yield the request and return its answer. Raise Concluded if the request exceeds the
        limits, or if access is denied."""
        length = request.length if isinstance(request, ReadRange) else 0
        if length > self.bytes_left or self.requests_left == 0:
            raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.TOO_LARGE, read_bytes=self.read_bytes)
        self.bytes_left -= length
        self.requests_left -= 1
        answer = yield request
        if answer is DENIED:
            raise Concluded(FileOutcome.UNKNOWN, EvidenceCode.ACCESS_DENIED)
        return answer

    def size_of(self, uri: str) -> Steps[int | None]:
        """Return an object's size in bytes; None if there is no such object."""
        size = yield from self.ask(Stat(uri))
        return min(max(size, 0), MAX_NUMBER) if isinstance(size, int) else None


class Ranges:
    """An object of known size. Bytes that were read once are not requested again."""

    def __init__(self, limits: Limits, uri: str, size: int) -> None:
        self.size = size
        self._limits, self._uri = limits, uri
        self._pieces: list[tuple[int, bytes]] = []

    def read(self, start: int, length: int) -> Steps[bytes]:
        """Return `length` bytes from `start` on, or fewer if the object ends before. Raise
        Concluded if the bytes cannot be read, or if the limits forbid it."""
        stop = min(start + length, self.size)
        if start < 0 or start >= stop:
            return b""
        for begin, data in self._pieces:
            if begin <= start and stop <= begin + len(data):
                return data[start - begin : stop - begin]
        data = yield from self._request(start, stop)
        return data[: stop - start]

    def _request(self, start: int, stop: int) -> Steps[bytes]:
        wanted = min(max(stop - start, PAGE_BYTES), self.size - start)
        length = max(min(wanted, self._limits.bytes_left), stop - start)
        answer = yield from self._limits.ask(ReadRange(self._uri, start, length))
        if isinstance(answer, NoAnswer):
            raise Concluded(FileOutcome.MISSING, EvidenceCode.NO_OBJECT)
        data = answer[:length] if isinstance(answer, bytes) else b""
        if len(data) < length:
            at_byte = start + len(data)
            raise Concluded(
                FileOutcome.UNKNOWN, EvidenceCode.CHANGED_WHILE_READING, at_byte=at_byte
            )
        self._pieces.append((start, data))
        return data
