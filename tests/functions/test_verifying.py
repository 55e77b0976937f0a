"""The timer of the function files: it checks each reported file, and stores what it found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from emulator.live import LiveInThread
from functions import files
from functions.files.verifying import REHEARSED_MS
from shared.config.policy_cache import KEEP_REHEARSAL_MS
from shared.config.policy_dump import policy_document
from shared.inbound.function_compute import answer_any
from shared.invocation.invocation import Invocation
from shared.outbox.event import EventBody, EventType
from shared.protocol import FileLeft, StreamKey
from shared.protocol.file import FileVerdict, Finding
from shared.protocol.policy import Domain, NamedBucket, Policy
from shared.protocol.stream import REHEARSAL_PREFIX
from shared.store.contract import DAY_MS
from tests.conftest import KEY, NOON, Clock
from tests.functions.test_files import NO_ROLE, ROLE
from tests.support.buckets import add_bucket
from tests.support.scripted_stage import Stage
from tests.verification.samples import CLIP, DURATION_MS

NAME = "record/app/room1/x.flv"
LEFT = FileLeft(NAME, NOON - DURATION_MS, NOON, DURATION_MS)
TIMER = b'{"triggerTime":"2026-11-29T12:00:00Z","triggerName":"every-minute","payload":""}'
OSS = {
    "LIVE_RECORD_BUCKET": "dev-bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
}
PLACE = "dev-bucket/oss-cn-shanghai.aliyuncs.com"


@dataclass
class Verifying:
    """Runs of the timer, beside an emulator whose bucket is a folder."""

    stage: Stage
    bucket: Path

    def put(self, data: bytes, name: str = NAME) -> None:
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def run(self, role: Mapping[str, str] = ROLE) -> Mapping[str, int]:
        context = SimpleNamespace(request_id="1-77", credentials=SimpleNamespace(**role))
        call = Invocation(self.stage.app, context, seconds=files.BUDGET_S)
        answer: Any = answer_any(
            lambda trigger: files.respond(call, trigger), TIMER, context, log=call.app.log
        )
        found: Mapping[str, int] = msgspec.json.decode(answer["body"])
        return found

    def verdict(self, name: str = NAME) -> FileVerdict:
        file = self.stage.store.file(KEY, name)
        assert file is not None
        assert file.verdict is not None
        return file.verdict

    def listed(self) -> Any:  # noqa: ANN401 - as the API says
        (file,) = self.stage.ask("GET", f"/v1/recordings/{KEY}/files").json["files"]
        return file["verified"]


@pytest.fixture
def verifying(tmp_path: Path, clock: Clock) -> Iterator[Verifying]:
    stage = Stage(tmp_path, clock, **OSS)
    (tmp_path / "dev-bucket").mkdir()
    with LiveInThread(buckets=tmp_path) as live:
        endpoint = live.address.removeprefix("http://")
        settings = replace(stage.app.settings, oss_endpoint=endpoint, oss_protocol="http")
        stage.app = replace(stage.app, settings=settings)
        yield Verifying(stage, tmp_path / "dev-bucket")
    stage.store.close()


def test_a_file_that_is_there_and_whole_is_verified_once(verifying: Verifying) -> None:
    verifying.put(CLIP.read_bytes())
    verifying.stage.happens(LEFT)
    assert verifying.listed() is None
    assert verifying.run() == {"done": 1, "continued": 0, "retry": 0, "dead": 0, "stale": 0}
    assert verifying.verdict().outcome == "verified"
    assert verifying.verdict().size_bytes == CLIP.stat().st_size
    shown = verifying.listed()
    assert shown["outcome"] == "verified"
    assert shown["findings"][0]["code"] == "media_duration"
    verifying.stage.happens(LEFT)
    assert verifying.run()["done"] == 0


def test_a_file_is_looked_at_in_the_bucket_that_the_policy_names_for_its_application(
    verifying: Verifying, tmp_path: Path
) -> None:
    add_bucket(f"http://{verifying.stage.app.settings.oss_endpoint}", "other-bucket")
    other = NamedBucket("other-bucket", "oss-cn-beijing.aliyuncs.com", "app")
    policy = Policy((Domain("live.example.com", bucket=(other,)),))
    app = verifying.stage.app
    assert app.store.put_policy(json.dumps(policy_document(policy)), replaces=0)
    app.policies.forget()
    Verifying(verifying.stage, tmp_path / "other-bucket").put(CLIP.read_bytes())
    verifying.stage.happens(LEFT)

    assert verifying.run()["done"] == 1
    assert verifying.verdict().outcome == "verified"


def test_a_file_stays_in_the_bucket_that_was_named_when_it_was_reported(
    verifying: Verifying,
) -> None:
    """Though the policy names another one before it is verified."""
    verifying.put(CLIP.read_bytes())
    verifying.stage.happens(LEFT)
    app = verifying.stage.app
    add_bucket(f"http://{app.settings.oss_endpoint}", "other-bucket")
    other = NamedBucket("other-bucket", "oss-cn-beijing.aliyuncs.com", "app")
    policy = Policy((Domain("live.example.com", bucket=(other,)),))
    assert app.store.put_policy(json.dumps(policy_document(policy)), replaces=0)
    app.policies.forget()

    assert verifying.run()["done"] == 1
    verdict = verifying.verdict()
    assert (verdict.outcome, verdict.place) == (
        "verified",
        PLACE,
    )


def test_a_file_is_verified_where_it_was_reported_though_no_bucket_is_named_any_more(
    verifying: Verifying,
) -> None:
    verifying.put(CLIP.read_bytes())
    verifying.stage.happens(LEFT)
    app = verifying.stage.app
    verifying.stage.app = replace(app, settings=replace(app.settings, bucket=""))

    assert verifying.run()["done"] == 1
    assert verifying.verdict().outcome == "verified"


def test_what_comes_later_is_missing_until_it_is_there(verifying: Verifying, clock: Clock) -> None:
    verifying.stage.happens(LEFT)
    assert verifying.run()["retry"] == 1
    found = (Finding("no_object"),)
    assert verifying.verdict() == FileVerdict("missing", NOON, found, place=PLACE)
    assert verifying.run()["retry"] == 0  # not before its pause has passed
    clock.pass_ms(60_000)
    verifying.put(CLIP.read_bytes())
    assert verifying.run()["done"] == 1
    assert (verifying.verdict().outcome, verifying.verdict().at) == ("verified", NOON + 60_000)


def test_what_never_comes_is_a_dead_letter_and_stays_missing(
    verifying: Verifying, clock: Clock
) -> None:
    verifying.stage.happens(LEFT)
    while verifying.run()["dead"] == 0:
        clock.pass_ms(3_600_000)
        assert clock.now < NOON + 3 * DAY_MS
    (letter,) = verifying.stage.store.dead_letters(after="", limit=9)
    assert letter.task.why == "missing, no_object"
    assert verifying.verdict().outcome == "missing"


@pytest.mark.parametrize(
    "body", ["", '{"uri": 7}', '{"later": ' + "[" * 9_999, '{"uri": "\\ud800"}']
)
def test_a_task_that_cannot_be_read_is_a_dead_letter(verifying: Verifying, body: str) -> None:
    verifying.stage.happens(LEFT)
    with verifying.stage.store._writing() as db:  # type: ignore[union-attr] # SQLite's
        db.execute("UPDATE task SET body=?", (body,))

    assert verifying.run()["dead"] == 1
    (letter,) = verifying.stage.store.dead_letters(after="", limit=9)
    assert letter.task.why == "the body of the task cannot be read"


def test_what_a_rehearsal_has_deleted_is_not_waited_for(verifying: Verifying, clock: Clock) -> None:
    """It is no dead letter either, and its stream is forgotten within a day."""
    key = StreamKey("live.example.com", "app", f"{REHEARSAL_PREFIX}1")
    name = f"record/app/{key.stream}/x.flv"
    verifying.stage.happens(FileLeft(name, NOON - DURATION_MS, NOON, DURATION_MS), key)
    assert verifying.run()["retry"] == 1
    clock.pass_ms(REHEARSED_MS + 1)
    assert verifying.run() == {"done": 1, "continued": 0, "retry": 0, "dead": 0, "stale": 0}
    assert verifying.stage.app.stream_settings(key).keep == KEEP_REHEARSAL_MS


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", "unplayable"),
        (CLIP.read_bytes()[:-1_000], "truncated"),
        (b"<html>" * 99, "unplayable"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(verifying: Verifying, data: bytes, outcome: str) -> None:
    verifying.put(data)
    verifying.stage.happens(LEFT)
    assert verifying.run()["done"] == 1
    assert verifying.verdict().outcome == outcome


def test_a_name_that_may_be_anybodys_object_is_not_read(verifying: Verifying) -> None:
    verifying.put(CLIP.read_bytes(), "backups/users.flv")
    verifying.stage.happens(replace(LEFT, uri="backups/users.flv"))
    assert verifying.run()["done"] == 1
    found = verifying.verdict("backups/users.flv")
    assert found == FileVerdict("unknown", NOON, (Finding("not_named_by_policy"),))


def test_a_bucket_that_does_not_answer_says_nothing_of_a_file(verifying: Verifying) -> None:
    settings = replace(verifying.stage.app.settings, oss_endpoint="127.0.0.1:1")
    verifying.stage.app = replace(verifying.stage.app, settings=settings)
    verifying.stage.happens(LEFT)
    assert verifying.run()["retry"] == 1
    file = verifying.stage.store.file(KEY, NAME)
    assert file is not None
    assert file.verdict is None
    (left,) = verifying.stage.store.open_tasks(after="", limit=9)
    assert "OSS does not answer" in left.task.why


def test_a_task_that_cannot_be_read_stops_no_other(verifying: Verifying) -> None:
    verifying.put(CLIP.read_bytes())
    verifying.stage.happens(replace(LEFT, uri="record/app/room1/broken.flv"))
    verifying.stage.store._open().execute("UPDATE task SET body='{'")  # type: ignore[union-attr]
    verifying.stage.happens(LEFT)
    assert verifying.run() == {"done": 1, "continued": 0, "retry": 0, "dead": 1, "stale": 0}


def test_a_run_without_a_role_takes_nothing(verifying: Verifying) -> None:
    verifying.stage.happens(LEFT)
    verifying.run(NO_ROLE)
    (left,) = verifying.stage.store.open_tasks(after="", limit=9)
    assert left.task.attempts == 0
    assert "this function has no role" in verifying.stage.lines[-1]


def test_a_verdict_is_an_event_in_the_step_that_stores_it(verifying: Verifying) -> None:
    """Where a receiver of the policy wants to know."""
    hook = {"name": "crm", "url": "https://crm.example.com/in", "events": ["file.verified"]}
    policy = {"domain": [{"streaming": KEY.domain}], "webhook": [hook]}
    verifying.stage.store.put_policy(json.dumps(policy), replaces=0)
    verifying.put(CLIP.read_bytes())
    verifying.stage.happens(LEFT)
    verifying.run()
    (task,) = verifying.stage.store.take_tasks("event", limit=9, lease_ms=1)
    body = msgspec.json.decode(task.body, type=EventBody)
    assert task.stream == KEY
    assert (body.type, body.data["outcome"]) == (EventType.FILE_VERIFIED, "verified")
