"""Prometheus itself, of Debian's package `prometheus`, which .ci/run installs.

Its promtool judges scrapes that a test has made, by their time and without a server. The server
scrapes a stage, by a configuration of ours.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from cli.local.reserved_port import ReservedPort
from tests.support.prometheus import Labels, Scrapes

EVERY = "30s"
NEVER, GONE = "_", "stale"
"""How promtool writes a scrape without the series: before the first value, and after the last."""


LOOK_S, PATIENCE_S = 0.2, 60.0


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"There is no {name} here. Install Debian's prometheus.")
    return found


def run(*arguments: str | Path, stdin: str = "") -> None:
    """Run promtool; raise AssertionError with what it says if it is not content."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def judge(
    folder: Path, scrapes: Scrapes, expressions: Mapping[str, bool], rules: Sequence[Path] = ()
) -> None:
    """Raise AssertionError unless each expression has a value at the last scrape, or none if its
    flag is False. Rules are evaluated at each scrape."""
    tests = [
        {
            "expr": f"count({expression}) > bool 0",
            "eval_time": f"{30 * (len(scrapes.made) - 1)}s",
            "exp_samples": [{"labels": "{}", "value": 1}] if has_value else [],
        }
        for expression, has_value in expressions.items()
    ]
    document = {
        "evaluation_interval": EVERY,
        "rule_files": [str(rule) for rule in rules],
        "tests": [
            {"interval": EVERY, "input_series": _series(scrapes), "promql_expr_test": tests},
        ],
    }
    file = folder / "promtool.json"
    file.write_text(json.dumps(document))  # which is YAML, too
    run("test", "rules", file)


def _series(scrapes: Scrapes) -> list[dict[str, str]]:
    found: dict[tuple[str, Labels], list[str]] = {}
    for number, (_, samples) in enumerate(scrapes.made):
        for name, labels, value in samples:
            values = found.setdefault((name, labels), [NEVER] * number)
            values.append(repr(value))
        for values in found.values():
            if len(values) == number:
                values.append(GONE)
    return [
        {"series": _name(name, labels), "values": " ".join(values)}
        for (name, labels), values in found.items()
    ]


def _name(name: str, labels: Labels) -> str:
    pairs = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted(labels))
    return f"{name}{{{pairs}}}"


class Server:
    """A Prometheus that scrapes."""

    def __init__(self, address: str) -> None:
        self._address = address

    def wait_for(self, query: str) -> Mapping[str, str]:
        """Wait until the query has a value; return its labels."""
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            try:
                found = self._asked(query)
            except requests.ConnectionError:
                found = []
            if found:
                labels: Mapping[str, str] = found[0]["metric"]
                return labels
            time.sleep(LOOK_S)
        raise AssertionError(f"{query} has no value")

    def _asked(self, query: str) -> list[Any]:
        url = f"{self._address}/api/v1/query"
        answer = requests.get(url, params={"query": query}, timeout=PATIENCE_S)
        found: list[Any] = answer.json()["data"]["result"] if answer.ok else []
        return found


@contextmanager
def scraping(folder: Path, configuration: Mapping[str, Any]) -> Iterator[Server]:
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    with ReservedPort() as port:
        address = f"127.0.0.1:{port.port}"
        command = [
            program("prometheus"), f"--config.file={file}", f"--web.listen-address={address}",
            f"--storage.tsdb.path={folder / 'tsdb'}", "--log.level=error",
        ]  # fmt: skip
        with subprocess.Popen(command) as process:
            try:
                yield Server(f"http://{address}")
            finally:
                process.terminate()
