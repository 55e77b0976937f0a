"""`live-record play`: signed addresses that play, for so long and no longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from cli.account import Account
from cli.main import main
from cli.play import recorded_into, signed
from emulator.live import LiveInThread, Remote
from shared.live import Credentials

ROOM = "live.example.com/app/room1"
KEY = "record/a b/x#1.flv"
HOUR = timedelta(hours=1)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveInThread]:
    file = tmp_path / "dev-bucket" / KEY
    file.parent.mkdir(parents=True)
    file.write_bytes(b"FLV")
    with LiveInThread(buckets=tmp_path) as running:
        yield running


def account(live: LiveInThread, secret: str = "dev-secret") -> Account:  # noqa: S107 - as above
    return Account(Credentials("dev", secret), live.address, live.address)


def the_second_ends() -> None:
    """Addresses are dated to the second, the stand-in's clock is not."""
    time.sleep(1 - time.time() % 1)


def test_a_signed_address_plays(live: LiveInThread) -> None:
    bucket, endpoint = recorded_into(account(live), ROOM)
    url = signed(account(live), bucket, endpoint, KEY, HOUR)
    assert (bucket, requests.get(url, timeout=5).content) == ("dev-bucket", b"FLV")


def test_it_plays_no_longer_than_it_was_signed_for(live: LiveInThread) -> None:
    url = signed(account(live), *recorded_into(account(live), ROOM), KEY, HOUR)
    the_second_ends()
    Remote(live.address).advance(3_601)
    assert requests.get(url, timeout=5).status_code == 403


@pytest.mark.parametrize("days", [1, 30])
def test_it_plays_from_a_clock_that_was_put_forward(live: LiveInThread, days: int) -> None:
    Remote(live.address).advance(days * 86_400)
    url = signed(account(live), *recorded_into(account(live), ROOM), KEY, HOUR)
    assert requests.get(url, timeout=5).content == b"FLV"

    the_second_ends()
    Remote(live.address).advance(3_601)
    assert requests.get(url, timeout=5).status_code == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x%231", "x%232"),
        ("x-oss-expires=3", "x-oss-expires=9"),
        ("x-oss-date=2", "x-oss-date=0"),
        ("x-oss-signature=", "&x-oss-signature=0"),
    ],
)
def test_what_was_changed_does_not_play(live: LiveInThread, old: str, new: str) -> None:
    url = signed(account(live), *recorded_into(account(live), ROOM), KEY, HOUR)
    assert old in url
    assert requests.get(url.replace(old, new), timeout=5).status_code == 403


def test_nor_does_what_another_key_signed(live: LiveInThread) -> None:
    into = recorded_into(account(live), ROOM)
    url = signed(account(live, "guess"), *into, KEY, HOUR)
    assert requests.get(url, timeout=5).status_code == 403


@pytest.mark.parametrize("period", ["8d", "0s", "soon"])
def test_a_period_that_cannot_be_is_refused(period: str) -> None:
    refused = CliRunner().invoke(main, ["play", ROOM, "--for", period, "--url", "http://x"])
    assert (refused.exit_code, "--for" in refused.output) == (2, True)
