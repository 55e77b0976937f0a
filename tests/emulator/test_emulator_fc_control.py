"""The emulator of Function Compute's control API refuses what the real one refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.account import Account as CloudAccount
from cli.account import Declined
from cli.function_compute import FunctionCompute
from emulator.fc_control.account import Account
from emulator.fc_control.routes import PREFIX, answer
from emulator.fc_control.server import running
from shared.outbound.live import Credentials

FUNCTION = {
    "functionName": "f",
    "runtime": "python3.10",
    "handler": "index.f",
    "code": {"ossObjectName": "1"},
}
Json = dict[str, Any]


@pytest.fixture
def account() -> Account:
    made = Account(cnames={"a.example.com", "b.example.com"}, filed={"a.example.com"})
    ok(made, "POST", "/functions", FUNCTION)
    return made


def ask(account: Account, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
    """Return the status and the code of a refusal, "" without one."""
    status, document = answer(account, method, PREFIX + path, {}, body or {})
    return status, str(document.get("Code", ""))


def ok(account: Account, method: str, path: str, body: Json | None = None) -> Json:
    status, document = answer(account, method, PREFIX + path, {}, body or {})
    assert status == 200, document
    return document


def publish(account: Account) -> str:
    status, document = answer(account, "POST", f"{PREFIX}/functions/f/versions", {}, {})
    return str(document["versionId"] if status == 200 else document["Code"])


def update(account: Account, **changed: object) -> None:
    ok(account, "PUT", "/functions/f", changed)


def test_a_version_of_an_unchanged_function_is_refused(account: Account) -> None:
    assert [publish(account) for _ in range(2)] == ["1", "VersionPublishError"]
    update(account, timeout=9)
    assert publish(account) == "2"


@pytest.mark.parametrize(("counts", "second"), [(False, "VersionPublishError"), (True, "2")])
def test_an_identical_update_counts_as_a_change_or_not(
    account: Account, *, counts: bool, second: str
) -> None:
    account.identical_update_counts = counts
    update(account, timeout=9)
    publish(account)
    update(account, timeout=9)

    assert publish(account) == second


def test_a_version_keeps_what_it_was_and_an_alias_leads_to_it(account: Account) -> None:
    publish(account)
    update(account, timeout=9)
    ok(account, "POST", "/functions/f/aliases", {"aliasName": "release", "versionId": "1"})
    function = account.function("f")

    assert "timeout" not in function.at("release")
    assert (function.at("1"), function.at("LATEST")["timeout"]) == (function.at("release"), 9)


REFUSED: dict[str, tuple[str, str, Json, tuple[int, str]]] = {
    "a function that is not there": ("GET", "/functions/g", {}, (404, "FunctionNotFound")),
    "a second of its name": ("POST", "/functions", FUNCTION, (409, "FunctionAlreadyExists")),
    "a name that begins with a digit": (
        *("POST", "/functions", {**FUNCTION, "functionName": "1f"}),
        (400, "InvalidArgument"),
    ),
    "a variable that is a number": (
        *("PUT", "/functions/f", {"environmentVariables": {"A": 1}}),
        (400, "InvalidArgument"),
    ),
    "more variables than fit": (
        *("PUT", "/functions/f", {"environmentVariables": {"A": "x" * 4096}}),
        (400, "InvalidArgument"),
    ),
    "a description that is too long": (
        *("POST", "/functions/f/versions", {"description": "x" * 257}),
        (400, "InvalidArgument"),
    ),
    "an alias of a version that is not there": (
        *("POST", "/functions/f/aliases", {"aliasName": "release", "versionId": "7"}),
        (404, "VersionNotFound"),
    ),
    "an alias called LATEST": (
        *("POST", "/functions/f/aliases", {"aliasName": "LATEST", "versionId": "1"}),
        (400, "InvalidArgument"),
    ),
    "a trigger for an alias that is not there": (
        "POST",
        "/functions/f/triggers",
        {"triggerName": "t", "triggerType": "timer", "triggerConfig": "{}", "qualifier": "release"},
        (404, "AliasNotFound"),
    ),
    "an asynchronous configuration that is not there": (
        *("GET", "/functions/f/async-invoke-config", {}),
        (404, "AsyncConfigNotExists"),
    ),
    "more instances than may be reserved": (
        *("PUT", "/functions/f/concurrency", {"reservedConcurrency": 91}),
        (400, "InvalidArgument"),
    ),
    "a domain that leads elsewhere": (
        *("POST", "/custom-domains", {"domainName": "c.example.com"}),
        (400, "DomainNameNotResolved"),
    ),
    "a domain without a filing": (
        *("POST", "/custom-domains", {"domainName": "b.example.com"}),
        (400, "InvalidICPLicense"),
    ),
    "a domain that is none": (
        *("POST", "/custom-domains", {"domainName": "auto"}),
        (400, "InvalidArgument"),
    ),
    "HTTPS without a certificate": (
        *("POST", "/custom-domains", {"domainName": "a.example.com", "protocol": "HTTPS"}),
        (400, "InvalidArgument"),
    ),
    "a path that is none": ("GET", "/nothing", {}, (404, "PathNotFound")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(account: Account, case: str) -> None:
    method, path, body, refusal = REFUSED[case]

    assert ask(account, method, path, body) == refusal


def test_no_filing_is_needed_outside_the_mainland(account: Account) -> None:
    account.region = "cn-hongkong"

    assert ask(account, "POST", "/custom-domains", {"domainName": "b.example.com"}) == (200, "")


def test_a_runtime_that_the_region_does_not_offer_is_refused(account: Account) -> None:
    account.region = "ap-southeast-1"

    assert ask(account, "PUT", "/functions/f", {"runtime": "python3.12"})[0] == 400


def test_a_function_with_triggers_is_not_deleted(account: Account) -> None:
    body = {"triggerName": "t", "triggerType": "http", "triggerConfig": json.dumps({})}
    made = ok(account, "POST", "/functions/f/triggers", body)

    assert made["httpTrigger"]["urlInternet"].startswith("https://")
    assert ask(account, "DELETE", "/functions/f") == (400, "InvalidArgument")
    ok(account, "DELETE", "/functions/f/triggers/t")
    assert ask(account, "DELETE", "/functions/f") == (200, "")


def test_the_official_sdk_is_answered_and_refused(account: Account) -> None:
    publish(account)
    with running(account) as address:
        compute = FunctionCompute(CloudAccount(Credentials("id", "secret")), address)
        assert [each["versionId"] for each in compute.versions("f")] == ["1"]
        assert compute.alias("f", "release") is None
        with pytest.raises(Declined, match="FunctionNotFound"):
            compute.versions("g")
