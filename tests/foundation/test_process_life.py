"""When a process ends because its credentials have expired, and when it must not."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from shared.invocation.process_life import GRACE_S, MAX_ANSWERED_CALLS, OLD_S, ProcessLife

EXPIRED = "InvalidSecurityToken.Expired"
PATIENCE_S = 120


class Process:
    """A process whose time stands still unless a test or the ending thread moves it."""

    def __init__(self, during_wait: Callable[[], float] = lambda: GRACE_S) -> None:
        self.now = 0.0
        self.ended = Event()
        self.waits = 0
        self._during_wait = during_wait
        self.life = ProcessLife(monotonic=lambda: self.now, wait=self._waits, end=self.ended.set)

    def _waits(self, _seconds: float) -> None:
        self.waits += 1
        passed_s = self._during_wait()
        self.now += passed_s

    def answers(self, code: str = "") -> None:
        self.life.begin_call()
        if code:
            self.life.refused(code)
        self.life.end_call()


@pytest.mark.parametrize("code", [EXPIRED, "InvalidSecurityToken.Malformed"])
def test_it_ends_after_its_answer_once_credentials_that_worked_are_refused(code: str) -> None:
    process = Process()
    process.life.accepted()
    process.life.begin_call()
    assert process.life.refused(code)
    assert not process.life.refused(code)
    assert not process.ended.is_set()
    process.life.end_call()
    assert process.ended.wait(PATIENCE_S)


def test_credentials_that_never_worked_end_it_only_if_it_is_old() -> None:
    process = Process()
    assert not process.life.refused(EXPIRED)
    process.now = OLD_S
    assert process.life.refused(EXPIRED)


@pytest.mark.parametrize("code", ["Forbidden.RAM", "InvalidAccessKeyId.NotFound", "StreamNotFound"])
def test_another_refusal_does_not_end_it(code: str) -> None:
    process = Process()
    process.life.accepted()
    assert not process.life.refused(code)
    assert not process.life.is_over


def test_a_call_that_has_begun_is_answered_first() -> None:
    """The ending thread finds a call on its way twice, and then none for long enough."""
    calls = iter([process_begins, process_answers])
    process = Process(lambda: next(calls, lambda _process: GRACE_S)(process))
    process.life.accepted()
    process.answers(EXPIRED)
    assert process.ended.wait(PATIENCE_S)
    assert process.waits == 3


def process_begins(process: Process) -> float:
    process.life.begin_call()
    return GRACE_S


def process_answers(process: Process) -> float:
    process.now += GRACE_S
    process.life.end_call()
    return GRACE_S / 2


def test_a_process_that_was_frozen_lets_the_call_begin_that_thawed_it() -> None:
    spans = iter([60.0, GRACE_S])
    process = Process(lambda: next(spans))
    process.life.accepted()
    process.answers(EXPIRED)
    assert process.ended.wait(PATIENCE_S)
    assert process.waits == 2


def test_without_any_grace_it_ends_in_place_of_an_answer() -> None:
    held = Event()
    process = Process(lambda: 0.0 * held.wait(PATIENCE_S))
    process.life.accepted()
    for _ in range(MAX_ANSWERED_CALLS):
        process.answers(EXPIRED)
    assert not process.ended.is_set()
    process.answers()
    assert process.ended.is_set()
    process.now += GRACE_S
    held.set()
