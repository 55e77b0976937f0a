"""The ledger of a stream: when it was live, when it was recorded, what is missing and why.

The engine writes its edges; the API and the command line read the coverage computed from them. It
is pure: it knows neither clock nor store.
"""

from __future__ import annotations

from shared.ledger.coverage import (
    TOLERANCE_MS,
    Absence,
    Coverage,
    Gap,
    coverage,
    spans_of_file,
)
from shared.ledger.edges import (
    KEEP_LEDGER_MS,
    LEDGER_MAX_ENTRIES,
    Edge,
    EdgeKind,
    edge_of,
    edges_between,
    is_dated_earlier,
    not_recorded_at,
    recorded_at,
    schedule_of,
)
from shared.ledger.occurrences import (
    OccurrencePart,
    occurrence_parts,
    occurrence_spans,
)
from shared.ledger.spans import Span, common, merged, without

__all__ = [
    "KEEP_LEDGER_MS",
    "LEDGER_MAX_ENTRIES",
    "TOLERANCE_MS",
    "Absence",
    "Coverage",
    "Edge",
    "EdgeKind",
    "Gap",
    "OccurrencePart",
    "Span",
    "common",
    "coverage",
    "edge_of",
    "edges_between",
    "is_dated_earlier",
    "merged",
    "not_recorded_at",
    "occurrence_parts",
    "occurrence_spans",
    "recorded_at",
    "schedule_of",
    "spans_of_file",
    "without",
]
