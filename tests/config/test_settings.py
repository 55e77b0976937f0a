from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import config
from shared.config import Caller, Settings, Tokens, load_policy
from shared.config.path_tokens import path_tokens_of
from shared.config.tokens import read_tokens
from shared.errors import Fault, Misconfigured
from shared.inbound.catalogue import Language
from shared.inbound.catalogue.details import detail_in
from shared.protocol.policy import Domain, Match, Mode, OnInterruption, OnPublish, Rule
from shared.protocol.stream import StreamKey

ROOT = Path(__file__).parents[2]
HOUR_MS = 3_600_000
BOTH = frozenset({"read", "control"})
DEV = {
    "STORE": "sqlite:///tmp/records.db",
    "POLICY": "policy.toml",
    "API_TOKENS": "dev:read+control:dev-token",
    "STREAM_KEYS": "dev-stream-key-0000",
    "RECORD_KEYS": "dev-record-key-0000",
    "PATH_TOKENS": "dev-path",
    "CALLBACK_HOST": "127.0.0.1:9000",
    "LIVE_ENDPOINT": "http://127.0.0.1:9001",
    "DEV_CLOCK": "/tmp/clock",
}
PROD = {
    "STAGE": "prod",
    "STORE": "rediss://user:hush%40hush@store:6380/0",
    "API_TOKENS": "ops:control:s3cr3t-s3cr3t-s3cr3t",
    "STREAM_KEYS": "K3yK3yK3yK3yK3y0, n3wn3wn3wn3wn3w1",
    "RECORD_KEYS": "K3yK3yK3yK3yK3y2",
    "PATH_TOKENS": "unguessable-path-1",
    "CALLBACK_HOST": "fc.example.com",
    "WAKE_URL": "https://wake.example.com/",
    "WAKE_KEY": "unguessable-wake-1",
}
ON_FC = {"FC_FUNC_CODE_PATH": "/code", "FC_ACCOUNT_ID": "1"}
EMULATED = {**ON_FC, "FC_EMULATOR": "1"}
POLICY = """
mode = "observe"
[[domain]]
streaming = "Live.example.com"
ingest = ["push.example.com"]
sub = ["sub.example.com"]
[[rule]]
match = { app = "classroom" }
on_publish = "record"
on_interruption = "finalize"
max_duration = "4h"
max_concurrent = 200
priority = -3
[[rule]]
"""


def env(base: dict[str, str], **changes: str) -> dict[str, str]:
    return {f"LIVE_RECORD_{name}": value for name, value in {**base, **changes}.items()}


def settings(base: dict[str, str] = PROD, **changes: str) -> Settings:
    return Settings.from_env(env(base, **changes))


def faults(variables: dict[str, str], *, of_stage: bool = False) -> tuple[Fault, ...]:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env(variables, of_stage=of_stage)
    return caught.value.faults


def fault_of(name: str, base: dict[str, str] = PROD, **changes: str) -> str:
    (found,) = faults(env(base, **changes))
    assert found.field == f"LIVE_RECORD_{name}"
    return found.detail


def policy_faults(text: str, kind: str = "toml") -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load_policy(text, kind="json" if kind == "json" else "toml")
    return [f"{fault.field}: {fault.detail}" for fault in caught.value.faults]


def test_a_stage_has_settings_with_defaults() -> None:
    stage = settings()
    assert (stage.stage, stage.policy, stage.rate, stage.mode) == (
        "prod",
        "policy.json",
        45,
        Mode.ACT,
    )
    assert (stage.max_duration, stage.hold, stage.merge_delay) == (
        12 * HOUR_MS,
        12 * HOUR_MS,
        180_000,
    )
    assert (stage.live_protocol, stage.live_endpoint) == ("https", "live.aliyuncs.com")
    assert stage.stream_keys == ("K3yK3yK3yK3yK3y0", "n3wn3wn3wn3wn3w1")


def test_the_development_settings_are_fit_for_the_stand_in() -> None:
    stage = Settings.from_env({**env(DEV), **EMULATED, "PATH": "/bin"})
    assert (stage.stage, stage.live_protocol, stage.live_endpoint) == (
        "dev",
        "http",
        "127.0.0.1:9001",
    )
    assert stage.api_tokens.caller_of("dev-token") == Caller("dev", BOTH)


def test_an_empty_variable_counts_as_unset() -> None:
    none = dict.fromkeys(("RATE", "STREAM_KEYS", "API_TOKENS", "WAKE_URL", "WAKE_KEY"), "")
    stage = Settings.from_env({**env(DEV, POLICY=" ", **none), **EMULATED})
    assert (stage.rate, stage.policy, stage.stream_keys) == (45, "policy.json", ())
    assert stage.api_tokens == Tokens()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", "Prod"),
        ("STORE", "postgres://store"),
        ("STORE", "redis://user:hush@store:hush"),
        ("STORE", "redis:///0"),
        ("POLICY", "policy.yaml"),
        ("API_TOKENS", "hush"),
        ("STREAM_KEYS", "hush"),
        ("STREAM_KEYS", "K3yK3yK3yK3yK3y0,hush"),
        ("RECORD_KEYS", "k" * 33),
        ("PATH_TOKENS", "hush/hush"),
        ("CALLBACK_HOST", "https://fc.example.com"),
        ("CALLBACK_HOST", "[fc.example.com]"),
        ("CALLBACK_HOST", "[2001:db8::1"),
        ("CALLBACK_HOST", "fc.example.com,"),
        ("CALLBACK_HOST", "2001:db8::1"),
        ("RATE", "51"),
        ("RATE", "nan"),
        ("RATE", "many"),
        ("LIVE_ENDPOINT", "ftp://live.aliyuncs.com"),
        ("LIVE_ENDPOINT", "live.aliyuncs.com/path"),
        ("WAKE_URL", "wake.example.com"),
        ("WAKE_KEY", "hu sh hu sh hu sh"),
        ("FORWARD_HOSTS", "https://fc.example.com"),
        ("MODE", "watch"),
        ("MAX_DURATION", "long"),
        ("HOLD", "0"),
        ("MERGE_DELAY", "10s"),
        ("MERGE_DELAY", "7h"),
        ("KEEP", "6d"),
        ("SIGNATURE_WINDOW", "39s"),
        ("SIGNATURE_WINDOW", "6m"),
    ],
    ids=range(31),
)
def test_a_mistake_is_named_and_its_value_is_not(name: str, value: str) -> None:
    (found,) = faults(env(PROD, **{name: value}))
    assert found.field == f"LIVE_RECORD_{name}"
    assert "hush" not in found.detail


def test_all_mistakes_are_reported_at_once() -> None:
    variables = env({}, RATE="0", MODE="x", STREEM_KEYS="k", WAKE_URL="https://wake")
    found = faults(variables, of_stage=True)
    assert [fault.field.removeprefix("LIVE_RECORD_") for fault in found] == [
        "STORE",
        "RATE",
        "MODE",
        "STREEM_KEYS",
        "WAKE_KEY",
        "API_TOKENS",
    ]


def test_an_unknown_name_may_have_meant_another() -> None:
    assert "did you mean LIVE_RECORD_STREAM_KEYS?" in fault_of("STREEM_KEYS", STREEM_KEYS="k")
    assert "LIVE_RECORD_STORE" in fault_of("QQQ", QQQ="k")


def test_signed_recording_callbacks_need_the_host_of_their_url() -> None:
    assert "RECORD_KEYS" in fault_of("CALLBACK_HOST", CALLBACK_HOST="")


def test_a_bucket_is_a_name_and_the_public_endpoint_where_it_is() -> None:
    assert "oss-REGION" in fault_of("OSS_ENDPOINT", BUCKET="my-bucket")
    assert "name" in fault_of("BUCKET", OSS_ENDPOINT="oss-cn-shanghai.aliyuncs.com")


@pytest.mark.parametrize(
    "endpoint",
    ["oss-cn-shanghai-internal.aliyuncs.com", "cdn.example.com", "http://127.0.0.1:9001"],
)
def test_a_deployed_stage_signs_for_no_endpoint_that_its_readers_cannot_reach(
    endpoint: str,
) -> None:
    assert fault_of("OSS_ENDPOINT", BUCKET="my-bucket", OSS_ENDPOINT=endpoint)


def test_sqlite_is_refused_on_function_compute() -> None:
    variables = {**env(PROD, STORE=DEV["STORE"]), **ON_FC}
    assert [fault.field for fault in faults(variables)] == ["LIVE_RECORD_STORE"]
    assert settings(STORE=DEV["STORE"]).store == DEV["STORE"]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis://h?ssl=true", "write `rediss://`"),
        ("redis://h?ssl_ca_certs=ca.pem", "needs `rediss://`"),
        ("rediss://h?ssl_cert_reqs=none", "ssl_ca_certs"),
        ("rediss://h?ssl_check_hostname=false", "ssl_ca_certs"),
        ("rediss://h?ssl_check_hostname=perhaps&ssl_ca_certs=ca.pem", "`true` or `false`"),
        ("rediss://h?ssl_certfile=cert.pem", "name both or neither"),
        ("redis://h?socket_timeout=soon", "seconds as a number"),
        ("redis://h?socket_timeout=0", "seconds as a number"),
        ("redis://h?max_conections=5", "max_conections is unknown"),
        ("redis://h?db=2", "after the host"),
        ("redis://h?stage={a}", "letters, digits"),
        ("redis://user:hush/hush@h", "percent-encoded"),
        ("redis://user:hush?hush@h", "percent-encoded"),
        ("redis://user:hush/hu?sh@h:6380/0?stage=x", "percent-encoded"),
        ("redis://h:port", "name:port"),
        ("redis://h:70000", "name:port"),
        ("redis://h1, h2", "no blank"),
        ("redis://h1,,h2", "no blank"),
        ("redis://-h", "name:port"),
        (f"redis://{'h' * 64}", "name:port"),
        ("redis://", "name:port"),
        ("redis://h/cache", "number of the database"),
    ],
)
def test_a_fault_in_the_store_s_url_is_refused_with_its_remedy(url: str, remedy: str) -> None:
    detail = fault_of("STORE", STORE=url)
    assert remedy in detail
    assert "hush" not in detail


def test_every_fault_of_the_store_s_url_is_named_at_once() -> None:
    detail = fault_of("STORE", STORE="redis://h:0/x?ssl=true&tiemout=1")
    assert all(part in detail for part in ("name:port", "database", "rediss://", "tiemout"))


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h1:6379,h2:6380,h3/0",
        "rediss://:hu%2Fsh@store.example.com:6380/0?ssl_ca_certs=ca.pem&ssl_check_hostname=false",
        "rediss://h?ssl_certfile=cert.pem&ssl_keyfile=key.pem",
        "redis://user:p%40ss,word@[2001:db8::1]:6379,h2/3?socket_timeout=1.5",
        "redis://my_redis?stage=other&socket_connect_timeout=0.25",
    ],
)
def test_what_the_store_s_url_may_say(url: str) -> None:
    assert settings(STORE=url).store == url


@pytest.mark.parametrize(("stage", "around"), [("prod", EMULATED), ("prod", ON_FC), ("dev", ON_FC)])
def test_a_deployed_stage_refuses_every_development_setting(
    stage: str, around: dict[str, str]
) -> None:
    """Also with the development clock, which once passed for proof of the emulator."""
    cloud = env({**DEV, "WAKE_KEY": "dev-wake-key-00000"}, STAGE=stage) | around
    cloud |= {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "dev-secret"}
    found = {fault.field.removeprefix("LIVE_RECORD_") for fault in faults(cloud)}
    assert found - {"STORE"} == {
        "DEV_CLOCK",
        "LIVE_ENDPOINT",
        "STREAM_KEYS",
        "RECORD_KEYS",
        "PATH_TOKENS",
        "WAKE_KEY",
        "API_TOKENS",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    }
    assert ("STORE" in found) is (around is ON_FC)


def test_only_the_emulator_s_variable_lets_development_settings_pass() -> None:
    assert Settings.from_env({**env(DEV), "FC_EMULATOR": "1"}).dev_clock == "/tmp/clock"
    assert faults(env(DEV))


def test_a_development_token_is_refused_by_its_digest_too() -> None:
    digest = hashlib.sha256(b"dev-token").hexdigest()
    assert "development" in fault_of("API_TOKENS", API_TOKENS=f"a:read:sha256:{digest}")


def test_a_deployed_stage_refuses_the_development_clock() -> None:
    assert "unset" in fault_of("DEV_CLOCK", DEV_CLOCK="/tmp/clock")


@pytest.mark.parametrize(
    ("name", "needed"),
    [("API_TOKENS", {}), ("WAKE_KEY", {}), ("RELAY_KEY", {"RELAY_URL": "https://r.x"})],
)
def test_a_stage_needs_secrets_that_a_single_function_may_lack(
    name: str, needed: dict[str, str]
) -> None:
    variables = env({**PROD, **needed, name: ""})
    (found,) = faults(variables, of_stage=True)

    assert (found.field, found.code) == (f"LIVE_RECORD_{name}", "MissingParam")
    assert Settings.from_env(variables).stage == "prod"


@pytest.mark.parametrize("name", ["PATH_TOKENS", "WAKE_KEY", "RELAY_KEY"])
def test_a_deployed_stage_refuses_what_could_be_guessed(name: str) -> None:
    assert "16 characters" in fault_of(name, {**PROD, name: "fifteen-letters"})


def test_every_token_that_could_be_guessed_is_named_at_once() -> None:
    text = "ops:read:fifteen-letters,tv:read:sixteen--letters,ui:control:12345678"
    short = [fault.detail for fault in faults(env(PROD, API_TOKENS=text))]
    assert ["ops" in short[0], "ui" in short[1], len(short)] == [True, True, 2]


SAME = "K3yK3yK3yK3yK3y0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECORD_KEYS", SAME),
        ("PATH_TOKENS", SAME),
        ("WAKE_KEY", SAME),
        ("RELAY_KEY", SAME),
        ("STREAM_KEYS", f"{SAME},{SAME}"),
        ("API_TOKENS", f"ops:control:{SAME}"),
        ("API_TOKENS", f"ops:control:sha256:{hashlib.sha256(SAME.encode()).hexdigest()}"),
    ],
    ids=range(7),
)
def test_a_deployed_stage_refuses_a_secret_that_is_used_twice(name: str, value: str) -> None:
    detail = fault_of(name, {**PROD, name: value})
    assert "contains the same secret twice" in detail or "contains a secret that" in detail
    assert SAME not in detail


MAKE_ONE = "请自行生成：`openssl rand -hex 16`"


@pytest.mark.parametrize(
    ("name", "value", "explained"),
    [
        ("PATH_TOKENS", "dev-path-of-one-s-own", f"是开发用的密钥：{MAKE_ONE}"),
        ("PATH_TOKENS", "fifteen-letters", f"少于 16 个字符：{MAKE_ONE}"),
        ("API_TOKENS", "a:read:dev-token", f"包含开发用的密钥：{MAKE_ONE}"),
        ("API_TOKENS", "ops:read:fifteen-letters", f"ops 的令牌少于 16 个字符：{MAKE_ONE}"),
        ("RECORD_KEYS", SAME, f"与 STREAM_KEYS 有相同的密钥：{MAKE_ONE}"),
        ("STREAM_KEYS", f"{SAME},{SAME}", f"同一个密钥写了两次：{MAKE_ONE}"),
        (
            "API_TOKENS",
            "ops:read:unguessable-token-1,ops:read:unguessable-token-2",
            "请为每个令牌取一个自己的名称：ops 用了两次",
        ),
    ],
    ids=["development", "short", "token", "short token", "of another", "twice", "name"],
)
def test_why_a_secret_is_refused_is_said_in_chinese_too(
    name: str, value: str, explained: str
) -> None:
    found = [fault.detail for fault in faults(env({**PROD, name: value}))]
    assert explained in [detail_in(Language.CHINESE, detail) for detail in found]


def test_two_callers_have_two_tokens() -> None:
    text = "ops:control:unguessable-token-1,tv:read:unguessable-token-1"
    assert "twice" in fault_of("API_TOKENS", API_TOKENS=text)


def test_the_digest_of_nothing_is_nobody_s_token() -> None:
    digest = hashlib.sha256(b"").hexdigest()
    assert "digest of an empty text" in fault_of("API_TOKENS", API_TOKENS=f"a:read:sha256:{digest}")


def test_every_fault_of_the_tokens_is_named_at_once() -> None:
    detail = fault_of(
        "API_TOKENS", API_TOKENS="a, b:write:unguessable-token-1, c:read:short, c:read:"
    )
    assert ["token 1:" in detail, "token 2 (b)" in detail, "token 3 (c)" in detail] == [True] * 3


def test_no_secret_is_in_what_is_printed_of_the_settings() -> None:
    stage = settings()
    for secret in ("hush", "s3cr3t", "K3y", "n3w", "unguessable"):
        assert secret not in repr(stage)


def test_the_log_is_told_what_to_hide() -> None:
    paths = path_tokens_of(["unguessable-path-1"])
    assert set(settings().secrets) == {
        *paths,
        "hush%40hush",
        "hush@hush",
        "K3yK3yK3yK3yK3y0",
        "n3wn3wn3wn3wn3w1",
        "K3yK3yK3yK3yK3y2",
        "unguessable-path-1",
        "unguessable-wake-1",
    }


def test_every_variable_has_a_name_to_document() -> None:
    assert "LIVE_RECORD_STORE" in config.names()
    assert len(set(config.names())) == 36


@given(st.dictionaries(st.sampled_from(config.names()), st.text()))
def test_only_misconfigured_leaves_the_settings(variables: dict[str, str]) -> None:
    with suppress(Misconfigured):
        Settings.from_env(variables)


def test_a_token_is_found_in_clear_or_by_its_digest() -> None:
    digest = hashlib.sha256(b"other-token").hexdigest()
    tokens = read_tokens(f"ops:read+control:some:token, ui:read:sha256:{digest}")
    assert tokens.caller_of("some:token") == Caller("ops", BOTH)
    assert tokens.caller_of("other-token") == Caller("ui", frozenset({"read"}))


@pytest.mark.parametrize(
    "bearer", ["", "wrong", "\udcff", hashlib.sha256(b"tokentoken").hexdigest()]
)
def test_another_token_is_nobody_s(bearer: str) -> None:
    assert read_tokens("a:read:tokentoken").caller_of(bearer) is None
    assert Tokens().caller_of(bearer) is None


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name:read",
        "name:read:",
        ":read:tokentoken",
        "name::tokentoken",
        "name:write:tokentoken",
        "name:read:short",
        "name:read:sha256:abc",
        "a:read:tokentoken a:read:token-token",
    ],
)
def test_a_token_that_cannot_be_used_is_refused_unseen(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*tokentoken)"):
        read_tokens(text)


def test_a_policy_has_domains_and_rules() -> None:
    policy = load_policy(POLICY, kind="toml")
    assert policy.domains == (
        Domain("live.example.com", ("push.example.com",), ("sub.example.com",)),
    )
    assert policy.rules == (
        Rule(
            match=Match(app="classroom"),
            on_publish=OnPublish.RECORD,
            on_interruption=OnInterruption.FINALIZE,
            max_duration=4 * HOUR_MS,
            max_concurrent=200,
            priority=-3,
        ),
        Rule(),
    )


def test_a_policy_is_the_same_as_json() -> None:
    packaged = config.policy_as_json(POLICY, kind="toml")
    assert load_policy(packaged, kind="json") == load_policy(POLICY, kind="toml")


def test_it_is_enough_that_one_wants_to_observe() -> None:
    observing, acting = load_policy(POLICY, kind="toml"), load_policy(POLICY[18:], kind="toml")
    assert config.mode_of(settings(), observing) is Mode.OBSERVE
    assert config.mode_of(settings(MODE="observe"), acting) is Mode.OBSERVE
    assert config.mode_of(settings(), acting) is Mode.ACT


def test_the_project_s_own_policy_records_the_classrooms_alone() -> None:
    policy = load_policy((ROOT / "policy.toml").read_text(), kind="toml")
    key = StreamKey("live.example.com", "classroom", "room42")
    assert policy.rule(key).on_publish is OnPublish.RECORD
    assert policy.rule(StreamKey("live.example.com", "app", "a")).on_publish is OnPublish.IGNORE
    assert policy.streaming("push.example.com") == "live.example.com"


def test_all_mistakes_in_a_policy_are_reported_with_their_places() -> None:
    text = """
    mode = "watch"
    rules = 1
    [[domain]]
    ingest = "push.example.com"
    sub = ["*.example.com"]
    [[rule]]
    match = { application = "a", app = "a/b" }
    on_publish = "always"
    on_interruption = 3
    max_duration = "long"
    max_concurrent = 0
    priority = true
    [[rule]]
    match = "a"
    """
    assert [fault.rpartition(": ")[0] for fault in policy_faults(text)] == [
        "policy: domain #1 streaming",
        "policy: domain #1 ingest",
        "policy: domain #1 sub",
        "policy: rule #1 match.app",
        "policy: rule #1 on_publish",
        "policy: rule #1 on_interruption",
        "policy: rule #1 max_duration",
        "policy: rule #1 max_concurrent",
        "policy: rule #1 priority",
        "policy: rule #1 match.application",
        "policy: rule #2 match",
        "policy: mode",
        "policy: rules",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "policy: domain: is missing"),
        (POLICY.replace("200", str(2**63)), "rule #1 max_concurrent: write a whole number from 1"),
        ("domain = 1", "policy: domain: has to be a list"),
        ("domain = [1]", "policy: domain: has to be a table"),
        ("[[domain]", "policy: is not TOML"),
        (POLICY.replace('"push', '"live'), "domain #1: live.example.com is in the file twice"),
        (POLICY + 'match = { domain = "push.example.com" }', "write live.example.com"),
        (POLICY + 'match = { domain = "*.org" }', "streaming domain of no"),
        (
            POLICY + "[[rule]]\nmatch = { app = 'b' }",
            "#3 match: is never reached, because rule #2",
        ),
    ],
    ids=range(9),
)
def test_a_policy_that_cannot_be_meant_is_refused(text: str, fault: str) -> None:
    assert fault in policy_faults(text)[0]


@pytest.mark.parametrize("text", ["[]", "{", "[" * 99999], ids=range(3))
def test_a_policy_in_json_that_makes_no_sense_is_refused(text: str) -> None:
    assert policy_faults(text, "json")[0].startswith("policy: ")


def test_a_python_that_reads_no_toml_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    assert "install `tomli`" in policy_faults(POLICY)[0]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["domain", "rule", "match", "streaming", "app", "priority"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.text() | _JSON.map(json.dumps))
def test_only_misconfigured_leaves_load_policy(text: str) -> None:
    with suppress(Misconfigured):
        load_policy(text, kind="json")
    with suppress(Misconfigured):
        load_policy(text, kind="toml")
