"""The function that signs: the files of a stream, each with its size and an address that plays."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from emulator.live import LiveInThread, Remote
from functions import files
from functions.files.signing import MAX_SIZES
from shared.config.policy_dump import policy_document
from shared.inbound import function_compute
from shared.invocation.invocation import Invocation
from shared.outbox.settlement import Done, settlement
from shared.outbox.verify_file import verify_file
from shared.protocol import FileLeft
from shared.protocol.file import FileVerdict
from shared.protocol.policy import Domain, NamedBucket, Policy
from tests.cli.test_play import the_second_ends
from tests.conftest import KEY as ROOM1
from tests.conftest import NOON, Clock
from tests.support.buckets import add_bucket
from tests.support.scripted_stage import Got, Stage, check
from tests.support.settling import settle

ROOM = "/v1/files/live.example.com/app/room1"
KEY = "record/app/room1/a b/x#1.flv"
NAMED = FileLeft(KEY, NOON - 60_000, NOON, 59_403)
HEAD = "HeadObject"
ROLE = {"access_key_id": "dev", "access_key_secret": "dev-secret", "security_token": "dev-token"}
TOKENS = "ops:read:ops-token,brand:read@live.example.com/app/*:brand-token"
NO_ROLE = dict.fromkeys(ROLE, "")


@dataclass
class Signing:
    """Invocations of the function, beside a stand-in whose bucket has one object."""

    stage: Stage
    live: LiveInThread
    role: dict[str, str]

    def names(self, bucket: str = "dev-bucket", endpoint: str = "") -> None:
        endpoint = endpoint or self.live.address.removeprefix("http://")
        settings = replace(
            self.stage.app.settings, bucket=bucket, oss_endpoint=endpoint, oss_protocol="http"
        )
        self.stage.app = replace(self.stage.app, settings=settings)

    def ask(self, path: str = ROOM, method: str = "GET", token: str = "ops-token", **q: str) -> Got:  # noqa: S107 - a made-up one
        event = {
            "rawPath": path,
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "queryParameters": q,
            "requestContext": {"http": {"method": method}, "requestId": "1-77"},
        }
        context = SimpleNamespace(request_id="1-77", credentials=SimpleNamespace(**self.role))
        call = Invocation(self.stage.app, context, seconds=files.BUDGET_S)
        answer: Any = function_compute.answer(
            lambda asked: files.respond(call, asked),
            json.dumps(event).encode(),
            context,
            log=call.app.log,
        )
        got = Got(answer["statusCode"], answer["headers"], json.loads(answer["body"]))
        check(method, path, got)
        return got

    def only(self, **query: str) -> dict[str, Any]:
        (file,) = self.ask(**query).json["files"]
        return dict(file)

    def heads(self) -> int:
        calls = Remote(self.live.address).calls()["calls"]
        return [one["action"] for one in calls].count(HEAD)


@pytest.fixture
def signing(tmp_path: Path, clock: Clock) -> Iterator[Signing]:
    path = tmp_path / "dev-bucket" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(b"FLV")
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    with LiveInThread(buckets=tmp_path) as live:
        signing = Signing(stage, live, ROLE)
        signing.names()
        stage.happens(NAMED)
        yield signing
    stage.store.close()


def test_a_file_has_its_times_its_size_and_an_address_that_plays(signing: Signing) -> None:
    file = signing.only()

    assert (file["uri"], file["duration"], file["size"]) == (KEY, 59.403, 3)
    assert file["start"] < file["stop"]
    assert requests.get(file["url"], timeout=60).content == b"FLV"


@pytest.mark.parametrize("period", ["", "2h"])
def test_it_plays_for_as_long_as_was_asked_for_and_no_longer(signing: Signing, period: str) -> None:
    hours = 2 if period else 1
    url = signing.only(**({"for": period} if period else {}))["url"]
    clock = Remote(signing.live.address)
    the_second_ends()
    clock.advance(hours * 3_600 - 60)
    assert requests.get(url, timeout=60).status_code == 200

    clock.advance(61)
    assert requests.get(url, timeout=60).status_code == 403


def test_the_answer_says_until_when(signing: Signing) -> None:
    assert signing.ask(**{"for": "2h"}).json["until"] == "2025-11-22T10:26:40Z"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x%231", "x%232"),
        ("x-oss-expires=3", "x-oss-expires=9"),
        ("x-oss-security-token=dev", "x-oss-security-token=guess"),
        ("x-oss-signature=", "x-oss-signature=0"),
    ],
)
def test_an_address_that_was_changed_does_not_play(signing: Signing, old: str, new: str) -> None:
    url = signing.only()["url"]
    assert old in url

    assert requests.get(url.replace(old, new), timeout=60).status_code == 403


def test_what_lies_in_vod_has_neither_address_nor_size(signing: Signing) -> None:
    signing.stage.happens(FileLeft("vod:v-1", NOON, NOON + 1))
    file = signing.ask(limit="1").json["files"][0]

    assert (file["uri"], file["url"], file["size"]) == ("vod:v-1", None, None)
    assert "VOD" in file["why_no_size"]
    assert file["why_no_url"] == file["why_no_size"]


@pytest.mark.parametrize(
    "uri",
    [
        "backups/users.csv",
        "record/app/room10/x.flv",
        "record/app/room1",
        "record/app/room1/../../../backups/users.csv",
        "record/app/room1//x.flv",
        "/record/app/room1/x.flv",
        "record/other/room1/x.flv",
        "record/{AppName}/{StreamName}/x.flv",
    ],
)
def test_a_name_that_no_recording_of_the_stream_has_is_listed_and_not_signed(
    signing: Signing, uri: str
) -> None:
    """A replayed callback once got a URL for any object of the bucket."""
    signing.stage.happens(FileLeft(uri, NOON, NOON + 1))
    file = signing.ask(limit="1").json["files"][0]

    assert (file["uri"], file["url"], file["size"]) == (uri, None, None)
    assert "`object_prefix` of live.example.com" in file["why_no_url"]
    assert signing.heads() == 0


@pytest.mark.parametrize(
    ("prefix", "uri", "is_signed"),
    [
        ("tv/{StreamName}/{AppName}_{StartTime}", "tv/room1/app_9.flv", True),
        ("tv/{StreamName}/{AppName}_{StartTime}", "tv/room1/other_9.flv", False),
        ("tv/{AppName}/{Sequence}/{StreamName}", "tv/app/7/room1.flv", True),
        ("tv/{AppName}/{Sequence}/{StreamName}", "record/app/room1/x.flv", False),
    ],
)
def test_names_are_those_of_the_policy(
    signing: Signing, prefix: str, uri: str, is_signed: bool
) -> None:
    apply_policy(signing, Domain("live.example.com", object_prefix=(prefix,)))
    signing.stage.happens(FileLeft(uri, NOON, NOON + 1))

    assert (signing.ask(limit="1").json["files"][0]["url"] is not None) is is_signed


MINE = Domain("live.example.com", object_prefix=("a/{AppName}/{StreamName}/{StartTime}",))


@pytest.mark.parametrize(
    ("domains", "uri", "is_signed"),
    [
        ([MINE], "a/app/room1/x.flv", True),
        ([replace(MINE, object_prefix=("a/{AppName}/{StartTime}",))], "a/app/x.flv", False),
        ([replace(MINE, object_prefix=("a/{StreamName}/",))], "a/room1/x.flv", False),
        ([MINE, replace(MINE, streaming="tv.example.com")], "a/app/room1/x.flv", False),
        ([MINE, Domain("tv.example.com")], "a/app/room1/x.flv", True),
        ([MINE, Domain("tv.example.com", object_prefix=("a/",))], "a/app/room1/x.flv", False),
    ],
    ids=[
        "its own",
        "any stream's",
        "any application's",
        "two domains",
        "apart",
        "within another's",
    ],
)
def test_a_bound_token_gets_no_url_of_what_may_be_another_stream_s(
    signing: Signing, domains: list[Domain], uri: str, is_signed: bool
) -> None:
    apply_policy(signing, *domains)
    signing.stage.happens(FileLeft(uri, NOON, NOON + 1))
    file = signing.ask(token="brand-token", limit="1").json["files"][0]

    assert (file["url"] is not None) is is_signed
    assert signing.ask(limit="1").json["files"][0]["url"]


def apply_policy(signing: Signing, *domains: Domain) -> None:
    text = json.dumps(policy_document(Policy(domains)))
    assert signing.stage.app.store.put_policy(text, replaces=0)
    signing.stage.app.policies.forget()


def test_the_files_of_an_application_are_signed_in_the_bucket_that_the_policy_names(
    signing: Signing, tmp_path: Path
) -> None:
    add_bucket(signing.live.address, "other-bucket")
    path = tmp_path / "other-bucket" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(b"FLV of the other")
    other = NamedBucket("other-bucket", "oss-cn-beijing.aliyuncs.com", "app")
    apply_policy(signing, Domain("live.example.com", bucket=(other,)))

    file = signing.only()

    assert "/other-bucket/" in file["url"]
    assert file["size"] == len(b"FLV of the other")


def test_a_stage_without_a_bucket_signs_what_is_in_one_that_the_policy_names(
    signing: Signing,
) -> None:
    named = NamedBucket("dev-bucket", "oss-cn-beijing.aliyuncs.com")
    apply_policy(signing, Domain("live.example.com", bucket=(named,)))
    signing.names(bucket="")

    assert signing.only()["size"] == len(b"FLV")


def test_an_object_that_is_gone_says_so_and_the_others_are_told(signing: Signing) -> None:
    signing.stage.happens(FileLeft("record/app/room1/gone.flv", NOON, NOON + 1))
    gone, there = signing.ask().json["files"]

    assert (gone["size"], there["size"]) == (None, 3)
    assert "no such object" in gone["why_no_size"]


def test_a_role_that_may_not_read_is_told_what_it_needs(signing: Signing) -> None:
    signing.role = {**ROLE, "access_key_secret": "guess"}
    file = signing.only()

    assert (file["size"], "oss:GetObject" in file["why_no_size"]) == (None, True)
    assert requests.get(file["url"], timeout=60).status_code == 403


def test_an_oss_that_does_not_answer_is_asked_once(signing: Signing) -> None:
    signing.names(endpoint="127.0.0.1:9")
    for n in range(3):
        signing.stage.happens(FileLeft(f"record/app/room1/{n}.flv", NOON, NOON + 1))
    body = signing.ask().json["files"]

    assert len(body) == 4
    assert {file["why_no_size"] for file in body} == {"OSS does not answer (RequestError)"}
    assert all(file["url"] for file in body)


def test_sizes_are_asked_for_while_there_is_time(signing: Signing) -> None:
    """Each look at the clock takes 4 s."""
    ticks = itertools.count(step=4)
    signing.stage.app = replace(signing.stage.app, monotonic=lambda: next(ticks))
    for n in range(4):
        signing.stage.happens(FileLeft(f"record/app/room1/{n}.flv", NOON, NOON + 1))
    reasons = [file["why_no_size"] for file in signing.ask().json["files"]]

    assert reasons[-1] == (
        "there was no time left to ask OSS for the size of this file: send the request again with a"
        " smaller `limit`"
    )


def test_no_more_sizes_are_asked_for_than_a_request_may(signing: Signing) -> None:
    for n in range(MAX_SIZES):
        signing.stage.happens(FileLeft(f"record/app/room1/{n}.flv", NOON, NOON + 1))
    body = signing.ask(limit="200").json["files"]

    assert signing.heads() == MAX_SIZES
    assert body[-1]["why_no_size"] == (
        f"live-record asks OSS only for the sizes of the newest {MAX_SIZES} files"
    )


def test_a_stage_that_names_no_bucket_says_which_settings_it_lacks(signing: Signing) -> None:
    signing.names(bucket="")
    got = signing.ask()

    assert (got.status, got.json["code"]) == (409, "WrongState")
    assert "LIVE_RECORD_BUCKET" in got.json["hint"]
    assert "LIVE_RECORD_OSS_ENDPOINT" in got.json["hint"]


def test_a_stage_that_names_no_bucket_any_more_signs_what_was_verified_in_one(
    signing: Signing,
) -> None:
    store = signing.stage.store
    store.add_tasks(ROOM1, verify_file(ROOM1, KEY))
    (task,) = store.take_tasks("verify_file", limit=1, lease_ms=1_000)
    verdict = FileVerdict("verified", NOON, place="dev-bucket/oss-cn-shanghai.aliyuncs.com")
    assert settle(store, task, settlement(task, Done(KEY, verdict), 0.0))
    signing.stage.happens(FileLeft("record/app/room1/unknown.flv", NOON, NOON + 1))
    signing.names(bucket="")
    unknown, known = signing.ask().json["files"]

    assert requests.get(known["url"], timeout=60).content == b"FLV"
    assert (unknown["url"], "does not name its bucket" in unknown["why_no_url"]) == (None, True)


def test_without_a_role_nothing_is_signed(signing: Signing) -> None:
    signing.role = NO_ROLE
    got = signing.ask()

    assert (got.status, "deploy/ram/files.json" in got.json["hint"]) == (409, True)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"token": ""}, 401),
        ({"token": "guess-token"}, 401),
        ({"path": "/v1/files/other.example.com/app/room1"}, 404),
        ({"path": "/v1/files/live.example.com/app"}, 404),
        ({"path": "/v1/files/live.example.com/app/*"}, 400),
        ({"method": "POST"}, 405),
        ({"for": "13h"}, 400),
        ({"for": "0s"}, 400),
        ({"for": "soon"}, 400),
        ({"limit": "1001"}, 400),
    ],
)
def test_what_cannot_be_asked_is_refused(
    signing: Signing, asked: dict[str, Any], status: int
) -> None:
    assert signing.ask(**asked).status == status


def test_the_route_may_have_taken_its_part_off_the_path(signing: Signing) -> None:
    assert signing.ask("/live.example.com/app/room1").json["files"][0]["size"] == 3


def test_the_list_of_files_says_where_they_are_signed(signing: Signing) -> None:
    listed = "/v1/recordings/live.example.com/app/room1/files"
    assert signing.stage.ask("GET", listed).json["signed"] == ROOM

    signing.names(bucket="")
    assert signing.stage.ask("GET", listed).json["signed"] is None


def test_record_command_itself_leads_to_the_function_that_signs(signing: Signing) -> None:
    got = signing.stage.ask("GET", ROOM)

    assert (got.status, "the stage's own domain" in got.json["hint"]) == (404, True)
