"""A story whose edges are kept, as the engine does with each save."""

from __future__ import annotations

from shared.ledger.coverage import Coverage, coverage
from shared.ledger.edges import Edge, edges_between
from shared.ledger.spans import Span
from shared.protocol import Event
from shared.protocol.file import File
from tests.conftest import NOON
from tests.support.stream_story import Story


class Account(Story):
    """A story with an account. `files` are those that Live has reported; `listed` is the
    period in which these are all."""

    edges: tuple[Edge, ...] = ()
    files: tuple[File, ...] = ()
    listed: Span | None = None

    def happens(self, event: Event) -> Account:
        before = self.record
        super().happens(event)
        self.edges += edges_between(before, self.record, self.now, self.settings)
        return self

    def covers(self, start: int = NOON, stop: int | None = None) -> Coverage:
        end = self.now if stop is None else stop
        return coverage(self.edges, self.files, Span(start, end), self.now, self.listed)
