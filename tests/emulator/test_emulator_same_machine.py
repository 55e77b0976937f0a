"""A page in a browser of this machine can call the emulators, and moves nothing there."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.live import LiveInThread
from emulator.same_machine import refusal_of
from tests.support.compute_emulator import Stage, ask

pytestmark = pytest.mark.slow

FOREIGN = {
    "a name that leads here": {"Host": "attacker.example.com:9001"},
    "a name like this machine's": {"Host": "127.0.0.1.example.com"},
    "another address": {"Host": "192.0.2.1:9001"},
    "no host": {"Host": ""},
    "a broken host": {"Host": "[::1"},
    "a page's form": {"Origin": "https://attacker.example.com"},
    "a page in a sandbox": {"Origin": "null"},
    "a page's image": {"Sec-Fetch-Site": "cross-site"},
}
OURS = {
    "a program": {},
    "localhost": {"Host": "localhost:9001"},
    "IPv6": {"Host": "[::1]:9001"},
    "a page of this machine": {"Origin": "http://127.0.0.1:9000", "Sec-Fetch-Site": "same-site"},
    "what a person types": {"Sec-Fetch-Site": "none"},
}


@pytest.fixture(scope="module")
def live() -> Iterator[str]:
    with LiveInThread() as running:
        yield running.address


def status(address: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    host = {} if "Host" in headers else {"Host": address.removeprefix("http://")}
    connection.putrequest("POST", path, skip_host=True)
    for name, value in {**host, **headers, "Content-Length": "2"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{}")
    answer = connection.getresponse().status
    connection.close()
    return answer


@pytest.mark.parametrize("path", ["/_control/clock", "/"])
@pytest.mark.parametrize("case", FOREIGN)
def test_the_emulator_of_live_refuses_a_page_of_elsewhere(live: str, path: str, case: str) -> None:
    assert status(live, path, FOREIGN[case]) == 403


@pytest.mark.parametrize("case", OURS)
def test_the_emulator_of_live_answers_this_machine(live: str, case: str) -> None:
    assert status(live, "/_control/clock", OURS[case]) != 403


@pytest.mark.parametrize("path", ["/_fc/timer/text", "/_fc/http/text", "/x"])
@pytest.mark.parametrize("case", FOREIGN)
def test_the_emulator_of_function_compute_refuses_a_page_of_elsewhere(
    tmp_path: Path, path: str, case: str
) -> None:
    with Stage(tmp_path).run(Stage(tmp_path).function("text")) as fc:
        assert status(fc.address, path, FOREIGN[case]) == 403
        assert ask(fc, "POST", "/_fc/http/text").status == 200


def test_a_domain_that_the_emulator_serves_is_itself() -> None:
    assert refusal_of({"Host": "record.example.com"}, {"record.example.com"}) == ""
    assert refusal_of({"Host": "record.example.com"})
