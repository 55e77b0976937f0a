"""live-record setup, against a stage over HTTP and the emulator's own configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cli import stage_registry
from cli.account import Account, account_at
from cli.api import Api
from cli.errors import Failure
from cli.main import main
from cli.setup.configurations import ConfigTarget, read, recordings, write
from cli.stage_registry import Target, register
from emulator.live import Remote
from shared.config.path_tokens import KINDS, path_token_of, path_tokens_of
from tests.support.chinese import CHINESE
from tests.support.http_stage import RELAY, TOKEN, HttpStage, http_stage
from tests.support.raw_server import Wire, json_reply
from tests.support.receiver import poll

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""
OTHERS = {
    "stream_url": "https://old.example.com/live?secret=s3cret",
    "record_url": "https://old.example.com/record/s3cret",
    "on_demand_url": "https://old.example.com/ask/s3cret",
}
STREAM = ConfigTarget("stream", "push.example.com")
RECORD = ConfigTarget("record", "live.example.com")
APP = ConfigTarget("oss", "live.example.com", "app", "*")
YARD = "live.example.com/yard"
APP_OF_LIVE = {"domain": "live.example.com", "app": "app"}
WRITES = ("Add", "Set", "Update", "Delete")


class Person:
    """Types `live-record setup` at a stage, and sees what Live has."""

    def __init__(self, stage: HttpStage, account: Account) -> None:
        self.stage, self.account = stage, account
        self.waited: list[float] = []
        self.control = stage.remote

    def types(self, *words: str, answer: str = "") -> Result:
        command = ["setup", "--stage", "dev", *words]
        result = CliRunner().invoke(main, command, input=answer, obj=self.waited.append)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def does(self, *words: str) -> str:
        result = self.types("--yes", *words)
        assert result.exit_code == 0, result.output
        return result.output

    def sees(self) -> dict[str, Any]:
        return {str(target): read(self.account, target) for target in (STREAM, RECORD, APP)}

    def policy(self) -> dict[str, Any]:
        policy: dict[str, Any] = self._asked("/v1/policy")["policy"]
        return policy

    def recording(self, stream: str) -> dict[str, Any]:
        return self._asked(f"/v1/recordings/live.example.com/app/{stream}")

    def _asked(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = requests.get(f"{self.stage.url}{path}", headers=headers, timeout=60)
        document: dict[str, Any] = answer.json()
        return document

    def wrote(self) -> list[str]:
        calls = self.control.calls()["calls"]
        return [call["action"] for call in calls if call["action"].startswith(WRITES)]


@pytest.fixture(autouse=True)
def no_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name in ("LIVE_RECORD_URL", "LIVE_RECORD_TOKEN", "ALIBABA_CLOUD_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "setup" / "dev.json"


def add_with_name(account: Account, name: str) -> None:
    """Set the object name by deleting and adding the configuration; an update cannot change it."""
    bucket = {"OssBucket": "dev-bucket", "OssEndpoint": "oss-cn-shanghai.aliyuncs.com"}
    formats = [{"Format": "mp4", "OssObjectPrefix": name}]
    account.ask("DeleteLiveAppRecordConfig", **APP.names)
    account.ask("AddLiveAppRecordConfig", **APP.names, **bucket, OnDemand=7, RecordFormat=formats)


def without_callbacks(account: Account) -> None:
    account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=STREAM.domain)
    account.ask("DeleteLiveRecordNotifyConfig", DomainName=RECORD.domain)


def person_at(stage: HttpStage) -> Person:
    register(stage_registry.DEV, Target(stage.url, TOKEN, stage.live))
    return Person(stage, account_at(stage.live))


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Nothing calls back yet."""
    with http_stage(tmp_path, POLICY, RELAY) as stage:
        found = person_at(stage)
        without_callbacks(found.account)
        yield found


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Person]:
    """Somebody else has the callbacks."""
    with http_stage(tmp_path, POLICY, RELAY) as stage:
        stage.remote.notify(**OTHERS, exception_url="", stream_key="", record_key="")
        yield person_at(stage)


# --- what is there beside what is needed


def test_live_is_told_where_to_call_and_signs_with_a_key_that_the_stage_knows(
    person: Person,
) -> None:
    person.does()
    configured, url = person.sees(), person.stage.url
    token = path_token_of("stream", "dev-path")
    assert configured[str(STREAM)] == {
        "NotifyUrl": f"{url}/callbacks/stream/{token}",
        "ExceptionNotifyUrl": f"{url}/callbacks/stream/exception/{token}",
        "NotifyReqAuth": "yes",
        "NotifyAuthKey": "dev-stream-key-0000",
    }
    assert configured[str(RECORD)] == {
        "NotifyUrl": f"{url}/callbacks/record/{path_token_of('record', 'dev-path')}",
        "NeedStatusNotify": True,
        "NotifyReqAuth": True,
        "NotifyAuthKey": "dev-record-key-0000",
    }


def test_the_first_stream_after_it_is_recorded_and_confirmed_by_live(person: Person) -> None:
    person.does()
    published = person.control.publish("room", wait=True)
    assert published["callback"]["status"] == 200
    poll(lambda: person.recording("room")["confirmed"] is True)


def test_the_urls_for_another_stage_to_forward_to_are_shown_when_asked_for(
    person: Person,
) -> None:
    before, wrote = person.sees(), person.wrote()
    shown = person.does("--callback-urls")
    in_json = json.loads(person.does("--callback-urls", "--json"))

    ends = {kind: path_token_of(kind, "dev-path") for kind in KINDS}
    urls = {kind: f"{person.stage.url}/callbacks/{kind}/{end}" for kind, end in ends.items()}
    named = {kind.replace("-", "_"): url for kind, url in urls.items()}
    assert [line for line in shown.splitlines() if " = " in line] == [
        f'{kind} = "{url}"' for kind, url in named.items()
    ]
    assert in_json["callback_urls"] == named
    assert (person.sees(), person.wrote()) == (before, wrote)


def test_no_url_is_shown_that_the_stage_would_refuse(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVE_RECORD_PATH_TOKENS", "of-another-stage")
    result = person.types("--callback-urls")
    assert result.exit_code == 1
    assert "the stage does not know the first value of LIVE_RECORD_PATH_TOKENS" in result.output


@pytest.mark.parametrize("secret", ["dev-path", "of-the-lost-stage"])
def test_a_second_stage_takes_over_to_its_own_host(tmp_path: Path, secret: str) -> None:
    """The callbacks of the stage that is gone are not forwarded to it. The second stage may know
    its path tokens, so that it could also take over by the CNAME."""
    lost = "record.example.com"
    ends = {kind: path_token_of(kind, secret) for kind in KINDS}
    with http_stage(tmp_path, POLICY, RELAY) as stage:
        hosts = (stage.host, lost)
        settings = replace(stage.app.settings, callback_hosts=hosts)
        stage.app = replace(stage.app, settings=settings)
        stage.remote.notify(
            stream_url=f"https://{lost}/callbacks/stream/{ends['stream']}",
            record_url=f"https://{lost}/callbacks/record/{ends['record']}",
            exception_url=f"https://{lost}/callbacks/stream/exception/{ends['stream']}",
        )
        person = person_at(stage)
        person.does("--take-over")
        assert stage.host in person.sees()[str(STREAM)]["NotifyUrl"]
        assert stage.host in person.sees()[str(STREAM)]["ExceptionNotifyUrl"]
        assert stage.host in person.sees()[str(RECORD)]["NotifyUrl"]
        assert "forward_to" not in person.policy()


def test_a_second_run_has_nothing_to_do_and_sends_nothing(person: Person) -> None:
    person.does()
    wrote = person.wrote()
    assert person.does().strip() == "stage dev\nnothing to do"
    assert person.wrote() == wrote


def test_a_stream_that_somebody_asked_for_is_noted_until_a_configuration_covers_it(
    person: Person,
) -> None:
    person.does()
    Remote(person.stage.live, app="yard").publish("walk", wait=True)
    with suppress(Failure):  # it is refused, since no recording configuration covers it
        Api(person.stage.url, TOKEN).ask(f"{YARD}/walk", "start")
    assert f"note: somebody asked by hand to record {YARD}/walk" in person.does()

    value = read(person.account, APP)
    write(person.account, ConfigTarget("oss", RECORD.domain, "yard", "*"), None, value)
    assert "by hand" not in person.types("--yes").output


def test_without_a_yes_nothing_is_changed(person: Person) -> None:
    wrote = person.wrote()
    result = person.types(answer="n\n")
    assert (result.exit_code, person.wrote()) == (1, wrote)
    assert f"not done: {STREAM}" in result.output


def test_a_yes_at_the_prompt_is_enough(person: Person) -> None:
    assert person.types(answer="y\n").exit_code == 0
    assert person.sees()[str(RECORD)] is not None


def test_where_nobody_can_answer_it_changes_nothing_and_names_the_option(person: Person) -> None:
    before = person.wrote()
    result = person.types()
    assert (result.exit_code, person.wrote()) == (2, before)
    assert "Nothing was changed, because nobody confirmed it." in result.output
    assert "Aborted" not in result.output


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_no_key_and_no_path_token_is_ever_printed(owner: Person, as_json: tuple[str, ...]) -> None:
    shown = owner.types("--yes", "--take-over", *as_json).output
    shown += owner.types("--undo", "--yes", *as_json).output
    assert "old.example.com" in shown
    tokens = path_tokens_of(["dev-path"])
    for secret in ("s3cret", "dev-path", *tokens, "dev-stream-key-0000", "dev-record-key-0000"):
        assert secret not in shown


def test_it_says_the_same_as_json(person: Person) -> None:
    document = json.loads(person.types("--json").stdout)
    assert (
        [change["target"] for change in document["changes"]]
        == document["left"]
        == [RECORD.id, STREAM.id]
    )
    document = json.loads(person.types("--json", "--yes").stdout)
    assert (document["done"], document["left"]) == ([RECORD.id, STREAM.id], [])


def test_what_programs_read_is_the_same_in_every_language(person: Person) -> None:
    chinese = ("--language", "zh", "--json")
    planned = json.loads(person.types(*chinese).stdout)
    person.types("--yes")
    undone = json.loads(person.types("--undo", "--yes", *chinese).stdout)

    shown = [planned["changes"][0]["text"], *undone.pop("notes")]
    assert all(re.search(f"[{CHINESE}]", text) for text in shown)
    for change in planned["changes"]:
        del change["text"]
    assert not re.search(f"[{CHINESE}]", json.dumps([planned, undone], ensure_ascii=False))


@pytest.mark.parametrize("absent", ["empty", "refused"])
def test_a_configuration_that_is_not_there_is_added_whatever_live_says_of_it(
    person: Person, absent: str
) -> None:
    person.control.switch(absent_notify_config=absent)
    person.does()
    assert person.wrote()[-2:] == ["AddLiveRecordNotifyConfig", "SetLiveStreamsNotifyUrlConfig"]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_key_that_live_keeps_to_itself_is_not_set_again_each_time(
    person: Person, is_told: bool
) -> None:
    person.control.switch(record_key_is_returned=is_told)
    person.does()
    assert person.does().strip() == "stage dev\nnothing to do"


def test_a_key_that_the_stage_knows_stays_though_it_is_not_the_first(tmp_path: Path) -> None:
    keys = {"LIVE_RECORD_STREAM_KEYS": "NewKey0123456789,dev-stream-key-0000"}
    with http_stage(tmp_path, POLICY, keys) as stage:
        stage.remote.notify(stream_url=f"{stage.url}/callbacks/stream/dev-path")
        person = person_at(stage)
        person.types("--yes")
        assert person.sees()[str(STREAM)]["NotifyAuthKey"] == "dev-stream-key-0000"


def test_a_key_that_the_stage_does_not_know_is_never_given_to_live(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVE_RECORD_STREAM_KEYS", "Unknown0123456789")
    result = person.types("--yes")
    assert result.exit_code == 1
    assert "the stage does not know the first value of LIVE_RECORD_STREAM_KEYS" in result.output
    assert (person.sees()[str(STREAM)], person.sees()[str(RECORD)] is None) == (None, False)


def test_live_is_given_the_address_to_ask_where_a_configuration_asks(person: Person) -> None:
    asked = {"OssEndpoint": "oss-cn-shanghai.aliyuncs.com", "OnDemand": 1, "DelayTime": 180}
    mp4 = [{"Format": "mp4"}]
    person.account.ask("UpdateLiveAppRecordConfig", **APP.names, **asked, RecordFormat=mp4)
    person.does()
    url = f"{person.stage.url}/callbacks/on-demand/{path_token_of('on-demand', 'dev-path')}"
    assert person.sees()[str(RECORD)]["OnDemandUrl"] == url
    assert person.sees()[str(APP)]["OnDemand"] == 1


def test_two_urls_that_are_shown_alike_are_told_apart(person: Person) -> None:
    person.does()
    url = person.sees()[str(STREAM)]["NotifyUrl"].rpartition("/")[0]
    person.control.notify(stream_url=f"{url}/another-token?secret=s3cret")
    shown = person.types().output

    assert "/… (parts that differ: last part of the path, query)" in shown
    assert "another-token" not in shown


# --- recording configurations


def test_what_may_be_recorded_by_hand_is_set_up_like_the_rest(tmp_path: Path) -> None:
    by_hand = POLICY.replace('"app"', '"yard"').replace('"record"', '"on_request"')
    with http_stage(tmp_path, by_hand) as stage:
        person = person_at(stage)
        without_callbacks(person.account)
        person.does()
        added = read(person.account, ConfigTarget("oss", "live.example.com", "yard", "*"))
    assert added is not None
    assert added["OnDemand"] == 7


def test_a_start_by_hand_elsewhere_is_refused_and_everybody_says_what_to_do(
    person: Person,
) -> None:
    person.does()
    Remote(person.stage.live, app="yard").publish("walk", wait=True)
    start = CliRunner().invoke(main, ["start", f"{YARD}/walk", "--stage", "dev"])
    why = CliRunner().invoke(main, ["why", f"{YARD}/walk", "--stage", "dev"])
    shown = person.types().output

    assert "CodeConfigNotFound" in start.output
    for said in (why.output, shown):
        assert f"{YARD}/walk" in said
        assert "on_request" in said


def test_a_rule_without_a_configuration_gets_one_like_another_of_its_domain(
    tmp_path: Path,
) -> None:
    with http_stage(tmp_path, POLICY.replace('"app"', '"classroom"')) as stage:
        person = person_at(stage)
        without_callbacks(person.account)
        person.does()
        added = read(person.account, ConfigTarget("oss", "live.example.com", "classroom", "*"))
    assert added is not None
    assert (added["OssBucket"], added["OnDemand"], added["DelayTime"]) == ("dev-bucket", 7, 180)


def test_without_another_to_go_by_the_bucket_has_to_be_said(person: Person) -> None:
    person.account.ask("DeleteLiveAppRecordConfig", **APP.names)
    refused = person.types("--yes")
    assert (refused.exit_code, "Pass `--bucket` and `--endpoint`." in refused.output) == (1, True)
    person.does("--bucket", "dev-bucket", "--endpoint", "oss-cn-shanghai.aliyuncs.com")
    added = person.sees()[str(APP)]
    assert (added["OssBucket"], added["RecordFormat"][0]["Format"]) == ("dev-bucket", "mp4")


def test_what_a_rule_is_about_becomes_manual_and_what_none_is_about_is_left(
    person: Person,
) -> None:
    for app, mode in (("app", 0), ("else", 0)):
        person.control.post("recording", {**APP_OF_LIVE, "app": app, "on_demand": mode})
    shown = person.does()
    other = ConfigTarget("oss", "live.example.com", "else", "*")
    assert "no rule covers it: not changed" in shown
    assert person.sees()[str(APP)]["OnDemand"] == 7
    assert (read(person.account, other) or {})["OnDemand"] == 0
    person.does("--manual")
    assert (read(person.account, other) or {})["OnDemand"] == 7


def test_the_merge_delay_becomes_that_of_the_stage_and_all_else_stays(person: Person) -> None:
    before = person.sees()[str(APP)]
    formats = [entry["Format"] for entry in before["RecordFormat"]]
    other = {"on_demand": 7, "delay_seconds": 60, "formats": formats}
    person.control.post("recording", {**APP_OF_LIVE, **other})
    person.does()
    assert person.sees()[str(APP)] == before


def test_an_object_name_that_streams_share_gets_the_stream_in_it(person: Person) -> None:
    shared = "all/{AppName}_{StartTime}_{EndTime}"
    add_with_name(person.account, shared)
    person.does()
    (mp4,) = person.sees()[str(APP)]["RecordFormat"]
    assert (
        mp4["OssObjectPrefix"] == "record/{AppName}/{StreamName}/{AppName}_{StartTime}_{EndTime}"
    ), "in a folder that the policy knows"
    person.does("--undo")
    (mp4,) = person.sees()[str(APP)]["RecordFormat"]
    assert mp4["OssObjectPrefix"] == shared


def formats_of(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a configuration says of each format, by its name."""
    return {entry.pop("Format"): entry for entry in (value or {})["RecordFormat"]}


def test_a_format_is_added_to_what_is_manual_and_its_segments_lie_beside_its_playlist(
    person: Person,
) -> None:
    add_with_name(person.account, "all/{AppName}/{StreamName}-{StartTime}-{EndTime}")
    person.control.post("recording", {**APP_OF_LIVE, "app": "else", "on_demand": 0})
    shown = person.does("--format", "m3u8")

    assert f"note: {APP}: Live cannot change the object names" in shown
    assert formats_of(person.sees()[str(APP)]) == {
        "mp4": {"OssObjectPrefix": "all/{AppName}/{StreamName}-{StartTime}-{EndTime}"},
        "m3u8": {
            "OssObjectPrefix": "all/{AppName}/{StreamName}-{StartTime}-{EndTime}",
            "SliceDuration": 30,
            "SliceOssObjectPrefix": "all/{AppName}/{StreamName}_{UnixTimestamp}_{Sequence}",
        },
    }
    automatic = read(person.account, ConfigTarget("oss", "live.example.com", "else", "*"))
    assert "m3u8" not in formats_of(automatic)
    for again in ((), ("--format", "m3u8")):
        assert person.does(*again).endswith("\nnothing to do\n")


def test_an_endpoint_is_replaced_only_where_a_rule_records(person: Person) -> None:
    other = ConfigTarget("oss", "live.example.com", "else", "*")
    for target, app in ((APP, "app"), (other, "else")):
        person.control.post("recording", {**APP_OF_LIVE, "app": app, "on_demand": 7})
        assert endpoint_of(person, target) == "oss-cn-shanghai.aliyuncs.com"
    shown = person.does("--endpoint", "oss-cn-shanghai-internal.aliyuncs.com")

    assert endpoint_of(person, APP) == "oss-cn-shanghai-internal.aliyuncs.com"
    assert endpoint_of(person, other) == "oss-cn-shanghai.aliyuncs.com"
    assert f"note: {other}: no rule covers it, so its endpoint stays" in shown
    assert f"note: {APP}: no rule" not in shown


def test_the_endpoint_of_a_new_bucket_is_not_that_of_another_bucket(person: Person) -> None:
    bucket = ("--bucket", "new-bucket", "--endpoint", "oss-cn-beijing.aliyuncs.com")
    shown = person.does(*bucket)

    assert endpoint_of(person, APP) == "oss-cn-shanghai.aliyuncs.com"
    assert (
        f"note: {APP}: it records into dev-bucket, not into the bucket of `--bucket`, so its"
        " endpoint stays" in shown
    )


def endpoint_of(person: Person, target: ConfigTarget) -> str:
    return str((read(person.account, target) or {})["OssEndpoint"])


def test_a_new_configuration_has_the_formats_that_are_named(person: Person) -> None:
    person.account.ask("DeleteLiveAppRecordConfig", **APP.names)
    bucket = ("--bucket", "dev-bucket", "--endpoint", "oss-cn-shanghai.aliyuncs.com")
    person.does(*bucket, "--format", "m3u8", "--format", "flv")

    added = formats_of(person.sees()[str(APP)])
    assert list(added) == ["m3u8", "flv"]
    assert added["m3u8"]["SliceOssObjectPrefix"] == (
        "record/{AppName}/{StreamName}/{UnixTimestamp}_{Sequence}"
    )


def test_segments_that_streams_share_get_the_stream_in_their_names(person: Person) -> None:
    bucket = {"OssBucket": "dev-bucket", "OssEndpoint": "oss-cn-shanghai.aliyuncs.com"}
    m3u8 = {
        "Format": "m3u8",
        "OssObjectPrefix": "record/{AppName}/{StreamName}/{StartTime}_{EndTime}",
        "SliceDuration": 10,
        "SliceOssObjectPrefix": "record/{AppName}/{UnixTimestamp}_{Sequence}",
    }
    person.account.ask("DeleteLiveAppRecordConfig", **APP.names)
    person.account.ask(
        "AddLiveAppRecordConfig", **APP.names, **bucket, OnDemand=7, RecordFormat=[m3u8]
    )
    person.does()

    segments = formats_of(person.sees()[str(APP)])["m3u8"]
    assert segments["SliceOssObjectPrefix"] == (
        "record/{AppName}/{StreamName}/{UnixTimestamp}_{Sequence}"
    )
    assert segments["SliceDuration"] == 10


def test_a_configuration_into_vod_is_corrected_in_its_own_fields(person: Person) -> None:
    target = ConfigTarget("vod", "live.example.com", "app", "*")
    person.account.ask("DeleteLiveAppRecordConfig", **APP.names)
    formats = [{"Format": "mp4", "AutoCompose": "ON", "Tags": "lesson"}]
    rest = {"RecordFormat": formats, "CycleDuration": 600, "StorageLocation": "out.example.com"}
    person.account.ask("AddLiveRecordVodConfig", **target.names, OnDemand=0, DelayTime=60, **rest)
    before = read(person.account, target)
    person.does()
    now = read(person.account, target) or {}
    assert (now["OnDemand"], now["DelayTime"], now["RecordFormat"]) == (7, 180, formats)
    person.does("--undo")
    assert read(person.account, target) == before


UNNAMED = {
    "DomainName": "live.example.com",
    "AppName": "app",
    "OnDemond": 0,
    "OssEndpoint": "oss-cn-shanghai.aliyuncs.com",
    "RecordFormatList": {"RecordFormat": [{"Format": "mp4"}]},
}


def test_a_configuration_that_names_no_stream_is_changed_without_naming_one() -> None:
    wire = Wire()
    listing = {"RequestId": "1", "LiveAppRecordList": {"LiveAppRecord": [UNNAMED]}}
    wire.script(json_reply(listing), json_reply({"RequestId": "2"}))
    account = account_at(f"http://{wire.endpoint}")
    ((target, value),) = recordings(account, "live.example.com")
    write(account, target, value, {**value, "OnDemand": 7})
    wire.close()
    changed = wire.seen[-1].query
    assert (str(target), changed["OnDemand"]) == (str(APP), "7")
    assert "StreamName" not in changed


# --- callback URLs that are somebody else's


def test_a_callback_url_that_is_not_ours_is_never_replaced_unasked(owner: Person) -> None:
    before = owner.sees()
    result = owner.types("--yes")
    assert (result.exit_code, owner.sees()) == (1, before)
    assert result.output.count("which is not an address of this stage") == 2


def test_a_take_over_forwards_to_whoever_had_the_callbacks_before_it_replaces_any(
    owner: Person,
) -> None:
    owner.does("--take-over")
    policy = owner.stage.app.store.get_policy()
    assert policy is not None
    assert json.loads(policy.text)["forward_to"] == {
        "stream": OTHERS["stream_url"],
        "record": OTHERS["record_url"],
    }
    assert owner.stage.host in owner.sees()[str(STREAM)]["NotifyUrl"]
    assert owner.waited == [11.0]


def test_a_take_over_that_fails_has_replaced_nothing_that_is_not_forwarded(owner: Person) -> None:
    before = owner.sees()
    owner.control.fail(code="Forbidden.RAM", action="UpdateLiveRecordNotifyConfig")
    assert owner.types("--yes", "--take-over").exit_code == 1
    assert (owner.sees(), owner.policy()["forward_to"]["record"]) == (before, OTHERS["record_url"])
    owner.does("--undo")
    assert "forward_to" not in owner.policy()


def test_an_address_to_ask_is_taken_over_only_where_live_asks(owner: Person) -> None:
    owner.does("--take-over")
    assert owner.sees()[str(RECORD)]["OnDemandUrl"] == OTHERS["on_demand_url"]


def test_an_address_to_ask_is_forwarded_to_where_live_asks(owner: Person) -> None:
    asked = {"OssEndpoint": "oss-cn-shanghai.aliyuncs.com", "OnDemand": 1, "DelayTime": 180}
    mp4 = [{"Format": "mp4"}]
    owner.account.ask("UpdateLiveAppRecordConfig", **APP.names, **asked, RecordFormat=mp4)
    owner.does("--take-over")
    assert owner.policy()["forward_to"]["on_demand"] == OTHERS["on_demand_url"]
    assert owner.stage.host in owner.sees()[str(RECORD)]["OnDemandUrl"]


def test_a_take_over_that_came_no_further_than_the_policy_is_undone(owner: Person) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    before, policy = owner.sees(), owner.policy()
    CliRunner().invoke(main, ["setup", "--stage", "dev", "--yes", "--take-over"], obj=interrupted)
    assert (owner.sees(), owner.policy() == policy) == (before, False)
    assert "restored: `forward_to` of the policy" in owner.does("--undo")
    assert owner.policy() == policy


def test_nothing_is_taken_over_from_whom_nobody_would_forward_to(tmp_path: Path) -> None:
    with http_stage(tmp_path, POLICY) as stage:
        stage.remote.notify(**OTHERS)
        person = person_at(stage)
        before = person.sees()
        result = person.types("--yes", "--take-over")
        assert (result.exit_code, person.sees()) == (1, before)
    assert "LIVE_RECORD_RELAY_URL" in result.output


def test_two_addresses_are_not_forwarded_to_as_if_they_were_one(tmp_path: Path) -> None:
    policy = POLICY.replace("[[rule]]", '[forward_to]\nstream = "https://x.example.com"\n[[rule]]')
    with http_stage(tmp_path, policy, RELAY) as stage:
        stage.remote.notify(**OTHERS)
        person = person_at(stage)
        result = person.types("--yes", "--take-over")
        kept = person.sees()[str(STREAM)]["NotifyUrl"]
    assert "forward_to.stream` can hold only one address" in result.output
    assert (result.exit_code, kept) == (1, OTHERS["stream_url"])


# --- the way back


def test_undo_puts_everything_back_exactly_as_it_was(owner: Person, no_stages: Path) -> None:
    before, policy = owner.sees(), owner.policy()
    owner.does("--take-over")
    assert (owner.sees() != before, no_stages.stat().st_mode & 0o777) == (True, 0o600)
    owner.does("--undo")
    assert (owner.sees(), owner.policy()) == (before, policy)
    assert not no_stages.exists()


def test_undo_after_several_runs_goes_back_to_before_the_first(person: Person) -> None:
    before = person.sees()
    person.does()
    person.control.notify(need_status=False)
    person.does()
    person.does("--undo")
    assert person.sees() == before


def test_an_interrupted_setup_says_what_is_left_and_can_be_undone(
    person: Person, no_stages: Path
) -> None:
    before = person.sees()
    person.control.fail(code="Forbidden.RAM", action="SetLiveStreamsNotifyUrlConfig")
    result = person.types("--yes")
    assert result.exit_code == 1
    assert f"done: {RECORD}" in result.output
    assert f"not done: {STREAM}" in result.output
    assert "Forbidden.RAM" in result.output
    assert no_stages.exists()
    person.does("--undo")
    assert person.sees() == before


def test_an_interrupted_setup_can_be_gone_on_with(person: Person) -> None:
    person.control.fail(code="ServiceUnavailable", action="SetLiveStreamsNotifyUrlConfig")
    assert person.types("--yes").exit_code == 1
    person.does()
    assert person.sees()[str(STREAM)] is not None


def test_an_answer_that_was_lost_is_no_failure_when_live_has_acted(person: Person) -> None:
    person.control.fail(transport="reset_after_acting", action="AddLiveRecordNotifyConfig")
    person.does()
    assert person.wrote().count("AddLiveRecordNotifyConfig") == 1


def test_what_was_changed_without_our_ever_learning_it_is_undone_too(person: Person) -> None:
    before = person.sees()
    action = "DescribeLiveRecordNotifyConfig"
    person.control.fail(transport="reset_after_acting", action="AddLiveRecordNotifyConfig")
    person.control.fail(code="ServiceUnavailable", action=action, every=2)
    assert person.types("--yes").exit_code == 1
    assert person.sees()[str(RECORD)] is not None
    person.does("--undo")
    assert person.sees() == before


def test_undo_leaves_what_somebody_else_has_changed_since(person: Person) -> None:
    person.does()
    person.control.notify(record_url="https://else.example.com/r")
    result = person.types("--undo", "--yes")
    assert (result.exit_code, "somebody else" in result.output) == (1, True)
    assert person.sees()[str(RECORD)]["NotifyUrl"] == "https://else.example.com/r"
    person.does("--undo", "--take-over")
    assert person.sees()[str(RECORD)] is None


def test_undo_with_nothing_to_undo_says_so(person: Person) -> None:
    assert person.does("--undo").strip() == "stage dev\nnothing to do"


def test_a_key_that_live_never_told_cannot_be_put_back_and_it_is_said(owner: Person) -> None:
    owner.control.notify(record_key="TheirKey01234567")
    owner.control.switch(record_key_is_returned=False)
    assert "`--undo` cannot restore the key" in owner.does("--take-over")
    shown = owner.does("--undo")
    assert "except for its key" in shown
    assert owner.sees()[str(RECORD)]["NotifyUrl"] == OTHERS["record_url"]


def test_what_belongs_to_another_stage_is_not_undone(person: Person, no_stages: Path) -> None:
    person.does()
    document = json.loads(no_stages.read_text())
    no_stages.write_text(json.dumps({**document, "url": "https://prod.example.com"}))
    result = person.types("--undo", "--yes")
    assert (result.exit_code, "prod.example.com" in result.output) == (1, True)


def test_a_backup_of_another_release_is_left_to_that_release(
    person: Person, no_stages: Path
) -> None:
    person.does()
    document = json.loads(no_stages.read_text())
    no_stages.write_text(json.dumps({**document, "format": 1}))
    result = person.types("--undo", "--yes")
    assert (result.exit_code, "by another release" in result.output) == (1, True)


# --- what can go wrong on the way


def test_a_permission_that_is_missing_is_named_with_the_action_to_allow(person: Person) -> None:
    person.control.fail(code="Forbidden.RAM", action="DescribeLiveRecordConfig")
    result = person.types("--yes")
    assert (result.exit_code, person.sees()[str(RECORD)]) == (1, None)
    assert "may not call `live:DescribeLiveRecordConfig`" in result.output
    assert "deploy/ram/operator.json" in result.output


@pytest.mark.parametrize("action", ["DescribeLiveRecordConfig", "SetLiveStreamsNotifyUrlConfig"])
def test_a_wrong_access_key_is_told_with_what_to_check(person: Person, action: str) -> None:
    person.control.fail(code="InvalidAccessKeyId.NotFound", status=404, action=action)
    result = person.types("--yes")
    assert (result.exit_code, "Check ALIBABA_CLOUD_ACCESS_KEY_ID" in result.output) == (1, True)
    assert "Specified access" not in result.output
