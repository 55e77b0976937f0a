"""When a process reads the policy in force, and by which policy it decides until it could."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from shared.config import Settings
from shared.config.policy_cache import (
    POLICY_AGE_MS,
    UNREAD_AGE_MS,
    DomainCapabilities,
    PolicyCache,
    StreamSettingsCache,
)
from shared.logs import Log
from shared.protocol.policy import Policy
from shared.store.contract import InForce, PolicyCopy
from shared.store.store_errors import StoreUnavailable
from tests.conftest import KEY, Clock

DEV = {"FC_EMULATOR": "1", "LIVE_RECORD_STORE": "sqlite:////tmp/x.db"}
RULE = {"match": {"app": "app"}, "on_publish": "record"}
TEXT = json.dumps({"domain": [{"streaming": KEY.domain}], "rule": [RULE]})


class Source:
    """A store that has a policy, and is away now and then."""

    def __init__(self) -> None:
        self.is_away = False
        self.asked = 0
        self.policy = PolicyCopy(1, TEXT, 0)
        self.at: Mapping[str, int] = {}

    def in_force(self) -> InForce:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return InForce(self.policy, {})

    def touch(self, name: str) -> None:
        raise NotImplementedError(name)

    def age_ms(self, name: str) -> int | None:
        return self.at.get(name)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def policies(source: Source, clock: Clock) -> PolicyCache:
    return PolicyCache(source, Policy(), clock=clock, log=quiet(clock))


def quiet(clock: Clock) -> Log:
    return Log(lambda _line: None, now=clock)


def test_it_is_read_again_soon_where_the_first_reading_failed(
    source: Source, policies: PolicyCache, clock: Clock
) -> None:
    """A process would ignore the callbacks of a domain that only the store's policy names."""
    source.is_away = True
    assert policies.policy().domains == policies.policy().domains == ()
    assert source.asked == 1

    source.is_away = False
    clock.pass_ms(UNREAD_AGE_MS)

    assert [domain.streaming for domain in policies.policy().domains] == [KEY.domain]


def test_a_policy_that_is_known_is_read_as_seldom_while_the_store_is_away(
    source: Source, policies: PolicyCache, clock: Clock
) -> None:
    policies.policy()
    source.is_away = True
    clock.pass_ms(POLICY_AGE_MS)
    assert policies.policy().domains
    clock.pass_ms(POLICY_AGE_MS - 1)
    assert policies.policy().domains

    assert source.asked == 2


def test_nothing_is_decided_by_an_old_policy_once_the_store_answers(
    source: Source, policies: PolicyCache, clock: Clock
) -> None:
    """An instance that was idle for an hour reads the policy and fails; then it loads a record."""
    capabilities = DomainCapabilities(source, clock=clock, log=quiet(clock))
    settings_of = StreamSettingsCache(Settings.from_env(DEV), policies, capabilities)
    assert not settings_of(KEY).observe
    source.policy = PolicyCopy(2, json.dumps({**json.loads(TEXT), "mode": "observe"}), 0)
    clock.pass_ms(3_600_000)
    source.is_away = True
    assert policies.policy().mode.value == "act"

    source.is_away = False

    assert settings_of(KEY).observe


def test_nothing_is_decided_by_the_packaged_policy_once_the_store_answers(
    source: Source, policies: PolicyCache, clock: Clock
) -> None:
    """A record was loaded from the store just now."""
    capabilities = DomainCapabilities(source, clock=clock, log=quiet(clock))
    settings_of = StreamSettingsCache(Settings.from_env(DEV), policies, capabilities)
    source.is_away = True
    assert not settings_of(KEY).records_on_publish

    source.is_away = False

    assert settings_of(KEY).records_on_publish
