"""What doctor reads of one domain, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import pytest

from cli.account import Account, account_at
from cli.api import Api
from cli.doctor.collect_domain import MAX_PAGES, DomainCollector
from cli.doctor.snapshot import Domain, Unread
from cli.doctor.sources import Sources
from emulator.live import LiveInThread
from emulator.live.account import load_account
from shared.outbound.live import Credentials
from shared.protocol.durations import instant, rfc3339
from shared.protocol.policy import Domain as Named
from tests.conftest import NOON

pytestmark = pytest.mark.slow

DOMAIN = "live.example.com"
PAGE_ROWS, VOD_ROWS, ONLINE_ROWS, RECORDS_ROWS = 30, 100, 3000, 500
HOUR_MS = 3_600_000


def collected(account: Account) -> tuple[Domain, Sequence[Unread]]:
    """Return what doctor reads of the domain, and which parts it could not read."""
    sources = Sources(Api("http://127.0.0.1:1", "x"), account, _no_bucket)
    with ThreadPoolExecutor(4) as pool:
        domain = DomainCollector(sources, pool, Named(DOMAIN), now_ms=NOON).collect()
    return domain, sources.refused


def _no_bucket(*_asked: object) -> NoReturn:
    pytest.fail("no bucket belongs to a domain's configuration")


def test_all_pages_of_recording_configurations_are_read() -> None:
    account = load_account()
    like = account.rules[0]
    rules = tuple(replace(like, stream=f"room{n}") for n in range(MAX_PAGES * PAGE_ROWS))
    with LiveInThread(replace(account, rules=rules)) as live:
        domain, _unread = collected(account_at(live.address))

    assert not isinstance(domain.recordings, Unread)
    assert {each.stream for each in domain.recordings} == {rule.stream for rule in rules}
    assert domain.beyond == {}


@dataclass(frozen=True, slots=True)
class LongLists(Account):
    """An account with so many rows in each list; `failed_at` are the times of lost callbacks."""

    credentials: Credentials = field(default=Credentials("x", "x"))
    recordings: int = 0
    vod: int = 0
    online: int = 0
    records: Sequence[int] = ()

    def ask(self, action: str, **params: object) -> dict[str, Any]:
        match action:
            case "DescribeLiveRecordConfig":
                return {"LiveAppRecordList": {"LiveAppRecord": _rows(self.recordings, params)}}
            case "DescribeLiveRecordVodConfigs":
                return {"LiveRecordVodConfigs": {"LiveRecordVodConfig": _rows(self.vod, params)}}
            case "DescribeLiveStreamsOnlineList":
                return {"OnlineInfo": {"LiveStreamOnlineInfo": _rows(self.online, params)}}
            case "DescribeLiveRecordNotifyRecords":
                return _notified(self.records, params)
            case _:
                return {}


def _rows(count: int, params: dict[str, Any]) -> list[dict[str, Any]]:
    numbers = range(count)[(params["PageNum"] - 1) * params["PageSize"] :][: params["PageSize"]]
    return [{"AppName": "app", "StreamName": f"room{n}", "PublishTime": _AT} for n in numbers]


_AT = rfc3339(NOON)


def _notified(times: Sequence[int], params: dict[str, Any]) -> dict[str, Any]:
    """Return one page of the recordings that began, or failed to, at these times."""
    begins, ends = instant(params["StartTime"]), instant(params["EndTime"])
    within = [at for at in times if begins <= at < ends]
    first = (params["PageNumber"] - 1) * params["PageSize"]
    rows = [
        {
            "DomainName": DOMAIN,
            "AppName": "app",
            "StreamName": f"room{at}",
            "NotifyType": "record_error",
            "NotifyTime": rfc3339(at),
        }
        for at in within[first : first + params["PageSize"]]
    ]
    return {"CallbackList": rows, "TotalPage": -(-len(within) // params["PageSize"])}


@pytest.mark.parametrize(
    ("name", "rows"), [("recordings", PAGE_ROWS), ("vod", VOD_ROWS), ("online", ONLINE_ROWS)]
)
def test_what_lies_beyond_the_pages_that_are_read_is_unread(name: str, rows: int) -> None:
    most = MAX_PAGES * rows
    domain, unread = collected(replace(LongLists(), **{name: most + 1}))  # type: ignore[arg-type] # a list's name

    assert len(getattr(domain, name)) == most
    assert domain.beyond.keys() == {name}
    assert [each.why for each in unread] == [str(most)]


def test_every_callback_record_of_the_last_day_is_read() -> None:
    """Doctor once read the first page and the last page alone."""
    times = [NOON - n * 60_000 for n in range(3 * RECORDS_ROWS - 100)]
    domain, _unread = collected(LongLists(records=times))

    assert not isinstance(domain.broken, Unread)
    assert len(domain.broken) == len(times)


def test_of_more_callback_records_than_doctor_reads_it_reads_the_last_hours() -> None:
    times = [NOON - n * 5_000 for n in range(MAX_PAGES * RECORDS_ROWS + 1)]
    domain, unread = collected(LongLists(records=times))

    assert not isinstance(domain.broken, Unread)
    assert len(domain.broken) == 12 * HOUR_MS // 5_000 + 1
    assert unread == []
