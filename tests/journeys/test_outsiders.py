"""More attacks on docs/security.md against one whole running stage, whose store is a server: by a
stranger, by whoever has a callback URL or a captured signature, by a tenant whose token is bound to
his streams, and by whoever may change the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests
from click.testing import CliRunner

from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import TOKEN, WEBHOOK_SECRET
from cli.main import main
from functions.record_command.all_routes import ROUTES
from functions.record_command.routes import Route
from shared.config.path_tokens import KINDS, path_token_of
from shared.inbound.live_callbacks import sign
from tests.support.attacked_stage import CONTROL, Attacked, attacked_stage
from tests.support.journey import DOMAIN, INGEST, PATIENCE, Json
from tests.support.raw_server import Wire

pytestmark = pytest.mark.slow
MINE, OTHER = f"{DOMAIN}/brand-a/class-mine", f"{DOMAIN}/brand-b/class-other"
INGEST_PAIR = (INGEST, "dev-stream-key-0000")
TUESDAYS = {"start": "2099-01-06T10:00:00", "end": "2099-01-06T11:00:00", "timezone": "UTC"}
MARK = "of-brand-b"
"""In all that brand-b has."""
SECRETS_OF_FUNCTIONS = {
    "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000",
    "LIVE_RECORD_RECORD_KEYS": "dev-record-key-0000",
    "LIVE_RECORD_PATH_TOKENS": "dev-path",
    "LIVE_RECORD_WAKE_KEY": "dev-wake-key-000000",
    "LIVE_RECORD_RELAY_KEY": "dev-relay-key-00000",
    "LIVE_RECORD_HEARTBEAT_URL": "http://127.0.0.1:1/dev-heartbeat-00000",
    "LIVE_RECORD_DELIVER_CREDENTIALS": "archive:an-id:dev-deliver-secret-0",
    "LIVE_RECORD_ROBOTS": "ops=http://127.0.0.1:1/robot/send?access_token=dev-robot-0000000",
}
HAVE = {
    TOKEN: {"record_command", "stream_events", "files", "console"},
    "dev-stream-key-0000": {"record_command", "stream_events"},
    "dev-record-key-0000": {"record_command", "record_events", "on_demand", "relay"},
    "dev-path": {"record_command", "stream_events", "record_events", "on_demand"},
    "dev-wake-key-000000": {"record_command", "stream_events", "record_events", "reconcile"},
    "dev-relay-key-00000": {"stream_events", "record_events", "relay"},
    WEBHOOK_SECRET: {"notify"},
    "dev-robot-0000000": {"notify"},
    "dev-heartbeat-00000": {"reconcile"},
    "dev-deliver-secret-0": {"deliver"},
}
"""The functions that have each secret of the stage."""
TOKEN_TAKES_S = 11
"""s until a token that was added or revoked is known everywhere, and one more."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("stage")
    with (
        Engine(folder / "engine", options=DURABLE) as engine,
        attacked_stage(folder, engine, SECRETS_OF_FUNCTIONS) as here,
    ):
        yield replace(here, bound=_two_brands(here))


@pytest.fixture(scope="module")
def session(here: Attacked) -> str:
    """Return the cookie of a session of the console, opened with the token of brand-a."""
    page = {"Origin": here.stack.fc, "X-Live-Record-Console": "1"}
    url, body = f"{here.stack.fc}/console/session", {"token": here.bound}
    opened = requests.post(url, json=body, headers=page, timeout=PATIENCE)
    return opened.headers["Set-Cookie"].partition(";")[0]


def _two_brands(here: Attacked) -> str:
    """Let each brand have a live stream, a file and a schedule; return the token of brand-a."""
    for app, place in (("brand-a", MINE), ("brand-b", OTHER)):
        stream = place.rpartition("/")[2]
        here.live.publish(stream, app=app, wait=True)
        start = {"note": f"of-{app}"}
        here.send("POST", f"/v1/recordings/{place}/start", body=start).raise_for_status()
        here.report(f"{app}/{stream}", uri=f"record/{app}/{stream}/of-{app}.flv")
        schedule = {**TUESDAYS, "streams": [place], "title": f"of-{app}"}
        here.send("PUT", f"/v1/schedules/of-{app}", body=schedule).raise_for_status()
    bounds = ("--scope", "read", "--scope", "control", "--streams", f"{DOMAIN}/brand-a/*")
    printed = here.types("token", "add", "brand-a", *bounds)
    here.live.advance(TOKEN_TAKES_S)
    return printed.stdout.strip()


# --- a stranger, and whoever has a callback URL -------------------------------------------------


def test_asks_and_reports_of_made_up_names_leave_nothing(here: Attacked) -> None:
    """Once each name was 2 KB of the store, until nobody could stop anything."""
    url, before = f"{here.stack.fc}/callbacks/on-demand/dev-path", here.keys()
    for number in range(30):
        query = {"domain": DOMAIN, "app": "brand-a", "stream": f"class-made-up{number}"}
        assert requests.get(url, params=query, timeout=PATIENCE).status_code == 200
        assert here.report(f"brand-a/class-made-up{number}", event="record_started") == 200

    assert [key for key in here.keys() - before if b"made-up" in key] == []
    assert "made-up" not in here.get("/v1/recordings?limit=1000").text


def test_a_callback_url_is_good_for_its_own_kind_alone(here: Attacked) -> None:
    """Once a leaked URL of one kind took the callbacks of the others."""
    taken = {
        (kind, path): requests.request(
            "POST" if path == "record" else "GET",
            f"{here.stack.fc}/callbacks/{path}/{path_token_of(kind, 'dev-path')}?app={INGEST}",
            headers=here.pair(*INGEST_PAIR) if path == "stream" else here.pair(),
            timeout=PATIENCE,
        ).status_code
        != 401
        for kind in KINDS
        for path in KINDS
    }

    assert [pair for pair, is_taken in taken.items() if is_taken] == [(one, one) for one in KINDS]


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"ALI-LIVE-TIMESTAMP": "1", "ALI-LIVE-SIGNATURE": sign("x", 1, "")},
        "of another host",
        "of an empty key",
        "of the other key",
    ],
)
def test_a_callback_without_a_proof_changes_nothing(
    here: Attacked, proof: str | Mapping[str, str]
) -> None:
    netloc = urlsplit(here.stack.fc).netloc
    pairs = {
        "of another host": ("evil.example.com",),
        "of an empty key": (netloc, ""),
        "of the other key": (netloc, "dev-stream-key-0000"),
    }
    headers = here.pair(*pairs[proof]) if isinstance(proof, str) else proof
    before = here.get(f"/v1/recordings/{OTHER}/history").json()

    assert here.report("brand-b/class-other", proof=headers, event="record_paused") == 401
    assert here.get(f"/v1/recordings/{OTHER}/history").json() == before


@pytest.mark.parametrize("twice", ["ALI-LIVE-TIMESTAMP", "ALI-LIVE-SIGNATURE"])
def test_a_header_that_comes_twice_proves_nothing(here: Attacked, twice: str) -> None:
    pair = here.pair(*INGEST_PAIR)
    query = (
        f"action=publish&app=push.example.com&appname=brand-a&id=class-twice&time={here.now_s()}"
    )
    target = f"/callbacks/stream/dev-path?{query}"

    assert here.as_sent("GET", target, *pair.items(), (twice, pair[twice])) == 401
    assert here.as_sent("GET", f"{target}&id=class-third", *pair.items()) == 200
    assert here.get(f"/v1/recordings/{DOMAIN}/brand-a/class-twice").json()["ever_live"] is False


@pytest.mark.parametrize(
    "target",
    [
        *("/v1/tokens", "/v1/tokens/", "/v1//tokens", "/v1/./tokens", "/v1/files/../tokens"),
        *("//v1/tokens", "/V1/tokens", "/tokens", "/console/../v1/tokens", "/v1/%74okens"),
        *("/v1/health%2f..%2ftokens", "/_fc/http/record_command/v1/tokens", "/v1/tokens%00"),
    ],
)
def test_no_spelling_of_a_path_leads_past_the_token(here: Attacked, target: str) -> None:
    assert here.as_sent("GET", target) in (401, 403, 404)


def test_two_tokens_in_one_request_are_none(here: Attacked) -> None:
    mine, theirs = (("Authorization", f"Bearer {token}") for token in (here.bound, TOKEN))

    assert here.as_sent("GET", "/v1/tokens", mine, theirs) == 401
    assert here.as_sent("GET", "/v1/tokens", theirs, mine) == 401
    assert here.as_sent("GET", "/v1/tokens", mine, ("X-Original-URL", "/v1/health")) == 403


@pytest.mark.parametrize("text", [": write one of ", "; ", " does not accept "])
def test_a_path_that_looks_like_our_own_texts_is_answered(here: Attacked, text: str) -> None:
    """Once 500 bytes in Chinese kept a function at work for 15 s, and the answer was 502."""
    assert here.get(f"/v1/{quote(text * 60)}", "", Accept_Language="zh").status_code == 404


@pytest.mark.parametrize("body", [b'{"wake": "\xff"}', b'{"key": "\xff"}', b"[" * 9_000, b""])
@pytest.mark.parametrize("function", ["reconcile", "relay"])
def test_a_call_between_functions_needs_the_key(here: Attacked, function: str, body: bytes) -> None:
    """Once bytes that are no text were answered with 500."""
    url = f"{here.stack.fc}/_fc/http/{function}/"
    assert requests.post(url, data=body, timeout=PATIENCE).status_code == 401


def test_no_other_function_has_a_trigger(here: Attacked) -> None:
    """Once five of seven had one that nobody called."""
    for function in ("record_command", "stream_events", "notify", "deliver", "console", "files"):
        answer = requests.post(f"{here.stack.fc}/_fc/http/{function}/", timeout=PATIENCE)
        assert answer.status_code in (403, 404), function


def test_a_function_has_the_secrets_that_it_uses_and_no_others(here: Attacked) -> None:
    """Once each of seven had all of them."""
    for function in set.union(*HAVE.values()):
        url = f"{here.stack.fc}/2023-03-30/functions/{function}/invocations"
        requests.post(url, data=b"{}", timeout=PATIENCE)
    state = requests.get(f"{here.stack.fc}/_fc/state", timeout=PATIENCE).json()["functions"]
    environments = {
        name: [Path(f"/proc/{one['pid']}/environ").read_text() for one in function["instances"]]
        for name, function in state.items()
    }

    assert [name for name, of_instances in environments.items() if not of_instances] == []
    assert {
        secret: {name for name, of in environments.items() if any(secret in text for text in of)}
        for secret in HAVE
    } == HAVE


SECRETS = (
    "rtmp://push.example.com/a?auth_key=1-0-0-d41d8cd98f00b204e9800998ecf8427e",
    "LTAI5tAbCd",
)


def test_an_exception_leaves_none_of_its_secrets(here: Attacked) -> None:
    """Once 19 of 39 shapes of secrets came through into the log."""
    fields = dict(zip(("pushed_to", "key_of"), SECRETS, strict=True))
    url = f"{here.stack.fc}/callbacks/stream/exception/dev-path"
    signed = here.pair(*INGEST_PAIR)
    body = {"app": INGEST, "appname": "brand-a", "id": "class-mine", **fields}
    assert requests.post(url, json=body, headers=signed, timeout=PATIENCE).status_code == 200

    log = (here.stack.folder / "functions.log").read_text()
    assert "pushed_to" in log
    assert [secret for secret in SECRETS if secret[-12:] in log] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com", "X-Live-Record-Console": "1"},
        {"X-Live-Record-Console": "1"},
        {"Origin": "same"},
        {"Origin": "same", "X-Live-Record-Console": "1", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1@evil.example.com", "X-Live-Record-Console": "1"},
        {"Origin": "null", "X-Live-Record-Console": "1"},
        {"Origin": "https://[::1", "X-Live-Record-Console": "1"},
        {"Origin": "https://127.0.0.1:port", "X-Live-Record-Console": "1"},
    ],
)
def test_no_page_of_elsewhere_uses_a_session(
    here: Attacked, session: str, headers: Mapping[str, str]
) -> None:
    own = {name: here.stack.fc if text == "same" else text for name, text in headers.items()}
    stop, cookie = f"/v1/recordings/{MINE}/stop", {"Cookie": session}

    assert here.send("POST", stop, "", {}, **cookie, **own).status_code == 403
    assert here.get("/v1/tokens", "", **cookie).status_code == 403
    assert here.get("/v1/recordings", "", **cookie).status_code == 200


def test_no_web_page_drives_an_emulator(here: Attacked) -> None:
    for address, path in (
        (here.stack.live, "/_control/clock"),
        (here.stack.fc, "/_fc/timer/notify"),
    ):
        for headers in ({"Origin": "https://evil.example.com"}, {"Host": "evil.example.com"}):
            answer = requests.post(address + path, json={}, headers=headers, timeout=PATIENCE)
            assert answer.status_code == 403


# --- whoever has captured a signature -----------------------------------------------------------


def test_a_name_that_was_reported_adds_no_line_to_a_playlist(here: Attacked) -> None:
    """Once it put a segment at any address into the playlist of the stream."""
    now, folder = here.now_s(), "record/brand-a/class-mine"
    (here.bucket / folder).mkdir(parents=True, exist_ok=True)
    playlist = "#EXTM3U\n#EXTINF:10.0,\na.ts\n#EXT-X-ENDLIST\n"
    (here.bucket / folder / "true.m3u8").write_text(playlist)
    (here.bucket / folder / "a.ts").write_text("a")
    forged = f"{folder}/x\nhttps://evil.example.com/x.ts\n.m3u8"
    for uri, begin in ((f"{folder}/true.m3u8", now - 10), (forged, now - 100)):
        times: Json = {"start_time": begin, "stop_time": begin + 10, "duration": 10}
        assert here.report("brand-a/class-mine", uri=uri, **times) == 200

    text = here.get(f"/v1/files/{MINE}/playlist.m3u8?from=1h").text
    assert f"{folder}/a.ts" in text
    assert [line for line in text.splitlines() if line.startswith("https://evil")] == []


@pytest.mark.parametrize(
    "uri",
    [
        *("record/brand-b/class-other/x.flv", "record/brand-a/class-mine/../../brand-b/x.flv"),
        *("/record/brand-a/class-mine/x.flv", "oss://b/record/brand-a/class-mine/x.flv"),
        *("https://evil.example.com/x.flv", "record//brand-a/class-mine/x.flv", "users.csv"),
        *("RECORD/brand-a/class-mine/x.flv", "record/brand-a/class-mine2/x.flv"),
    ],
)
def test_no_other_object_is_signed(here: Attacked, uri: str) -> None:
    """Once a `read` token had a presigned URL of any object of the bucket."""
    assert here.report("brand-a/class-mine", uri=uri) == 200
    for token in (here.bound, TOKEN):
        files = here.get(f"/v1/files/{MINE}?limit=100", token).json()["files"]
        assert [file["url"] for file in files if file["uri"] == uri] == [None]


def test_what_an_unproved_callback_claims_is_not_repeated(here: Attacked) -> None:
    """Once `why` repeated it, and escape characters of a name acted in the operator's terminal."""
    name = "class-\x1b[2Jescaped"
    assert here.report(f"brand-a/{name}", proof={}, event="\x1b[31mclaimed") == 401
    assert here.report(f"brand-a/{name}", uri=f"record/brand-a/{name}/x.flv") == 200
    place = f"{DOMAIN}/brand-a/{quote(name, safe='')}"
    shown = [here.types(word, place).output for word in ("why", "history", "files", "status")]

    assert all("\x1b" not in text and "claimed" not in text for text in shown)
    assert "%1B" in "".join(shown)


# --- a tenant whose token is bound to his streams ------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_bound_token_sees_and_changes_nothing_of_others(here: Attacked, route: Route) -> None:
    before = here.get(f"/v1/recordings/{OTHER}").json()
    path = route.path.replace("{domain}/{app}/{stream}", OTHER)
    for name, value in (("schedule", MARK), ("id", "x"), ("receiver", "crm"), ("name", "dev")):
        path = path.replace(f"{{{name}}}", value)
    body = {**TUESDAYS, "streams": [OTHER]} if route.method == "PUT" else {}
    answer = here.send(route.method, path, here.bound, body)

    is_own = route.path in ("/v1/recordings", "/v1/overview", "/v1/report", "/v1/schedules")
    is_open = route.path in ("/v1/health", "/v1/openapi.json")
    assert (answer.status_code == 200) is (is_own or is_open), answer.text
    assert is_open or MARK not in answer.text.replace(path, "")
    assert "class-other" not in answer.text
    after = here.get(f"/v1/recordings/{OTHER}").json()
    assert after["intent"] == before["intent"]


@pytest.mark.parametrize(
    "place",
    [
        *("brand-b/class-other", "BRAND-A/class-mine", "brand-a%0A/class-mine", "*/class-mine"),
        *("%62rand-b/class-other", "brand%2Db/class-other", "brand-a%2F..%2Fbrand-b/class-other"),
        *("brand-%EF%BD%81/class-mine", "brand-a%00/class-mine", "brand-a/../brand-b/class-other"),
    ],
)
def test_no_spelling_of_a_name_leads_beyond_the_binding(here: Attacked, place: str) -> None:
    target = f"/v1/recordings/{DOMAIN}/{place}"
    mine = ("Authorization", f"Bearer {here.bound}")

    assert here.as_sent("GET", target, mine) in (400, 403, 404)
    assert here.as_sent("GET", f"/v1/files/{DOMAIN}/{place}", mine) in (400, 403, 404)


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/report"])
def test_no_cursor_and_no_filter_leads_to_others(here: Attacked, path: str) -> None:
    theirs = here.get(f"{path}?limit=1").json()["next"]
    assert theirs
    for query in (
        *(f"cursor={quote(theirs)}", "app=brand-b", f"domain={DOMAIN}&app=brand-b", "limit=1000"),
        *("domain=push.example.com", "domain=LIVE.example.com", "domain=tv.example.com"),
        *("app=brand-a&app=brand-b", f"domain={DOMAIN}&domain=tv.example.com", "app=*"),
    ):
        answer = here.get(f"{path}?{query}", here.bound)
        assert answer.status_code in (200, 400, 403), query
        assert "class-other" not in answer.text, query


def test_a_bound_token_learns_of_no_other_domain(here: Attacked) -> None:
    """Once tv.example.com, which the stage has, was answered otherwise than one of nobody."""
    details = {
        (path, here.send(method, path.format(domain=domain), here.bound, body).text[:120])
        for domain in ("tv.example.com", "elsewhere.example.com")
        for method, path, body in (
            ("GET", "/v1/recordings?domain={domain}", None),
            ("GET", "/v1/report?domain={domain}", None),
            ("GET", "/v1/recordings/{domain}/a/b", None),
            ("PUT", "/v1/schedules/new", {**TUESDAYS, "streams": [f"{domain}/a/b"]}),
        )
    }

    assert len(details) == 4


def test_an_idempotency_key_is_its_token_s_own(here: Attacked) -> None:
    """Once the second token got the first one's answer."""
    path, key = f"/v1/recordings/{MINE}/extend", {"Idempotency_Key": "one"}
    body = {"max_duration": "3h"}
    first = here.send("POST", path, CONTROL, body, **key)
    second = here.send("POST", path, here.bound, {"max_duration": "2h"}, **key)
    again = here.send("POST", path, CONTROL, {"max_duration": "2h"}, **key)

    assert (first.status_code, second.status_code, again.status_code) == (200, 200, 422)


# --- whoever may control, and whoever may change the policy --------------------------------------


def test_whoever_controls_recordings_changes_no_policy(here: Attacked) -> None:
    """Once a `control` token had push secrets sent to its owner's server within 11 s."""
    before = here.policy()
    target = {"stream": "http://127.0.0.1:9/x"}
    assert here.apply(CONTROL, forward_to=target).status_code == 403
    for path in ("/v1/policy/suspend", "/v1/policy/resume", "/v1/tokens"):
        assert here.send("POST", path, CONTROL, {"for": "1h"}).status_code == 403

    assert here.policy() == before


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://100.100.100.200/latest/meta-data",
            "http://evil.example.com/",
            "file:///etc/passwd",
        ),
        *("http://127.0.0.1@evil.example.com/", "http://evil.example.com#@127.0.0.1/"),
        *("http://127.0.0.1\\@evil.example.com/", "http://[::ffff:100.100.100.200]/"),
        *("http://2130706433/", "http://127.0.0.1/x\r\nX-Own: y", "//127.0.0.1/x"),
    ],
)
def test_callbacks_are_forwarded_to_hosts_of_the_environment_alone(
    here: Attacked, url: str
) -> None:
    before = here.policy()
    assert here.apply(forward_to={"stream": url}).status_code == 400
    assert here.apply(webhook=[{"name": "dev", "url": url}]).status_code == 400
    assert here.policy() == before


def test_a_cap_that_no_store_counts_stops_no_script_half_way(here: Attacked) -> None:
    """Once the script of Redis had written a part before it failed."""
    rule = {"match": {"app": "brand-*"}, "on_publish": "record", "max_concurrent": 2**63}
    before = here.keys()
    assert here.apply(rule=[rule]).status_code == 400

    assert here.keys() == before


def test_a_revoked_token_is_none_on_every_instance_after_ten_seconds(here: Attacked) -> None:
    """Once it took a deploy."""
    token = here.types("token", "add", "brief", "--scope", "read").stdout.strip()
    here.live.advance(TOKEN_TAKES_S)
    path = f"/v1/recordings/{MINE}"

    def statuses() -> set[int]:
        with ThreadPoolExecutor(4) as callers:
            asked = [callers.submit(here.get, path, token) for _ in range(12)]
            return {one.result().status_code for one in asked}

    assert statuses() == {200}
    here.types("token", "revoke", "brief")
    here.live.advance(TOKEN_TAKES_S)
    assert statuses() == {401}


def test_the_command_line_takes_no_token_from_netrc(
    here: Attacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password of-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert "class-mine" in here.types("status", MINE, "--json").stdout


@pytest.mark.parametrize(
    "words",
    [
        *(("status", MINE), ("stop", MINE), ("history", MINE), ("files", MINE), ("list",)),
        *(("doctor",), ("token", "list"), ("policy", "show"), ("schedule", "list"), ("report",)),
    ],
    ids=" ".join,
)
def test_a_token_never_goes_over_http(
    here: Attacked, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was sent. 0.0.0.0 leads to this machine, but is not known to."""
    listener = Wire()
    monkeypatch.setenv("no_proxy", "*")
    url = f"http://0.0.0.0:{listener.port}"
    ran = CliRunner().invoke(main, [*words, "--url", url, "--token", here.bound])
    listener.close()

    assert ran.exit_code != 0
    assert (listener.connections, here.bound in ran.output) == (0, False)
    assert "over http, in clear text" in ran.output


def test_a_signature_is_worth_nothing_after_five_minutes(here: Attacked) -> None:
    pair = here.pair()
    here.live.advance(301)

    assert here.report("brand-b/class-other", proof=pair, event="record_paused") == 401
