"""Official Python SDKs, the present and the older one, unchanged, against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import pytest
from alibabacloud_live20161101 import models
from alibabacloud_live20161101.client import Client
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import RpcRequest
from aliyunsdkcore.utils import parameter_helper
from aliyunsdklive.request.v20161101 import (
    DescribeLiveDomainMappingRequest,
    DescribeLiveStreamsOnlineListRequest,
    DescribeLiveStreamStateRequest,
    RealTimeRecordCommandRequest,
)
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

from emulator.live import LiveInThread, Remote
from emulator.live.api_errors import CODES

pytestmark = pytest.mark.slow


class Outcome(NamedTuple):
    """The result of a call: Live's error code, or OK."""

    code: str
    status: int


OK = Outcome("OK", 200)


DEV = ("dev", "dev-secret")
STREAM_STATE = utils_models.Params(
    action="DescribeLiveStreamState",
    version="2016-11-01",
    protocol="HTTP",
    pathname="/",
    method="POST",
    auth_type="AK",
    style="RPC",
    req_body_type="formData",
    body_type="json",
)


class Sdk(Protocol):
    def __init__(self, address: str, keys: tuple[str, str] = DEV) -> None: ...
    def record(self, command: str, stream: str = "room", **changes: str) -> Outcome: ...
    def online(self, **params: object) -> dict[str, Any]: ...
    def ask(self, action: str, **params: str) -> dict[str, Any]: ...


class PresentSdk:
    """alibabacloud-live20161101: ACS3-HMAC-SHA256."""

    def __init__(
        self,
        address: str,
        keys: tuple[str, str] = DEV,
        token: str | None = None,
        *,
        patience_ms: int = 60_000,
    ) -> None:
        self.client = Client(
            utils_models.Config(
                access_key_id=keys[0],
                access_key_secret=keys[1],
                security_token=token,
                endpoint=urlsplit(address).netloc,
                protocol="http",
                read_timeout=patience_ms,
            )
        )

    def record(self, command: str, stream: str = "room", **changes: str) -> Outcome:
        named = {"domain_name": "live.example.com", "app_name": "app", "stream_name": stream}
        request = models.RealTimeRecordCommandRequest(command=command, **(named | changes))
        try:
            self.client.real_time_record_command(request)
        except TeaException as error:
            return Outcome(error.code, getattr(error, "status_code", 0))
        return OK

    def online(self, **params: object) -> dict[str, Any]:
        params = {"domain_name": "live.example.com", **params}
        request = models.DescribeLiveStreamsOnlineListRequest(**params)
        body = self.client.describe_live_streams_online_list(request).body
        return dict(body.to_map())

    def ask(self, action: str, **params: str) -> dict[str, Any]:
        calls = {
            "state": (self.client.describe_live_stream_state, "DescribeLiveStreamStateRequest"),
            "mapping": (
                self.client.describe_live_domain_mapping,
                "DescribeLiveDomainMappingRequest",
            ),
        }
        call, model = calls[action]
        return dict(call(getattr(models, model)(**params)).body.to_map())


class OlderSdk:
    """aliyun-python-sdk-live: HMAC-SHA1, parameters in the query."""

    def __init__(self, address: str, keys: tuple[str, str] = DEV) -> None:
        place = urlsplit(address)
        self.host = place.hostname
        self.client = AcsClient(*keys, "cn-shanghai", auto_retry=False, port=place.port)

    def record(self, command: str, stream: str = "room", **changes: str) -> Outcome:
        named = {"domain_name": "live.example.com", "app_name": "app", "stream_name": stream}
        request = RealTimeRecordCommandRequest.RealTimeRecordCommandRequest()
        try:
            self._do(request, command=command, **(named | changes))
        except ServerException as error:
            return Outcome(error.get_error_code(), error.get_http_status())
        return OK

    def online(self, **params: object) -> dict[str, Any]:
        request = DescribeLiveStreamsOnlineListRequest.DescribeLiveStreamsOnlineListRequest()
        return self._do(request, **{"domain_name": "live.example.com", **params})

    def ask(self, action: str, **params: str) -> dict[str, Any]:
        requests = {
            "state": DescribeLiveStreamStateRequest.DescribeLiveStreamStateRequest,
            "mapping": DescribeLiveDomainMappingRequest.DescribeLiveDomainMappingRequest,
        }
        return self._do(requests[action](), **params)

    def _do(self, request: RpcRequest, **named: object) -> dict[str, Any]:
        request.set_endpoint(self.host)
        request.set_protocol_type("http")
        for name, value in named.items():
            request.add_query_param("".join(map(str.capitalize, name.split("_"))), value)
        try:
            return dict(json.loads(self.client.do_action_with_exception(request)))
        finally:
            # After an error the SDK leaves its socket to the garbage collector, whose warning
            # would fail whichever test runs then.
            self.client.session.close()


@pytest.fixture
def live() -> Iterator[LiveInThread]:
    with LiveInThread() as running:
        yield running


@pytest.fixture
def control(live: LiveInThread) -> Remote:
    remote = Remote(live.address)
    remote.notify(stream_url="", record_url="")
    return remote


@pytest.fixture(params=[PresentSdk, OlderSdk], ids=["present", "older"])
def kind(request: pytest.FixtureRequest) -> type[Sdk]:
    found: type[Sdk] = request.param
    return found


@pytest.fixture
def sdk(kind: type[Sdk], live: LiveInThread) -> Sdk:
    return kind(live.address)


def test_a_live_stream_is_started_stopped_and_its_file_fetched(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    assert [sdk.record(command) for command in ("start", "stop", "cancel_delay")] == [OK, OK, OK]
    assert len(control.state("room")["files"]) == 1


def test_a_restart_leaves_a_file_and_goes_on(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    assert [sdk.record(command) for command in ("start", "restart")] == [OK, OK]
    state = control.state("room")
    assert (len(state["files"]), state["recording"]["state"]) == (1, "recording")


def test_a_second_start_is_refused(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    sdk.record("start")
    assert sdk.record("start") == ("TaskAlreadyStarted", 409)


@pytest.mark.parametrize("command", ["start", "stop", "restart", "cancel_delay"])
def test_a_stream_that_is_not_live_is_not_found(sdk: Sdk, command: str, control: Remote) -> None:
    assert sdk.record(command) == ("StreamNotFound", 409)


def test_an_app_without_configuration_is_refused(sdk: Sdk, control: Remote) -> None:
    control.publish("room", app="other")
    assert sdk.record("start", app_name="other") == ("CodeConfigNotFound", 400)


@pytest.mark.parametrize("missing", ["domain_name", "app_name", "stream_name"])
def test_each_missing_parameter_is_refused(sdk: Sdk, missing: str) -> None:
    assert sdk.record("start", **{missing: ""}) == ("MissingParam", 400)


def test_a_missing_command_is_refused(sdk: Sdk) -> None:
    assert sdk.record("") == ("MissingParam", 400)


def test_an_unknown_command_is_refused(sdk: Sdk) -> None:
    assert sdk.record("pause") == ("MalformedParam", 400)


@pytest.mark.parametrize("name", ["domain_name", "app_name", "stream_name"])
def test_wildcards_are_refused(sdk: Sdk, name: str) -> None:
    assert sdk.record("start", **{name: "room*"}) == ("MalformedParam", 400)


@pytest.mark.parametrize("domain", ["push.example.com", "elsewhere.example.com"])
def test_only_the_main_streaming_domain_is_known(sdk: Sdk, domain: str) -> None:
    assert sdk.record("start", domain_name=domain) == ("InvalidDomain.NotFound", 404)


def test_names_in_chinese_and_with_signs_are_signed_alike(sdk: Sdk, control: Remote) -> None:
    control.publish("教室 1+2/3~&=%20")
    assert sdk.record("start", "教室 1+2/3~&=%20") == OK


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_arrives_as_it_was_planned(sdk: Sdk, control: Remote, code: str) -> None:
    control.fail(code=code)
    assert sdk.record("start") == (code, CODES[code][0])


def test_an_unknown_key_is_refused(kind: type[Sdk], live: LiveInThread) -> None:
    stranger = kind(live.address, keys=("nobody", "dev-secret"))
    assert stranger.record("start") == ("InvalidAccessKeyId.NotFound", 404)


def test_a_wrong_secret_is_refused(kind: type[Sdk], live: LiveInThread) -> None:
    """The older core reads a mismatch of 400 as a wrong secret, and of any other status as such."""
    liar = kind(live.address, keys=("dev", "guess"))
    is_rpc = kind is OlderSdk
    expected = ("InvalidAccessKeySecret", 400) if is_rpc else ("SignatureDoesNotMatch", 403)
    assert liar.record("start") == expected


def test_a_nonce_serves_once(sdk: Sdk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Utils, "get_nonce", lambda: "same")
    monkeypatch.setattr(parameter_helper, "get_uuid", lambda: "same")
    assert [sdk.record("start").code, sdk.record("start").code] == [
        "StreamNotFound",
        "SignatureNonceUsed",
    ]


@pytest.mark.parametrize("then", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_clocks_may_differ_by_fifteen_minutes(
    sdk: Sdk, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(Utils, "get_timestamp", lambda: then)
    monkeypatch.setattr(parameter_helper, "get_iso_8061_date", lambda: then)
    assert sdk.record("start") == ("InvalidTimeStamp.Expired", 400)


def test_a_strict_raw_list_names_exactly_the_stream(sdk: Sdk, control: Remote) -> None:
    for stream in ("room", "room1"):
        control.publish(stream)
    listed = sdk.online(app_name="app", stream_name="room", query_type="strict", stream_type="raw")
    assert _names(listed) == ["room"]


def test_by_default_the_list_is_fuzzy_and_holds_transcoded_streams(
    sdk: Sdk, control: Remote
) -> None:
    for stream in ("room", "room1"):
        control.publish(stream)
    assert _names(sdk.online(stream_name="room")) == ["room", "room_sd", "room1", "room1_sd"]


def test_the_list_comes_in_pages(sdk: Sdk, control: Remote) -> None:
    for number in range(5):
        control.publish(f"room{number}")
    pages = [sdk.online(stream_type="raw", page_num=n, page_size=2) for n in (1, 2, 3, 4)]
    assert [_names(page) for page in pages] == [
        ["room0", "room1"],
        ["room2", "room3"],
        ["room4"],
        [],
    ]
    assert {(page["TotalNum"], page["TotalPage"]) for page in pages} == {(5, 3)}


def test_a_listed_stream_tells_its_publish_time(sdk: Sdk, control: Remote) -> None:
    control.publish("room", time=1763800000)
    (row,) = sdk.online(stream_type="raw")["OnlineInfo"]["LiveStreamOnlineInfo"]
    assert (row["PublishTime"], row["PublishDomain"], row["Transcoded"]) == (
        "2025-11-22T08:26:40Z",
        "push.example.com",
        "no",
    )


def test_only_stream_lists_four_fields(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    (row,) = sdk.online(stream_type="raw", only_stream="yes")["OnlineInfo"]["LiveStreamOnlineInfo"]
    assert sorted(row) == ["AppName", "DomainName", "PublishTime", "StreamName"]


def test_an_ended_stream_is_listed_no_more(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    control.unpublish("room")
    assert sdk.online()["TotalNum"] == 0


@pytest.mark.parametrize("domain", ["live.example.com", "push.example.com"])
def test_the_state_of_a_stream_is_known_by_both_domains(
    sdk: Sdk, control: Remote, domain: str
) -> None:
    control.publish("room")
    params = {"domain_name": domain, "app_name": "app"}
    assert sdk.ask("state", stream_name="room", **params)["StreamState"] == "online"
    assert sdk.ask("state", stream_name="empty", **params)["StreamState"] == "offline"


@pytest.mark.parametrize("domain", ["live.example.com", "push.example.com"])
def test_domains_are_mapped(sdk: Sdk, domain: str) -> None:
    mapped = sdk.ask("mapping", domain_name=domain)["LiveDomainModels"]["LiveDomainModel"]
    assert mapped == [
        {"DomainName": "live.example.com", "Type": "vhost"},
        {"DomainName": "push.example.com", "Type": "publish"},
    ]


def test_the_log_says_who_asked_for_what_and_was_answered_how(sdk: Sdk, control: Remote) -> None:
    control.publish("room")
    sdk.record("start")
    sdk.record("start")
    first, second = control.calls()["calls"]
    assert (first["command"], first["stream"], first["access_key"]) == ("start", "room", "dev")
    assert (first["status"], first["code"], first["acted"]) == (200, None, True)
    assert (second["status"], second["code"], second["acted"]) == (409, "TaskAlreadyStarted", False)


def test_a_security_token_is_checked_when_it_comes(live: LiveInThread, control: Remote) -> None:
    known = PresentSdk(live.address, token="dev-security-token")
    unknown = PresentSdk(live.address, token="guess")
    assert known.record("start").code == "StreamNotFound"
    assert unknown.record("start") == ("InvalidSecurityToken.Malformed", 400)


def test_parameters_may_come_in_a_signed_form(live: LiveInThread) -> None:
    named = {"DomainName": "live.example.com", "AppName": "app", "StreamName": "room"}
    request = utils_models.OpenApiRequest(body=named)
    answer = PresentSdk(live.address).client.call_api(STREAM_STATE, request, RuntimeOptions())
    assert answer["body"]["StreamState"] == "offline"


def test_an_unknown_action_is_not_found(live: LiveInThread) -> None:
    sdk = PresentSdk(live.address)
    with pytest.raises(TeaException) as error:
        sdk.client.describe_live_certificate_list(models.DescribeLiveCertificateListRequest())
    assert (error.value.code, error.value.status_code) == ("InvalidAction.NotFound", 404)


def _names(listed: dict[str, Any]) -> list[str]:
    return [row["StreamName"] for row in listed["OnlineInfo"]["LiveStreamOnlineInfo"]]
