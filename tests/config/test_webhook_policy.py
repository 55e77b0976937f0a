"""Receivers of events in the policy: what they are, and what no stage takes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from shared.config import Settings, load_policy, target_faults
from shared.config.policy_dump import policy_document
from shared.errors import Misconfigured
from shared.protocol.policy import Match, Policy, Webhook
from tests.conftest import KEY

CRM: Mapping[str, object] = {"name": "crm", "url": "https://crm.example.com/in"}
DEV = {"FC_EMULATOR": "1", "LIVE_RECORD_STORE": "sqlite:////tmp/x.db"}
PROD = {
    "LIVE_RECORD_STAGE": "prod",
    "LIVE_RECORD_STORE": "rediss://:hush-hush-hush@store.example.com",
}
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def policy(*hooks: Mapping[str, object]) -> Policy:
    document = {"domain": [{"streaming": "live.example.com"}], "webhook": list(hooks)}
    return load_policy(json.dumps(document), kind="json")


def fault(*hooks: Mapping[str, object]) -> str:
    with pytest.raises(Misconfigured) as caught:
        policy(*hooks)
    (found,) = caught.value.faults
    return str(found)


def test_a_receiver_needs_a_name_and_a_url_alone() -> None:
    assert policy(CRM).webhooks == (
        Webhook("crm", "https://crm.example.com/in", ("*",), Match(), ("crm",)),
    )


def test_a_policy_that_is_written_and_read_again_is_the_same() -> None:
    of_room = {"match": {"stream": "room*"}, "events": ["gap.*"], "secrets": ["a", "b"]}
    read = policy(CRM, {**CRM, "name": "erp", **of_room})
    document = json.dumps(policy_document(read))
    assert load_policy(document, kind="json") == read


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "The CRM"}, "small letters"),
        ({"url": "ftp://crm.example.com"}, "https://"),
        ({"url": "https://crm.example.com/in\r\nX-Own: y"}, "https://"),
        ({"url": "https://crm.example.com/a b"}, "https://"),
        ({"events": ["gap.*", "recordings.*"]}, '"recordings.*" fits no event'),
        ({"events": ["gap.*", 5]}, "write a list, like"),
        ({"secrets": []}, "1 to 4 names"),
        ({"secret": "x"}, "did you mean secrets"),
    ],
)
def test_a_mistake_is_named(change: Mapping[str, object], why: str) -> None:
    assert why in fault({**CRM, **change})


def test_two_receivers_have_two_names() -> None:
    assert "crm is in the file twice" in fault(CRM, CRM)


def test_only_what_somebody_wants_of_a_stream_is_an_event() -> None:
    hooks = policy(
        {**CRM, "events": ["gap.*"]},
        {**CRM, "name": "erp", "match": {"stream": "other"}},
        {**CRM, "name": "all", "events": ["gap.*", "file.*"]},
    )
    assert hooks.event_globs(KEY) == ("gap.*", "file.*")
    assert policy().event_globs(KEY) == ()


def test_only_hosts_of_the_environment_get_events_and_over_tls() -> None:
    plain = policy({**CRM, "url": "http://crm.example.com/in"})
    allowed = Settings.from_env({**PROD, "LIVE_RECORD_WEBHOOK_HOSTS": "CRM.example.com"})
    (unlisted,) = target_faults(policy(CRM), Settings.from_env(PROD))
    assert "LIVE_RECORD_WEBHOOK_HOSTS" in str(unlisted)
    assert list(target_faults(policy(CRM), allowed)) == []
    (no_tls,) = target_faults(plain, allowed)
    assert "https://" in str(no_tls)
    here = Settings.from_env({**DEV, "LIVE_RECORD_WEBHOOK_HOSTS": "crm.example.com"})
    assert list(target_faults(plain, here)) == []


def test_secrets_have_names_and_are_hidden() -> None:
    settings = Settings.from_env({**PROD, "LIVE_RECORD_WEBHOOK_SECRETS": f"crm:{SECRET}"})
    assert settings.webhook_secrets == {"crm": SECRET}
    assert SECRET in settings.secrets


@pytest.mark.parametrize(
    "text",
    [SECRET, "crm:hush", "crm:whsec_aHVzaA==", f"crm:{SECRET},crm:{SECRET}", "crm:whsec_hush!"],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env({**PROD, "LIVE_RECORD_WEBHOOK_SECRETS": text})
    assert [each.field for each in caught.value.faults] == ["LIVE_RECORD_WEBHOOK_SECRETS"]
    assert "hush" not in str(caught.value.faults)


def test_a_deployed_stage_refuses_the_secret_of_development() -> None:
    secret = "dev:whsec_ZGV2LXdlYmhvb2stc2VjcmV0LTAwMDAwMDAwMDAwMDA="
    with pytest.raises(Misconfigured, match="development"):
        Settings.from_env({**PROD, "LIVE_RECORD_WEBHOOK_SECRETS": secret})
