from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inbound import live_callbacks
from shared.inbound.catalogue import Language
from shared.inbound.catalogue.details import detail_in
from shared.inbound.live_callbacks import (
    FileStored,
    OnDemandAsk,
    RecordEvent,
    RecordFailure,
    RecordState,
    RecordStatus,
    StreamAction,
    StreamEvent,
    UnknownEvent,
)
from shared.inbound.request_errors import MalformedCallback, UnverifiedCallback

DOMAIN = "push.example.com"
OLD, NEW = "K3yK3yK3yK3yK3y0", "n3wn3wn3wn3wn3w1"
THEN = 1763800000
PUBLISHED = {
    "action": "publish",
    "ip": "203.0.113.7",
    "id": "room42",
    "app": DOMAIN,
    "appname": "live",
    "time": "1763800000",
    "usrargs": "vhost%3Dplay.example.com%26auth_key%3Dsecret",
    "node": "cdnvideocenter0102.cm3",
}
NAMES = {"domain": "play.example.com", "app": "live", "stream": "room42"}
WHO = ("play.example.com", "live", "room42")


def signed(domain: str = DOMAIN, key: str = OLD, at: int = THEN) -> dict[str, str]:
    return {
        "Ali-Live-Timestamp": str(at),
        "Ali-Live-Signature": live_callbacks.sign(domain, at, key),
    }


def verify(headers: dict[str, str], *, late: int = 0) -> None:
    now = (THEN + late) * 1000
    live_callbacks.verify(headers, domains=[DOMAIN, f"{DOMAIN}:8443"], keys=[OLD, NEW], now=now)


def record_event(**fields: object) -> RecordEvent:
    return live_callbacks.parse_record_event(json.dumps({**NAMES, **fields}).encode())


@pytest.mark.parametrize(
    ("domain", "at", "key", "signature"),
    [
        ("learn.aliyundoc.com", 1519375990, "yourkey", "9e226fc2c250be266e3657e156f68c12"),
        ("push.example.com", 1763800000, OLD, "2901da0630574205e813933d27056528"),
        ("fc.example.com", 1763800000, OLD, "257b44a192bcee154b73d0b410b32f36"),
    ],
)
def test_the_signature_is_the_documented_one(
    domain: str, at: int, key: str, signature: str
) -> None:
    assert live_callbacks.sign(domain, at, key) == signature


@pytest.mark.parametrize("key", [OLD, NEW])
@pytest.mark.parametrize("domain", [DOMAIN, f"{DOMAIN}:8443"])
def test_any_of_the_keys_and_domains_will_do(domain: str, key: str) -> None:
    verify(signed(domain, key))


def test_the_names_of_the_headers_may_come_in_any_case() -> None:
    verify({name.upper(): value for name, value in signed().items()})


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_off_both_ways(late: int) -> None:
    verify(signed(), late=late)


@pytest.mark.parametrize("late", [-301, 301])
def test_a_timestamp_further_off_is_refused(late: int) -> None:
    with pytest.raises(UnverifiedCallback, match="SIGNATURE_WINDOW"):
        verify(signed(), late=late)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ali-live-timestamp": str(THEN)},
        {"ali-live-signature": live_callbacks.sign(DOMAIN, THEN, OLD)},
        {**signed(), "Ali-Live-Timestamp": "soon"},
        {**signed(), "Ali-Live-Timestamp": "9" * 5000},
        {**signed(), "Ali-Live-Signature": "\udcff"},
        signed(domain="other.example.com"),
        signed(key="wrongwrongwrong0"),
    ],
    ids=range(8),
)
def test_whatever_else_comes_is_unproved(headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedCallback):
        verify(headers)


@pytest.mark.parametrize(("domains", "keys"), [([DOMAIN], []), ([], [OLD]), ([DOMAIN], [""])])
def test_without_a_key_or_a_domain_nothing_is_proved(domains: list[str], keys: list[str]) -> None:
    headers = signed(key=keys[0] if keys else OLD)
    with pytest.raises(UnverifiedCallback):
        live_callbacks.verify(headers, domains=domains, keys=keys, now=THEN * 1000)


_ANYTHING = st.text(st.characters(exclude_categories=()))


@given(st.dictionaries(_ANYTHING, _ANYTHING), _ANYTHING, _ANYTHING)
def test_only_unproved_leaves_verify(others: dict[str, str], at: str, signature: str) -> None:
    headers = {**others, "ali-live-timestamp": at, "ali-live-signature": signature}
    with pytest.raises(UnverifiedCallback):
        verify(headers)


@pytest.mark.parametrize("path", ["/callbacks/stream/new-path", "/old-path", "old-path/"])
def test_a_path_ends_in_any_of_the_tokens(path: str) -> None:
    live_callbacks.verify_path_token(path, ["old-path", "new-path"], "stream")


@pytest.mark.parametrize("path", ["", "/", "/callbacks/stream/", "/old-path/x", "/Old-Path", "/é"])
def test_a_path_without_a_token_is_unproved(path: str) -> None:
    with pytest.raises(UnverifiedCallback):
        live_callbacks.verify_path_token(path, ["old-path", "", "new-path"], "stream")


@given(_ANYTHING, st.lists(_ANYTHING))
def test_only_unproved_leaves_path_token(path: str, tokens: list[str]) -> None:
    with suppress(UnverifiedCallback):
        live_callbacks.verify_path_token(path, tokens, "record")


def test_the_host_is_tried_with_and_without_its_port() -> None:
    assert live_callbacks.signing_hosts(["fc.example.com:8443"]) == (
        "fc.example.com:8443",
        "fc.example.com",
    )
    assert live_callbacks.signing_hosts(["fc.example.com"]) == ("fc.example.com",)
    assert live_callbacks.signing_hosts([]) == ()


def test_a_host_in_mixed_case_is_tried_in_lower_case_too() -> None:
    assert live_callbacks.signing_hosts(["FC.Example.com:8443"]) == (
        "FC.Example.com:8443",
        "FC.Example.com",
        "fc.example.com:8443",
        "fc.example.com",
    )


def test_an_ipv6_host_is_tried_with_and_without_port_and_brackets() -> None:
    assert live_callbacks.signing_hosts(["[2001:db8::1]:8443"]) == (
        "[2001:db8::1]:8443",
        "[2001:db8::1]",
        "2001:db8::1",
    )
    assert live_callbacks.signing_hosts(["[2001:db8::1]"]) == ("[2001:db8::1]", "2001:db8::1")


def test_a_signature_in_upper_case_is_the_same_signature() -> None:
    headers = {name: value.upper() for name, value in signed().items()}
    verify(headers)


def test_an_ingest_callback_names_the_ingest_domain_app_and_the_application_appname() -> None:
    assert live_callbacks.parse_stream_event(PUBLISHED) == StreamEvent(
        StreamAction.PUBLISH, DOMAIN, "live", "room42", THEN * 1000
    )


def test_a_stream_goes_away() -> None:
    event = live_callbacks.parse_stream_event({**PUBLISHED, "action": "publish_done"})
    assert event.action is StreamAction.PUBLISH_DONE


def test_usrargs_are_not_kept() -> None:
    assert "secret" not in repr(live_callbacks.parse_stream_event(PUBLISHED))


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(MalformedCallback) as caught:
        live_callbacks.parse_stream_event(
            {"action": "secret", "time": "soon", "id": "a*", "app": ""}
        )
    for field in ("action", "time", "id", "app", "appname"):
        assert field in caught.value.why
    assert "secret" not in caught.value.why


def test_everything_that_is_wrong_is_named_in_chinese_too() -> None:
    with pytest.raises(MalformedCallback) as caught:
        live_callbacks.parse_stream_event({"action": "come", "time": "soon", "id": "..", "app": ""})

    assert detail_in(Language.CHINESE, caught.value.why).split("；") == [
        "`action` 既不是 `publish` 也不是 `publish_done`",
        "app：为空",
        "appname：为空",
        "id：不能作为名称：HTTP 客户端会将其从路径中去掉",
        "time 缺失，或不是秒级时间戳",
    ]


@pytest.mark.parametrize("name", ["", "a\0b", "a*", "x" * 513, "\udcff"])
def test_a_name_that_no_stream_can_have_is_unreadable(name: str) -> None:
    with pytest.raises(MalformedCallback, match="id"):
        live_callbacks.parse_stream_event({**PUBLISHED, "id": name})


@pytest.mark.parametrize("event", list(RecordState))
def test_a_recording_changes_its_state(event: RecordState) -> None:
    assert record_event(event=event.value) == RecordStatus(*WHO, state=event, time_ms=None)


@pytest.mark.parametrize(
    ("time", "ms"),
    [
        ("2025-01-20T10:00:00Z", 1737367200000),
        (1737367200, 1737367200000),
        ("noon", None),
        (True, None),
        (-1, None),
        (10**400, None),
    ],
    ids=range(6),
)
def test_the_time_of_a_status_counts_only_where_it_makes_sense(
    time: object, ms: int | None
) -> None:
    event = record_event(event="record_paused", time=time)
    assert isinstance(event, RecordStatus)
    assert event.time_ms == ms


def test_a_file_has_no_event_but_a_uri() -> None:
    file = {"uri": "record/a.mp4", "duration": 540.2, "start_time": 1763805600}
    assert record_event(**file, stop_time=1763806140, push_args={"callback_a": "1"}) == FileStored(
        *WHO,
        uri="record/a.mp4",
        duration_ms=540200,
        start_ms=1763805600000,
        stop_ms=1763806140000,
        push_args=(("callback_a", "1"),),
    )


def test_a_file_whose_length_makes_no_sense_is_still_a_file() -> None:
    event = record_event(uri="a.mp4", duration="long", start_time=None, stop_time=float("1e300"))
    assert event == FileStored(*WHO, uri="a.mp4")


def test_a_recording_in_vod_has_an_id_and_no_uri() -> None:
    payload = {
        "EventType": "AddLiveRecordVideoComplete",
        "VideoId": "43q9fjdhef",
        "Status": "success",
        "DomainName": "play.example.com",
        "AppName": "live",
        "StreamName": "room42",
        "RecordStartTime": "2017-12-08T07:40:56Z",
        "RecordEndTime": "2017-12-08T07:40:57Z",
    }
    assert live_callbacks.parse_record_event(json.dumps(payload).encode()) == FileStored(
        *WHO, video_id="43q9fjdhef", start_ms=1512718856000, stop_ms=1512718857000
    )


def test_a_recording_that_vod_could_not_take_has_failed() -> None:
    event = record_event(VideoId="1", Status="fail")
    assert event == RecordFailure(*WHO, event="AddLiveRecordVideoComplete", code="fail")


def test_other_news_from_vod_is_not_ours() -> None:
    event = record_event(VideoId="1", EventType="LiveRecordVideoComposeStart")
    assert event == UnknownEvent("LiveRecordVideoComposeStart")


def test_a_failure_says_why_and_of_which_file() -> None:
    event = record_event(
        event="transformat_error",
        error_info={"code": "PermissionDenied.ResourceAccess", "message": "m" * 999},
        file_info={"uri": "x.flv"},
        time="2026-11-22T10:05:00Z",
    )
    assert isinstance(event, RecordFailure)
    assert (event.code, event.uri) == ("PermissionDenied.ResourceAccess", "x.flv")
    assert (len(event.message), event.time_ms) == (300, 1795341900000)


@pytest.mark.parametrize("event", ["record_error", "record_force_transcode_fail"])
@pytest.mark.parametrize("info", [None, "text", {"code": 7}], ids=str)
def test_a_failure_without_a_reason_is_still_a_failure(event: str, info: object) -> None:
    assert record_event(event=event, error_info=info) == RecordFailure(*WHO, event=event)


def test_an_event_that_nobody_documented_is_kept_by_name_only() -> None:
    assert record_event(event="record_dreamt") == UnknownEvent("record_dreamt")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"event": 7}',
        b'{"event": "record_started"}',
        b'{"uri": "a.mp4", "domain": 7, "app": "a", "stream": "s"}',
        b'{"uri": 7}',
        b'{"uri": "", "domain": "d", "app": "a", "stream": "s"}',
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"uri": "a", "start_time": ' + b"9" * 9999 + b"}",
    ],
    ids=range(13),
)
def test_a_body_that_makes_no_sense_is_unreadable(body: bytes) -> None:
    with pytest.raises(MalformedCallback):
        live_callbacks.parse_record_event(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = ("event", "uri", "VideoId", "time", "duration", "start_time", "error_info", "EventType")


@given(st.binary() | st.dictionaries(st.sampled_from(_FIELDS), _JSON).map(lambda v: {**NAMES, **v}))
def test_only_unreadable_leaves_parse_record_event(payload: object) -> None:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with suppress(MalformedCallback):
        live_callbacks.parse_record_event(body)


@given(st.dictionaries(st.sampled_from([*PUBLISHED, *NAMES]) | _ANYTHING, _ANYTHING))
def test_only_unreadable_leaves_the_parsers_of_a_query(query: dict[str, str]) -> None:
    with suppress(MalformedCallback):
        live_callbacks.parse_stream_event(query)
    with suppress(MalformedCallback):
        live_callbacks.parse_on_demand(query)


def test_an_on_demand_callback_asks_about_one_stream() -> None:
    query = {**NAMES, "vbitrate": "2000", "codec": "h264"}
    assert live_callbacks.parse_on_demand(query) == OnDemandAsk(*WHO)
    with pytest.raises(MalformedCallback, match="stream"):
        live_callbacks.parse_on_demand({**NAMES, "stream": ""})
