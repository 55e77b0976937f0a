"""Prometheus itself understands the metrics, fires each alert rule as our own judge of rules does,
and has something to show for each query of the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from functions import record_command
from tests.functions.test_alert_rules import FAULTS, FILE, RULES, WatchedStage, list_is_unreadable
from tests.functions.test_alert_rules import watched as watched  # noqa: PLC0414 - a fixture
from tests.functions.test_dashboard import QUERIES
from tests.support.callback_stage import POLICY
from tests.support.http_stage import TOKEN, http_stage
from tests.support.real_prometheus import judge, run, scraping

pytestmark = pytest.mark.prove
FIRING = 'max_over_time(ALERTS{{{}alertstate="firing"}}[6h])'
VARIABLES = {"$stage": ".*", "$__rate_interval": "5m"}
"""What Grafana puts in their place."""


@pytest.mark.parametrize("name", RULES)
def test_each_rule_fires_once_its_fault_is_planted(
    tmp_path: Path, watched: WatchedStage, name: str
) -> None:
    FAULTS[name](watched)
    fires = FIRING.format(f'alertname="{name}",')
    judge(tmp_path, watched.scrapes, {fires: True}, [FILE])


def test_none_fires_on_a_stage_that_is_well(tmp_path: Path, watched: WatchedStage) -> None:
    for number in range(40):
        if number % 3 == 0:
            watched.reports(watched.publish())
        watched.minute()
    judge(tmp_path, watched.scrapes, {FIRING.format(""): False, "up == 1": True}, [FILE])


def test_each_query_of_the_dashboard_has_something_to_show(
    tmp_path: Path, watched: WatchedStage
) -> None:
    list_is_unreadable(watched)
    judge(tmp_path, watched.scrapes, {_filled_in(query): True for query in QUERIES})


def _filled_in(query: str) -> str:
    """Return the query as Grafana sends it, but with what is 0, which some panels leave out."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query.removesuffix(" > 0")


def test_promtool_finds_no_fault_with_the_rules_and_the_metrics(watched: WatchedStage) -> None:
    token = {"Authorization": "Bearer prometheus-token"}
    text = watched.stage.call(record_command, "GET", "/v1/metrics", headers=token).text
    run("check", "rules", FILE)
    run("check", "metrics", stdin=text)


def test_a_server_scrapes_a_stage_by_the_configuration_of_the_docs(tmp_path: Path) -> None:
    page = (FILE.parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    configuration = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    (job,) = configuration["scrape_configs"]
    (token := tmp_path / "token").write_text(TOKEN)
    with http_stage(tmp_path, POLICY) as stage:
        job["authorization"]["credentials_file"] = str(token)
        job["static_configs"][0]["targets"] = [stage.host]
        job |= {"scheme": "http", "scrape_interval": "1s"}
        with scraping(tmp_path, configuration) as prometheus:
            found = prometheus.wait_for("live_record_store_used_bytes and on (job) up == 1")
    assert (found["job"], found["stage"]) == ("live-record", "prod")


def test_what_is_wrong_is_found(tmp_path: Path, watched: WatchedStage) -> None:
    with pytest.raises(AssertionError, match="FAILED"):
        judge(tmp_path, watched.scrapes, {"up == 7": True})
    with pytest.raises(AssertionError, match="counter"):
        run("check", "metrics", stdin="# TYPE a counter\na 1\n")
