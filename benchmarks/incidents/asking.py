"""Asks a stage for health, list, watch, doctor and why, and prints the answers as one document.

`python -m benchmarks.incidents.asking STREAM…` runs in a process of its own, because the command
line reads its stage from the environment. It judges nothing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import requests
from click.testing import CliRunner

from cli.local.no_proxy import reach_directly
from cli.main import main as live_record
from cli.stage_registry import target_of

HEALTH_S = 20.0
STAGE = ("--stage", "dev", "--json")


def main(streams: list[str]) -> int:
    reach_directly()
    answers: dict[str, Any] = {"health": _health()}
    answers["list"] = _typed("list")
    answers["watch"] = _typed("watch", "--once")
    answers["doctor"] = _typed("doctor")
    reachable = answers["list"]["document"] is not None
    named = streams if reachable else streams[:1]
    answers["why"] = {stream: _typed("why", stream) for stream in named}
    print(json.dumps(answers))
    return 0


def _typed(*words: str) -> dict[str, Any]:
    """Run a command; return its exit code, its JSON document, if any, its text, and the time of its
    end."""
    result = CliRunner().invoke(live_record, [*words, *STAGE])
    try:
        document = json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        document = None
    if isinstance(document, dict) and ("status" in document and "detail" in document):
        document = None  # a problem, not an answer
    return {
        "exit": result.exit_code,
        "document": document,
        "text": result.output[-2000:],
        "at": time.time(),
    }


def _health() -> dict[str, Any]:
    try:
        answer = requests.get(f"{target_of('dev', None).url}/v1/health", timeout=HEALTH_S)
        document = answer.json()
    except (requests.RequestException, ValueError):
        return {"exit": 4, "document": None, "text": ""}
    is_health = isinstance(document, dict) and "ready" in document
    return {"exit": 0, "document": document if is_health else None, "text": answer.text[-2000:]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
