"""A stage within a test with schedules: written over HTTP, begun and ended by the timer's
reconcile, with Live's callbacks in between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from functions import record_command
from shared.protocol import StreamKey
from shared.protocol.durations import instant
from tests.conftest import KEY
from tests.support.callback_stage import Got
from tests.support.reconciling import ReconcilingStage

TOKEN = "ops-token-000000000"
MINUTE_MS, DAY_MS = 60_000, 86_400_000
SHOW = instant("2025-11-22T12:00:00Z")
ENDS = SHOW + 60 * MINUTE_MS


class ScheduledStage(ReconcilingStage):
    """A stage on which `at` sets the clock and runs the timer's reconcile."""

    def ask(self, method: str, path: str, **body: object) -> dict[str, Any]:
        got = self.tried(method, path, body)
        assert got.status in (200, 202), got.json
        return got.json

    def tried(self, method: str, path: str, body: Mapping[str, object], token: str = TOKEN) -> Got:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        text = json.dumps(body)
        return self.call(record_command, method, path, headers=headers, body=text)

    def schedule(self, key: StreamKey = KEY, **more: object) -> None:
        times = {"start": "2025-11-22T12:00:00", "end": "2025-11-22T13:00:00", "timezone": "UTC"}
        body = {"streams": [str(key)], "rrule": "FREQ=DAILY", **times, **more}
        self.ask("PUT", "/v1/schedules/daily", **body)

    def at(self, at: int) -> ScheduledStage:
        self.clock.now = at
        self.minute()
        return self

    def publish(self, key: StreamKey = KEY) -> None:
        self.listing.up[key] = self.clock.now // 1000 * 1000
        self.ingest("publish", key)

    def goes_off(self, key: StreamKey = KEY) -> None:
        del self.listing.up[key]
        self.report("record_paused", key)
        self.ingest("publish_done", key)

    def report(self, event: str, key: StreamKey) -> None:
        about = {"domain": key.domain, "app": key.app, "stream": key.stream}
        self.record_callback(**about, event=event, time=self.clock.now // 1000)

    @property
    def sent(self) -> Sequence[str]:
        return [command.value for command, _ in self.listing.carried]
