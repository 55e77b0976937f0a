"""docs/metrics.md lists the metrics that the endpoint has."""

from __future__ import annotations

from tests.repository.metrics_page import PAGE, written


def test_the_page_lists_every_metric() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text == written(text), "run python -m tests.repository.metrics_page"
