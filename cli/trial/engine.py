"""The deployed engine on this machine: the same app, dispatcher and resync, over SQLite.

The command try runs it. It polls the online list instead of receiving callbacks. It follows the
same rules as a deployed stage.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from msgspec.structs import replace

from cli.account import CONNECT_MS, READ_MS, Account
from shared.config import Settings
from shared.engine.recorder import HandlingOptions
from shared.engine.step_marks import RESYNC
from shared.engine.workers import MAX_WORKERS
from shared.invocation.app import App
from shared.invocation.composition import build, wall_clock
from shared.invocation.invocation import Invocation
from shared.outbound.live import LiveClient
from shared.protocol import Event, StopAsked, StreamKey, StreamRecord, TimePassed
from shared.store import open_store
from shared.store.contract import Filter

BUDGET_S = 120.0
"""Time for one round or one stop, far more than either takes."""
RATE = "5"
"""Commands a second, a tenth of the account's: others may use the account at the same time."""
STOP_TIMEOUT_MS = 30_000
PAUSE_S = 0.2
MAX_ROWS = 1_000
WHO = "try"


@dataclass(frozen=True, slots=True)
class Engine:
    app: App
    account: Account
    domain: str

    def round(self, may_go_on: Callable[[], bool]) -> None:
        """Compare the online list with the records. Send the commands that are due, as long as
        `may_go_on` returns True."""
        invocation = self._invocation()
        dispatcher = invocation.dispatcher(_options(invocation))
        side_steps = invocation.side_steps({RESYNC: invocation.resync})
        dispatcher.run(self.app.workers(), may_go_on, side_steps)

    def online(self) -> Sequence[StreamKey]:
        """Return the live streams of the domain. Raise a LiveError if Live does not return its
        list."""
        return [key for key, _published in self._invocation().online(self.domain)]

    def wanted(self) -> Iterator[StreamRecord]:
        """Yield the records of streams that are to be recorded."""
        after = None
        while rows := self.app.store.listed(Filter(), after=after, limit=MAX_ROWS):
            yield from (row for row in rows if isinstance(row, StreamRecord) and row.intent.wanted)
            after = rows[-1].key

    def stop(self, key: StreamKey) -> StreamRecord:
        """Stop the stream's recording, have its file written at once, and return the record. If
        Live has not accepted the commands in time, `pending` or `flight` of the record is not None.
        """
        record = self._handle(key, StopAsked(WHO, finalize=True))
        deadline = self.app.clock() + STOP_TIMEOUT_MS
        while (record.pending or record.flight) and self.app.clock() < deadline:
            self.app.wait(PAUSE_S)
            record = self._handle(key, TimePassed())
        return record

    def _handle(self, key: StreamKey, event: Event) -> StreamRecord:
        invocation = self._invocation()
        return invocation.handle(key, event, _options(invocation)).record

    def _invocation(self) -> Invocation:
        context = SimpleNamespace(request_id=WHO, credentials=self.account.credentials)
        return Invocation(self.app, context, seconds=BUDGET_S)


def _options(invocation: Invocation) -> HandlingOptions:
    return HandlingOptions(
        slot_wait_ms=round(1000 / float(RATE)), may_query_live=True, may_send=invocation.has_time
    )


@contextmanager
def engine(
    folder: Path,
    account: Account,
    domain: str,
    *,
    policy: str,
    max_concurrent: int,
    write: Callable[[str], object],
) -> Iterator[Engine]:
    """Build the app that a deployed function builds, with its store and policy in `folder`, and
    yield it as an Engine. `write` gets the lines of its log."""
    (folder / "policy.json").write_text(policy, encoding="utf-8")
    settings = Settings.from_env(
        {
            "LIVE_RECORD_STORE": f"sqlite:///{folder}/store.db",
            "LIVE_RECORD_STORE_ID": f"{WHO}.{secrets.token_hex(8)}",
            "LIVE_RECORD_POLICY": str(folder / "policy.json"),
            "LIVE_RECORD_RATE": RATE,
            "LIVE_RECORD_MAX_CONCURRENT": str(max_concurrent),
            "LIVE_RECORD_LAZY_IMPORTS": "false",
        }
    )
    store = open_store(
        settings.store, rate=settings.rate, clock=wall_clock, store_id=settings.store_id
    )
    store.accept(replaces="")
    app = build(settings, wall_clock, store, live=_live(account), write=write)
    try:
        yield Engine(app, account, domain)
    finally:
        store.close()


def _live(account: Account) -> LiveClient:
    """Return a client with longer time limits, because this machine may be far from Live."""
    protocol, _, host = account.live.partition("://")
    client = LiveClient(endpoint=host, protocol=protocol, connections=MAX_WORKERS + 1)
    return replace(client, connect_timeout=CONNECT_MS, read_timeout=READ_MS, lazy_imports=False)
