"""Who may wake a reconcile over HTTP: whoever has the stage's wake key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functions import reconcile
from tests.conftest import Clock
from tests.support.callback_stage import Edge

pytestmark = pytest.mark.slow

WAKE_KEY = "dev-wake-key-00000"


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Edge:
    return Edge(
        tmp_path,
        clock,
        LIVE_RECORD_WAKE_URL="http://127.0.0.1:1/wake",
        LIVE_RECORD_WAKE_KEY=WAKE_KEY,
    )


def wake(edge: Edge, key: str | None) -> int:
    headers = {} if key is None else {"X-Live-Record-Wake": key}
    return edge.call(reconcile, "POST", "/wake", headers=headers).status


def test_the_stages_key_wakes_it(edge: Edge) -> None:
    assert wake(edge, WAKE_KEY) == 200


@pytest.mark.parametrize("key", [None, "", "another", "é", "\ud800"], ids=ascii)
def test_any_other_key_is_refused(edge: Edge, key: str | None) -> None:
    assert wake(edge, key) == 401


@pytest.mark.parametrize("body", [WAKE_KEY, json.dumps({"wake": WAKE_KEY})])
def test_the_key_may_be_in_the_body(edge: Edge, body: str) -> None:
    status = 200 if body.startswith("{") else 401
    assert edge.call(reconcile, "POST", "/wake", body=body).status == status
    assert edge.event(reconcile, body.encode()).status == status


UNKNOWN = (b"", b"{}", b"[]", b"[" * 10_000, b'{"wake": 7}', b'{"wake": "another"}', b"\xff")


@pytest.mark.parametrize("payload", UNKNOWN, ids=lambda payload: ascii(payload)[:40])
def test_a_payload_that_it_does_not_know_is_no_timer(edge: Edge, payload: bytes) -> None:
    assert edge.event(reconcile, payload).status == 401
    assert edge.app.store.ages() == {}


def test_a_stage_without_a_key_refuses_every_wake_up(tmp_path: Path, clock: Clock) -> None:
    assert wake(Edge(tmp_path, clock), "") == 401
