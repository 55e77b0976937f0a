"""As many connections as senders: however slow Live is, no worker opens a second one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from emulator.live import LiveInThread, Remote
from shared.config import Settings
from shared.engine.workers import MAX_WORKERS
from shared.invocation.composition import build
from shared.outbound.live import Credentials, LiveClient
from shared.protocol import StreamKey

# The SDK asks for the time in a way that Python 3.12 and later warn of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]
ROOT = Path(__file__).parents[2]
DEV = Credentials("dev", "dev-secret")
ROUNDS = 2
LIST = "DescribeLiveStreamsOnlineList"
"""Not a command: Live would refuse more than 50 of those in a second."""
PATIENCE_MS = 60_000


@pytest.fixture
def live() -> Iterator[LiveInThread]:
    with LiveInThread() as there:
        yield there


@pytest.fixture
def client(live: LiveInThread, tmp_path: Path) -> LiveClient:
    """Return the client of a stage, as deployed."""
    environment = {
        "FC_EMULATOR": "1",
        "LIVE_RECORD_STORE": f"sqlite:///{tmp_path}/records.db",
        "LIVE_RECORD_POLICY": str(ROOT / "policy.toml"),
        "LIVE_RECORD_API_TOKENS": "ops:read+control:ops-token",
        "LIVE_RECORD_LIVE_ENDPOINT": live.address,
    }
    built = build(Settings.from_env(environment), lambda: 0).live
    return replace(built, connect_timeout=PATIENCE_MS, read_timeout=PATIENCE_MS)


def test_each_worker_keeps_the_one_connection_that_it_opened(
    live: LiveInThread, client: LiveClient
) -> None:
    remote = Remote(live.address)
    remote.fail(transport="slow", action=LIST, times=ROUNDS * MAX_WORKERS)

    def ask(number: int) -> None:
        key = StreamKey("live.example.com", "app", f"room{number}")
        client.find(key, credentials=DEV)

    client.prepare()
    with ThreadPoolExecutor(MAX_WORKERS) as workers:
        for _ in range(ROUNDS):
            list(workers.map(ask, range(MAX_WORKERS)))

    calls = remote.calls()["calls"]
    assert len(calls) == ROUNDS * MAX_WORKERS
    assert len({call["connection"] for call in calls}) <= MAX_WORKERS
