"""LiveClient over real sockets: every answer, every way of getting none, what each one means."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import certifi
import pytest
from msgspec.structs import replace

from cli.packaging.roots import by_name
from shared.outbound import tls
from shared.outbound.live import CONNECT_MS, LEASE_MS, READ_MS, Credentials, LiveClient
from shared.outbound.live.connection import proxies_for
from shared.outbound.live.error_codes import CODES
from shared.outbound.live.sdk import READINGS
from shared.outbound.tls import ROOTS
from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    Retryable,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from tests.support.raw_server import (
    CLOSED,
    GARBAGE,
    HANG,
    RESET,
    RESET_UNREAD,
    Step,
    Wire,
    html_reply,
    http,
    json_reply,
    redirect,
    xml_reply,
)
from tests.support.receiver import poll
from tests.support.self_signed import self_signed

# The SDK asks for the time in a way that Python 3.12 and later warn of.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY = StreamKey("live.example.com", "classroom", "room 1/甲")
TOKEN = "sts-token-that-nobody-may-see"
CREDENTIALS = Credentials("an-id", "a-secret-that-nobody-may-see", TOKEN)
ACCEPTED = json_reply({"RequestId": "R-1"})


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _fresh_roots() -> Iterator[None]:
    tls.forget()
    yield
    tls.forget()


@pytest.fixture(scope="module")
def one_wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def wire(one_wire: Wire) -> Wire:
    one_wire.script(ACCEPTED)
    return one_wire


@pytest.fixture
def live(wire: Wire) -> LiveClient:
    return client_of(wire.endpoint)


def client_of(endpoint: str, protocol: str = "http", *, impatient: bool = False) -> LiveClient:
    """Patient where an answer comes, however late on a busy machine."""
    connect, read = (300, 200) if impatient else (5_000, 5_000)
    return LiveClient(
        endpoint=endpoint, protocol=protocol, connect_timeout=connect, read_timeout=read
    )


def send(live: LiveClient, credentials: Credentials = CREDENTIALS) -> str:
    return live.send(Command.START, KEY, credentials=credentials)


def failure(live: LiveClient, credentials: Credentials = CREDENTIALS) -> LiveError:
    with pytest.raises(LiveError) as caught:
        send(live, credentials)
    return caught.value


def refusal(
    code: str, status: int, message: str = "%s said no", headers: Mapping[str, str] | None = None
) -> Step:
    return json_reply(
        {"Code": code, "Message": message, "RequestId": "R-2", "HostId": "live.aliyuncs.com"},
        status,
        headers=headers,
    )


# An accepted command


def test_an_accepted_command_gives_the_request_id(live: LiveClient) -> None:
    assert send(live) == "R-1"


@pytest.mark.parametrize("command", Command)
def test_a_command_goes_out_once_and_by_the_apis_own_names(
    live: LiveClient, wire: Wire, command: Command
) -> None:
    live.send(command, KEY, credentials=CREDENTIALS)
    (seen,) = wire.seen
    assert seen.method == "POST"
    assert seen.headers["x-acs-action"] == "RealTimeRecordCommand"
    assert seen.query == {
        "DomainName": "live.example.com",
        "AppName": "classroom",
        "StreamName": "room 1/甲",
        "Command": command.value,
    }


def test_each_call_is_signed_with_its_own_credentials(live: LiveClient, wire: Wire) -> None:
    send(live)
    send(live, Credentials("another-id", "another-secret"))
    first, second = (seen.headers for seen in wire.seen)
    assert (first["x-acs-security-token"], "Credential=an-id" in first["authorization"]) == (
        TOKEN,
        True,
    )
    assert "Credential=another-id" in second["authorization"]
    assert "x-acs-security-token" not in second


# What Live refuses

REFUSALS: list[tuple[str, int, type[LiveError]]] = [
    ("TaskAlreadyStarted", 409, AlreadyStarted),
    ("StreamNotFound", 409, StreamNotLive),
    ("InvalidStream.NotFound", 404, StreamNotLive),
    ("CodeConfigNotFound", 400, NoRecordConfig),
    ("InvalidConfig.NotFound", 404, NoRecordConfig),
    ("MalformedParam", 400, InvalidCommand),
    ("MissingParam", 400, InvalidCommand),
    ("MissingDomainName", 400, InvalidCommand),
    ("MissingAppName", 400, InvalidCommand),
    ("MissingStreamName", 400, InvalidCommand),
    ("MissingCommand", 400, InvalidCommand),
    ("InvalidDomain.NotFound", 404, InvalidCommand),
    ("Throttling", 400, Throttled),
    ("Throttling.User", 429, Throttled),
    ("Throttling.Api", 503, Throttled),
    ("SignatureNonceUsed", 400, NeverSent),
    ("ServiceUnavailable", 503, Unavailable),
    ("ServiceUnavailable", 500, Unavailable),
    ("InternalError", 500, InDoubt),
    ("InternalError", 503, InDoubt),
    ("InvalidAccessKeyId.NotFound", 404, OperatorActionNeeded),
    ("InvalidAccessKeyId.Inactive", 400, OperatorActionNeeded),
    ("InvalidSecurityToken.Expired", 400, OperatorActionNeeded),
    ("InvalidTimeStamp.Expired", 400, OperatorActionNeeded),
    ("InvalidIdentity.ServiceDisabled", 400, OperatorActionNeeded),
    ("InvalidCredentials", 400, OperatorActionNeeded),
    ("SignatureDoesNotMatch", 400, OperatorActionNeeded),
    ("Forbidden", 401, OperatorActionNeeded),
    ("Forbidden.RAM", 403, OperatorActionNeeded),
    ("IllegalOperation", 403, OperatorActionNeeded),
    ("LiveServiceNotFound", 400, LiveNotActivated),
    ("NobodyDocumentedThis", 400, UnknownRejection),
    ("NobodyDocumentedThis", 404, UnknownRejection),
    ("NobodyDocumentedThis", 401, OperatorActionNeeded),
    ("NobodyDocumentedThis", 403, OperatorActionNeeded),
    ("NobodyDocumentedThis", 429, Throttled),
    ("NobodyDocumentedThis", 503, Unavailable),
    ("NobodyDocumentedThis", 500, InDoubt),
    ("NobodyDocumentedThis", 502, InDoubt),
]


@pytest.mark.parametrize(("code", "status", "kind"), REFUSALS)
def test_a_code_decides_what_kind_of_error_it_is(
    live: LiveClient, wire: Wire, code: str, status: int, kind: type[LiveError]
) -> None:
    wire.script(refusal(code, status))
    error = failure(live)
    assert type(error) is kind
    assert (error.code, error.status, error.request_id) == (code, status, "R-2")
    assert str(error) == "%s said no"
    assert len(wire.seen) == 1


def test_every_row_of_the_table_is_walked_above() -> None:
    walked = {row for row in CODES for code, _, _ in REFUSALS if fnmatchcase(code, row)}
    assert walked == set(CODES)


def test_a_code_in_xml_counts_as_well(live: LiveClient, wire: Wire) -> None:
    body = "<Error><Code>TaskAlreadyStarted</Code><RequestId>R-3</RequestId></Error>"
    wire.script(xml_reply(409, body))
    error = failure(live)
    assert (type(error), error.status, error.request_id) == (AlreadyStarted, 409, "R-3")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling.User", 400, Throttled),
        ("Throttling", 503, Throttled),
        ("ServiceUnavailable", 503, Unavailable),
        ("NobodyDocumentedThis", 400, Throttled),
        ("NobodyDocumentedThis", 503, Unavailable),
        ("SignatureNonceUsed", 400, NeverSent),
        ("Forbidden.RAM", 403, Throttled),
        ("MalformedParam", 400, Throttled),
        ("StreamNotFound", 409, Throttled),
        ("TaskAlreadyStarted", 409, Throttled),
        ("InternalError", 503, Throttled),
    ],
)
def test_the_time_to_come_back_is_passed_on_in_ms(
    live: LiveClient, wire: Wire, code: str, status: int, kind: type[Retryable]
) -> None:
    wire.script(refusal(code, status, headers={"x-acs-retry-after": "1500"}))
    error = failure(live)
    assert isinstance(error, Retryable)
    assert (type(error), error.retry_after) == (kind, 1500)


@pytest.mark.parametrize("header", [{}, {"x-acs-retry-after": "soon"}, {"x-acs-retry-after": "0"}])
def test_a_throttling_without_a_time_is_still_one(
    live: LiveClient, wire: Wire, header: dict[str, str]
) -> None:
    wire.script(refusal("Throttling.User", 400, headers=header))
    error = failure(live)
    assert isinstance(error, Throttled)
    assert error.retry_after == 0


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_time_to_come_back_ends_no_doubt_of_another_status(
    live: LiveClient, wire: Wire, status: int
) -> None:
    wire.script(refusal("InternalError", status, headers={"x-acs-retry-after": "1500"}))
    assert type(failure(live)) is InDoubt


# What nobody can be sure of

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{"
UNSURE: dict[str, tuple[Step, int]] = {
    "closed without an answer": (CLOSED, 0),
    "reset without an answer": (RESET, 0),
    "no answer in time": (HANG, 0),
    "not HTTP": (GARBAGE, 0),
    "half a status line": (Step(b"HTTP/1.1 2"), 0),
    "closed in the body": (Step(http(200, '{"RequestId": "R"}')[:-5]), 0),
    "reset in the body": (Step(http(200, '{"RequestId": "R"}')[:-5], then="reset"), 0),
    "no rest of the body in time": (Step(http(200, '{"RequestId": "R"}')[:-5], then="hang"), 0),
    "closed in a chunk": (Step(CHUNKED), 0),
    "200 with a page": (html_reply(200), 200),
    "200 with nothing": (Step(http(200, "")), 200),
    "200 with a list": (json_reply([]), 200),
    "200 with half an object": (Step(http(200, '{"RequestId"')), 0),
    "200 with bytes that are no text": (Step(http(200, b'{"\xff\xfe"}')), 0),
    "200 without a RequestId": (json_reply({}), 200),
    "200 with an empty RequestId": (json_reply({"RequestId": ""}), 200),
    "204": (Step(http(204, "")), 204),
    "202 with a RequestId": (json_reply({"RequestId": "R"}, 202), 202),
    "400 with a page": (html_reply(400), 400),
    "400 without a code": (json_reply({}, 400), 400),
    "400 with a list": (json_reply(["no"], 400), 400),
    "404 with nothing": (Step(http(404, "")), 404),
    "502 with a page": (html_reply(502), 502),
    "503 with a page": (html_reply(503), 503),
    "503 without a code": (json_reply({}, 503), 503),
    "XML that says nothing": (xml_reply(500, "<Page/>"), 0),
    "999 with a RequestId": (json_reply({"RequestId": "R"}, 999), 999),
}


@pytest.mark.parametrize("shape", UNSURE)
def test_an_answer_that_is_none_leaves_a_doubt(wire: Wire, shape: str) -> None:
    step, status = UNSURE[shape]
    wire.script(step, ACCEPTED)
    error = failure(client_of(wire.endpoint, impatient=step.then == "hang"))
    assert (type(error), error.code, error.status) == (InDoubt, "InDoubt", status)
    poll(lambda: len(wire.seen) > 0)
    assert len(wire.seen) == 1


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_answer_of_two_lengths_leaves_a_doubt(live: LiveClient, wire: Wire) -> None:
    wire.script(Step(http(200, "{}", headers={"Content-Length": "2, 3"})))
    assert type(failure(live)) is InDoubt
    gc.collect()  # urllib3 forgets the socket, and the warning is to come while it is expected


def test_an_answer_is_waited_for_as_long_as_was_said(wire: Wire) -> None:
    wire.script(HANG)
    live, begun = client_of(wire.endpoint, impatient=True), time.monotonic()
    failure(live)
    assert time.monotonic() - begun >= 0.2


def test_a_reset_before_anything_was_read_leaves_a_doubt(live: LiveClient, wire: Wire) -> None:
    wire.script(RESET_UNREAD, ACCEPTED)
    assert type(failure(live)) is InDoubt
    assert wire.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_neither_followed_nor_believed(
    live: LiveClient, wire: Wire, status: int
) -> None:
    wire.script(redirect(status, f"http://{wire.endpoint}/elsewhere"), ACCEPTED)
    error = failure(live)
    assert (type(error), error.status) == (InDoubt, status)
    assert [seen.method for seen in wire.seen] == ["POST"]


# What never left


def test_a_refused_connection_never_sent_anything() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert type(failure(client_of(f"127.0.0.1:{port}"))) is NeverSent


def test_a_name_that_does_not_resolve_never_sent_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert type(failure(client_of("live.invalid"))) is NeverSent


def test_a_connection_that_takes_too_long_never_sent_anything() -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        endpoint = f"127.0.0.1:{full.getsockname()[1]}"
        live, begun = client_of(endpoint, impatient=True), time.monotonic()
        assert type(failure(live)) is NeverSent
        assert time.monotonic() - begun >= 0.3


def test_a_proxy_that_refuses_never_sent_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert type(failure(client_of("live.invalid"))) is NeverSent


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(tls=self_signed(tmp_path))
    wire.script(ACCEPTED)
    yield wire
    wire.close()


@pytest.fixture
def vouched_for_here(untrusted: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """By this machine, as behind a company's proxy, and by nobody else."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    return untrusted


def test_a_server_that_nobody_vouches_for_is_told_nothing(untrusted: Wire) -> None:
    assert type(failure(client_of(untrusted.endpoint, "https"))) is NeverSent
    assert untrusted.seen == []


def test_a_server_that_only_this_machine_vouches_for_is_asked_once(vouched_for_here: Wire) -> None:
    assert send(client_of(vouched_for_here.endpoint, "https")) == "R-1"
    assert len(vouched_for_here.seen) == 1


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Certifi's folder in a package: its bundle, and its roots in a file each."""
    folder = tmp_path / "certifi"
    (folder / ROOTS).mkdir(parents=True)
    (folder / "cacert.pem").write_bytes(ANOTHER_ROOT)
    monkeypatch.setattr("certifi.where", lambda: str(folder / "cacert.pem"))
    for name, certificate in by_name(ANOTHER_ROOT).items():
        (folder / ROOTS / name).write_bytes(certificate)
    return folder


ANOTHER_ROOT = certifi.contents().partition("-----END")[0].encode() + b"-----END CERTIFICATE-----\n"


def test_a_server_under_a_root_of_the_package_is_asked_once(
    untrusted: Wire, package: Path, tmp_path: Path
) -> None:
    for name, certificate in by_name((tmp_path / "server.pem").read_bytes()).items():
        (package / ROOTS / name).write_bytes(certificate)
    assert send(client_of(untrusted.endpoint, "https")) == "R-1"
    assert untrusted.connections == 1


def test_a_server_under_no_root_of_the_package_is_told_nothing(
    untrusted: Wire, package: Path
) -> None:
    assert len(list((package / ROOTS).iterdir())) == 1
    assert type(failure(client_of(untrusted.endpoint, "https"))) is NeverSent
    assert untrusted.seen == []


def test_a_root_that_is_in_the_bundle_alone_is_trusted_too(
    untrusted: Wire, package: Path, tmp_path: Path
) -> None:
    shutil.copy(tmp_path / "server.pem", package / "cacert.pem")
    assert send(client_of(untrusted.endpoint, "https")) == "R-1"
    assert len(untrusted.seen) == 1


def test_no_later_connection_reads_the_trusted_roots_again(
    vouched_for_here: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = client_of(vouched_for_here.endpoint, "https")
    send(live)
    connections = vouched_for_here.connections
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", "/nowhere")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert send(live) == "R-1"
    assert vouched_for_here.connections == connections + 1


def test_a_handshake_that_ends_halfway_leaves_a_doubt(wire: Wire) -> None:
    wire.script(Step(reads=False, then="hang"))
    assert type(failure(client_of(wire.endpoint, "https", impatient=True))) is InDoubt


# What is ours to mend


@pytest.mark.parametrize("missing", [Credentials("", ""), Credentials("an-id", "")])
def test_missing_credentials_are_ours_to_mend_and_send_nothing(
    live: LiveClient, wire: Wire, missing: Credentials
) -> None:
    error = failure(live, missing)
    assert (type(error), error.code) == (OperatorActionNeeded, "InvalidCredentials")
    assert str(error) == "there are no credentials to call Live with"
    assert wire.connections == 0


@pytest.mark.parametrize(
    "unfit",
    [
        Credentials("an-id\r\nx-evil: 1", "secret"),
        Credentials("钥匙", "secret"),
        replace(CREDENTIALS, security_token="a\nb"),
    ],
)
def test_credentials_that_fit_no_header_are_ours_to_mend(
    live: LiveClient, wire: Wire, unfit: Credentials
) -> None:
    assert type(failure(live, unfit)) is OperatorActionNeeded
    assert wire.seen == []


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:port", "a b"])
def test_an_endpoint_that_is_none_is_ours_to_mend(endpoint: str) -> None:
    assert type(failure(client_of(endpoint))) is OperatorActionNeeded


# Every exception of the SDK's

SDK_EXCEPTIONS = (
    "darabonba.exceptions",
    "Tea.exceptions",
    "alibabacloud_tea_openapi.exceptions",
    "alibabacloud_credentials.exceptions",
)


def test_every_exception_of_the_sdk_has_a_reading() -> None:
    modules = [vars(importlib.import_module(name)).values() for name in SDK_EXCEPTIONS]
    classes = [found for module in modules for found in module if isinstance(found, type)]
    assert {found.__name__ for found in classes if issubclass(found, Exception)} == set(READINGS)


@pytest.mark.parametrize("kind", [KeyError, OSError, RuntimeError])
def test_an_exception_that_nobody_foresaw_leaves_a_doubt(
    live: LiveClient, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise kind

    monkeypatch.setattr(importlib.import_module("darabonba.core").DaraCore, "from_map", fail)
    assert type(failure(live)) is InDoubt


# What the SDK would let slip


def test_the_token_that_live_quotes_is_not_passed_on(live: LiveClient, wire: Wire) -> None:
    quoted = f"server string to sign is: x-acs-security-token:{TOKEN}"
    wire.script(refusal("SignatureDoesNotMatch", 400, quoted))
    error = failure(live)
    assert str(error).endswith("x-acs-security-token:***")
    assert TOKEN not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("step", [html_reply(502), RESET], ids=["page", "reset"])
def test_no_traceback_holds_what_was_sent(live: LiveClient, wire: Wire, step: Step) -> None:
    wire.script(step)
    answer = "".join(traceback.format_exception(failure(live)))
    assert not any(word in answer for word in (TOKEN, "ACS3-HMAC", "<html>"))


def test_credentials_do_not_show_in_their_own_words() -> None:
    assert repr(CREDENTIALS) == "Credentials('an-id', …)"


TALKATIVE = """
import logging, sys
from tests.outbound.test_live_client import CREDENTIALS, client_of, send
logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
send(client_of(sys.argv[1]))
logging.getLogger("credentials").warning("said once")
"""


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.slow
def test_the_sdks_debugging_writes_no_secret_and_no_line_twice(wire: Wire) -> None:
    answer = run(TALKATIVE, wire.endpoint, DEBUG="sdk").stderr
    assert len(wire.seen) == 1
    assert not any(word in answer for word in (TOKEN, "ACS3-HMAC", "Authorization"))
    assert answer.count("said once") == 1


def test_the_sdk_leaves_no_handler_behind(live: LiveClient) -> None:
    send(live)
    names = ("darabonba-core", "alibabacloud-tea", "credentials")
    assert [logging.getLogger(name).handlers for name in names] == [[], [], []]


UNTOUCHED = """
import sys, threading
from shared.outbound.live import LiveClient
import shared.retry
LiveClient()
heavy = {"darabonba", "Tea", "requests", "urllib3", "tenacity", "alibabacloud_live20161101"}
print(sorted(heavy & set(sys.modules)), threading.active_count())
"""


def test_importing_and_building_load_and_start_nothing() -> None:
    assert run(UNTOUCHED).stdout == "[] 1\n"


# Proxies


def test_a_proxy_is_not_asked_for_this_very_machine(
    live: LiveClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert send(live) == "R-1"


def test_no_proxy_is_honoured_where_the_sdk_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert proxies_for("https://live.aliyuncs.com/")["https"] == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "aliyuncs.com")
    assert proxies_for("https://live.aliyuncs.com/") == {}


# Time


def test_a_call_fits_the_three_seconds_of_a_callback() -> None:
    assert CONNECT_MS + READ_MS < 3000


def test_a_lease_outlasts_both_time_outs_by_five_seconds() -> None:
    assert LiveClient().lease == LEASE_MS == CONNECT_MS + READ_MS + 5000
    assert LiveClient(connect_timeout=1, read_timeout=2).lease == 5003


# The online list


def stream(app: str, name: str, at: str = "2026-11-22T10:00:00Z") -> dict[str, str]:
    return {"DomainName": KEY.domain, "AppName": app, "StreamName": name, "PublishTime": at}


def listing(*streams: object, **more: object) -> Step:
    body = {
        "RequestId": "R-4",
        "OnlineInfo": {"LiveStreamOnlineInfo": streams},
        "TotalNum": len(streams),
        "TotalPage": 1,
    }
    return json_reply({**body, **more})


TEN = 1_795_341_600_000


def find(live: LiveClient) -> int | None:
    return live.find(KEY, credentials=CREDENTIALS)


def test_a_stream_that_is_online_gives_when_it_was_published(live: LiveClient, wire: Wire) -> None:
    wire.script(listing(stream(KEY.app, KEY.stream)))
    assert find(live) == TEN
    (seen,) = wire.seen
    assert seen.headers["x-acs-action"] == "DescribeLiveStreamsOnlineList"
    assert seen.query == {
        "DomainName": KEY.domain,
        "AppName": KEY.app,
        "StreamName": KEY.stream,
        "QueryType": "strict",
        "StreamType": "raw",
        "OnlyStream": "yes",
        "PageNum": "1",
        "PageSize": "3000",
    }


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-22T10:00:00Z", TEN),
        ("2026-11-22T10:00:00.250Z", TEN + 250),
        ("2026-11-22T18:00:00+08:00", TEN),
        ("2026-11-22 10:00:00", TEN),
    ],
)
def test_a_publish_time_is_read_as_utc(live: LiveClient, wire: Wire, text: str, ms: int) -> None:
    wire.script(listing(stream(KEY.app, KEY.stream, text)))
    assert find(live) == ms


def test_of_several_publishes_the_newest_counts(live: LiveClient, wire: Wire) -> None:
    times = ("2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T08:00:00Z")
    wire.script(listing(*(stream(KEY.app, KEY.stream, at) for at in times)))
    assert find(live) == TEN


def test_streams_of_a_similar_name_are_others(live: LiveClient, wire: Wire) -> None:
    wire.script(listing(stream(KEY.app, KEY.stream + "_hd"), stream("Classroom", KEY.stream)))
    assert find(live) is None


@pytest.mark.parametrize(
    "nothing", [listing(), json_reply({"RequestId": "R-4", "TotalNum": 0, "TotalPage": 0})]
)
def test_a_stream_that_is_not_listed_is_not_online(
    live: LiveClient, wire: Wire, nothing: Step
) -> None:
    wire.script(nothing)
    assert find(live) is None


UNREADABLE = {
    "no list": json_reply({"RequestId": "R-4"}),
    "a list that is none": json_reply({"RequestId": "R-4", "OnlineInfo": "none"}),
    "entries that are none": json_reply(
        {"RequestId": "R-4", "OnlineInfo": {"LiveStreamOnlineInfo": "none"}}
    ),
    "an entry that is none": listing("room1"),
    "an entry that is null": listing(None),
    "no name": listing({"AppName": KEY.app, "PublishTime": "2026-11-22T10:00:00Z"}),
    "no time": listing({"AppName": KEY.app, "StreamName": KEY.stream}),
    "a time that is none": listing(stream(KEY.app, KEY.stream, "this morning")),
    "a time that is a number": listing({**stream(KEY.app, KEY.stream), "PublishTime": 1}),
    "a page": html_reply(200),
}


@pytest.mark.parametrize("shape", UNREADABLE)
def test_a_list_that_cannot_be_read_is_not_an_empty_one(
    live: LiveClient, wire: Wire, shape: str
) -> None:
    wire.script(UNREADABLE[shape])
    with pytest.raises(InDoubt):
        find(live)
    with pytest.raises(InDoubt):
        live.online(KEY.domain, credentials=CREDENTIALS)


def online(live: LiveClient) -> dict[str, int]:
    return {str(key): at for key, at in live.online(KEY.domain, credentials=CREDENTIALS)}


def test_a_domain_gives_all_of_its_streams(live: LiveClient, wire: Wire) -> None:
    wire.script(listing(stream("a", "1"), stream("a", "2", "2026-11-22T10:00:01Z")))
    assert online(live) == {"live.example.com/a/1": TEN, "live.example.com/a/2": TEN + 1000}
    assert "StreamName" not in wire.seen[0].query


def test_a_domain_is_read_page_by_page(live: LiveClient, wire: Wire) -> None:
    pages = [listing(stream("a", name), TotalPage=3) for name in "123"]
    wire.script(*pages)
    assert len(online(live)) == 3
    assert [seen.query["PageNum"] for seen in wire.seen] == ["1", "2", "3"]


def test_a_full_page_that_does_not_count_its_pages_has_another(
    live: LiveClient, wire: Wire
) -> None:
    full = listing(*(stream("a", str(n)) for n in range(3000)), TotalPage=None)
    wire.script(full, listing(stream("a", "last"), TotalPage=None))
    assert len(online(live)) == 3001
    assert len(wire.seen) == 2


def test_pages_that_bring_nothing_new_are_the_last(live: LiveClient, wire: Wire) -> None:
    wire.script(listing(stream("a", "1"), TotalPage=1_000_000))
    assert len(online(live)) == 1
    assert len(wire.seen) == 2


def test_a_stream_on_two_pages_counts_once_and_by_its_newest(live: LiveClient, wire: Wire) -> None:
    early = stream("a", "1", "2026-11-22T09:00:00Z")
    both = listing(stream("a", "1"), early, stream("a", "2"), TotalPage=2)
    wire.script(both, listing(early, TotalPage=2))
    assert online(live) == {"live.example.com/a/1": TEN, "live.example.com/a/2": TEN}


def test_half_of_a_domain_is_an_error_and_no_list(live: LiveClient, wire: Wire) -> None:
    wire.script(listing(stream("a", "1"), TotalPage=2), refusal("Throttling.User", 400))
    with pytest.raises(Throttled):
        online(live)


def test_an_empty_domain_is_an_empty_list(live: LiveClient, wire: Wire) -> None:
    wire.script(listing())
    assert online(live) == {}


def test_a_look_that_is_refused_says_so(live: LiveClient, wire: Wire) -> None:
    wire.script(refusal("Forbidden.RAM", 403))
    with pytest.raises(OperatorActionNeeded):
        find(live)


def test_what_was_prepared_is_what_the_first_call_uses() -> None:
    from darabonba.core import DaraCore

    client = LiveClient(endpoint="127.0.0.1:1", protocol="http", connect_timeout=100)
    client.prepare()
    prepared = set(DaraCore._sessions)
    assert any("127.0.0.1:1:" in name for name in prepared)
    with pytest.raises(NeverSent):
        client.send(Command.START, KEY, credentials=Credentials("id", "secret"))

    assert set(DaraCore._sessions) == prepared
