"""Returns the period for which a stream's list of files is complete.

The functions that compute a coverage call it. It knows nothing of gaps.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.config.policy_cache import file_reported
from shared.invocation.app import App
from shared.ledger.coverage import listed_period
from shared.ledger.spans import Span
from shared.protocol.file import File
from shared.protocol.stream import StreamKey


def period_of(app: App, key: StreamKey, files: Sequence[File], limit: int) -> Span | None:
    """Return the period in which `files`, the newest `limit` of the stream, are all that Live has
    reported; None if that is not known."""
    now, age_ms = app.clock(), app.store.age_ms(file_reported(key))
    return listed_period(
        files,
        limit,
        kept_since=now - app.stream_settings(key).keep,
        reported_at=None if age_ms is None else now - age_ms,
    )
