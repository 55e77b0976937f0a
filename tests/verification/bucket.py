"""A bucket in memory, which counts what a verification asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from shared.verification.contract import (
    ABSENT,
    DENIED,
    Answer,
    ExpectedFile,
    ReadRange,
    Request,
    Stat,
    Verdict,
)
from shared.verification.verify import verify


@dataclass
class MemoryBucket:
    objects: Mapping[str, bytes]
    denied: AbstractSet[str] = frozenset()
    requests: list[Request] = field(default_factory=list)

    @property
    def read_bytes(self) -> int:
        return sum(each.length for each in self.requests if isinstance(each, ReadRange))

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.uri in self.denied:
            return DENIED
        data = self.objects.get(request.uri)
        if data is None:
            return ABSENT
        if isinstance(request, Stat):
            return len(data)
        return data[request.start : request.start + request.length]

    def judge(self, expected: ExpectedFile) -> Verdict:
        steps = verify(expected)
        try:
            request = next(steps)
            while True:
                request = steps.send(self.answer(request))
        except StopIteration as ended:
            verdict: Verdict = ended.value
            return verdict
