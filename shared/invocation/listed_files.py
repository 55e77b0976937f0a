"""Reads a stream's files, and finds the period for which the list of files is complete.

The functions that compute a coverage call this module. It knows nothing of gaps.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.config.policy_cache import file_reported
from shared.invocation.app import App
from shared.ledger.coverage import listed_period
from shared.ledger.spans import Span
from shared.protocol.file import File
from shared.protocol.stream import StreamKey

FILES_ROWS = 5_000
"""Files of a stream that are read at most, newest first."""


def read_files(app: App, key: StreamKey) -> tuple[Sequence[File], Span | None]:
    """Return the newest files of the stream, and the period for which this list is complete: it
    holds every file that Live has reported. The period is None if it is not known."""
    files, now = app.store.files(key, FILES_ROWS), app.clock()
    age_ms = app.store.age_ms(file_reported(key))
    period = listed_period(
        files,
        FILES_ROWS,
        kept_since=now - app.stream_settings(key).keep,
        reported_at=None if age_ms is None else now - age_ms,
    )
    return files, period
