"""Prints the figures of each part of a benchmark, as soon as they are known."""

from __future__ import annotations

import json
from collections.abc import Mapping


def show(row: Mapping[str, object], *, as_json: bool) -> None:
    """Print one line: the names and figures of a row, or a JSON document."""
    plain = "  ".join(f"{name} {value}" for name, value in row.items())
    print(json.dumps(row, ensure_ascii=False) if as_json else plain, flush=True)
