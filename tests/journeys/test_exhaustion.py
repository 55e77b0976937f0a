"""Attacks on docs/security.md that would use up what a stage has: the time of a function, its
instances, the calls to Live, the size of an answer, the store. They go to one whole running stage,
whose API has as many instances as in prod, and whose store is a server behind a proxy."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from requests import Response

from cli.local.redis_server import Engine
from cli.paths import S_YAML
from shared.protocol import StreamKey
from shared.protocol.reason import Reason
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.store import open_store
from shared.store.contract import DAY_MS, Save
from tests.support.attacked_stage import CONTROL, Attacked, attacked_stage
from tests.support.dripping_server import IN_BODY, IN_HEAD, DrippingServer
from tests.support.journey import DOMAIN, PATIENCE, Json
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.slow
API_INSTANCES = 8
"""Reserved for the API in prod (env.yaml)."""
HALF = API_INSTANCES // 2
POLICY_TAKES_S = 11
"""s until every instance applies a policy, and one more."""
READ, READ_TAKES_S = b":names\r\n", 3.4
"""What each read of names of streams asks the store for, and how long that takes where it is
slow."""
APPS, OF_EACH = [f"brand-m{n}" for n in range(7)], 150
TO_THE_END = b"\r\n+\r\n"
"""In a read of names for a list; one for a pattern ends with its application."""
IN_A_READ = 200
"""Streams that a list reads at once."""
ONCE = {"start": "2099-01-06T10:00:00", "end": "2099-01-06T11:00:00", "timezone": "UTC"}
DAILY = {**ONCE, "rrule": "FREQ=DAILY", "streams": [f"{DOMAIN}/brand-a/class-daily"]}
MAX_PROBLEM_BYTES = 2_048
MAX_LIST_BYTES = 6_000_000
"""Far less than the 32 MB that Function Compute hands on."""


@dataclass(frozen=True)
class Behind(Attacked):
    """A stage whose store is behind a proxy."""

    store: TcpProxy = field(kw_only=True)

    def put(self, name: str, schedule: Mapping[str, object], token: str = CONTROL) -> Response:
        return self.send("PUT", f"/v1/schedules/{name}", token, {**ONCE, **schedule})

    def clear_schedules(self) -> None:
        store = open_store(self.engine, rate=1, clock=lambda: self.now_s() * 1000)
        for name, text in store.schedules().items():
            store.remove_schedule(name, replaces=text)
        store.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("stage")
    with (
        Engine(folder / "engine") as engine,
        TcpProxy(engine.port, READ) as proxy,
        attacked_stage(
            folder,
            engine,
            {"LIVE_RECORD_STORE": f"redis://127.0.0.1:{proxy.port}?socket_timeout=30"},
            template=as_in_prod(folder),
        ) as here,
    ):
        yield Behind(here.stack, here.live, engine.url, here.bucket, store=proxy)


def as_in_prod(folder: Path) -> Path:
    """Return a template of a stage whose API has its instances, and whose timers nobody fires."""
    template = yaml.safe_load(S_YAML.read_text(encoding="utf-8"))
    for name, resource in template["resources"].items():
        if name == "record_command":
            resource["props"]["concurrencyConfig"] = {"reservedConcurrency": API_INSTANCES}
        for trigger in resource["props"].get("triggers", ()):
            if trigger["triggerType"] == "timer":
                trigger["triggerConfig"]["enable"] = False
    (folder / "s.yaml").write_text(yaml.safe_dump(template, sort_keys=False))
    return folder / "s.yaml"


@pytest.fixture
def no_schedules(here: Behind) -> Iterator[None]:
    here.clear_schedules()
    yield
    here.clear_schedules()


# --- calls to Live, and instances ----------------------------------------------------------------


def test_doctors_of_everybody_ask_live_once_a_second(here: Behind) -> None:
    """Once each of them asked, and Live limits the calls of an account."""
    before, began = len(questions(here)), time.monotonic()
    with ThreadPoolExecutor(API_INSTANCES) as callers:
        doctors = [callers.submit(here.get, "/v1/doctor", CONTROL) for _ in range(16)]
        codes = [one.result().json()["live"][0]["code"] for one in doctors]

    may_ask = 1 + (time.monotonic() - began)
    assert 1 <= len(questions(here)) - before <= may_ask
    assert "AskedJustNow" in codes


def questions(here: Attacked) -> Sequence[Mapping[str, Any]]:
    """Return the polls of one domain that came over the wire."""
    calls = here.live.calls()["calls"]
    return [call for call in calls if "Online" in call["action"] and call["domain"] == DOMAIN]


def test_requests_that_wait_leave_half_of_the_instances(here: Behind) -> None:
    """Once eight of them had all instances of the API, and nobody else an answer."""
    places = [f"/v1/recordings/{DOMAIN}/brand-w/room{n}" for n in range(API_INSTANCES)]
    with ThreadPoolExecutor(API_INSTANCES) as callers:
        waiting = [
            callers.submit(here.send, "POST", f"{place}/start", CONTROL, {}, Prefer="wait=9")
            for place in places
        ]
        at_once = [each.result() for each in islice(as_completed(waiting), HALF)]
        other = here.get("/v1/health", "")
        for place in places:
            here.send("POST", f"{place}/stop", CONTROL, {}).raise_for_status()

    assert other.status_code == 200
    assert ["Preference-Applied" in each.headers for each in at_once] == [False] * HALF
    applied = ["Preference-Applied" in each.result().headers for each in waiting]
    assert applied.count(True) == HALF


# --- the time of a function ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded(here: Behind) -> Behind:
    """Return the stage with many streams of some applications, and two of another behind them."""
    store = open_store(here.engine, rate=1, clock=lambda: here.now_s() * 1000)
    intent = Intent(generation=1, wanted=False, reason=Reason.ASKED_STOP)
    names = [(app, f"room{n}") for app in APPS for n in range(OF_EACH)]
    for app, stream in (*names, ("zz", "first"), ("zz", "last")):
        key = StreamKey(DOMAIN, app, stream)
        store.save_or_claim(Save(version=0, if_no_slot=StreamRecord(key, intent)))
    store.close()
    return here


@pytest.fixture(scope="module")
def slowly_answered(crowded: Behind) -> Iterator[Mapping[str, tuple[Response, int]]]:
    """Yield the answers to a list and to a schedule while the store is slow, each with the number
    of its reads of names."""
    patterns = [f"{DOMAIN}/{app}/none*" for app in APPS]
    store = crowded.store
    store.delay_s, before = READ_TAKES_S, len(store.seen)
    with ThreadPoolExecutor(2) as callers:
        list_ = callers.submit(crowded.get, "/v1/recordings?app=zz&limit=2")
        schedule = callers.submit(crowded.put, "none", {"streams": patterns})
    store.delay_s, seen = 0.0, store.seen[before:]
    of_list = sum(TO_THE_END in request for request in seen)
    yield {
        "list": (list_.result(), of_list),
        "schedule": (schedule.result(), len(seen) - of_list),
    }
    crowded.clear_schedules()


def test_a_list_by_application_ends_with_the_time_there_is(
    crowded: Behind, slowly_answered: Mapping[str, tuple[Response, int]]
) -> None:
    """Once all names were read for it, without regard to the deadline."""
    answer, reads = slowly_answered["list"]

    assert answer.status_code == 200
    assert 1 < reads < len(APPS) * OF_EACH // IN_A_READ
    assert answer.json()["next"] is not None
    assert names_of(crowded, "app=zz&limit=1") == ["first", "last"]


def names_of(here: Attacked, query: str) -> Sequence[str]:
    """Return the streams of all pages."""
    names, following = list[str](), ""
    while True:
        page = here.get(f"/v1/recordings?{query}{following}").json()
        names += [row["stream"].rpartition("/")[2] for row in page["recordings"]]
        if page["next"] is None:
            return names
        following = f"&cursor={page['next']}"


def test_a_pattern_is_compared_with_streams_as_long_as_there_is_time(
    slowly_answered: Mapping[str, tuple[Response, int]],
) -> None:
    """Once each schedule of the minute read all streams for a pattern that fits none of them."""
    answer, reads = slowly_answered["schedule"]

    assert (answer.status_code, answer.json()["known"]["count"]) == (200, 0)
    assert 1 < reads < len(APPS)


def test_a_target_that_drips_ends_no_call_later(here: Behind) -> None:
    """Once a call took 43 s, until the last byte had come."""
    stream = f"{DOMAIN}/brand-a/class-dripped"
    with DrippingServer() as target:
        to = {"on_demand": f"{target.url}{IN_HEAD}", "stream": f"{target.url}{IN_BODY}"}
        here.apply(forward_to=to).raise_for_status()
        here.live.advance(POLICY_TAKES_S)
        query = {"domain": DOMAIN, "app": "brand-a", "stream": "class-dripped"}
        url = f"{here.stack.fc}/callbacks/on-demand/dev-path"
        asked = requests.get(url, params=query, timeout=PATIENCE)
        here.live.publish("class-dripped", app="brand-a", wait=True)

        here.until(lambda: {IN_HEAD, IN_BODY} <= {*target.left})
        here.apply(forward_to={}).raise_for_status()
        here.live.advance(POLICY_TAKES_S)

    assert (asked.status_code, asked.json()["NeedRecord"]) == (200, True)
    assert here.get(f"/v1/recordings/{stream}").json()["ever_live"] is True
    assert any("relay.failed" in line for line in log_of(here, "relay"))


def log_of(here: Attacked, function: str) -> Sequence[str]:
    url = f"{here.stack.fc}/_fc/logs"
    found = requests.get(url, params={"function": function, "n": "1000"}, timeout=PATIENCE).json()
    return [line["line"] for line in found["lines"]]


@pytest.mark.usefixtures("no_schedules")
def test_what_is_past_of_a_schedule_costs_nothing(here: Behind) -> None:
    """Once a rule from the year 1 was stored, and took 1 s of CPU at each listing."""
    first = {"start": "0001-01-01T10:00:00", "end": "0001-01-01T11:00:00"}
    refused = here.put("daily", {**DAILY, **first})
    assert refused.status_code == 400
    assert [fault["field"] for fault in refused.json()["errors"]] == ["start"]

    here.put("daily", DAILY).raise_for_status()
    of_none = cpu_ticks_of_listing(here)
    long_past = {"start": "1970-01-01T10:00:00", "end": "1970-01-01T11:00:00"}
    here.put("daily", {**DAILY, **long_past}).raise_for_status()
    assert cpu_ticks_of_listing(here) < 4 * of_none + 30


def cpu_ticks_of_listing(here: Attacked) -> int:
    """Return the CPU time of the API for some lists of the schedules, in hundredths of a second."""
    before = cpu_ticks(here)
    for _ in range(40):
        (schedule,) = listed(here)
        assert schedule["next"]
    return cpu_ticks(here) - before


def cpu_ticks(here: Attacked) -> int:
    state = requests.get(f"{here.stack.fc}/_fc/state", timeout=PATIENCE).json()
    pids = [one["pid"] for one in state["functions"]["record_command"]["instances"]]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats)


@pytest.mark.usefixtures("no_schedules")
@pytest.mark.parametrize(
    "times",
    [
        {"start": "9999-12-31T22:00:00", "end": "9999-12-31T23:00:00"},
        {"start": "9999-12-31T23:30:00", "end": "10000-01-01T00:30:00"},
        {"start": "0000-01-01T10:00:00", "end": "0000-01-01T11:00:00"},
    ],
)
def test_no_schedule_reaches_beyond_the_years_there_are(
    here: Behind, times: Mapping[str, str]
) -> None:
    """Once it was stored, and its list answered with 500."""
    assert here.put("daily", {**DAILY, **times}).status_code == 400
    assert here.get("/v1/schedules").json()["schedules"] == []


@pytest.mark.usefixtures("no_schedules")
def test_a_rule_without_an_end_ends_with_the_last_year(here: Behind) -> None:
    last = {"start": "9998-06-01T10:00:00", "end": "9998-06-01T11:00:00"}
    assert here.put("daily", {**DAILY, **last, "rrule": "FREQ=YEARLY"}).status_code == 200

    answer = here.get("/v1/schedules/daily/next?n=100")
    assert answer.status_code == 200
    assert [one["starts_at"][:4] for one in answer.json()["next"]] == ["9998"]


@pytest.mark.parametrize(
    "moment",
    ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-00:01"],
)
@pytest.mark.parametrize("path", ["/v1/report", f"/v1/files/{DOMAIN}/brand-a/x/playlist.m3u8"])
def test_no_report_is_of_a_year_that_there_is_not(here: Behind, path: str, moment: str) -> None:
    """Once it was answered with 500."""
    assert here.get(f"{path}?from={moment}").status_code == 400


# --- the size of an answer, and the store -------------------------------------------------------


def test_no_answer_grows_with_the_files_that_were_reported(here: Behind) -> None:
    """Once 150 files made an error of 120 KB, with the ending of each."""

    def report(number: int) -> int:
        second = here.now_s() - number
        times: Json = {"start_time": second - 10, "stop_time": second, "duration": 10}
        uri = f"record/brand-a/class-files/x.{'0' * 800}{number}"
        return here.report("brand-a/class-files", uri=uri, **times)

    with ThreadPoolExecutor(4) as reporters:
        assert {*reporters.map(report, range(150))} == {200}

    answer = here.get(f"/v1/files/{DOMAIN}/brand-a/class-files/playlist.m3u8?from=1h")
    assert answer.status_code in (404, 409)
    assert len(answer.content) < MAX_PROBLEM_BYTES
    assert "0" * 100 not in answer.text


@pytest.fixture(scope="module")
def tenant(here: Behind) -> str:
    """Return a token for the streams of brand-a alone."""
    bounds = ("--scope", "read", "--scope", "control", "--streams", f"{DOMAIN}/brand-a/*")
    token = here.types("token", "add", "tenant", *bounds).stdout.strip()
    here.live.advance(POLICY_TAKES_S)
    return token


@pytest.mark.usefixtures("no_schedules")
def test_no_tenant_writes_so_many_patterns_that_callbacks_wait(here: Behind, tenant: str) -> None:
    """Once 40,000 of them cost each callback 90 ms of CPU every ten seconds."""
    patterns = [f"{DOMAIN}/brand-a/c{n}*" for n in range(250)]
    statuses = [here.put(f"s{n}", {"streams": patterns}, tenant).status_code for n in range(10)]

    assert statuses == [200] * 8 + [409] * 2
    assert sum(len(one["streams"]) for one in listed(here)) == 2_000


@pytest.mark.usefixtures("no_schedules")
def test_all_schedules_together_fit_into_an_answer(here: Behind, tenant: str) -> None:
    """Once the names alone could have 16 MB."""
    long = [f"{DOMAIN}/brand-a/{'x' * 90}{n}" for n in range(120)]
    here.put("s0", {"streams": long}, tenant).raise_for_status()
    copy_schedule(here, "s0", number=100)
    statuses = [here.put(f"s{n}", {"streams": long}, tenant).status_code for n in range(101, 115)]

    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 409}
    assert len(here.get("/v1/schedules").content) < MAX_LIST_BYTES
    assert len(listed(here)) == 101 + statuses.count(200)


def copy_schedule(here: Attacked, name: str, *, number: int) -> None:
    """Store more of the same: over HTTP, that many would take half a minute."""
    store = open_store(here.engine, rate=1, clock=lambda: here.now_s() * 1000)
    text = store.get_schedule(name) or ""
    for n in range(1, number + 1):
        own = text.replace(f'"{name}"', f'"s{n}"', 1)
        assert store.put_schedule(f"s{n}", own, store.now() + DAY_MS, replaces=None, rules="")
    store.close()


def listed(here: Attacked) -> Sequence[Mapping[str, Any]]:
    schedules: Sequence[Mapping[str, Any]] = here.get("/v1/schedules").json()["schedules"]
    return schedules
