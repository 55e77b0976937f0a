"""The pages of records that are saved anew after the store's clock was set back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import Struct

from shared.protocol.stream import StreamKey
from shared.store.contract import Filter
from shared.store.misplaced import next_page

pytestmark = pytest.mark.slow

WITH_NUL = StreamKey("live.example.com", "app", "room\0 1")
"""A name that release 0.2 may have stored."""


class OneStream(Struct):
    """A store with one idle stream."""

    mark: str = ""

    def misplaced_after(self) -> str | None:
        return self.mark

    def move_misplaced(self, _before: str, after: str) -> None:
        self.mark = after

    def named(self, wanted: Filter, *, after: StreamKey | None, limit: int) -> Sequence[StreamKey]:
        is_listed = wanted.phase is not None and wanted.phase.value == "idle" and after is None
        return [WITH_NUL][:limit] if is_listed else []


def test_a_name_with_a_nul_ends_no_walk_through_the_pages() -> None:
    store, pages = OneStream(), []
    while (page := next_page(store)) is not None and page.before != page.after:
        pages.append(page.keys)
        store.move_misplaced(page.before, page.after)

    assert pages == [[WITH_NUL]]
