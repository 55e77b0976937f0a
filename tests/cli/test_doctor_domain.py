"""What doctor reads of one domain, page by page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NoReturn

import pytest

from cli.account import account_at
from cli.api import Api
from cli.doctor.collect_domain import MAX_PAGES, DomainCollector
from cli.doctor.snapshot import Unread
from cli.doctor.sources import Sources
from emulator.live import LiveInThread
from emulator.live.account import load_account
from shared.protocol.policy import Domain

DOMAIN = "live.example.com"
PAGE_ROWS = 30


def test_all_pages_of_recording_configurations_are_read() -> None:
    account = load_account()
    like = account.rules[0]
    rules = tuple(replace(like, stream=f"room{n}") for n in range(MAX_PAGES * PAGE_ROWS))
    with LiveInThread(replace(account, rules=rules)) as live, ThreadPoolExecutor(4) as pool:
        sources = Sources(Api("http://127.0.0.1:1", "x"), account_at(live.address), _no_bucket)
        read = DomainCollector(sources, pool, Domain(DOMAIN), now_ms=0).collect().recordings

    assert not isinstance(read, Unread)
    assert {each.stream for each in read} == {rule.stream for rule in rules}


def _no_bucket(*_asked: object) -> NoReturn:
    pytest.fail("no bucket belongs to a domain's configuration")
