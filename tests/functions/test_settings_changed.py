"""What changes what is wanted or allowed is applied to every live stream within a minute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.protocol import (
    Command,
    HistoryEntry,
    Published,
    Reason,
    StartAsked,
    StopAsked,
    StreamKey,
)
from shared.protocol.command_errors import Unavailable
from shared.protocol.derived.explain import explain
from tests.conftest import KEY, Clock
from tests.support.reconciling import ReconcilingStage
from tests.support.scripted_stage import Stage

RECORDS = [{"match": {"app": "*"}, "on_publish": "record"}]
OTHER = StreamKey(KEY.domain, KEY.app, "other")


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[ReconcilingStage]:
    stage = ReconcilingStage(tmp_path, clock)
    yield stage
    stage.app.store.close()


def apply(stage: ReconcilingStage, mode: str, rules: object = ()) -> None:
    """Apply a policy to the running stage."""
    copy = stage.app.store.get_policy()
    domains = [{"streaming": KEY.domain, "ingest": ["push.example.com"]}]
    policy = {"domain": domains, "rule": rules, "mode": mode}
    assert stage.app.store.put_policy(json.dumps(policy), replaces=copy.version if copy else 0)
    stage.app.policies.forget()


def apply_over_api(stage: ReconcilingStage, mode: str, rules: object) -> None:
    """Apply the policy as the command line does, by another instance."""
    api = Stage(stage.database.parent, stage.clock)
    version = api.ask("GET", "/v1/policy").json["version"]
    domains = [{"streaming": KEY.domain, "ingest": ["push.example.com"]}]
    policy = {"domain": domains, "rule": rules, "mode": mode}
    body = {"policy": policy, "replaces": version}
    assert api.ask("POST", "/v1/policy/apply", body).status == 200
    api.store.close()


def comes_up(stage: ReconcilingStage, key: StreamKey = KEY) -> None:
    stage.listing.up[key] = stage.clock.now // 1000 * 1000
    stage.happens(Published(stage.listing.up[key]), key)


def said(stage: ReconcilingStage) -> list[str]:
    return [line.entry.code.value for line in stage.app.store.history(KEY, 99)][::-1]


def version(stage: ReconcilingStage) -> int:
    return stage.app.store.load(KEY).version


def why(stage: ReconcilingStage) -> tuple[Reason, object]:
    found = explain(stage.record(), stage.clock.now, stage.app.stream_settings(KEY))
    return found.code, found.about.get("command")


def test_what_is_live_and_wanted_starts_within_a_minute_of_acting(stage: ReconcilingStage) -> None:
    apply(stage, "observe", RECORDS)
    comes_up(stage)
    stage.minute()
    assert (stage.listing.carried, why(stage)) == ([], (Reason.OBSERVED, "start"))
    apply(stage, "act", RECORDS)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_a_policy_that_is_applied_over_the_api_is_in_force_within_seconds(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "observe", RECORDS)
    comes_up(stage)
    stage.minute()
    stage.clock.pass_ms(20_000)
    apply_over_api(stage, "act", RECORDS)
    stage.woken()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_a_stop_that_an_instance_withheld_by_the_policy_before_is_sent_within_a_minute(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act")
    comes_up(stage)
    stage.happens(StartAsked("ann"))
    apply(stage, "observe")
    stage.minute()
    other = ReconcilingStage(stage.database.parent, stage.clock)
    other.app.policies.policy()
    apply_over_api(stage, "act", ())
    stage.woken()
    other.happens(StopAsked("ann"))
    other.app.store.close()
    stage.clock.pass_ms(20_000)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY), (Command.STOP, KEY)]


def test_it_starts_also_while_the_online_list_cannot_be_read(stage: ReconcilingStage) -> None:
    apply(stage, "observe", RECORDS)
    comes_up(stage)
    stage.listing.listed = Unavailable("ServiceUnavailable")
    apply(stage, "act", RECORDS)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_a_stop_that_was_asked_while_observing_is_sent_once_the_stage_acts(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act")
    comes_up(stage)
    stage.happens(StartAsked("ann"))
    apply(stage, "observe")
    stage.happens(StopAsked("ann"))
    assert why(stage) == (Reason.OBSERVED, "stop")
    apply(stage, "act")
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY), (Command.STOP, KEY)]
    assert said(stage)[-2:] == ["sent", "accepted"]
    stage.minute()
    assert len(stage.listing.carried) == 2


def test_a_newer_start_takes_the_place_of_a_stop_that_was_only_observed(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "observe")
    comes_up(stage)
    stage.happens(StopAsked("ann"))
    stage.happens(StartAsked("ann"))
    apply(stage, "act")
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_a_rule_that_begins_to_record_starts_what_is_live(stage: ReconcilingStage) -> None:
    apply(stage, "act")
    comes_up(stage)
    stage.minute()
    assert stage.listing.carried == []
    apply(stage, "act", RECORDS)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


@pytest.mark.parametrize("raised", [{"max_concurrent": 2}, {}])
def test_a_start_that_waits_for_a_cap_is_sent_within_seconds_once_the_cap_is_raised(
    stage: ReconcilingStage, raised: dict[str, int]
) -> None:
    apply_over_api(stage, "act", [{**RECORDS[0], "max_concurrent": 1}])
    comes_up(stage)
    stage.minute()
    comes_up(stage, OTHER)
    stage.minute()
    assert stage.listing.carried == [(Command.START, KEY)]
    stage.clock.pass_ms(20_000)
    apply_over_api(stage, "act", [{**RECORDS[0], **raised}])
    stage.woken()

    assert stage.listing.carried == [(Command.START, KEY), (Command.START, OTHER)]


def test_a_start_still_waits_for_a_cap_that_another_change_leaves_as_it_was(
    stage: ReconcilingStage,
) -> None:
    apply_over_api(stage, "act", [{**RECORDS[0], "max_concurrent": 1}])
    for key in (KEY, OTHER):
        comes_up(stage, key)
        stage.minute()
    stage.clock.pass_ms(20_000)
    apply_over_api(stage, "act", [{**RECORDS[0], "max_concurrent": 1, "max_duration": "1h"}])
    stage.woken()

    assert stage.listing.carried == [(Command.START, KEY)]
    assert explain(
        stage.app.store.load(OTHER).record, stage.clock.now, stage.app.stream_settings(OTHER)
    ) == HistoryEntry(Reason.NO_QUOTA)


def test_nothing_is_decided_anew_while_nothing_has_changed(stage: ReconcilingStage) -> None:
    apply(stage, "act")
    comes_up(stage)
    stage.minute()
    before = version(stage)
    stage.minute()

    assert version(stage) == before


def test_a_store_of_the_release_before_gets_its_index_within_a_minute(
    stage: ReconcilingStage,
) -> None:
    comes_up(stage)
    stage.minute()
    stage.app.store.set_text(f"decided:{KEY.domain}", "0 of before there was one")
    before = version(stage)
    stage.minute()
    after = version(stage)
    stage.minute()

    assert version(stage) == after > before


# --- a policy that is suspended

BOUND = [{"match": {"app": "*"}, "on_publish": "record", "on_interruption": "stop"}]


def ask(stage: ReconcilingStage, action: str, **body: object) -> None:
    """Suspend or resume the policy as the command line does, by another instance."""
    api = Stage(stage.database.parent, stage.clock)
    assert api.ask("POST", f"/v1/policy/{action}", body).status == 200
    api.store.close()
    stage.app.policies.forget()


def goes_off(stage: ReconcilingStage) -> None:
    del stage.listing.up[KEY]
    for _ in range(3):
        stage.minute()


def test_no_rule_starts_what_comes_up_while_the_policy_is_suspended(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act", RECORDS)
    ask(stage, "suspend", **{"for": "2h"})
    comes_up(stage)
    stage.minute()

    assert (stage.listing.carried, why(stage)) == ([], (Reason.POLICY_SUSPENDED, None))
    assert said(stage) == ["published", "policy_suspended"]


def test_what_is_recorded_goes_on_while_the_policy_is_suspended(stage: ReconcilingStage) -> None:
    apply(stage, "act", RECORDS)
    comes_up(stage)
    stage.minute()
    ask(stage, "suspend", **{"for": "2h"})
    goes_off(stage)
    comes_up(stage)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)] * 2


def test_a_rule_that_ends_with_its_session_begins_no_other_while_suspended(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act", BOUND)
    comes_up(stage)
    stage.minute()
    ask(stage, "suspend", **{"for": "2h"})
    goes_off(stage)
    comes_up(stage)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY), (Command.STOP, KEY)]
    assert why(stage) == (Reason.POLICY_SUSPENDED, None)


def test_a_person_starts_a_recording_while_the_policy_is_suspended(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act", RECORDS)
    ask(stage, "suspend", **{"for": "2h"})
    comes_up(stage)
    stage.happens(StartAsked("ann"))
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


@pytest.mark.parametrize("how", ["resume", "time"])
def test_what_came_up_meanwhile_is_started_once_the_rules_hold_again(
    stage: ReconcilingStage, how: str
) -> None:
    apply(stage, "act", RECORDS)
    ask(stage, "suspend", **{"for": "10m"})
    comes_up(stage)
    stage.minute()
    if how == "resume":
        ask(stage, "resume")
        stage.woken()
    else:
        stage.clock.pass_ms(600_000)
        stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]


def test_a_suspension_that_is_over_is_not_shown_so_that_nobody_carries_it_on(
    stage: ReconcilingStage,
) -> None:
    apply(stage, "act", RECORDS)
    ask(stage, "suspend", **{"for": "10m"})
    api = Stage(stage.database.parent, stage.clock)
    before = api.ask("GET", "/v1/policy").json["policy"]
    stage.clock.pass_ms(600_000)
    after = api.ask("GET", "/v1/policy").json["policy"]
    api.store.close()

    assert "suspended" in before
    assert after == {name: before[name] for name in before if name != "suspended"}


def test_an_instance_whose_clock_is_behind_loses_no_stream_at_the_end(
    stage: ReconcilingStage,
) -> None:
    """It takes the policy for suspended a little longer; the next poll decides once more."""
    apply(stage, "act", RECORDS)
    ends_at = stage.clock.now + 600_000
    ask(stage, "suspend", **{"for": "10m"})
    stage.minute()
    other = ReconcilingStage(stage.database.parent, Clock(ends_at - 1_000))
    stage.clock.now = ends_at + 1_000
    stage.minute()
    stage.listing.up[KEY] = stage.clock.now // 1000 * 1000
    other.happens(Published(stage.listing.up[KEY]))
    other.app.store.close()
    assert said(stage) == ["published", "policy_suspended"]
    stage.clock.pass_ms(60_000)
    stage.minute()

    assert stage.listing.carried == [(Command.START, KEY)]
