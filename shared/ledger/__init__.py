"""The account of a stream: when it was live, when it was recorded, what is missing and why.

The engine writes its edges, and the API and the command line read the coverage. It is pure: it
knows neither the clock nor the store.
"""

from __future__ import annotations

from shared.ledger.coverage import Coverage, Gap, coverage
from shared.ledger.edges import (
    KEEP_LEDGER_MS,
    LEDGER_MAX_ENTRIES,
    Edge,
    EdgeKind,
    edges_between,
)
from shared.ledger.spans import Span

__all__ = [
    "KEEP_LEDGER_MS",
    "LEDGER_MAX_ENTRIES",
    "Coverage",
    "Edge",
    "EdgeKind",
    "Gap",
    "Span",
    "coverage",
    "edges_between",
]
