"""The heartbeat calls the monitor that the environment names, and nobody else, for 2 s at most."""

from __future__ import annotations

import pytest

from shared.outbound.heartbeat import Heartbeat
from shared.outbound.http import Unanswered
from tests.support.receiver import receiving


def test_it_is_a_get_of_the_url() -> None:
    with receiving() as monitor:
        Heartbeat(f"{monitor.address}/ping/5b1e4a7c?rid=1", anywhere=True).send()

        (arrived,) = monitor.arrived
        assert (arrived.method, arrived.path, arrived.query) == (
            *("GET", "/ping/5b1e4a7c"),
            {"rid": "1"},
        )


@pytest.mark.parametrize("status", [301, 302, 404, 500])
def test_a_redirect_is_not_followed_and_any_other_answer_is_none(status: int) -> None:
    with receiving() as monitor:
        monitor.statuses = [status]
        with pytest.raises(Unanswered, match=f"status {status}"):
            Heartbeat(monitor.address, anywhere=True).send()

        assert len(monitor.arrived) == 1


def test_an_address_that_is_not_public_is_not_called() -> None:
    with receiving() as monitor:
        with pytest.raises(Unanswered, match="ForbiddenAddress"):
            Heartbeat(monitor.address).send()

        assert monitor.arrived == []


@pytest.mark.slow
def test_a_monitor_that_answers_nothing_is_given_up() -> None:
    with receiving() as monitor:
        monitor.is_silent = True
        with pytest.raises(Unanswered):
            Heartbeat(monitor.address, anywhere=True).send()


def test_it_shows_nothing_of_its_url() -> None:
    assert "hush" not in repr(Heartbeat("https://monitor.example.com/hush"))
