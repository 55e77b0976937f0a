"""Attacks on the promises of docs/security.md, over HTTP against a whole running stage: by a
stranger who knows the callback URLs, and by one who also has a captured pair of
signature headers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from cli.local.stack import running
from emulator.live import Remote
from shared.inbound.live_callbacks import sign
from tests.support.journey import CLASSES_ARE_RECORDED, DOMAIN, PATIENCE, Stage

pytestmark = pytest.mark.slow
MAX_ANSWER_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    policy = folder / "policy.toml"
    policy.write_text(CLASSES_ARE_RECORDED)
    with running(folder, policy=policy, rtmp_port=0) as stack:
        yield Stage(stack, Remote(stack.live))


def replay(here: Stage, stream: str, **fields: object) -> int:
    """Send a recording callback with a captured pair; return the status."""
    second = str(here.now_s())
    host = here.stack.fc.removeprefix("http://")
    body = {"domain": DOMAIN, "app": "app", "stream": stream, **fields}
    return requests.post(
        f"{here.stack.fc}/callbacks/record/dev-path",
        data=json.dumps(body),
        headers={
            "ALI-LIVE-TIMESTAMP": second,
            "ALI-LIVE-SIGNATURE": sign(host, second, "dev-record-key-0000"),
        },
        timeout=PATIENCE,
    ).status_code


def known(here: Stage) -> int:
    rows = here.call("GET", f"{here.stack.fc}/v1/recordings?limit=1000").json()["recordings"]
    return len(rows)


def test_an_ask_and_a_replayed_report_withhold_no_start(here: Stage) -> None:
    """Once no command went out for the session, which was shown as recorded and confirmed."""
    query = {"domain": DOMAIN, "app": "app", "stream": "class-ask", "codec": "h264"}
    url = f"{here.stack.fc}/callbacks/on-demand/dev-path"
    before = known(here)
    assert requests.get(url, params=query, timeout=PATIENCE).json()["NeedRecord"] is True
    assert replay(here, "class-ask", event="record_started") == 200
    assert known(here) == before, "neither leaves anything"

    here.publish("class-ask")
    here.until(lambda: here.records("class-ask"))
    assert here.sent("class-ask") == ["start"]


def test_a_replayed_failure_is_undone_by_one_start(here: Stage) -> None:
    """Once the session was shown as failed until its end, while Live recorded, and a second stream
    ran under a cap of one."""
    here.publish("class-error")
    here.until(lambda: here.status("class-error")["confirmed"] is True)
    error = {"code": "BucketNotFound", "message": "gone"}
    assert replay(here, "class-error", event="record_error", error_info=error) == 200
    here.until(lambda: here.sent("class-error") == ["start", "start"])
    here.until(lambda: here.status("class-error")["phase"] != "starting")
    assert here.status("class-error")["phase"] == "recording"
    assert here.records("class-error")


def test_a_time_that_is_yet_to_come_makes_no_publish_late(here: Stage) -> None:
    """Once every later event looked late, and the reconnect was not recorded."""
    here.publish("class-future")
    here.until(lambda: here.records("class-future"))
    second = here.now_s()
    far, near = (
        here.ingest("class-future", second=second, time=second + ahead_s)
        for ahead_s in (4_000_000, 55)
    )
    assert (far.status_code, near.status_code) == (401, 200)
    here.unpublish("class-future")
    here.live.advance(6)
    here.publish("class-future")

    here.until(lambda: here.records("class-future"))


def test_a_file_of_another_stream_is_listed_for_both_and_signed_for_its_own(here: Stage) -> None:
    """Once the first report hid the file from its stream, and any object was signed."""
    uri = "record/app/class-mine/x.flv"
    for stream in ("class-theirs", "class-mine"):
        assert replay(here, stream, uri=uri, start_time=here.now_s(), stop_time=here.now_s()) == 200
    assert replay(here, "class-mine", uri="backups/users.csv") == 200
    listed = {
        stream: here.call("GET", f"{here.stack.fc}/v1/files/{DOMAIN}/app/{stream}").json()["files"]
        for stream in ("class-theirs", "class-mine")
    }
    is_signed = {
        (stream, file["uri"]): file["url"] is not None
        for stream, files in listed.items()
        for file in files
    }

    assert is_signed == {
        ("class-theirs", uri): False,
        ("class-mine", uri): True,
        ("class-mine", "backups/users.csv"): False,
    }


@pytest.mark.parametrize(
    "query",
    ["limit=000000001000000000000000", "limit=1001", "cursor=guessed", "phase=made-up"],
)
def test_what_a_list_cannot_answer_is_refused(here: Stage, query: str) -> None:
    """Once a limit was 500 on SQLite, and the whole store in one answer on Redis."""
    assert here.call("GET", f"{here.stack.fc}/v1/recordings?{query}").status_code == 400


def test_an_answer_does_not_grow_with_what_was_sent(here: Stage) -> None:
    """Once 1,400 unknown fields were answered with 355 KB."""
    answer = here.ask("class-many", "start", **{f"f{n}": n for n in range(1_000)})

    assert answer.status_code == 400
    assert len(answer.content) <= MAX_ANSWER_BYTES


def test_a_file_of_the_year_9999_is_listed(here: Stage) -> None:
    """Once its list was answered with 500 for good."""
    year_9999 = 253_402_300_799
    assert (
        replay(here, "class-9999", uri="record/app/class-9999/x.flv", start_time=year_9999) == 200
    )

    answer = here.call("GET", here.url("class-9999", "/files"))
    assert answer.status_code == 200
    assert [file["start"] for file in answer.json()["files"]] == [None]


def test_half_a_character_is_stored_as_one(here: Stage) -> None:
    assert replay(here, "class-half", uri="record/app/class-half/\ud800.flv") == 200

    (file,) = here.call("GET", here.url("class-half", "/files")).json()["files"]
    assert file["uri"] == "record/app/class-half/\ufffd.flv"


@pytest.mark.parametrize("key", ["\xff", "guessed", ""])
def test_a_wake_up_without_the_key_is_refused(here: Stage, key: str) -> None:
    answer = requests.post(
        f"{here.stack.fc}/_fc/http/reconcile/",
        headers={"X-Live-Record-Wake": key.encode("latin-1")},
        timeout=PATIENCE,
    )

    assert answer.status_code == 401
