"""What Live calls a stream can be recorded, asked about, stopped and listed. A stream whose
name no command can contain is never recorded, and the stage says so: one rule at every door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cli.api import Api
from cli.exit_codes import NOT_AS_WANTED
from cli.main import main
from cli.stream_names import stream_of
from functions import reconcile
from shared.inbound.function_compute.request import TimerEvent
from shared.invocation.invocation import Invocation
from shared.logs import Log
from shared.protocol import StreamKey
from shared.protocol.stream import MAX_NAME_BYTES
from shared.store import Store
from shared.store.contract import Filter
from tests.conftest import KEY as PLAIN
from tests.conftest import NOON, Clock, saving
from tests.support.callback_stage import Edge
from tests.support.http_stage import TOKEN, HttpStage, http_stage, now_ms

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { app = "app" }
on_publish = "record"
"""
NAMES = {
    "a blank": "room 1",
    "a slash": "a/b",
    "a question mark": "q?x",
    "an encoded slash in the name itself": "a%2Fb",
    "a hash": "a#b",
    "an escape character": "a\x1b[31mb",
    "a line feed": "a\nb",
    "300 characters": "x" * 300,
    "as many bytes as a name may have": "课" * 170 + "ab",
    "Chinese": "教室",
    "dots": "..a",
}
NO_NAMES = {
    "NUL": "a\0b",
    "a wildcard": "a*",
    "a step of a path": "..",
    "one byte too many": "课" * 171,
    "what was no text": "a\ufffd",
}
named = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
not_named = pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES.keys())


def key_of(name: str) -> StreamKey:
    return StreamKey("live.example.com", "app", name)


# --- over HTTP, beside the emulator of Live -----------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpStage]:
    """Yield a stage of which no callback told anything: one reconcile found what Live lists."""
    with http_stage(tmp_path_factory.mktemp("stage"), POLICY) as stage:
        stage.remote.notify(
            stream_url="http://127.0.0.1:1/none", record_url="http://127.0.0.1:1/none"
        )
        for name in (*NAMES.values(), *NO_NAMES.values()):
            stage.remote.publish(name)
        reconciled(stage)
        yield stage


def reconciled(stage: HttpStage) -> str:
    """Return the log of one run of reconcile."""
    lines: list[str] = []
    app = replace(stage.app, log=Log(lines.append, now=now_ms))
    context = SimpleNamespace(request_id="1-77", credentials=stage.role)
    reconcile.respond(Invocation(app, context, seconds=60), TimerEvent("minute", "", ""))
    return "\n".join(lines)


def is_recorded(stage: HttpStage, name: str) -> bool:
    found = stage.remote.state(name)["recording"]
    return found is not None and found["state"] == "recording"


@named
def test_what_live_lists_is_recorded_and_a_person_can_stop_it(
    recording: HttpStage, name: str
) -> None:
    assert is_recorded(recording, name)
    stream = str(key_of(name))
    assert of_cli(recording, "status", stream, "--json").stdout.count('"wanted": true') == 1

    assert "idle" in of_cli(recording, "stop", stream).stdout
    assert not is_recorded(recording, name)


@named
def test_it_is_listed_under_the_name_that_every_command_takes(
    recording: HttpStage, name: str
) -> None:
    api = Api(recording.url, TOKEN)
    listed = [row["stream"] for row in api.list_recordings(1000)["recordings"]]

    assert str(key_of(name)) in listed
    assert api.status(str(key_of(name)))["ever_live"]
    assert api.history(str(key_of(name)))["history"]


def test_a_list_goes_on_behind_any_name(recording: HttpStage) -> None:
    every = [row["stream"] for row in Api(recording.url, TOKEN).list_recordings(1000)["recordings"]]

    assert list(one_by_one(recording)) == every


def one_by_one(stage: HttpStage) -> Iterator[str]:
    cursor: str | None = ""
    while cursor is not None:
        answer = requests.get(
            f"{stage.url}/v1/recordings",
            params={"limit": "1", **({"cursor": cursor} if cursor else {})},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
        ).json()
        yield from (row["stream"] for row in answer["recordings"])
        cursor = answer["next"]


@not_named
def test_what_is_no_name_is_never_recorded(recording: HttpStage, name: str) -> None:
    assert not is_recorded(recording, name)
    assert recording.app.store.load(key_of(name)).version == 0


def test_the_log_of_each_reconcile_says_so(recording: HttpStage) -> None:
    (line,) = [
        json.loads(line)
        for line in reconciled(recording).splitlines()
        if "stream.unusable_name" in line
    ]

    assert f"{len(NO_NAMES)} live streams cannot be recorded" in str(line)


def test_list_watch_health_and_doctor_name_what_cannot_be_recorded(recording: HttpStage) -> None:
    reconciled(recording)
    options = ("--url", recording.url, "--token", TOKEN)
    shown = {words: CliRunner().invoke(main, [*words, *options]) for words in (LIST, WATCH, HEALTH)}

    for result in shown.values():
        assert result.exit_code == NOT_AS_WANTED, result.output
    for words in (LIST, WATCH):
        for name in NO_NAMES.values():
            line = f"{key_of(name)}: NOT RECORDED, although a rule should record it"
            assert line in shown[words].stdout
    for words in (HEALTH, WATCH):
        assert f"because of their names: {len(NO_NAMES)}, " in shown[words].stdout


LIST: tuple[str, ...] = ("list", "--wrong")
WATCH: tuple[str, ...] = ("watch", "--once")
HEALTH: tuple[str, ...] = ("health",)


def of_cli(stage: HttpStage, *words: str) -> Result:
    result = CliRunner().invoke(main, [*words, "--url", stage.url, "--token", TOKEN])
    assert result.exit_code == 0, result.output
    return result


# --- each door alone ----------------------------------------------------------------------------


@pytest.fixture
def edge(tmp_path: Path, clock: Clock) -> Edge:
    return Edge(tmp_path, clock, policy=POLICY, LIVE_RECORD_ON_DEMAND_DEFAULT="true")


@named
def test_callbacks_take_a_name(edge: Edge, name: str) -> None:
    assert edge.ingest(key=key_of(name)).status == 200
    reported = edge.record_callback(event="record_started", stream=name)

    assert reported.json == {"stored": str(key_of(name))}
    assert edge.record(key_of(name)).intent.wanted


@not_named
def test_callbacks_refuse_what_is_none_and_say_so(edge: Edge, name: str) -> None:
    before = edge.dump()

    assert edge.ingest(key=key_of(name)).status == 400
    assert edge.record_callback(event="record_started", stream=name).status == 400
    assert edge.dump() == before
    assert sum("callback.refused" in line for line in edge.lines) == 2


@named
def test_live_may_ask_about_a_name(edge: Edge, name: str) -> None:
    assert edge.asks(key_of(name)).json["NeedRecord"] is True


@not_named
def test_live_is_told_not_to_record_what_is_none(edge: Edge, name: str) -> None:
    assert edge.asks(key_of(name)).json["NeedRecord"] is False
    assert any("callback.ignored" in line for line in edge.lines)


@named
def test_the_command_line_reads_a_name_as_it_is_shown(name: str) -> None:
    shown = str(key_of(name))

    assert shown.isprintable()
    assert StreamKey.parse(stream_of(shown)) == key_of(name)
    assert stream_of(f"rtmp://live.example.com/app/{quote(name, safe='')}") == shown
    assert stream_of(f"https://live.example.com/app/{quote(name, safe='')}.m3u8") == shown


@not_named
def test_the_command_line_refuses_what_is_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"not the name of a stream|three names"):
        stream_of(f"live.example.com/app/{quote(name, safe='')}")


def test_no_two_streams_look_alike() -> None:
    names = [*NAMES.values(), *NO_NAMES.values(), "a", "b", "%", "%25"]

    assert len({str(key_of(name)) for name in names}) == len(names)


def test_the_longest_names_fit_into_a_request_to_function_compute() -> None:
    longest = "课" * (MAX_NAME_BYTES // 3)
    key = StreamKey("x" * 253, longest, longest)

    assert len(f"/v1/recordings/{key.url_path}/cancel_delay?limit=1000") < 4096


# --- the stores ---------------------------------------------------------------------------------


def test_a_store_lists_every_name_in_order(store: Store) -> None:
    keys = sorted(key_of(name) for name in NAMES.values())
    for key in keys:
        store.save_or_claim(saving(replace(store.load(key).record, changed_at=NOON)))

    assert [record.key for record in store.listed(Filter(), after=None, limit=100)] == keys


def test_a_nul_that_an_earlier_release_stored_hides_nobody_else(store: Store) -> None:
    for key in (PLAIN, key_of("a\0b"), StreamKey("live.example.com", "a\0b", "c")):
        store.save_or_claim(saving(replace(store.load(key).record, changed_at=NOON)))

    listed = store.listed(Filter(), after=None, limit=100)
    assert PLAIN in [record.key for record in listed]
    assert len(listed) == 3
