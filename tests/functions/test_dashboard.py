"""Each query of the dashboard, and each alert rule, names metrics and labels that are served."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from functions import record_command
from functions.record_command.metrics import FAMILIES
from shared.protocol.command_errors import OperatorActionNeeded
from tests.conftest import Clock
from tests.functions.test_alert_rules import RULES
from tests.support.reconciling import ReconcilingStage

FILE = Path(__file__).parents[2] / "deploy" / "grafana" / "live-record.json"
BOARD: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = BOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [*QUERIES, *(rule["expr"] for rule in RULES.values())]
SCRAPED = {"stage", "job"}
"""Labels that the scrape adds (docs/metrics.md)."""
_NAME, _MATCHER, _BY = r"\blive_record_\w+", r"[{,](\w+)(?:=~|!=|=)", r"by \(([\w, ]+)\)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """Yield the labels of each sample of a stage on which all metrics have one."""
    token = "prometheus-token"
    settings = {"LIVE_RECORD_API_TOKENS": f"prometheus:read:{token}"}
    stage = ReconcilingStage(tmp_path_factory.mktemp("stage"), Clock(), **settings)
    stage.listing.listed = OperatorActionNeeded("Forbidden.RAM")
    stage.minute()
    headers = {"Authorization": f"Bearer {token}"}
    text = stage.call(record_command, "GET", "/v1/metrics", headers=headers).text
    found = dict[str, set[str]]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    yield found
    stage.app.store.close()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_names_what_is_served(served: Mapping[str, set[str]], expression: str) -> None:
    names = re.findall(_NAME, expression)
    by = [name for names in re.findall(_BY, expression) for name in names.split(", ")]
    labels = {*re.findall(_MATCHER, expression), *by} - SCRAPED

    assert names or expression.startswith("up")
    assert set(names) <= served.keys()
    assert labels <= set().union(*(served[name] for name in names))


def test_every_metric_has_a_panel(served: Mapping[str, set[str]]) -> None:
    shown = {name for query in QUERIES for name in re.findall(_NAME, query)}

    parts = ("", "_bucket", "_sum", "_count")
    missing = [
        family.name for family in FAMILIES if not shown & {family.name + part for part in parts}
    ]
    assert missing == []
    assert shown <= served.keys()


def test_a_panel_has_a_title_a_unit_and_a_place_of_its_own() -> None:
    taken = set[tuple[int, int]]()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_the_board_names_no_source_of_its_own() -> None:
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
    assert all('stage=~"$stage"' in query for query in QUERIES)
