"""The emulator's configuration APIs: shaped as the official SDK expects, and sharing one state
with publishers, commands and callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_live20161101 import models
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils import Utils
from darabonba.runtime import RuntimeOptions

from emulator.live import LiveInThread, Remote, load_account
from emulator.live.actions import ACTIONS, LIVE_VERSION
from emulator.live.rate import Limiters
from emulator.live.signatures import callback_signature, vod_signature
from emulator.live.switches import Switches
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk
from tests.support.receiver import receiving

LIVE, PUSH = {"DomainName": "live.example.com"}, {"DomainName": "push.example.com"}
PAIR = {"PullDomain": "live.example.com", "PushDomain": "push.example.com"}
APP = {**LIVE, "AppName": "app"}
BUCKET = {"OssBucket": "dev-bucket", "OssEndpoint": "oss-cn-shanghai.aliyuncs.com"}
NAMES = "record/{AppName}/{StreamName}/{StartTime}_{EndTime}"
MP4 = {"Format": "mp4", "CycleDuration": 900, "OssObjectPrefix": NAMES}
M3U8 = {
    "Format": "m3u8",
    "OssObjectPrefix": NAMES,
    "SliceDuration": 10,
    "SliceOssObjectPrefix": "record/{AppName}/{UnixTimestamp}_{Sequence}",
}
KEY = "0123456789abcdefKEY"
WHERE = {"NotifyUrl": "https://a.example.com/x"}


class Api:
    """Asks as the official SDK does, and keeps the answer as it was on the wire."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = PresentSdk(address).client

    def __call__(self, action: str, **query: object) -> dict[str, Any]:
        version = LIVE_VERSION if action != "GetCallerIdentity" else "2015-04-01"
        params = utils_models.Params(
            action=action,
            version=version,
            protocol="HTTP",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = utils_models.OpenApiRequest(query=Utils.query(query))
        body: dict[str, Any] = self.client.call_api(params, request, RuntimeOptions())["body"]
        return body

    def refused(self, action: str, **query: object) -> str:
        with pytest.raises(ClientException) as error:
            self(action, **query)
        return str(error.value.code)


@pytest.fixture
def api() -> Iterator[Api]:
    with LiveInThread() as running:
        yield Api(running.address)


@pytest.fixture
def control(api: Api) -> Remote:
    remote = Remote(api.address)
    remote.notify(stream_url="", record_url="", on_demand_url="", exception_url="", switch_url="")
    return remote


def rules(api: Api) -> list[dict[str, Any]]:
    listed = api("DescribeLiveRecordConfig", **LIVE)["LiveAppRecordList"]["LiveAppRecord"]
    assert isinstance(listed, list)
    return listed


def test_every_action_is_one_that_the_official_sdk_has() -> None:
    assert {name for name in ACTIONS if not hasattr(models, f"{name}Request")} == {
        "GetCallerIdentity"
    }


PARAMS: dict[str, dict[str, str]] = {
    "DescribeLiveRecordConfig": LIVE,
    "DescribeLiveRecordVodConfigs": LIVE,
    "DescribeLiveRecordNotifyConfig": LIVE,
    "DescribeLiveStreamsNotifyUrlConfig": PUSH,
    "DescribeLiveDomainMapping": PUSH,
    "DescribeLiveDomainDetail": PUSH,
    "DescribeLiveUserDomains": {},
    "DescribeLiveStreamsOnlineList": LIVE,
}


@pytest.mark.parametrize("action", PARAMS)
def test_an_answer_holds_only_what_the_sdks_model_reads(
    api: Api, control: Remote, action: str
) -> None:
    control.publish("room")
    formats = [{"Format": "m3u8", "SliceDuration": 10, "AutoCompose": "ON"}]
    api("AddLiveRecordVodConfig", **APP, StreamName="v", OnDemand=7, RecordFormat=formats)
    api("AddLiveAppRecordConfig", **APP, **BUCKET, StreamName="o", RecordFormat=[MP4, M3U8])
    answer = api(action, **PARAMS[action])
    read = getattr(models, f"{action}ResponseBody")().from_map(answer).to_map()
    assert read == answer


def test_a_configuration_that_was_added_is_told_as_it_was_set(api: Api) -> None:
    api(
        "AddLiveAppRecordConfig",
        **{**APP, "AppName": "room"},
        **BUCKET,
        OnDemand=1,
        DelayTime=60,
        RecordFormat=[MP4, M3U8],
    )
    added = rules(api)[-1]
    assert (added["AppName"], added["StreamName"], added["OnDemond"]) == ("room", "*", 1)
    assert (added["DelayTime"], added["OssBucket"]) == (60, "dev-bucket")
    assert added["RecordFormatList"]["RecordFormat"] == [MP4, M3U8]


def test_there_is_one_configuration_for_each_domain_application_and_stream(api: Api) -> None:
    again = {**APP, **BUCKET, "RecordFormat": [MP4]}
    assert api.refused("AddLiveAppRecordConfig", **again) == "ConfigAlreadyExists"
    api("AddLiveAppRecordConfig", **again, StreamName="one")
    assert [rule["StreamName"] for rule in rules(api)] == ["*", "one"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"OssBucket": ""}, "MissingParam"),
        ({"RecordFormat": None}, "MissingParam"),
        ({"RecordFormat": [{"Format": "avi"}]}, "MalformedParam"),
        ({"RecordFormat": [{**MP4, "OssObjectPrefix": "x"}]}, "MalformedParam"),
        ({"OnDemand": 3}, "MalformedParam"),
        ({"DelayTime": 14}, "MalformedParam"),
        ({"DomainName": "push.example.com"}, "InvalidDomain.NotFound"),
        ({"DomainName": "other.example.com"}, "InvalidDomain.NotFound"),
    ],
)
def test_what_does_not_fit_is_refused(api: Api, changed: dict[str, Any], code: str) -> None:
    params = {**APP, **BUCKET, "RecordFormat": [MP4], "StreamName": "s", **changed}
    assert api.refused("AddLiveAppRecordConfig", **params) == code


def test_an_update_changes_the_mode_and_keeps_bucket_and_object_names(api: Api) -> None:
    flv = {"Format": "flv", "CycleDuration": 60}
    params = {"OssEndpoint": BUCKET["OssEndpoint"], "OnDemand": 0, "RecordFormat": [flv]}
    api("UpdateLiveAppRecordConfig", **APP, StreamName="*", **params)
    (rule,) = rules(api)
    assert (rule["OnDemond"], rule["OssBucket"]) == (0, "dev-bucket")
    assert rule["RecordFormatList"]["RecordFormat"] == [{**flv, "OssObjectPrefix": NAMES}]


@pytest.mark.parametrize(
    "action",
    ["UpdateLiveAppRecordConfig", "DeleteLiveAppRecordConfig", "DeleteLiveRecordVodConfig"],
)
def test_what_is_not_there_can_be_neither_changed_nor_deleted(api: Api, action: str) -> None:
    params = {**APP, "StreamName": "none", "OssEndpoint": "x", "RecordFormat": [MP4]}
    assert api.refused(action, **params) == "CodeConfigNotFound"


def test_a_start_finds_no_configuration_once_it_is_deleted(api: Api, control: Remote) -> None:
    api("DeleteLiveAppRecordConfig", **APP)
    control.publish("room")
    assert PresentSdk(api.address).record("start").code == "CodeConfigNotFound"


def test_a_stream_that_is_live_keeps_the_configuration_it_began_with(
    api: Api, control: Remote
) -> None:
    control.publish("room")
    api("DeleteLiveAppRecordConfig", **APP)
    assert PresentSdk(api.address).record("start") == OK


def test_an_automatic_configuration_records_what_is_published_next(
    api: Api, control: Remote
) -> None:
    params = {**APP, **BUCKET, "StreamName": "room", "RecordFormat": [MP4], "OnDemand": 0}
    api("AddLiveAppRecordConfig", **params)
    control.publish("room")
    assert control.state("room")["recording"]["state"] == "recording"


def test_a_configuration_into_vod_serves_commands_as_one_into_oss_does(
    api: Api, control: Remote
) -> None:
    api("DeleteLiveAppRecordConfig", **APP)
    api("AddLiveRecordVodConfig", **APP, OnDemand=7)
    control.publish("room")
    assert PresentSdk(api.address).record("start") == OK


def test_a_recording_into_vod_is_vod_s_event_at_vod_s_address_and_no_callback_of_live() -> None:
    with receiving() as vod, receiving() as live_receiver:
        notify = replace(load_account().notify, vod_url=f"{vod.address}/vod", vod_key="k" * 16)
        with LiveInThread(replace(load_account(), notify=notify)) as live:
            control, api = Remote(live.address), Api(live.address)
            control.notify(record_url=live_receiver.address)
            api("DeleteLiveAppRecordConfig", **APP)
            api("AddLiveRecordVodConfig", **APP, OnDemand=0)
            control.publish("room")
            control.advance(10)
            control.unpublish("room")
            control.advance(200)
            (event,) = vod.take(1)
    assert (event.body["EventType"], event.body["StreamName"]) == (
        "AddLiveRecordVideoComplete",
        "room",
    )
    stamp = event.headers["x-vod-timestamp"]
    signed = vod_signature(f"{vod.address}/vod", int(stamp), "k" * 16)
    assert event.headers["x-vod-signature"] == signed
    assert "file" not in [callback.event for callback in live_receiver.arrived]


def test_composing_needs_the_group_that_composes(api: Api) -> None:
    composed = {**APP, "StreamName": "v", "AutoCompose": "ON"}
    assert api.refused("AddLiveRecordVodConfig", **composed) == "MissingParam"
    api("AddLiveRecordVodConfig", **composed, ComposeVodTranscodeGroupId="g-1")


WINDOW = {"StartTime": "2027-01-01T10:00:00Z", "EndTime": "2027-01-01T11:00:00Z"}
BEGINS_S = 1_798_797_600


def test_a_timed_configuration_records_inside_its_window_only(api: Api, control: Remote) -> None:
    timed = {**APP, **BUCKET, **WINDOW, "StreamName": "room", "RecordFormat": [MP4]}
    api("AddLiveAppRecordConfig", **timed, OnDemand=0)
    ahead = BEGINS_S - int(control.get("clock")["now_ms"]) // 1000
    control.publish("room")
    assert control.state("room")["recording"] is None
    control.unpublish("room")
    control.advance(ahead + 60)
    control.publish("room")
    assert control.state("room")["recording"]["state"] == "recording"
    control.advance(3_600)
    assert control.state("room")["recording"] is None
    assert control.state("room")["files"][-1]["stop_time"] == BEGINS_S + 3_600


@pytest.mark.parametrize(
    "wrong",
    [
        {"StreamName": "*"},
        {"EndTime": "2027-01-09T10:00:00Z"},
        {"EndTime": WINDOW["StartTime"]},
        {"EndTime": "tomorrow"},
    ],
)
def test_a_window_is_for_one_stream_and_seven_days_at_most(api: Api, wrong: dict[str, str]) -> None:
    timed = {**APP, **BUCKET, **WINDOW, "StreamName": "room", "RecordFormat": [MP4], **wrong}
    assert api.refused("AddLiveAppRecordConfig", **timed) == "MalformedParam"


def test_the_other_actions_have_limits_of_their_own() -> None:
    limiters = Limiters(Switches())
    added = [limiters.allows("AddLiveAppRecordConfig", 0) for _call in range(31)]
    assert added == [True] * 30 + [False]
    assert limiters.allows("DescribeLiveRecordConfig", 0)
    assert limiters.allows("AddLiveAppRecordConfig", 1_000)


def test_a_domain_says_since_when_it_is_there(api: Api) -> None:
    detail = api("DescribeLiveDomainDetail", **LIVE)["DomainDetail"]
    listed = api("DescribeLiveUserDomains")["Domains"]["PageData"]
    for domain in (detail, *listed):
        assert domain["GmtCreated"] == domain["GmtModified"] == "2026-01-01T00:00:00Z"


def test_recording_into_a_bucket_that_is_not_there_breaks_as_it_begins(
    api: Api, control: Remote
) -> None:
    other = {**BUCKET, "OssBucket": "gone"}
    params = {**APP, **other, "StreamName": "room", "RecordFormat": [MP4], "OnDemand": 7}
    with receiving() as receiver:
        control.notify(record_url=receiver.address)
        api("AddLiveAppRecordConfig", **params)
        control.publish("room")
        assert PresentSdk(api.address).record("start") == OK
        (callback,) = receiver.take(1)
    assert callback.body["error_info"]["code"] == "BucketNotFound"
    assert control.state("room")["recording"] is None


def test_a_notify_url_moves_the_stream_callbacks_and_its_key_signs_them(
    api: Api, control: Remote
) -> None:
    with receiving() as receiver:
        url = {"NotifyUrl": f"{receiver.address}/new"}
        api("SetLiveStreamsNotifyUrlConfig", **PUSH, **url, NotifyReqAuth="yes", NotifyAuthKey=KEY)
        control.publish("room")
        (callback,) = receiver.take(1)
    at = callback.time
    assert callback.path == "/new"
    assert callback.headers["ali-live-signature"] == callback_signature("push.example.com", at, KEY)


def test_a_notify_url_moves_the_recording_callbacks_and_its_key_signs_them(
    api: Api, control: Remote
) -> None:
    with receiving() as receiver:
        auth = {"NotifyReqAuth": True, "NotifyAuthKey": KEY, "NeedStatusNotify": True}
        api("UpdateLiveRecordNotifyConfig", **LIVE, NotifyUrl=f"{receiver.address}/new", **auth)
        control.publish("room")
        PresentSdk(api.address).record("start")
        (callback,) = receiver.take(1)
    at = callback.time
    assert (callback.path, callback.body["event"]) == ("/new", "record_started")
    assert callback.headers["ali-live-signature"] == callback_signature("127.0.0.1", at, KEY)


def test_a_stream_that_is_live_goes_on_signing_with_the_key_it_began_with(
    api: Api, control: Remote
) -> None:
    with receiving() as receiver:
        url = {"NotifyUrl": receiver.address, "NotifyReqAuth": "yes"}
        control.notify(stream_url=receiver.address)
        control.publish("room", wait=True)
        api("SetLiveStreamsNotifyUrlConfig", **PUSH, **url, NotifyAuthKey=KEY)
        control.unpublish("room", wait=True)
        control.publish("room", wait=True)
        _, gone, back = receiver.take(3)
    old, new = (
        callback_signature("push.example.com", callback.time, key)
        for callback, key in ((gone, "dev-stream-key-0000"), (back, KEY))
    )
    assert (gone.headers["ali-live-signature"], back.headers["ali-live-signature"]) == (old, new)


def test_without_status_notify_only_files_and_errors_are_told(api: Api, control: Remote) -> None:
    with receiving() as receiver:
        api("UpdateLiveRecordNotifyConfig", **LIVE, NotifyUrl=receiver.address)
        control.publish("room")
        for command in ("start", "stop", "cancel_delay"):
            PresentSdk(api.address).record(command)
        (callback,) = receiver.take(1)
    assert "uri" in callback.body


@pytest.mark.parametrize("played", ["empty", "refused"])
def test_a_callback_configuration_that_was_deleted_is_told_as_the_switch_says(
    api: Api, control: Remote, played: str
) -> None:
    control.switch(absent_notify_config=played)
    api("DeleteLiveStreamsNotifyUrlConfig", **PUSH)
    if played == "empty":
        answer = api("DescribeLiveStreamsNotifyUrlConfig", **PUSH)
        assert answer["LiveStreamsNotifyConfig"] == {}
    else:
        code = api.refused("DescribeLiveStreamsNotifyUrlConfig", **PUSH)
        assert code == "CodeConfigNotFound"


def test_the_recording_callbacks_can_be_deleted_and_added_but_not_twice(api: Api) -> None:
    assert api.refused("AddLiveRecordNotifyConfig", **LIVE, **WHERE) == "ConfigAlreadyExists"
    api("DeleteLiveRecordNotifyConfig", **LIVE)
    assert api.refused("UpdateLiveRecordNotifyConfig", **LIVE, **WHERE) == "CodeConfigNotFound"
    api("AddLiveRecordNotifyConfig", **LIVE, **WHERE)
    config = api("DescribeLiveRecordNotifyConfig", **LIVE)["LiveRecordNotifyConfig"]
    assert config["NotifyUrl"] == WHERE["NotifyUrl"]


@pytest.mark.parametrize("is_returned", [True, False])
def test_the_key_of_recording_callbacks_is_told_as_the_switch_says(
    api: Api, control: Remote, is_returned: bool
) -> None:
    control.switch(record_key_is_returned=is_returned)
    answer = api("DescribeLiveRecordNotifyConfig", **LIVE)["LiveRecordNotifyConfig"]
    assert ("NotifyAuthKey" in answer) is is_returned


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"NotifyUrl": "ftp://a"}, "InvalidNotifyUrl.Malformed"),
        ({"NotifyReqAuth": "yes"}, "MissingParam"),
        ({"NotifyReqAuth": "yes", "NotifyAuthKey": "short"}, "MalformedParam"),
        ({"NotifyReqAuth": "yes", "NotifyAuthKey": "with-hyphen-0000"}, "MalformedParam"),
        ({"DomainName": "live.example.com"}, "IllegalOperation"),
    ],
)
def test_a_stream_callback_configuration_that_does_not_fit_is_refused(
    api: Api, changed: dict[str, Any], code: str
) -> None:
    assert api.refused("SetLiveStreamsNotifyUrlConfig", **{**PUSH, **WHERE, **changed}) == code


def test_a_mapping_that_was_taken_away_leaves_two_domains_that_know_nothing_of_each_other(
    api: Api,
) -> None:
    api("DeleteLiveDomainMapping", **PAIR)
    models_read = api("DescribeLiveDomainMapping", **PUSH)["LiveDomainModels"]["LiveDomainModel"]
    assert models_read == [{"DomainName": "push.example.com", "Type": "publish"}]
    api("AddLiveDomainMapping", **PAIR)
    models_read = api("DescribeLiveDomainMapping", **PUSH)["LiveDomainModels"]["LiveDomainModel"]
    assert [model["Type"] for model in models_read] == ["vhost", "publish"]


def test_domains_are_told_with_their_kind_and_whether_they_are_stopped(api: Api) -> None:
    api("StopLiveDomain", **LIVE)
    detail = api("DescribeLiveDomainDetail", **LIVE)["DomainDetail"]
    assert (detail["LiveDomainType"], detail["DomainStatus"]) == ("liveVideo", "offline")
    listed = api("DescribeLiveUserDomains", LiveDomainType="liveEdge")["Domains"]["PageData"]
    assert [row["DomainName"] for row in listed] == ["push.example.com"]


def test_permission_for_one_action_can_be_missing_while_all_others_are_answered(
    api: Api, control: Remote
) -> None:
    control.fail(code="Forbidden.RAM", action="DescribeLiveRecordConfig", times=1000)
    assert api.refused("DescribeLiveRecordConfig", **LIVE) == "Forbidden.RAM"
    api("DescribeLiveRecordNotifyConfig", **LIVE)


def test_the_caller_is_told_who_it_is(api: Api) -> None:
    answer = api("GetCallerIdentity")
    assert (answer["IdentityType"], answer["Arn"]) == (
        "RAMUser",
        f"acs:ram::{answer['AccountId']}:user/dev",
    )


def test_a_clock_that_is_far_off_is_refused_and_told_in_the_date(api: Api, control: Remote) -> None:
    control.skew(1_200)
    assert api.refused("GetCallerIdentity") == "InvalidTimeStamp.Expired"


def test_a_reset_puts_the_whole_account_back(api: Api, control: Remote) -> None:
    before = [api(action, **params) for action, params in PARAMS.items()]
    api("DeleteLiveAppRecordConfig", **APP)
    api("DeleteLiveDomainMapping", **PAIR)
    api("DeleteLiveRecordNotifyConfig", **LIVE)
    api("StopLiveDomain", **LIVE)
    control.skew(3_600)
    control.reset()
    after = [api(action, **params) for action, params in PARAMS.items()]
    assert [_but_id(answer) for answer in after][:2] == [_but_id(answer) for answer in before][:2]
    assert after[2]["LiveRecordNotifyConfig"]["NotifyUrl"]


def _but_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "RequestId"}
