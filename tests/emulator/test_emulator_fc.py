"""What goes into a function and comes out of it over HTTP; each fact is a line of the facts."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from emulator.fc import FcInThread, Settings
from tests.support.compute_emulator import HANDLERS, Got, Stage, ask, eventually, invoke

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture(scope="module")
def fc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FcInThread]:
    stage = Stage(tmp_path_factory.mktemp("fc"))
    names = ("echo", "answer", "payload", "text", "rich", "not_json", "raises", "exits", "pid",
             "logs", "environment")  # fmt: skip
    routes = [
        {"path": "/*", "functionName": "text"},
        {"path": "/v1/*", "functionName": "echo"},
        {"path": "/v1/answer", "functionName": "answer", "methods": ["POST"]},
        {"path": "/raises", "functionName": "raises"},
    ]
    s_yaml = stage.deploys(*map(stage.function, names), routes=routes)
    with FcInThread(s_yaml, env={}) as running:
        yield running


# --- events, docs/platform/function-compute.md §2.1


def test_a_request_becomes_the_documented_event(fc: FcInThread) -> None:
    headers = [("content-type", "application/json"), ("user-agent", "curl/8"), ("x-demo", "1")]
    got = ask(fc, "POST", "/v1/orders/a%20b?tag=x&tag=y&page=2", b'{"n":1}', headers)
    event = got.json
    context = event["requestContext"]

    assert event == {
        "version": "v1",
        "rawPath": "/v1/orders/a%20b",
        "body": '{"n":1}',
        "isBase64Encoded": False,
        "headers": {
            "Content-Type": "application/json",
            "User-Agent": "curl/8",
            "X-Demo": "1",
            "Content-Length": "7",
        },
        "queryParameters": {"tag": "x,y", "page": "2"},
        "requestContext": {
            "accountId": "1234567890123456",
            "domainName": "127.0.0.1",
            "domainPrefix": "127",
            "requestId": got.headers["X-Fc-Request-Id"],
            "time": context["time"],
            "timeEpoch": context["timeEpoch"],
            "http": {
                "method": "POST",
                "path": "/v1/orders/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8",
            },
        },
    }


def test_the_event_says_its_time_twice(fc: FcInThread) -> None:
    context = ask(fc, "GET", "/v1/x").json["requestContext"]

    at = datetime.strptime(context["time"], "%Y-%m-%dT%H:%M:%S%z")
    assert isinstance(context["timeEpoch"], str)
    assert int(context["timeEpoch"]) // 1000 == at.timestamp()


def test_repeated_headers_are_joined_and_those_of_the_platform_left_out(fc: FcInThread) -> None:
    headers = [("x-a", "1"), ("X-A", "2"), ("x-fc-secret", "3"), ("Connection", "keep-alive")]

    assert ask(fc, "GET", "/v1/x", headers=headers).json["headers"] == {"X-A": "1,2"}


def test_a_body_that_is_not_text_comes_in_base64(fc: FcInThread) -> None:
    event = ask(fc, "POST", "/v1/x", b"\xff\x00").json

    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_every_body_can_be_made_to_come_in_base64(stage: Stage) -> None:
    with stage.run(stage.function("echo"), base64_always=True) as fc:
        assert ask(fc, "POST", "/_fc/http/echo", b"text").json["body"] == "dGV4dA=="


def test_the_prefix_of_a_route_can_be_stripped(stage: Stage) -> None:
    routes = [{"path": "/v1/*", "functionName": "echo"}]
    s_yaml = stage.deploys(stage.function("echo"), routes=routes)
    with FcInThread(s_yaml, env={}, settings=Settings(strip_prefix=True)) as fc:
        assert ask(fc, "GET", "/v1/x/y").json["rawPath"] == "/x/y"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/other", b"plain"), ("POST", "/v1/answer", b'{\n    "longest": true\n}')],
)
def test_the_longest_path_that_takes_the_method_wins(
    fc: FcInThread, method: str, path: str, body: bytes
) -> None:
    assert ask(fc, method, path, b'{"longest": true}').body == body


def test_a_method_that_no_longer_path_takes_falls_to_a_shorter(fc: FcInThread) -> None:
    assert ask(fc, "GET", "/v1/answer").json["rawPath"] == "/v1/answer"


def test_a_path_without_a_route_is_not_found(stage: Stage) -> None:
    with stage.run(stage.function("echo")) as fc:
        got = ask(fc, "GET", "/v1/x")

    assert (got.status, got.json["errorCode"]) == (404, "RouteNotFound")
    assert got.headers["X-Fc-Request-Id"]


def test_a_trigger_refuses_a_method_it_does_not_take(fc: FcInThread) -> None:
    assert ask(fc, "PUT", "/_fc/http/text").status == 403


# --- answers, docs/platform/function-compute.md §2.2 and §2.3


def returned(fc: FcInThread, answer: object) -> Got:
    return ask(fc, "POST", "/v1/answer", json.dumps(answer).encode())


def test_the_full_object_becomes_the_response(fc: FcInThread) -> None:
    got = returned(fc, {"statusCode": 201, "headers": {"X-A": "b"}, "body": "é"})

    assert (got.status, got.headers["X-A"], got.body) == (201, "b", "é".encode())


def test_a_body_in_base64_is_decoded(fc: FcInThread) -> None:
    assert (
        returned(fc, {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}).body == b"\xff\0"
    )


def test_what_has_no_status_code_is_a_body_of_json_with_200(fc: FcInThread) -> None:
    got = returned(fc, {"b": 1, "a": 2})

    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
    assert got.body == b'{\n    "a": 2,\n    "b": 1\n}'


def test_headers_that_cannot_be_set_are_left_out(fc: FcInThread) -> None:
    unsettable = {"X-Fc-A": "1", "Server": "x", "Content-Disposition": "attachment; x"}
    got = returned(fc, {"statusCode": 200, "headers": {**unsettable, "X-B": "2"}})

    assert got.headers["X-B"] == "2"
    assert not {"X-Fc-A", "Content-Disposition"} & set(got.headers)
    assert got.headers["Server"] != "x"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "200"},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": {"X-A": ["1", "2"]}},
        {"statusCode": 200, "headers": {"X-A": "x" * 9000}},
        {"statusCode": 200, "headers": {"X-A": "x\r\nX-B: y"}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
    ids=["text-status", "no-status", "object", "list", "8KB", "line-break", "base64"],
)
def test_an_answer_that_cannot_be_sent_is_a_bad_response(fc: FcInThread, answer: object) -> None:
    got = returned(fc, answer)

    assert (got.status, got.json["errorCode"]) == (502, "BadResponse")


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/v1/" + "x" * 4100, []), ("/v1/x", [("X-A", "x" * 8200)])],
    ids=["path", "headers"],
)
def test_a_request_beyond_the_limits_is_an_invalid_argument(
    fc: FcInThread, path: str, headers: list[tuple[str, str]]
) -> None:
    got = ask(fc, "GET", path, headers=headers)

    assert (got.status, got.json["errorCode"]) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("function", "body"),
    [
        ("text", b"plain"),
        ("payload", b"\xff raw"),
        ("rich", b'{\n    "a": "2026-01-02T00:00:00+00:00",\n    "z": 1.5\n}'),
    ],
)
def test_a_returned_value_is_sent_as_the_runtime_would(
    fc: FcInThread, function: str, body: bytes
) -> None:
    got = invoke(fc, function, b"\xff raw")

    assert (got.status, got.body) == (200, body)


# --- errors, docs/platform/function-compute.md §1.1 and §2.3


def test_what_a_handler_raises_is_told_in_the_documented_body(fc: FcInThread) -> None:
    got = ask(fc, "GET", "/raises")

    assert (got.status, got.headers["X-Fc-Error-Type"]) == (502, "UnhandledInvocationError")
    assert (got.json["errorMessage"], got.json["errorType"]) == ("bad order id", "ValueError")
    [[file, line, function, code]] = got.json["stackTrace"]
    assert file == f'File "{HANDLERS / "handlers.py"}"'
    assert re.fullmatch(r"line \d+", line)
    assert (function, code) == ("in raises", 'raise ValueError("bad order id")')


def test_an_api_invocation_that_fails_still_answers_200(fc: FcInThread) -> None:
    got = invoke(fc, "raises")

    assert (got.status, got.headers["X-Fc-Error-Type"]) == (200, "UnhandledInvocationError")


def test_what_json_cannot_say_is_a_type_error(fc: FcInThread) -> None:
    assert invoke(fc, "not-json").json["errorType"] == "TypeError"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("absent.handler", "ImportModuleError"),
        ("bad_syntax.handler", "UserCodeSyntaxError"),
        ("bad_import.handler", "UserCodeError"),
        ("good.nothing", "HandlerNotFound"),
        ("./good.handler", None),
        ("deep/good.handler", None),
    ],
)
def test_a_handler_is_found_or_its_error_named(
    stage: Stage, handler: str, kind: str | None
) -> None:
    (stage.folder / "deep").mkdir()
    for name, code in {
        "bad_syntax": "def handler(:",
        "bad_import": "1 / 0",
        "good": "def handler(event, context): return {}",
        "deep/good": "def handler(event, context): return {}",
    }.items():
        (stage.folder / f"{name}.py").write_text(code)
    with stage.run(stage.function("f", code=str(stage.folder), handler=handler)) as fc:
        assert invoke(fc, "f").json.get("errorType") == kind


def test_a_handler_that_takes_too_long_is_ended(stage: Stage) -> None:
    with stage.run(stage.function("sleeps", timeout=1), stage.function("pid")) as fc:
        got = ask(fc, "GET", "/_fc/http/sleeps")
        eventually(lambda: "handlers.py" in ask(fc, "GET", "/_fc/logs").body.decode())

    assert (got.status, got.headers["X-Fc-Error-Type"]) == (502, "UnhandledInvocationError")
    assert got.json == {"errorMessage": "Function time out after 1 seconds"}


def test_a_handler_that_exits_costs_the_instance_and_no_more(stage: Stage) -> None:
    with stage.run(stage.function("exits")) as fc:
        first, second = (ask(fc, "GET", "/_fc/http/exits") for _ in range(2))
        state = ask(fc, "GET", "/_fc/state").json["functions"]["exits"]

    assert (first.status, second.status) == (502, 502)
    assert "exited unexpectedly" in first.json["errorMessage"]
    assert (state["coldStarts"], state["errors"], state["instances"]) == (2, 2, [])


# --- control


@pytest.mark.parametrize(
    ("target", "body", "status", "faults"),
    [
        ("POST /_fc/kill", b"{", 400, ["not JSON"]),
        ("POST /_fc/kill", b"[]", 400, ["not a JSON object"]),
        ("POST /_fc/kill", b'{"x":1,"which":2}', 400, ["x is none", "no function", "which"]),
        (
            "POST /_fc/timer/nobody",
            b'{"wait":1,"y":2}',
            400,
            ["y is none", "wait", "no function"],
        ),
        ("POST /_fc/timer/text", b"", 400, ["has no timer"]),
        ("GET /_fc/logs?n=x&z=1", b"", 400, ["z is none", "n is not"]),
        ("GET /_fc/nothing", b"", 404, ["/_fc/state"]),
    ],
)
def test_a_wrong_control_request_names_every_fault(
    fc: FcInThread, target: str, body: bytes, status: int, faults: list[str]
) -> None:
    method, path = target.split()
    got = ask(fc, method, path, body)

    assert got.status == status
    assert len(got.json["faults"]) == len(faults)
    assert all(part in fault for part, fault in zip(faults, got.json["faults"], strict=True))
