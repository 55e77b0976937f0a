"""The account as the command line asks it: any action by its name, and one kind of refusal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from cli.account import Account, Declined, account_at, rows_at
from cli.errors import Failure
from emulator.live import LiveInThread, Remote
from shared.outbound.live import Credentials

LIVE = {"DomainName": "live.example.com"}
KEYS = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")


@pytest.fixture
def address() -> Iterator[str]:
    with LiveInThread() as running:
        yield running.address


@pytest.fixture
def account(address: str, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return account_at(address)


def test_any_action_is_asked_by_its_own_name_and_those_of_its_parameters(account: Account) -> None:
    answer = account.ask("DescribeLiveRecordConfig", **LIVE)
    (rule,) = rows_at(answer, "LiveAppRecordList", "LiveAppRecord")
    assert (rule["AppName"], rule["OnDemond"]) == ("app", 7)


def test_a_parameter_that_the_action_does_not_have_is_never_left_out_in_silence(
    account: Account,
) -> None:
    with pytest.raises(TypeError, match="takes no StreamNames"):
        account.ask("DescribeLiveRecordConfig", **LIVE, StreamNames="x")


def test_what_is_not_permitted_is_told_with_the_action_and_the_code(
    account: Account, address: str
) -> None:
    Remote(address).fail(code="Forbidden.RAM", action="DescribeLiveRecordConfig")
    with pytest.raises(Declined, match=r"DescribeLiveRecordConfig: Forbidden\.RAM") as error:
        account.ask("DescribeLiveRecordConfig", **LIVE)
    assert (error.value.is_forbidden, error.value.status) == (True, 403)


def test_no_answer_is_a_refusal_too_and_holds_no_secret() -> None:
    nowhere = Account(Credentials("id", "s3cret-s3cret"), "http://127.0.0.1:9")
    with pytest.raises(Declined) as error:
        nowhere.ask("DescribeLiveRecordConfig", **LIVE)
    assert "s3cret" not in f"{error.value!r} {error.value.__cause__!r}"


def test_the_account_says_whose_the_key_is(account: Account) -> None:
    assert account.caller_identity()["IdentityType"] == "RAMUser"


@pytest.mark.parametrize("skew", [-1_200, 0, 1_200])
def test_lives_own_clock_is_read_even_when_it_would_refuse_every_signature(
    account: Account, address: str, skew: int
) -> None:
    Remote(address).skew(skew)
    there = account.clock()
    assert there is not None
    apart = there - datetime.now(timezone.utc)
    assert abs(apart - timedelta(seconds=skew)) < timedelta(seconds=5)


def test_without_credentials_nothing_is_asked_and_it_is_said_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Failure, match="ALIBABA_CLOUD_ACCESS_KEY_ID"):
        account_at("")
