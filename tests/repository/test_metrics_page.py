"""docs/metrics.md lists the metrics that the endpoint has, and the alerts that are shipped."""

from __future__ import annotations

import re

from tests.functions.test_alert_rules import RULES
from tests.repository.metrics_page import PAGE, written


def test_the_page_lists_every_metric() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text == written(text), "run python -m tests.repository.metrics_page"


def test_the_page_lists_every_alert() -> None:
    listed = re.findall(r"^\| `(LiveRecord\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert listed == list(RULES)
