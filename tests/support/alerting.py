"""A stage within a test whose notify runs by its timer, with the three robots beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from emulator.robots import Dingtalk, Feishu, RobotsInThread, Wecom
from functions import notify
from shared.inbound import function_compute
from shared.invocation.serve import answer_in
from shared.store import Store
from tests.conftest import Clock
from tests.support.reconciling import TIMER, ReconcilingStage

SECRET = "SECd1ngta1k0000000000"
RULES = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]

[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""


class AlertingStage(ReconcilingStage):
    """A stage on which `tell` runs the function notify once, as its timer does, and no other."""

    robots: RobotsInThread
    dingtalk: Dingtalk
    feishu: Feishu
    wecom: Wecom

    @property
    def store(self) -> Store:
        return self.app.store

    def tell(self) -> dict[str, Any]:
        answer: Any = answer_in(
            self.app,
            function_compute.answer_any,
            notify.respond,
            json.dumps(TIMER).encode(),
            SimpleNamespace(request_id="1-77"),
            seconds=notify.BUDGET_S,
        )
        assert answer["statusCode"] == 200, answer
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    def minutes(self, count: int = 1) -> None:
        """Let so many minutes pass, in each of which notify runs."""
        for _ in range(count):
            self.clock.pass_ms(60_000)
            self.tell()


@contextmanager
def alerting(folder: Path, clock: Clock, policy: str, **settings: str) -> Iterator[AlertingStage]:
    """Yield a stage with `policy` added to its rules, and the robots ops, talk and night."""
    dingtalk, feishu, wecom = Dingtalk("ding-token", SECRET), Feishu("hook-1", "fs"), Wecom("key-1")
    with RobotsInThread([dingtalk, feishu, wecom], clock) as robots:
        known = (
            f"ops={robots.address(dingtalk)}#{SECRET} talk={robots.address(feishu)}#fs"
            f" night={robots.address(wecom)}"
        )
        stage = AlertingStage(
            folder, clock, policy=RULES + policy, **{"LIVE_RECORD_ROBOTS": known, **settings}
        )
        stage.robots, stage.dingtalk, stage.feishu, stage.wecom = robots, dingtalk, feishu, wecom
        try:
            yield stage
        finally:
            stage.store.close()
