"""The stage of a drill: the deployed functions on the drill's own store.

The drills start it. It knows nothing of what will break.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cli.local.stack import TOKEN, Stack, running
from emulator.live import Remote

DOMAIN = "live.example.com"
ANSWER_S = 30.0
"""Seconds that an answer of the stage may take."""


@dataclass(frozen=True)
class Answer:
    """A status of 0: no answer came, or one that is not JSON."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class DrilledStage:
    """The requests that people make of a stage; a stream is named by its last part alone."""

    stack: Stack
    live: Remote

    def ask(self, stream: str, command: str, **body: object) -> Answer:
        path = f"/v1/recordings/{DOMAIN}/app/{stream}/{command}"
        return self._call("POST", path, json=body)

    def post(self, path: str) -> Answer:
        return self._call("POST", path, json={})

    def get(self, path: str) -> Answer:
        return self._call("GET", path)

    def health(self) -> Answer:
        return self.get("/v1/health")

    def is_recorded(self, stream: str) -> bool:
        """Return True if Live records the stream, whatever the stage believes."""
        recording = self.live.state(stream).get("recording")
        return recording is not None and recording["state"] == "recording"

    def reconcile(self) -> bool:
        """Fire the timer, wait for the end of its run, and return True if that succeeded."""
        url = f"{self.stack.fc}/_fc/timer/reconcile"
        fired = requests.post(url, json={"wait": True}, timeout=120).json()["fired"]
        return all(one["ok"] for one in fired)

    def _call(self, method: str, path: str, **more: Any) -> Answer:  # noqa: ANN401 - requests' own
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = self.stack.fc + path
        try:
            answer = requests.request(method, url, headers=headers, timeout=ANSWER_S, **more)
            return Answer(answer.status_code, answer.json())
        except (requests.RequestException, ValueError):
            return Answer(0, {})


@contextmanager
def drilled_stage(
    folder: Path, *, store: str = "", policy: Path | None = None, **settings: str
) -> Iterator[DrilledStage]:
    """Run a stage on the store of that URL; without one, on SQLite in the folder."""
    named = {f"LIVE_RECORD_{name.upper()}": value for name, value in settings.items()}
    if store:
        named["LIVE_RECORD_STORE"] = store
    with running(folder / "stage", settings=named, policy=policy) as stack:
        yield DrilledStage(stack, Remote(stack.live))
