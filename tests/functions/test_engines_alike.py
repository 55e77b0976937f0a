"""SQLite and Redis answer alike: the same random requests and callbacks go to a stage on each."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from msgspec.structs import replace

from functions import on_demand, record_command, record_events, stream_events
from shared.invocation.composition import build
from shared.outbox.settlement import Done, Failed, settlement
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import AlreadyStarted, InDoubt, StreamNotLive, Throttled
from shared.protocol.events import TimePassed
from shared.protocol.file import FileVerdict
from shared.store import open_store
from tests.conftest import PATIENT, Clock
from tests.support.callback_stage import HOST, RECORD_KEY, STREAM_KEY, TOKEN, Edge
from tests.support.settling import settle

SEEDS = range(3 if os.environ.get("EXAMPLES") == "quick" else 40)
STEPS = 60
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[domain]]
streaming = "tv.example.com"
ingest = ["push.tv.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "classroom" }
on_publish = "record"
max_concurrent = 2
[[rule]]
match = { domain = "tv.example.com" }
on_publish = "record"
on_interruption = "finalize"
"""
INGEST_OF = {"live.example.com": "push.example.com", "tv.example.com": "push.tv.example.com"}
APPS, STREAMS = ("app", "classroom", "b"), ("a", "room1", "房间", "z.9", "a\0b", "~")
PHASES = ("recording", "idle", "queued", "waiting", "failed", "nonsense", "")
NUMBERS = (
    *("1", "2", "1000", "0", "-1", "1001", "", "1e3", "000000001000000000000000"),
    *("9" * 30, "01", " 1", "\u0661", "0x1", "1.0"),
)
OFFSETS_S = (0, -1, -3600, 60, -86_400 * 400, 10**9, 10**12)
OSS = {
    "LIVE_RECORD_BUCKET": "example-bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}
Call = tuple[Any, ...]


class Pair:
    """Two stages that differ in their engine alone; what is random is drawn once for both."""

    def __init__(self, folder: Path, engines: Callable[[str], str]) -> None:
        self.stages = []
        urls = (
            f"sqlite:///{folder}/other.db",
            f"{engines('valkey')}?stage={uuid4().hex}&{PATIENT}",
        )
        for url in urls:
            clock = Clock()
            store = open_store(url, rate=45, clock=clock)
            tokens = "ops:read+control+policy+tokens:ops-token,eye:read:eye-token"
            stage = Edge(folder, clock, policy=POLICY, LIVE_RECORD_API_TOKENS=tokens, **OSS)
            stage.app = replace(
                build(stage.app.settings, clock, store),
                live=stage.app.live,
                log=stage.app.log,
                monotonic=stage.app.monotonic,
                wait=lambda s, clock=clock: clock.pass_ms(round(s * 1000)),
            )
            self.stages.append(stage)

    def close(self) -> None:
        for stage in self.stages:
            stage.app.store.close()

    def both(self, act: Callable[[Edge], object], what: object) -> None:
        answers = [act(stage) for stage in self.stages]
        assert answers[0] == answers[1], what
        if isinstance(answers[0], tuple) and isinstance(answers[0][0], int):
            assert answers[0][0] < 500, what  # nothing that is sent makes either fail


@pytest.fixture
def pair(tmp_path: Path, engines: Callable[[str], str]) -> Iterator[Pair]:
    pair = Pair(tmp_path, engines)
    yield pair
    pair.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_requests_and_callbacks_are_answered_alike(pair: Pair, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - what it draws is no secret
    for step in range(STEPS):
        act = random.choice(ACTS)
        draws = random.getrandbits(64)
        pair.both(lambda stage: act(stage, Random(draws)), (seed, step, act.__name__))  # noqa: B023, S311 - called at once
    for step in range(STEPS):
        draws = random.getrandbits(64)
        pair.both(lambda stage: listing(stage, Random(draws)), (seed, "listing", step))  # noqa: B023, S311 - called at once
    pair.both(lambda stage: stage.app.store.counters(), "counters")
    for domain in INGEST_OF:
        for app in APPS:
            for name in STREAMS:
                key = StreamKey(domain, app, name)
                pair.both(lambda stage: everything(stage, key), key)  # noqa: B023 - called at once


def everything(stage: Edge, key: StreamKey) -> object:
    store = stage.app.store
    loaded = store.load(key)
    return (loaded.record, loaded.version, store.history(key, 1000), store.files(key, 1000))


def api(stage: Edge, method: str, path: str, body: object = None, **query: str) -> object:
    got = stage.call(
        record_command,
        method,
        path,
        query=query,
        headers={"Authorization": "Bearer ops-token"},
        body="" if body is None else json.dumps(body),
    )
    return got.status, got.json


def any_key(random: Random) -> StreamKey:
    names = random.choice(list(INGEST_OF)), random.choice(APPS), random.choice(STREAMS)
    return StreamKey(*names)


def path_of(random: Random) -> str:
    return f"/v1/recordings/{any_key(random).url_path}"


def command(stage: Edge, random: Random) -> object:
    name = random.choice(("start", "stop", "extend", "restart", "cancel_delay"))
    fields = {
        "max_duration": random.choice(("1h", "5m", "60", 60, "100d", 10**30, -1)),
        "note": random.choice(("", "a note", "\ud800", "n" * 300)),
        "hold": random.choice(("session", "1h", "0")),
        "if_not_live": random.choice(("wait", "fail", "?")),
    }
    chosen = {key: value for key, value in fields.items() if random.random() < 0.3}
    return api(stage, "POST", f"{path_of(random)}/{name}", chosen)


def listing(stage: Edge, random: Random) -> object:
    query = {
        "phase": random.choice(PHASES),
        "domain": random.choice((*INGEST_OF, "push.example.com", "elsewhere.example.com", "")),
        "app": random.choice((*APPS, "*", "", "a\0")),
        "limit": random.choice(NUMBERS),
        "cursor": cursor(random),
    }
    chosen = {key: value for key, value in query.items() if random.random() < 0.4}
    return api(stage, "GET", "/v1/recordings", **chosen)


def cursor(random: Random) -> str:
    domains = (*INGEST_OF, "", "a", "zz", "live.example.com\0", "live.example.com\1")
    names = [random.choice(domains), random.choice(APPS), random.choice((*STREAMS, "\0"))]
    broken = (json.dumps(names[:2]), "[]", "1", '["\\ud800","",""]')
    text = json.dumps(names) if random.random() < 0.8 else random.choice(broken)
    return base64.urlsafe_b64encode(text.encode()).decode()


def reading(stage: Edge, random: Random) -> object:
    which = random.choice(("", "/history", "/files"))
    query = {"limit": random.choice(NUMBERS)} if random.random() < 0.5 else {}
    return api(stage, "GET", f"{path_of(random)}{which}", **query)


def token(stage: Edge, random: Random) -> object:
    """Add, list or revoke a token."""
    name = random.choice(("tv", "guest", "ops", "a b", "\ud800"))
    body = {
        "name": name,
        "digest": random.choice(("a" * 64, "b" * 64, "A", "")),
        "scopes": random.choice((["read"], ["read", "policy"], [], ["admin"])),
        "streams": random.choice(([], ["*/*/*"], ["a/b"], ["a/b/\ud800"])),
        "until": random.choice(("2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "now")),
    }
    chosen = {key: value for key, value in body.items() if random.random() < 0.7}
    path = f"/v1/tokens/{quote(name, errors='surrogatepass')}"
    method = random.choice(("GET", "POST", "POST", "DELETE"))
    if method == "POST":
        return api(stage, method, "/v1/tokens", chosen)
    return api(stage, method, path if method == "DELETE" else "/v1/tokens")


def publishing(stage: Edge, random: Random) -> object:
    key, age = any_key(random), random.choice((0, 0, 0, 400))
    ingest = INGEST_OF[key.domain]
    query = {
        "action": random.choice(("publish", "publish_done", "other")),
        "app": ingest,
        "appname": key.app,
        "id": key.stream,
        "time": str(stage.clock.now // 1000 + random.choice(OFFSETS_S)),
    }
    got = stage.call(
        stream_events,
        "GET",
        f"/callbacks/stream/{TOKEN}",
        query=query,
        headers=stage.signed(ingest, STREAM_KEY, age=age),
    )
    return got.status, got.json


def recorded(stage: Edge, random: Random) -> object:
    key, offset = any_key(random), random.choice(OFFSETS_S)
    at = stage.clock.now // 1000 + offset
    body: dict[str, object] = {"domain": key.domain, "app": key.app, "stream": key.stream}
    kinds = ("record_started", "record_paused", "record_resumed", "record_stopped", "record_error")
    if random.random() < 0.6:
        body |= {"event": random.choice(kinds), "time": random.choice((at, str(at), None, "x"))}
    else:
        uri = random.choice((f"record/{key.stream}.mp4", "record/same.mp4", "a" * 1024, "\ud800"))
        body |= {"uri": uri, "duration": random.choice((1.5, "2", None, -1, 10**30))}
        body |= {"start_time": at, "stop_time": random.choice((at + 60, str(at), None, 10**15))}
    got = stage.call(
        record_events,
        "POST",
        f"/callbacks/record/{TOKEN}",
        headers=stage.signed(HOST, RECORD_KEY),
        body=json.dumps(body),
    )
    return got.status, got.json


def asking(stage: Edge, random: Random) -> object:
    key = any_key(random)
    query = {"domain": key.domain, "app": key.app, "stream": key.stream}
    got = stage.call(on_demand, "GET", f"/callbacks/on-demand/{TOKEN}", query=query)
    return got.status, got.json


def passing(stage: Edge, random: Random) -> object:
    stage.clock.pass_ms(random.choice((1, 250, 5_000, 60_000, 3_600_000)))
    for _ in range(3):
        stage.happens(TimePassed(), any_key(random))
    return sorted(map(str, stage.app.store.take_due(100, 1)))


def working(stage: Edge, random: Random) -> object:
    """Take tasks, settle some of them, and try a dead letter again."""
    store, now = stage.app.store, stage.clock.now
    taken = store.take_tasks("verify_file", limit=random.randrange(5), lease_ms=26_000)
    found: list[object] = []
    for task in taken:
        outcome = random.choice((Done, Failed, None))
        if outcome is not None:
            uri = json.loads(task.body)["uri"]
            about = {"uri": uri, "verdict": FileVerdict("truncated", now)}
            made = (
                Done(**about) if outcome is Done else Failed("no", random.random() < 0.5, **about)
            )
            found.append(settle(store, task, settlement(task, made, random.random())))
    letters = store.dead_letters(after="", limit=9)
    if letters and random.random() < 0.3:
        found.append(store.redrive(random.choice(letters).task.id))
    return (list(taken), found, letters, store.open_tasks(after="", limit=999), store.outbox())


def answering(stage: Edge, random: Random) -> object:
    errors = (
        AlreadyStarted("TaskAlreadyStarted", "it is"),
        StreamNotLive("StreamNotFound", "it is not"),
        InDoubt("Timeout", "nobody knows"),
        Throttled("Throttling", "later"),
    )
    stage.live.answers(random.choice(list(Command)), random.choice(errors))
    stage.live.live = random.choice((None, stage.clock.now - 5_000))
    return None


def applying(stage: Edge, random: Random) -> object:
    policy = api(stage, "GET", "/v1/policy")
    assert isinstance(policy, tuple)
    rule: dict[str, object] = {"match": {"app": random.choice(APPS)}, "on_publish": "record"}
    rule["max_concurrent"] = random.choice((1, 5, 2**63, 0))
    body = {"policy": {**policy[1]["policy"], "rule": [rule]}, "replaces": policy[1]["version"]}
    return api(stage, "POST", "/v1/policy/apply", body)


ACTS = (
    *(command, command, listing, listing, reading, publishing, publishing, recorded, recorded),
    *(asking, passing, passing, answering, applying, token, working, working),
)
