"""The function that copies verified files to another store, in front of which everything fails."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from emulator.faulty_proxy import FaultyProxy
from emulator.live import LiveInThread
from emulator.robots import Dingtalk, RobotsInThread
from functions import deliver, files, notify
from functions.deliver import copying
from functions.deliver.target import open_target
from shared.config.policy_dump import policy_document
from shared.config.robots import robots
from shared.engine.task_runner import NEVER_ENDED
from shared.inbound.function_compute import InvocationFailed, answer_any
from shared.invocation.invocation import Invocation
from shared.outbox.backoff import BACKOFF
from shared.outbox.deliver_file import PART_BYTES, deliver_next
from shared.outbox.event import EventBody, EventType
from shared.outbox.settlement import Next, Settlement, settlement
from shared.outbox.task import Task, TaskKind
from shared.outbox.unset_receivers import noted
from shared.protocol import FileLeft
from shared.protocol.file import FileCopy, FileVerdict
from shared.protocol.policy import CopyRule, Domain, Match, NotifyRule, Policy, Webhook
from shared.store import Store
from shared.store.contract import DAY_MS
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, NOON, Clock
from tests.functions.test_files import ROLE
from tests.functions.test_verifying import OSS, TIMER
from tests.support.alerting import SECRET
from tests.support.pushed_recording import Decoded, decode
from tests.support.s3_target import BUCKET, S3Target, s3_target
from tests.support.scripted_stage import Stage
from tests.support.settling import settle
from tests.verification.samples import CLIP, DURATION_MS, M3U8, samples

pytestmark = pytest.mark.slow

NAME = "record/app/room1/x.flv"
COPY = f"tv/{NAME}"
SETTINGS = {
    **OSS,
    "LIVE_RECORD_ROBOTS": "ops=http://127.0.0.1:9/robot/send?access_token=x",
    "LIVE_RECORD_WEBHOOK_HOSTS": "crm.example.com",
    "LIVE_RECORD_DELIVER_HOSTS": "127.0.0.1",
    "LIVE_RECORD_DELIVER_CREDENTIALS": "archive:key-id-of-archive:secret-of-archive",
}
CRM = Webhook("crm", "https://crm.example.com/in", secrets=("crm",))
KIND = TaskKind.DELIVER_FILE
LEASE_MS = BACKOFF[KIND].lease_ms


@dataclass
class Delivering:
    """Runs of the two timers, beside an emulated bucket and a store that speaks S3."""

    stage: Stage
    bucket: Path
    s3: S3Target
    receivers: dict[str, Any] = field(default_factory=dict)

    def record(self, data: bytes, name: str = NAME) -> None:
        """Put a file into the bucket and report it."""
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.stage.happens(FileLeft(name, NOON - DURATION_MS, NOON, DURATION_MS))

    def record_verified(self, data: bytes, name: str = NAME) -> None:
        """Put a file of any bytes into the bucket, and have it found whole."""
        self.record(data, name)
        store, rule = self.stage.store, self.stage.app.policy.deliver[0]
        (task,) = store.take_tasks("verify_file", limit=1, lease_ms=LEASE_MS)
        verdict = FileVerdict("verified", self.stage.clock.now)
        outcome = deliver_next(name, rule.target, rule.key_of(KEY, name), verdict)
        assert settle(store, task, settlement(task, outcome, 0.0))

    def verify(self) -> dict[str, int]:
        return self.fire(files)

    def deliver(self) -> dict[str, int]:
        return self.fire(deliver)

    def fire(self, function: Any) -> dict[str, int]:  # noqa: ANN401 - a module
        context = SimpleNamespace(request_id="1-77", credentials=SimpleNamespace(**ROLE))
        call = Invocation(self.stage.app, context, seconds=function.BUDGET_S)
        answer: Any = answer_any(
            lambda trigger: function.respond(call, trigger), TIMER, context, log=call.app.log
        )
        found: dict[str, int] = msgspec.json.decode(answer["body"])
        return found

    def until_delivered(self, name: str = NAME) -> FileCopy:
        """Fire the timer, with the pauses that failures cause, until the copy is whole."""
        return self.until(lambda copy: copy.state == "delivered", name)

    def until(self, holds: Callable[[FileCopy], bool], name: str = NAME) -> FileCopy:
        for _ in range(400):
            copy = self.copy(name)
            if copy is not None and holds(copy):
                return copy
            with suppress(InvocationFailed):
                self.deliver()
            self.stage.clock.pass_ms(LEASE_MS)
        raise AssertionError(self.copy(name))

    def tell(self) -> None:
        self.fire(notify)

    def events(self) -> list[EventBody]:
        taken = self.stage.store.take_tasks("event", limit=99, lease_ms=LEASE_MS)
        return [msgspec.json.decode(task.body, type=EventBody) for task in taken]

    def copy(self, name: str = NAME) -> FileCopy | None:
        file = self.stage.store.file(KEY, name)
        assert file is not None
        assert file.verdict is not None
        return file.verdict.copy

    def applies(self, **changes: Any) -> None:  # noqa: ANN401 - fields of a CopyRule
        rule = CopyRule(Match(), BUCKET, self.s3.proxy.address, "archive", "tv", path_style=True)
        policy = Policy(
            (Domain("live.example.com"),), deliver=(replace(rule, **changes),), **self.receivers
        )
        store = self.stage.app.store
        before = store.get_policy()
        replaces = before.version if before else 0
        assert store.put_policy(json.dumps(policy_document(policy)), replaces=replaces)
        self.stage.app.policies.forget()


@pytest.fixture
def delivering(tmp_path: Path, clock: Clock) -> Iterator[Delivering]:
    stage = Stage(tmp_path, clock, **SETTINGS)
    (tmp_path / "dev-bucket").mkdir()
    with LiveInThread(buckets=tmp_path) as live, s3_target() as s3:
        endpoint = live.address.removeprefix("http://")
        settings = replace(stage.app.settings, oss_endpoint=endpoint, oss_protocol="http")
        stage.app = replace(stage.app, settings=settings)
        delivering = Delivering(stage, tmp_path / "dev-bucket", s3)
        delivering.applies()
        yield delivering
    stage.store.close()


@pytest.fixture
def dingtalk(delivering: Delivering, clock: Clock) -> Iterator[Dingtalk]:
    """Provide a robot that gets a message of what is wrong."""
    robot = Dingtalk("ding-token", SECRET)
    with RobotsInThread([robot], clock) as running:
        known = robots(f"ops={running.address(robot)}#{SECRET}")
        app = delivering.stage.app
        delivering.stage.app = replace(app, settings=replace(app.settings, robots=known))
        delivering.receivers = {"notify": (NotifyRule("ops", condition="copies_fail"),)}
        delivering.applies()
        yield robot


def test_a_verified_file_is_copied_once(delivering: Delivering) -> None:
    delivering.record(CLIP.read_bytes())
    assert delivering.deliver()["done"] == 0  # it is not verified yet
    assert delivering.verify()["continued"] == 1
    assert delivering.deliver()["done"] == 1
    assert delivering.deliver()["done"] == 0

    assert delivering.s3.names() == [COPY]
    assert delivering.s3.read(COPY) == CLIP.read_bytes()
    size = CLIP.stat().st_size
    assert delivering.copy() == FileCopy("delivered", f"s3://{BUCKET}/{COPY}", NOON, size, size)


def test_a_file_is_copied_from_where_it_was_verified_though_no_bucket_is_named_any_more(
    delivering: Delivering,
) -> None:
    delivering.record(CLIP.read_bytes())
    assert delivering.verify()["continued"] == 1
    app = delivering.stage.app
    delivering.stage.app = replace(app, settings=replace(app.settings, bucket=""))

    assert delivering.deliver()["done"] == 1
    assert delivering.s3.read(COPY) == CLIP.read_bytes()


def test_copies_that_begin_together_share_one_client(delivering: Delivering) -> None:
    app, (rule,) = delivering.stage.app, delivering.stage.app.policy.deliver
    with ThreadPoolExecutor(copying.RUN_WORKERS) as workers:
        clients = set(workers.map(lambda _: open_target(app, rule), range(copying.RUN_WORKERS)))
    assert len(clients) == 1


class Killed:
    """A store, and a process that is killed before the outcome of a step is stored: each second
    time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._settled, self._clock = store, 0, clock

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
        ends = sum(each.next is not Next.RETRY for _, each in settled)
        self._settled += ends
        if ends and self._settled % 2:
            raise StoreUnavailable("killed")
        return self._store.settle_tasks(settled)


class Overtaken(Killed):
    """A store whose task is taken by another run before the first one may complete, or abort."""

    def settle_tasks(self, settled: Sequence[tuple[Task, Settlement]]) -> Sequence[bool]:
        if any(each.next is Next.RETRY for _, each in settled) and not self._settled:
            self._settled += 1
            self._clock.pass_ms(LEASE_MS)
            self._store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS)
        return self._store.settle_tasks(settled)


PARTS = 6
LONG = random.Random(24).randbytes(PARTS * PART_BYTES - 12_345)  # noqa: S311 - any bytes
MULTIPART = (
    *("ListMultipartUploads", "CreateMultipartUpload", "UploadPart", "ListParts"),
    *("CompleteMultipartUpload", "HeadObject"),
)


def is_whole(delivering: Delivering, data: bytes = LONG) -> None:
    """One object has the right bytes; no part is left over, and nothing was ever deleted."""
    assert delivering.s3.names() == [COPY]
    assert delivering.s3.read(COPY) == data
    assert delivering.s3.uploads() == []
    assert "DeleteObject" not in delivering.s3.proxy.operations
    assert (delivering.bucket / NAME).read_bytes() == data


@pytest.mark.slow
def test_a_kill_between_any_two_steps_costs_only_time(delivering: Delivering) -> None:
    delivering.record_verified(LONG)
    app = delivering.stage.app
    delivering.stage.app = replace(app, store=Killed(app.store, delivering.stage.clock))
    copy = delivering.until_delivered()

    is_whole(delivering)
    assert (copy.copied_bytes, copy.size_bytes) == (len(LONG), len(LONG))
    assert delivering.s3.proxy.operations.count("UploadPart") == 2 * PARTS


@pytest.mark.slow
def test_what_is_sent_has_its_md5_and_nothing_that_only_aws_knows(delivering: Delivering) -> None:
    """Moto takes wrong bytes, and most stores know neither AWS's own checksums nor its chunks."""
    delivering.record_verified(b"short", "record/app/room1/short.flv")
    delivering.record_verified(LONG[: PART_BYTES + 1])
    delivering.until_delivered()

    proxy = delivering.s3.proxy
    sent = list(zip(proxy.operations, proxy.headers, strict=True))
    sums = [headers["Content-MD5"] for name, headers in sent if name in ("UploadPart", "PutObject")]
    pieces = [b"short", LONG[:PART_BYTES], LONG[PART_BYTES : PART_BYTES + 1]]
    assert sorted(sums) == sorted(
        base64.b64encode(hashlib.md5(piece, usedforsecurity=False).digest()).decode()
        for piece in pieces
    )
    names = {name.lower() for _, headers in sent for name in headers}
    assert not any("checksum" in name for name in names)
    assert not any("aws-chunked" in str(headers) for _, headers in sent)


@pytest.mark.slow
@pytest.mark.parametrize("do", ["slow_down", "cut", "lose"])
def test_a_store_that_fails_at_each_request_once_gets_the_copy(
    delivering: Delivering, do: str
) -> None:
    """Also where the answer is lost that names the copy in parts."""
    for operation in MULTIPART:
        delivering.s3.proxy.plan(do, operation)
    delivering.record_verified(LONG)
    delivering.until_delivered()

    is_whole(delivering)
    assert all(fault.times == 0 for fault in delivering.s3.proxy.faults)


@pytest.mark.slow
def test_a_store_that_refuses_for_two_days_gets_each_file_once(
    delivering: Delivering, dingtalk: Dingtalk
) -> None:
    """People get one message that copies fail, and since when, and one that they no longer do."""
    delivering.s3.proxy.plan("refuse", code="ExpiredToken", times=10**6)
    names = [f"record/app/room1/{n}.flv" for n in range(3)]
    for name in names:
        delivering.record_verified(name.encode(), name)
    for _ in range(2 * 24):
        delivering.deliver()
        delivering.tell()
        delivering.stage.clock.pass_ms(DAY_MS // 24)
    copy = delivering.copy(names[0])
    assert copy is not None
    assert (copy.state, copy.why) == ("delivering", "the target answers ExpiredToken (403)")
    assert delivering.s3.names() == []

    delivering.s3.proxy.faults.clear()
    for name in names:
        delivering.until_delivered(name)
    assert delivering.s3.names() == [f"tv/{name}" for name in names]
    assert delivering.stage.store.outbox().dead == 0
    assert delivering.s3.proxy.operations.count("DeleteObject") == 0
    assert all((delivering.bucket / name).read_bytes() == name.encode() for name in names)
    delivering.tell()
    raised, resolved = dingtalk.texts
    assert "files that cannot be copied to another store" in raised
    assert (
        f"s3://{BUCKET}/tv, for 1h: the target answers ExpiredToken (403); files that wait: 3"
        in raised
    )
    assert "resolved: files that cannot be copied to another store" in resolved


@pytest.mark.slow
def test_500_files_at_once_are_all_copied(delivering: Delivering) -> None:
    names = [f"record/app/room1/{n:03}.flv" for n in range(500)]
    for name in names:
        delivering.record_verified(name.encode(), name)
    delivering.deliver()

    assert delivering.s3.names() == [f"tv/{name}" for name in names]
    assert delivering.stage.store.outbox().open == 0


@pytest.mark.slow
def test_another_run_that_took_over_leaves_completing_to_itself(delivering: Delivering) -> None:
    delivering.record_verified(LONG[: 2 * PART_BYTES])
    app = delivering.stage.app
    for _ in range(3):  # begin, and two parts
        one_step(delivering)
    delivering.stage.app = replace(app, store=Overtaken(app.store, delivering.stage.clock))
    one_step(delivering)
    assert "CompleteMultipartUpload" not in delivering.s3.proxy.operations

    delivering.stage.app = app
    delivering.until_delivered()
    is_whole(delivering, LONG[: 2 * PART_BYTES])


def one_step(delivering: Delivering) -> None:
    """Do one step of what is due, and no other."""
    context = SimpleNamespace(request_id="1-77", credentials=SimpleNamespace(**ROLE))
    call = Invocation(delivering.stage.app, context, seconds=deliver.BUDGET_S)
    (task,) = call.app.store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS)
    attempt = copying.attempt_of(call)
    settle(call.app.store, task, settlement(task, attempt(task), 0.0))


PLAYLIST = "record/app/room1/x.m3u8"


def record_playlist(delivering: Delivering, *, whole_names: bool = False) -> dict[str, bytes]:
    """Put a playlist and its segments into the bucket, have it found whole; return the objects."""
    made = samples()[M3U8].objects
    objects = {name.replace("a/", "record/app/room1/", 1): data for name, data in made.items()}
    if whole_names:
        host = b"https://dev-bucket.oss-cn-shanghai.aliyuncs.com/record/app/room1/"
        objects[PLAYLIST] = re.sub(rb"(?m)^(?!#)", host, objects[PLAYLIST])
    for name, data in objects.items():
        path = delivering.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    delivering.record_verified(objects[PLAYLIST], PLAYLIST)
    return objects


@pytest.mark.slow
@pytest.mark.parametrize("whole_names", [False, True])
def test_a_playlist_is_copied_after_its_segments_and_plays_at_the_target(
    delivering: Delivering, tmp_path: Path, whole_names: bool
) -> None:
    """Though the function is killed after each second step, and the store fails at first."""
    objects = record_playlist(delivering, whole_names=whole_names)
    app = delivering.stage.app
    delivering.stage.app = replace(app, store=Killed(app.store, delivering.stage.clock))
    for do in ("slow_down", "cut", "lose"):
        delivering.s3.proxy.plan(do, "PutObject")
    copy = delivering.until_delivered(PLAYLIST)

    copies = {name: delivering.s3.read(f"tv/{name}") for name in objects}
    assert delivering.s3.names() == sorted(f"tv/{name}" for name in objects)
    segments = objects.keys() - {PLAYLIST}
    assert {name: copies[name] for name in segments} == {name: objects[name] for name in segments}
    assert (copy.segments, copy.copied_segments) == (len(segments), len(segments))
    assert copy.copied_bytes == copy.size_bytes == sum(map(len, copies.values()))
    assert whole_names or copies[PLAYLIST] == objects[PLAYLIST]
    for name, data in copies.items():
        (tmp_path / name.rpartition("/")[2]).write_bytes(data)
    assert decode(tmp_path / "x.m3u8") == Decoded(decode(CLIP).frames, "")


@pytest.mark.slow
def test_a_playlist_is_not_there_before_its_segments(delivering: Delivering) -> None:
    """A part of the file is progress, and is kept where the last segment cannot be copied."""
    objects = record_playlist(delivering)
    *first, last = sorted(objects.keys() - {PLAYLIST})
    (delivering.bucket / last).unlink()
    copy = delivering.until(lambda copy: "no such object" in copy.why, PLAYLIST)
    assert (copy.state, copy.copied_segments, copy.segments) == ("delivering", 3, 4)
    assert delivering.s3.names() == [f"tv/{name}" for name in first]

    (delivering.bucket / last).write_bytes(objects[last])
    delivering.until_delivered(PLAYLIST)
    assert delivering.s3.proxy.operations.count("PutObject") == len(objects)


@pytest.mark.slow
def test_a_playlist_that_changes_meanwhile_is_copied_anew(delivering: Delivering) -> None:
    objects = record_playlist(delivering)
    one_step(delivering)
    changed = objects[PLAYLIST].replace(b"#EXT-X-ENDLIST", b"# again\n#EXT-X-ENDLIST")
    (delivering.bucket / PLAYLIST).write_bytes(changed)
    delivering.until_delivered(PLAYLIST)
    assert delivering.s3.read(f"tv/{PLAYLIST}") == changed
    assert delivering.s3.proxy.operations.count("PutObject") == len(objects) + 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("https://other.example.com/x.ts", "not in its bucket"),
        ("/secret/x.ts", "no `object_prefix` of the policy"),
        ("../../../../x.ts", "not in its bucket"),
    ],
)
def test_a_playlist_never_leads_to_an_object_that_is_no_recording(
    delivering: Delivering, name: str, why: str
) -> None:
    text = f"#EXTM3U\n#EXTINF:4,\n{name}\n#EXT-X-ENDLIST\n"
    delivering.record_verified(text.encode(), PLAYLIST)
    copy = delivering.until(lambda copy: copy.state == "failed", PLAYLIST)
    assert why in copy.why
    assert delivering.s3.names() == []


@pytest.mark.slow
def test_a_source_that_changes_meanwhile_is_copied_anew(delivering: Delivering) -> None:
    delivering.record_verified(LONG[: 2 * PART_BYTES])
    for _ in range(2):
        one_step(delivering)
    changed = LONG[-2 * PART_BYTES :]
    (delivering.bucket / NAME).write_bytes(changed)
    delivering.until_delivered()
    is_whole(delivering, changed)


@pytest.mark.slow
def test_what_oss_sends_is_compared_with_its_checksum(delivering: Delivering) -> None:
    settings = delivering.stage.app.settings
    with FaultyProxy(f"http://{settings.oss_endpoint}") as oss:
        settings = replace(settings, oss_endpoint=oss.address.removeprefix("http://"))
        delivering.stage.app = replace(delivering.stage.app, settings=settings)
        oss.plan("corrupt", "GetObject")
        delivering.record_verified(b"a small file")
        assert delivering.deliver()["retry"] == 1
        assert delivering.s3.names() == []
        assert "checksum" in str(delivering.copy())
        delivering.stage.clock.pass_ms(LEASE_MS)
        delivering.until_delivered()
    assert delivering.s3.read(COPY) == b"a small file"


@pytest.mark.slow
def test_a_copy_in_parts_that_nobody_knows_is_dropped_after_a_day(delivering: Delivering) -> None:
    """One that a task knows goes on, and one that is under no prefix of ours is not touched."""
    delivering.record_verified(LONG[: 2 * PART_BYTES])
    one_step(delivering)
    (known,) = delivering.s3.uploads()
    client = delivering.s3.client
    client.create_multipart_upload(Bucket=BUCKET, Key="tv/record/lost.flv")
    other = client.create_multipart_upload(Bucket=BUCKET, Key="other/x")["UploadId"]
    delivering.stage.app = replace(delivering.stage.app, clock=in_two_days)
    assert delivering.deliver()["aborted_uploads"] == 1
    assert known not in delivering.s3.uploads()  # it is whole by now
    assert other in delivering.s3.uploads()
    assert delivering.deliver()["aborted_uploads"] == 0


def in_two_days() -> int:
    """Return a time by the clock that the store has."""
    return int(time.time() * 1000) + 2 * DAY_MS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "settings", "why"),
    [
        ({"credentials": "other"}, {}, "has no entry other"),
        ({"endpoint": "http://s3.example.com"}, {}, "not in LIVE_RECORD_DELIVER_HOSTS"),
        ({}, {"is_emulated": False}, "http: anybody on the way could read"),
        ({"endpoint": "http://localhost:1"}, {}, "the target does not answer"),
        (
            {"endpoint": "https://localhost:1"},
            {"is_emulated": False},
            "no address that live-record may",
        ),
    ],
)
def test_a_target_that_the_environment_does_not_allow_gets_nothing(
    delivering: Delivering, changes: dict[str, str], settings: dict[str, object], why: str
) -> None:
    delivering.applies(**changes)
    delivering.record_verified(b"a file")
    hosts = ("127.0.0.1", "localhost")
    changed = replace(delivering.stage.app.settings, deliver_hosts=hosts, **settings)
    delivering.stage.app = replace(delivering.stage.app, settings=changed)
    assert delivering.deliver()["retry"] == 1
    copy = delivering.copy()
    assert copy is not None
    assert why in copy.why
    assert delivering.s3.proxy.operations == []
    lacking = ["other (LIVE_RECORD_DELIVER_CREDENTIALS)"] if "credentials" in changes else []
    assert noted(delivering.stage.app.store) == lacking


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"endpoint": "https://attacker.example.com"}, "LIVE_RECORD_DELIVER_HOSTS"),
        ({"endpoint": "https://127.0.0.1/path"}, "without a path"),
        ({"endpoint": "ftp://127.0.0.1"}, "the store's address"),
        ({"target": "https://archive"}, "s3://bucket/prefix"),
        ({"target": "s3://archive/a/../b"}, "s3://bucket/prefix"),
        ({"target": "s3://a/b"}, "3 to 63 characters"),
        ({"target": "s3://Archive/b"}, "a-z, 0-9, dot and dash"),
        ({"name": "{stream}/{file}"}, "gives each file its own name"),
        ({"name": "{uri}/{secret}"}, "gives each file its own name"),
        ({"name": "../{uri}"}, "gives each file its own name"),
        ({"formats": ["ts"]}, "`mp4`, `flv` and `m3u8`"),
        ({"formats": ["m3u8"]}, ""),
        ({"formats": ["m3u8"], "name": "{uri}-{stream}"}, "does not end with `{uri}`"),
        ({"credentials": "key id and secret"}, "never a key itself"),
        ({"path_style": "yes"}, "`true` or `false`"),
        ({"keep": True}, "is not known"),
    ],
)
def test_a_policy_copies_to_hosts_of_the_environment_alone(
    tmp_path: Path, clock: Clock, changes: dict[str, object], fault: str
) -> None:
    stage = Stage(tmp_path, clock, **SETTINGS)
    rule = {"target": "s3://archive/tv", "endpoint": "http://127.0.0.1:9", "credentials": "archive"}
    policy = {"domain": [{"streaming": "live.example.com"}], "deliver": [{**rule, **changes}]}
    got = stage.ask("POST", "/v1/policy/apply", {"policy": policy, "replaces": 0})

    assert got.status == (400 if fault else 200), got.json
    assert fault in got.json.get("detail", "")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("{uri}", "tv/record/app/room1/x.flv"),
        ("{domain}/{app}/{stream}-{file}", "tv/live.example.com/app/room1-x.flv"),
        ("{uri}.{stream}", "tv/record/app/room1/x.flv.room1"),
    ],
)
def test_a_copy_has_the_name_of_the_template(name: str, key: str) -> None:
    rule = CopyRule(Match(), BUCKET, "https://s3.example.com", "archive", "tv", name=name)
    assert rule.key_of(KEY, NAME) == key


def test_no_key_of_a_target_is_in_a_log_a_store_or_an_answer(delivering: Delivering) -> None:
    delivering.s3.proxy.plan("refuse", code="InvalidAccessKeyId", times=9)
    delivering.record_verified(b"a file")
    delivering.deliver()
    stage = delivering.stage
    shown = [
        *stage.lines,
        repr(stage.app.settings.deliver_credentials),
        stage.ask("GET", "/v1/deliveries", query={"state": "open"}).text,
        stage.ask("GET", f"/v1/recordings/{KEY}/files").text,
        stage.ask("GET", "/v1/policy").text,
        *(path.read_bytes().decode("latin-1") for path in stage.folder.glob("records.db*")),
    ]
    assert not [text for text in shown if "secret-of-archive" in text or "key-id-of" in text]


def test_what_failed_for_good_says_so_and_is_tried_again(delivering: Delivering) -> None:
    delivering.record_verified(b"a file")
    delivering.applies(prefix="elsewhere")
    assert delivering.deliver()["dead"] == 1
    copy = delivering.copy()
    assert copy is not None
    assert (copy.state, "no `[[deliver]]`" in copy.why) == ("failed", True)

    delivering.applies()
    (letter,) = delivering.stage.store.dead_letters(after="", limit=9)
    delivering.stage.ask("POST", f"/v1/deliveries/{letter.task.id}/redrive")
    assert delivering.until_delivered().state == "delivered"


def test_how_far_a_copy_is_and_its_end_are_events(delivering: Delivering) -> None:
    delivering.receivers = {"webhooks": (CRM,)}
    delivering.applies()
    record_playlist(delivering)
    delivering.until_delivered(PLAYLIST)
    found = [body for body in delivering.events() if "copied_segments" in body.data]
    by_progress = {body.data["copied_segments"]: body.type for body in found}
    on_the_way = dict.fromkeys((1, 2, 3), EventType.FILE_DELIVERING)
    assert by_progress == {**on_the_way, 4: EventType.FILE_DELIVERED}
    assert {body.data["target"] for body in found} == {f"s3://{BUCKET}/tv/{PLAYLIST}"}


def test_a_copy_that_failed_for_good_is_an_event(delivering: Delivering) -> None:
    delivering.receivers = {"webhooks": (CRM,)}
    delivering.applies()
    delivering.record_verified(b"a file")
    delivering.applies(prefix="elsewhere")
    delivering.deliver()
    (body,) = [one for one in delivering.events() if one.type is EventType.FILE_DELIVERY_FAILED]
    assert (body.data["uri"], "no `[[deliver]]`" in str(body.data["why"])) == (NAME, True)


def test_a_copy_that_ended_each_process_says_so_and_is_an_event(delivering: Delivering) -> None:
    """Nobody was there to say it when it happened."""
    delivering.receivers = {"webhooks": (CRM,)}
    delivering.applies()
    delivering.record_verified(b"x")
    for _ in range(BACKOFF[KIND].attempts):
        assert delivering.stage.store.take_tasks(KIND.value, limit=1, lease_ms=LEASE_MS)
        delivering.stage.clock.pass_ms(LEASE_MS)
    assert delivering.deliver()["dead"] == 1

    copy = delivering.copy()
    assert copy is not None
    assert (copy.state, copy.why) == ("failed", NEVER_ENDED)
    (event,) = [body for body in delivering.events() if body.type is EventType.FILE_DELIVERY_FAILED]
    assert (event.data["uri"], event.data["why"]) == (NAME, NEVER_ENDED)


def test_what_is_not_verified_is_not_copied(delivering: Delivering) -> None:
    delivering.record(CLIP.read_bytes()[:9_000])
    assert delivering.verify()["done"] == 1
    assert delivering.deliver()["done"] == 0
    assert delivering.s3.names() == []
