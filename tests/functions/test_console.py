"""The function console: its files, sign-in and sign-out, and what a session may not do."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions import console, record_command
from functions.console.sessions import SIGN_IN_EVERY_MS
from shared.config.session import SESSION_MS
from shared.config.token_cache import TOKENS_AGE_MS
from shared.config.tokens import digest_of
from shared.inbound import function_compute
from shared.invocation.invocation import Invocation
from tests.conftest import Clock
from tests.support.scripted_stage import ROOM, Stage

HOST = "record.example.com"
OURS = {
    "Origin": f"https://{HOST}",
    "Sec-Fetch-Site": "same-origin",
    "X-Live-Record-Console": "1",
    "Content-Type": "application/json",
}
TOKENS = (
    "ops:read+control:ops-token,eye:read:eye-token,hand:control:hand-token,"
    "over:read~2025-11-21:over-token,brand:read+control@live.example.com/brand-a/*:brand-token"
)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    @property
    def cookie(self) -> str:
        return self.headers["Set-Cookie"].partition(";")[0]


class Browser:
    """Calls the functions of one stage as a browser does, through its own domain."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def call(  # noqa: PLR0913 - all that a request consists of
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        cookie: str = "",
        headers: Mapping[str, str] = OURS,
        source: str = "192.0.2.7",
        host: str = HOST,
    ) -> Answer:
        function: Any = console if path.startswith("/console") else record_command
        event = {
            "rawPath": path,
            "body": "" if body is None else json.dumps(body),
            "headers": {**headers, **({"Cookie": f"a=b; {cookie}"} if cookie else {})},
            "queryParameters": {},
            "requestContext": {
                "http": {"method": method, "sourceIp": source},
                "domainName": host,
                "requestId": "1-77",
            },
        }
        call = Invocation(
            self.stage.app, SimpleNamespace(request_id="1-77"), seconds=function.BUDGET_S
        )
        answer: Any = function_compute.answer(
            lambda request: function.respond(call, request),
            json.dumps(event).encode(),
            None,
            log=self.stage.app.log,
        )
        body_bytes = answer["body"].encode()
        if answer["isBase64Encoded"]:
            body_bytes = gzip.decompress(base64.b64decode(body_bytes))
        return Answer(answer["statusCode"], answer["headers"], body_bytes)

    def sign_in(self, token: str = "ops-token", **more: Any) -> Answer:  # noqa: S107, ANN401 - made up
        return self.call("POST", "/console/session", {"token": token}, **more)


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS)
    yield stage
    stage.store.close()


@pytest.fixture
def browser(stage: Stage) -> Browser:
    return Browser(stage)


# --- the files ----------------------------------------------------------------------------------


def test_the_page_is_sent_compressed_and_once(browser: Browser) -> None:
    page = browser.call("GET", "/console/")
    again = browser.call("GET", "/console/", headers={"If-None-Match": page.headers["ETag"]})

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>" in page.body
    assert (again.status, again.body) == (304, b"")
    assert browser.call("GET", "/console").headers["Location"] == "/console/"


def test_no_page_of_another_origin_frames_it_or_adds_to_it(browser: Browser) -> None:
    headers = browser.call("GET", "/console/").headers
    policy = dict(
        each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";")
    )

    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"].split() == [
        "'self'",
        "https://live.example.com",
    ]
    assert not any("unsafe" in each for each in policy.values())
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_the_bucket_may_be_read_too(tmp_path: Path, clock: Clock) -> None:
    bucket = {
        "LIVE_RECORD_BUCKET": "recordings",
        "LIVE_RECORD_OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com",
        "LIVE_RECORD_FILES_URL": "https://files.example.com/recordings",
    }
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS, **bucket)
    policy = Browser(stage).call("GET", "/console/").headers["Content-Security-Policy"]

    assert "https://recordings.oss-cn-shanghai.aliyuncs.com" in policy
    assert "https://files.example.com " in policy
    stage.store.close()


def test_a_bucket_that_the_policy_names_may_be_read_too(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        '[[domain]]\nstreaming = "live.example.com"\n'
        '[[domain.bucket]]\nname = "vip"\nendpoint = "oss-cn-beijing.aliyuncs.com"\n'
    )
    stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS, LIVE_RECORD_POLICY=str(file))
    policy = Browser(stage).call("GET", "/console/").headers["Content-Security-Policy"]

    assert "https://vip.oss-cn-beijing.aliyuncs.com" in policy
    stage.store.close()


@pytest.mark.parametrize(
    "path",
    ["../__init__.py", "..%2f__init__.py", "session.js", "index.html/", "//etc/passwd", "%00"],
)
def test_nothing_else_is_served(browser: Browser, path: str) -> None:
    assert browser.call("GET", f"/console/{path}").status == 404
    assert browser.call("PUT", "/console/").status == 405
    assert browser.call("PUT", "/console/session").status == 405


# --- sign-in ------------------------------------------------------------------------------------


def test_a_token_becomes_a_cookie_that_only_this_host_gets(browser: Browser) -> None:
    got = browser.sign_in()

    assert got.json == {"name": "ops"}
    cookie, *flags = got.headers["Set-Cookie"].split("; ")
    assert cookie.startswith("__Host-live-record=ops.")
    assert set(flags) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=28800"}
    assert "ops-token" not in got.headers["Set-Cookie"]
    assert browser.call("GET", "/console/session", cookie=got.cookie).json["name"] == "ops"
    assert "ops-token" not in "".join(browser.stage.lines)


@pytest.mark.parametrize(
    ("token", "status"),
    [("unknown-token", 401), ("over-token", 401), ("hand-token", 403), ("", 400), ("a" * 300, 400)],
)
def test_no_other_token_does(browser: Browser, token: str, status: int) -> None:
    got = browser.sign_in(token)

    assert got.status == status
    assert "Set-Cookie" not in got.headers


def test_a_session_is_as_good_as_its_token(browser: Browser) -> None:
    cookie = browser.sign_in().cookie

    assert browser.call("GET", "/v1/overview", cookie=cookie).json["caller"]["name"] == "ops"
    started = browser.call("POST", f"{ROOM}/start", {}, cookie=cookie)
    assert (started.status, started.json["intent"]["who"]) == (200, "ops")
    brand = browser.sign_in("brand-token", source="192.0.2.8").cookie
    assert browser.call("POST", f"{ROOM}/stop", {}, cookie=brand).status == 403


def test_a_session_ends_after_eight_hours(browser: Browser, clock: Clock) -> None:
    cookie = browser.sign_in().cookie
    clock.pass_ms(SESSION_MS - 1)
    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 200
    clock.pass_ms(1)

    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 401


def test_wrong_tokens_are_slowed_down_where_they_come_from(browser: Browser, clock: Clock) -> None:
    tried = [browser.sign_in(f"guess-{number}").status for number in range(4)]
    elsewhere = browser.sign_in(source="2001:db8::5").status
    barred = browser.sign_in()
    clock.pass_ms(SIGN_IN_EVERY_MS)

    assert tried == [401, 401, 429, 429]
    assert elsewhere == 200
    assert (barred.status, barred.headers["Retry-After"]) == (429, "1")
    assert browser.sign_in().status == 200


def test_signing_out_has_the_browser_forget_the_session(browser: Browser) -> None:
    cookie = browser.sign_in().cookie
    got = browser.call("DELETE", "/console/session", cookie=cookie)

    assert got.headers["Set-Cookie"].startswith("__Host-live-record=; Max-Age=0; ")


# --- attacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["DELETE", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.net"},
        {"Origin": f"https://{HOST}.evil.example.net"},
        {"Origin": f"http://{HOST}"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://[::1"},
        {"Origin": f"https://{HOST}:port"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Live-Record-Console": None},
    ],
    ids=str,
)
def test_no_other_page_changes_anything(
    browser: Browser, headers: dict[str, str | None], method: str
) -> None:
    cookie = browser.sign_in().cookie
    sent = {name: value for name, value in {**OURS, **headers}.items() if value is not None}
    before = browser.stage.status().json["wanted"]
    got = browser.call("POST", f"{ROOM}/start", {}, cookie=cookie, headers=sent)

    assert got.status == 403
    assert browser.stage.status().json["wanted"] is before is False
    assert (
        browser.call(method, "/console/session", {"token": "ops-token"}, headers=sent).status == 403
    )


def test_the_stages_own_domain_by_its_settings_is_its_own(tmp_path: Path, clock: Clock) -> None:
    """Whatever name Function Compute gives the request."""
    stage = Stage(
        tmp_path, clock, LIVE_RECORD_API_TOKENS=TOKENS, LIVE_RECORD_CALLBACK_HOST=f"{HOST}:443"
    )
    browser = Browser(stage)

    assert browser.sign_in(host="live-record.cn-shanghai.fcapp.run").status == 200
    elsewhere = {**OURS, "Origin": "https://evil.example.net"}
    assert browser.sign_in(headers=elsewhere).status == 403
    stage.store.close()


def test_on_ones_own_machine_it_works_without_tls(browser: Browser) -> None:
    local = {**OURS, "Origin": "http://127.0.0.1:9000"}

    assert browser.sign_in(headers=local, host="127.0.0.1").status == 200
    assert browser.sign_in(headers=local).status == 403


@pytest.mark.parametrize("kept_in", ["store", "environment"])
def test_a_session_dies_with_its_token(
    tmp_path: Path, clock: Clock, browser: Browser, kept_in: str
) -> None:
    token = {"name": "tv", "digest": digest_of("tv-token").hex(), "scopes": ["read"]}
    if kept_in == "store":
        browser.stage = Stage(tmp_path, clock)
        assert browser.stage.ask("POST", "/v1/tokens", token).status == 200
    else:
        browser.stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS="tv:read:tv-token")
    cookie = browser.sign_in("tv-token").cookie
    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 200
    if kept_in == "store":
        browser.stage.ask("DELETE", "/v1/tokens/tv")
        other = {**token, "digest": digest_of("other").hex()}
        browser.stage.ask("POST", "/v1/tokens", other)
        clock.pass_ms(TOKENS_AGE_MS)
    else:
        browser.stage = Stage(tmp_path, clock, LIVE_RECORD_API_TOKENS="tv:read:other-token")

    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 401
    assert browser.call("GET", "/console/session", cookie=cookie).json == {"name": None}


FORGED: Mapping[str, Callable[[str], str]] = {
    "another name": lambda cookie: cookie.replace("=ops.", "=eye."),
    "another proof": lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
    "another end": lambda cookie: cookie.replace(".1", ".2", 1),
    "no proof": lambda cookie: cookie.rpartition(".")[0] + ".",
    "nothing": lambda _cookie: "__Host-live-record=",
    "no name": lambda _cookie: "__Host-live-record=.1.",
    "other digits": lambda _cookie: "__Host-live-record=ops.\uff19.x",
    "without its prefix": lambda cookie: cookie.replace("__Host-", ""),
    "too long": lambda cookie: cookie + "0" * 8_000,
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_session_is_none(browser: Browser, how: str) -> None:
    cookie = FORGED[how](browser.sign_in().cookie)

    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 401


def test_sessions_of_another_stage_are_none_here(
    tmp_path: Path, clock: Clock, browser: Browser
) -> None:
    (tmp_path / "other").mkdir()
    other = Browser(Stage(tmp_path / "other", clock, LIVE_RECORD_API_TOKENS=TOKENS))
    cookie = other.sign_in().cookie

    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 401
    browser.sign_in()
    assert browser.call("GET", "/v1/overview", cookie=cookie).status == 401
    other.stage.store.close()


@pytest.mark.parametrize("action", ["start", "stop", "extend", "restart", "cancel_delay"])
def test_a_token_that_may_only_read_changes_nothing(browser: Browser, action: str) -> None:
    cookie = browser.sign_in("eye-token").cookie
    body = {"until": "2025-11-22T12:00:00Z"} if action == "extend" else {}
    got = browser.call("POST", f"{ROOM}/{action}", body, cookie=cookie)

    assert (got.status, got.json["code"]) == (403, "Forbidden")


def test_a_token_in_the_header_goes_before_a_session(browser: Browser) -> None:
    cookie = browser.sign_in().cookie
    headers = {"Authorization": "Bearer eye-token"}

    got = browser.call("GET", "/v1/overview", cookie=cookie, headers=headers)
    assert got.json["caller"]["name"] == "eye"
