from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors
from shared.errors import Fault, LiveRecordError, Misconfigured
from shared.inbound import function_compute
from shared.inbound.function_compute import Invoked, Request, Response, TimerEvent
from shared.inbound.function_compute.response import ANSWERS
from shared.inbound.request_errors import (
    BadRequest,
    Forbidden,
    MalformedCallback,
    MethodNotAllowed,
    RequestError,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
    UnverifiedCallback,
)
from shared.logs import Log
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    NoRecordConfig,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.store.store_errors import StoreUnavailable

EVENT: dict[str, Any] = {
    "version": "v1",
    "rawPath": "/orders/a%20b",
    "body": '{"n":1}',
    "isBase64Encoded": False,
    "headers": {"Accept-Encoding": "gzip", "Content-Type": "application/json", "X-Demo": "1,2"},
    "queryParameters": {"tag": "x,y", "page": "2"},
    "requestContext": {
        "accountId": "1234567890123456",
        "domainName": "demo-abcdef.cn-hangzhou.fcapp.run",
        "requestId": "1-66000000-aa-bb",
        "time": "2026-01-02T03:04:05Z",
        "timeEpoch": "1767323045000",
        "http": {
            "method": "POST",
            "path": "/orders/a b",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.9",
            "userAgent": "curl/8",
        },
    },
}
TIMER = {"triggerTime": "2026-01-02T03:04:00Z", "triggerName": "nightly", "payload": '{"a":1}'}
CONTEXT = SimpleNamespace(request_id="1-77", function=SimpleNamespace(name="record_command"))
HIDDEN = "redis://user:hush@store"


def parsed(**changes: object) -> Request:
    answer = function_compute.parse(json.dumps({**EVENT, **changes}).encode())
    assert isinstance(answer, Request)
    return answer


def body_of(body: bytes, content_type: str | None = "application/json") -> dict[str, object]:
    headers = {} if content_type is None else {"content-type": content_type}
    return function_compute.json_body(
        Request("POST", "/", headers=function_compute.Headers(headers), body=body)
    )


def told_by(error: Exception) -> dict[str, Any]:
    body = msgspec.to_builtins(function_compute.problem(error, "1-77").body)
    assert isinstance(body, dict)
    return body


def every(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


Respond = Callable[[Request], Response]


def echo(request: Request) -> Response:
    return Response(200, {"path": request.path})


def answered(
    respond: Respond = echo,
    event: bytes = json.dumps(EVENT).encode(),
    context: object = CONTEXT,
) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    lines: list[str] = []
    sent = function_compute.answer(respond, event, context, log=Log(lines.append, now=lambda: 0))
    status, body = sent["statusCode"], sent["body"]
    assert isinstance(status, int)
    assert isinstance(body, str)
    return status, json.loads(body), [json.loads(line) for line in lines]


def raising(error: Exception) -> Respond:
    def respond(request: Request) -> Response:
        raise error

    return respond


def test_an_http_event_is_a_request() -> None:
    assert parsed() == Request(
        method="POST",
        path="/orders/a b",
        raw_path="/orders/a%20b",
        query={"tag": "x,y", "page": "2"},
        headers=function_compute.Headers(EVENT["headers"]),
        body=b'{"n":1}',
        source_ip="203.0.113.9",
        request_id="1-66000000-aa-bb",
        host="demo-abcdef.cn-hangzhou.fcapp.run",
    )


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_a_header_is_found_in_any_case(name: str) -> None:
    headers = parsed().headers
    assert (headers[name], headers.get("none"), len(headers)) == ("application/json", None, 3)


def test_a_body_in_base64_is_decoded() -> None:
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert parsed(isBase64Encoded=True, body=encoded).body == b"\x00\xff"


def test_a_body_that_is_not_the_base64_it_is_said_to_be_is_refused() -> None:
    with pytest.raises(BadRequest, match="base64"):
        parsed(isBase64Encoded=True, body="***")


def test_a_body_has_at_most_16_kib() -> None:
    assert len(parsed(body="x" * 16384).body) == 16384
    with pytest.raises(TooLarge):
        parsed(body="直" * 5462)


def test_what_an_event_lacks_is_empty() -> None:
    event: dict[str, object] = {
        "requestContext": {"http": {}},
        "body": None,
        "headers": [],
        "queryParameters": None,
    }
    assert function_compute.parse(json.dumps(event)) == Request("", "")


def test_without_a_raw_path_the_decoded_one_will_do() -> None:
    assert parsed(rawPath=None).path == "/orders/a b"


def test_a_timer_event_keeps_its_payload_as_text() -> None:
    event = json.dumps(TIMER).encode()
    assert function_compute.parse(event) == TimerEvent("nightly", "2026-01-02T03:04:00Z", '{"a":1}')


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b'{"a": 1}', b"[" * 99999], ids=range(5))
def test_anything_else_is_an_invocation(payload: bytes) -> None:
    assert function_compute.parse(payload) == Invoked(payload)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(str)


@given(st.dictionaries(st.sampled_from(list(EVENT)), _VALUES | st.lists(_VALUES)))
def test_only_bad_request_and_too_large_leave_parse(changes: dict[str, object]) -> None:
    with suppress(BadRequest, TooLarge):
        function_compute.parse(json.dumps({**EVENT, **changes}).encode())


@given(st.binary())
def test_any_bytes_are_some_event(payload: bytes) -> None:
    function_compute.parse(payload)


def test_a_json_body_has_fields() -> None:
    assert body_of('{"reason": "直播"}'.encode()) == {"reason": "直播"}


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_no_body_has_no_fields(body: bytes) -> None:
    assert body_of(body, "text/plain") == {}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/a+json", None])
def test_json_may_be_named_in_several_ways(kind: str | None) -> None:
    assert body_of(b"{}", kind) == {}


def test_another_kind_of_body_is_not_understood() -> None:
    with pytest.raises(UnsupportedMediaType, match="x-www-form-urlencoded"):
        body_of(b"a=1", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (b'{"a": }', "line 1 column 7"),
        (b"[]", "an object|a JSON object"),
        (b"\xff", "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2, "b": 1, "b": 2}', "a: .*once; b: .*once"),
        (b'{"a": ' + b"9" * 9999 + b"}", "too big"),
        (b"[" * 9999, "too big"),
    ],
    ids=range(7),
)
def test_a_body_that_makes_no_sense_is_refused_with_the_reason(body: bytes, because: str) -> None:
    with pytest.raises(BadRequest, match=because):
        body_of(body)


def read_json(request: Request) -> Response:
    return Response(200, function_compute.json_body(request))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{", "body：不是 JSON：第 1 行第 2 列有误"),
        ('{"a": 1,\n"b" 2}', "body：不是 JSON：第 2 行第 5 列有误"),
        ("x" * 16385, "请求体最多 16384 字节"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_the_reader_s_language(
    body: str, detail: str
) -> None:
    headers = {"Accept-Language": "zh-CN", "Content-Type": "application/json"}
    event = json.dumps({**EVENT, "headers": headers, "body": body}).encode()
    assert answered(read_json, event)[1]["detail"] == detail


def test_who_sends_too_much_learns_what_to_do() -> None:
    event = json.dumps({**EVENT, "body": "x" * 16385}).encode()
    status, body, _ = answered(event=event)
    assert (status, body["hint"]) == (413, "send less at once, in several requests")


@given(st.binary() | st.text().map(str.encode))
def test_only_bad_request_leaves_json_body(body: bytes) -> None:
    with suppress(BadRequest):
        body_of(body)


@pytest.mark.parametrize(
    ("text", "expected"), [("3600.0", 3600), ("3.6e3", 3600), ("0.5", 0.5), ("1e300", 1e300)]
)
def test_a_whole_number_may_be_written_with_a_fraction(text: str, expected: float) -> None:
    number = body_of(f'{{"n": {text}}}'.encode())["n"]
    assert (number, type(number)) == (expected, type(expected))


def test_an_answer_is_always_the_full_object() -> None:
    assert Response(201, {"ok": "直播"}, {"X-A": "1"}).to_fc() == {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store", "X-A": "1"},
        "isBase64Encoded": False,
        "body": '{"ok": "直播"}',
    }


@pytest.mark.parametrize(
    ("body", "sent"), [("as it is", "as it is"), ("\udcff", "?"), (None, "null")]
)
def test_a_body_is_sent_as_text(body: object, sent: str) -> None:
    assert Response(200, body).to_fc()["body"] == sent


@pytest.mark.parametrize("kind", list(every(LiveRecordError)))
def test_every_error_has_its_own_answer(kind: type[Exception]) -> None:
    assert kind in ANSWERS or issubclass(kind, RequestError)


@pytest.mark.parametrize("kind", sorted(every(RequestError), key=str))
def test_every_request_error_has_a_title(kind: type[RequestError]) -> None:
    error = kind.__new__(kind)
    error.hint = ""
    error.__dict__.update(faults=(), allow=())
    assert told_by(error)["title"] != "Error"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AlreadyStarted("TaskAlreadyStarted", status=409), 409, "TaskAlreadyStarted"),
        (StreamNotLive("StreamNotFound", status=409), 409, "StreamNotFound"),
        (StreamNotLive("InvalidStream.NotFound", status=404), 409, "StreamNotFound"),
        (NoRecordConfig("CodeConfigNotFound", status=400), 400, "CodeConfigNotFound"),
        (InvalidCommand("MalformedParam", status=400), 400, "MalformedParam"),
        (InvalidCommand("InvalidDomain.NotFound", status=404), 400, "InvalidDomain.NotFound"),
        (UnknownRejection("Strange", status=418), 400, "Strange"),
        (InDoubt("InternalError", status=500), 500, "InternalError"),
        (InDoubt(), 502, "InDoubt"),
        (Throttled("Throttling.User", status=400), 429, "Throttling.User"),
        (Unavailable("ServiceUnavailable", status=503), 503, "ServiceUnavailable"),
        (OperatorActionNeeded("Forbidden.RAM", HIDDEN, status=403), 502, "UpstreamAuth"),
        (LiveError("X"), 502, "X"),
        (StoreUnavailable(HIDDEN), 503, "StoreUnavailable"),
        (Misconfigured([Fault("A", HIDDEN)]), 503, "Misconfigured"),
        (UnverifiedCallback(HIDDEN), 401, "UnverifiedCallback"),
        (MalformedCallback("time is missing"), 400, "MalformedParam"),
        (Forbidden("not you"), 403, "Forbidden"),
        (LiveRecordError(HIDDEN), 500, "InternalError"),
        (ZeroDivisionError(HIDDEN), 500, "InternalError"),
    ],
    ids=range(20),
)
def test_an_error_is_answered_with_a_status_and_a_code(
    error: Exception, status: int, code: str
) -> None:
    answer = told_by(error)
    assert (answer["status"], answer["code"]) == (status, code)
    assert "hush" not in json.dumps(answer)


def test_a_problem_says_everything_wrong_at_once() -> None:
    faults = [Fault("until", "is past"), Fault("hold", "is missing", "MissingParam")]
    assert told_by(BadRequest(faults, hint="see the docs")) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "until: is past; hold: is missing",
        "code": "MalformedParam",
        "request_id": "1-77",
        "hint": "see the docs",
        "errors": [
            {"field": "until", "detail": "is past", "code": "MalformedParam"},
            {"field": "hold", "detail": "is missing", "code": "MissingParam"},
        ],
    }


def test_of_the_settings_only_the_names_are_told() -> None:
    assert told_by(Misconfigured([Fault("A", "hush")]))["errors"] == [{"field": "A"}]


def test_live_s_request_id_goes_before_ours() -> None:
    assert told_by(StreamNotLive(request_id="live-1"))["request_id"] == "live-1"


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (MethodNotAllowed("no", allow=["GET", "POST"]), "Allow", "GET, POST"),
        (Unauthorized("who"), "WWW-Authenticate", "Bearer"),
        (UnverifiedCallback("why"), "WWW-Authenticate", "ALI-LIVE-SIGNATURE"),
        (Throttled(retry_after=1200), "Retry-After", "2"),
        (Throttled(), "Retry-After", "1"),
        (StoreUnavailable(), "Retry-After", "1"),
        (StreamNotLive(), "Content-Type", "application/problem+json"),
    ],
    ids=range(7),
)
def test_a_problem_has_the_header_that_helps(error: Exception, name: str, value: str) -> None:
    assert function_compute.problem(error).headers[name] == value


def test_a_request_is_answered_and_logged() -> None:
    status, body, lines = answered()
    assert (status, body) == (200, {"path": "/orders/a b"})
    assert [line["event"] for line in lines] == ["request.answered"]
    assert (lines[0]["request_id"], lines[0]["function"]) == ("1-77", "record_command")


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (UnverifiedCallback("why"), "callback.refused"),
        (MalformedCallback("why"), "callback.refused"),
        (Forbidden("why"), "request.refused"),
        (StoreUnavailable("why"), "request.failed"),
        (ZeroDivisionError("why"), "request.crashed"),
    ],
    ids=range(5),
)
def test_why_there_was_no_answer_is_in_the_log(error: Exception, event: str) -> None:
    _, _, lines = answered(raising(error))
    assert lines[-1]["event"] == event
    assert "why" in json.dumps(lines[-1])


def test_a_crash_is_answered_without_a_stack_trace() -> None:
    status, body, lines = answered(raising(ZeroDivisionError("hush")))
    assert (status, body["code"], body["request_id"]) == (500, "InternalError", "1-77")
    assert "hush" not in json.dumps(body)
    assert "test_function_compute.py" in lines[-1]["trace"]


@pytest.mark.parametrize("body", [{1: object()}, float("nan")], ids=range(2))
def test_an_answer_that_cannot_be_sent_is_a_crash(body: object) -> None:
    assert answered(lambda _: Response(200, body))[0] == 500


def test_half_a_character_of_a_request_does_not_keep_it_from_its_answer() -> None:
    status, body, _ = answered(raising(Forbidden("\ud800 is no name")))
    assert (status, body["detail"]) == (403, "? is no name")


@pytest.mark.parametrize("respond", [echo, raising(Forbidden("why"))], ids=range(2))
def test_an_answer_to_head_has_no_body(respond: Respond) -> None:
    event = json.loads(json.dumps(EVENT))
    event["requestContext"]["http"]["method"] = "HEAD"
    answers = [
        function_compute.answer(
            respond, json.dumps(one).encode(), CONTEXT, log=Log(print, now=lambda: 0)
        )
        for one in (EVENT, event)
    ]
    assert answers[1] == {**answers[0], "body": ""}


def test_a_timer_does_not_reach_a_function_that_is_called_over_http() -> None:
    status, body, _ = answered(event=json.dumps(TIMER).encode())
    assert (status, body["errors"][0]["field"]) == (400, "event")


def test_a_timer_reaches_a_function_that_takes_it() -> None:
    log = Log(lambda _: None, now=lambda: 0)
    sent = function_compute.answer_any(
        lambda payload: Response(200, repr(payload)), json.dumps(TIMER), None, log=log
    )
    assert "nightly" in str(sent["body"])


@pytest.mark.parametrize("event", [json.dumps(TIMER), "whatever an API call sends"])
@pytest.mark.parametrize("error", [StoreUnavailable("hush"), ValueError("hush")], ids=repr)
def test_a_timer_s_failure_is_raised_for_nobody_reads_its_answer(
    error: Exception, event: str
) -> None:
    lines: list[str] = []
    log = Log(lines.append, now=lambda: 0)

    def respond(_trigger: object) -> Response:
        raise error

    with pytest.raises(function_compute.InvocationFailed) as raised:
        function_compute.answer_any(respond, event, None, log=log)
    assert str(raised.value) == f"{type(error).__name__}: the function's log says why"
    assert raised.value.__cause__ is None
    assert len(lines) == 1


@given(st.binary() | st.dictionaries(st.sampled_from(list(EVENT)), _VALUES))
def test_every_event_gets_an_answer(payload: object) -> None:
    whole = {**EVENT, **payload} if isinstance(payload, dict) else None
    event = payload if isinstance(payload, bytes) else json.dumps(whole).encode()
    assert answered(event=event, context=None)[0] in (200, 400, 413)


def test_credentials_are_the_context_s_when_it_has_them() -> None:
    given = SimpleNamespace(access_key_id="a", access_key_secret="b", security_token=None)
    environment = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "other"}
    context = SimpleNamespace(credentials=given)
    assert function_compute.credentials_of(context, environment) == ("a", "b", "")


def test_credentials_are_else_the_environment_s() -> None:
    environment = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "c",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "d",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "e",
    }
    empty = SimpleNamespace(credentials=SimpleNamespace(access_key_id="", access_key_secret=""))
    assert function_compute.credentials_of(empty, environment) == ("c", "d", "e")
    assert function_compute.credentials_of(SimpleNamespace(), environment) == ("c", "d", "e")


def test_half_of_the_credentials_are_none() -> None:
    assert function_compute.credentials_of(None, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "c"}) == (
        "",
        "",
        "",
    )


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in every(LiveRecordError) if kind.__name__ not in drawn] == []
