"""No secret of a deploy is shown, in whatever form Serverless Devs prints it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.deploying.redaction import HIDDEN, Redactor

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEA\n-----END-----"
SETTINGS = {
    "LIVE_RECORD_STAGE": "prod",
    "LIVE_RECORD_STORE": "rediss://user:hu%2Fsh@store.example.com:6380/0",
    "LIVE_RECORD_API_TOKENS": "ops:read+control:s3cr3t\"<s3cr3t, tv:read:other/t0ken'",
    "LIVE_RECORD_STREAM_KEYS": "K3yK3yK3yK3yK3y0,K3yK3yK3yK3yK3y1",
    "LIVE_RECORD_CERTIFICATE_KEY": PEM,
    "LIVE_RECORD_LOG_STORE": "live-record",
    "LIVE_RECORD_HEARTBEAT_URL": "https://monitor.example.com/ping/5b1e4a7c-90d2",
    "LIVE_RECORD_ROBOTS": "ops=https://oapi.dingtalk.com/robot/send?access_token=4a7c90d2#SECb1e4a7",
    "AccessKeyID": "LTAI-0123456789",
    "AccessKeySecret": "access-key-secret",
    "ci_serverless_devs_key": '{"AccountID": "1234567890123456", "AccessKeySecret": "of-the-ci"}',
    "TERM": "xterm-color",
}
SECRETS = (
    *("hu%2Fsh", "hu/sh", 's3cr3t"<s3cr3t', "other/t0ken'", "K3yK3yK3yK3yK3y0", "K3yK3yK3yK3yK3y1"),
    *("MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEA"),
    *("https://monitor.example.com/ping/5b1e4a7c-90d2", "5b1e4a7c-90d2"),
    *("4a7c90d2", "SECb1e4a7"),
    *("LTAI-0123456789", "access-key-secret", "of-the-ci"),
)
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": json.dumps,
    "in JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "escaped as JSON may": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent-encoded in lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "folded": lambda text: "\n".join(textwrap.wrap(text, 7, subsequent_indent="      ")),
    "folded in JSON": lambda text: "\\n".join(textwrap.wrap(text, 7)),
    "coloured": lambda text: f"\x1b[31m{text[:5]}\x1b[39m{text[5:]}",
}
redact = Redactor(SETTINGS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str, form: str) -> None:
    shown = redact(f"refused [{FORMS[form](secret)}] for good")

    assert shown.replace('"', "").replace("\\", "") == f"refused [{HIDDEN}] for good"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=4))
@example("000%")
@example("%252")
def test_any_value_is_hidden_in_json_and_percent_encoded(secret: str) -> None:
    own = Redactor({"LIVE_RECORD_WAKE_KEY": secret})

    for form in (str, json.dumps, quote):
        assert own(f"<{form(secret)}>").replace('"', "") == f"<{HIDDEN}>"


def test_what_is_no_secret_is_shown() -> None:
    text = (
        "live-record in prod for 1234567890123456 at store.example.com: InvalidAccessKeyId.NotFound"
    )

    assert redact(text) == text


DEPLOYED = """environmentVariables:
  LIVE_RECORD_STAGE: prod
  LIVE_RECORD_STREAM_KEYS: an-older-key
~ LIVE_RECORD_PATH_TOKENS: "older" => "newer"
  LIVE_RECORD_API_TOKENS: >-
    ops:read+control:old-token,
    tv:read:old-token

  LIVE_RECORD_MODE: act
{"LIVE_RECORD_RELAY_KEY":"older","LIVE_RECORD_RATE":"45"}
{\\"securityToken\\": \\"older\\"}"""


def test_a_value_that_only_the_stage_had_is_known_by_its_name() -> None:
    shown = redact(DEPLOYED)

    assert "old" not in shown
    assert "newer" not in shown
    assert "LIVE_RECORD_STAGE: prod" in shown
    assert "LIVE_RECORD_MODE: act" in shown


def test_without_secrets_nothing_is_hidden() -> None:
    assert Redactor({})("anything") == "anything"
