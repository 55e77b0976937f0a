"""Measures the console with many streams: `python -m tests.console.speed`.

It fills the store of the local stack, opens the page in a real Chromium, and prints as JSON when
the first picture with streams was painted, and the longest task of the page while it polls.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.overview import LOST_STREAMS, lose
from benchmarks.store_growth import fill_sqlite
from cli.local.stack import TOKEN, running
from shared.invocation.composition import wall_clock
from shared.store.sqlite import SqliteStore
from tests.support.browser import Opened, browsing

IDLE_S = 12
"""Several polls, and several seconds of 200 counters."""
LOADS = 5
OBSERVE = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({ type: "longtask" });
}"""
PAINTED = """() => new Promise((done) => {
  const ask = () => document.querySelector(".row")
    ? requestAnimationFrame(() => done(performance.now())) : setTimeout(ask, 5);
  ask();
})"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.console.speed", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    streams = parser.parse_args(argv).streams
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as stack:
        store = SqliteStore(f"{name}/records.db", rate=45, clock=wall_clock)
        fill_sqlite(store, range(streams - LOST_STREAMS))
        lose(store)
        store.close()
        with browsing(stack.fc) as browser, browser.window() as opened:
            opened.sign_in(TOKEN)
            print(json.dumps({"streams": streams, "lost": LOST_STREAMS, **measured(opened)}))
    return 0


def measured(opened: Opened) -> dict[str, Any]:
    painted_ms = []
    for _ in range(LOADS):
        opened.page.goto(opened.url)
        painted_ms.append(round(opened.page.evaluate(PAINTED)))
    opened.page.evaluate(OBSERVE)
    opened.page.wait_for_timeout(IDLE_S * 1000)
    return {
        "first_picture_ms": sorted(painted_ms),
        "rows": opened.page.evaluate("document.querySelectorAll('.row').length"),
        "longest_task_ms": round(opened.page.evaluate("window.longest")),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
