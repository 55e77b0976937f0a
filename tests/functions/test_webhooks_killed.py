"""notify is killed before and after each thing that it does to the store: each change that was
stored reaches each receiver at least once, with one id and a sequence that rises, and none else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from emulator.webhook_receiver import WebhookReceiver
from shared.outbox.backoff import BACKOFF
from shared.outbox.task import TaskKind
from shared.protocol import Published, Unpublished
from shared.store import Store
from tests.conftest import KEY, Clock
from tests.functions.test_webhooks import CRM, SECRET, Told, telling

pytestmark = pytest.mark.slow
WRITES = ("take_tasks", "settle_tasks", "set_text", "touch")
MOST_POINTS = 80
ARCHIVE = CRM.replace('"crm"', '"archive"') + '\nsecrets = ["crm"]'
LEASE_MS = max(BACKOFF[kind].lease_ms for kind in (TaskKind.EVENT, TaskKind.WEBHOOK))


class Killed(BaseException):
    """The process ends here."""


class KillingStore:
    """A store whose process is killed at one of the points before and after each write."""

    def __init__(self, store: Store, at: int) -> None:
        self._store, self._left = store, at

    def _pass(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real: Callable[..., Any] = getattr(self._store, name)
        if name not in WRITES:
            return real

        def write(*given: object, **named: object) -> object:
            self._pass()
            result = real(*given, **named)
            self._pass()
            return result

        return write


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET, checks_time=False) as there:
        yield there


def stored(stage: Told) -> dict[str, int]:
    """Return the events that the store has, with the sequence of each."""
    found = stage.stage.store.open_tasks(after="", limit=99)
    return {one.task.id: one.task.sequence for one in found if one.task.kind == "event"}


def change(stage: Told) -> None:
    stage.publish()
    stage.pass_ms(60_000)
    stage.stage.happens(Unpublished(stage.stage.clock.now))
    stage.pass_ms(1_000)
    stage.stage.happens(Published(stage.stage.clock.now))
    assert stage.stage.stop().status in {200, 202}


def killed_at(point: int, folder: Path, clock: Clock, receiver: WebhookReceiver) -> bool:
    """Return whether it was killed; assert that the next runs send all that is left."""
    folder.mkdir()
    paths = (f"/{point}", f"/{point}-archive")
    crm = CRM.replace("/crm", paths[0])
    archive = ARCHIVE.replace("/crm", paths[1])
    stage = telling(folder, clock, receiver, crm, archive)
    change(stage)
    events = stored(stage)
    assert len(events) > 4
    whole = stage.stage.app
    stage.stage.app = replace(whole, store=cast("Any", KillingStore(whole.store, point)))
    died = False
    try:
        stage.run()
    except Killed:
        died = True
    stage.stage.app = whole
    for _ in range(3):
        clock.pass_ms(LEASE_MS + 60_000)
        stage.run()
    for arrived in map(receiver.of, paths):
        assert {each.id: each.payload["sequence"] for each in arrived} == events, point
        assert all(each.is_genuine for each in arrived)
        assert all(each.payload["data"]["stream"] == str(KEY) for each in arrived)
        first = list(dict.fromkeys(each.payload["sequence"] for each in arrived))
        assert died or first == sorted(first), "what nobody disturbs is sent in order"
    stage.stage.store.close()
    return died


def test_whatever_is_stored_is_sent_at_least_once_wherever_notify_is_killed(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    points = 0
    while killed_at(points, tmp_path / str(points), clock, receiver):
        points += 1
        assert points < MOST_POINTS
    assert points > 20
