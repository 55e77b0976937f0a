"""A deploy can be repeated: it looks first, changes what differs, and goes on after a failure."""

from __future__ import annotations

import pytest

from cli.deploying.release import STEPS
from cli.errors import Failure
from emulator.fc_control.refusal import Refusal
from tests.support.deploys import DOMAIN, Deploys, ready_account

pytestmark = pytest.mark.slow

SWITCH = pytest.mark.parametrize(
    "identical_update_counts", [False, True], ids=["identical is none", "identical is a change"]
)


@pytest.fixture
def deploys() -> Deploys:
    return Deploys(ready_account())


def test_a_first_deploy_serves_everything_and_knows_its_own_addresses(deploys: Deploys) -> None:
    deploys.deploy()
    reconcile = deploys.account.functions["live-record-reconcile-prod"]
    serving = reconcile.at("release")

    address = reconcile.triggers["wake"]["httpTrigger"]["urlInternet"]
    assert serving["environmentVariables"]["LIVE_RECORD_WAKE_URL"] == address
    assert len(deploys.serving()) == 10
    assert deploys.account.domains[DOMAIN]["protocol"] == "HTTPS"
    assert reconcile.reserved == 5


def test_the_address_of_relay_is_read_where_its_key_is_set(deploys: Deploys) -> None:
    deploys.environment["LIVE_RECORD_RELAY_KEY"] = "unguessable-relay-1"
    deploys.deploy()
    relay = deploys.account.functions["live-record-relay-prod"]
    events = deploys.account.functions["live-record-stream-events-prod"].at("release")

    address = relay.triggers["http"]["httpTrigger"]["urlInternet"]
    assert events["environmentVariables"]["LIVE_RECORD_RELAY_URL"] == address


@SWITCH
def test_a_tenth_deploy_of_unchanged_code_changes_nothing_and_says_so(
    identical_update_counts: bool,
) -> None:
    deploys = Deploys(ready_account(identical_update_counts=identical_update_counts))
    deploys.deploy()
    before = len(deploys.account.changes)
    changed = [deploys.deploy() for _ in range(9)]

    assert changed == [[]] * 9
    assert len(deploys.account.changes) == before
    assert all(": nothing to do: " in line for line in deploys.said if not line.startswith("LIVE_"))


@SWITCH
def test_a_version_that_says_nothing_of_its_content_is_taken_as_it_is_where_nothing_changed(
    identical_update_counts: bool,
) -> None:
    """As after an upgrade, or where somebody published the version by hand."""
    deploys = Deploys(ready_account(identical_update_counts=identical_update_counts))
    deploys.deploy()
    for each in deploys.account.functions.values():
        each.versions[-1].description = "2026-10-01T20:00:00Z live-record 0.2.0"
    deploys.deploy()

    published = {len(each.versions) for each in deploys.account.functions.values()}
    assert published == ({2, 3} if identical_update_counts else {1, 2})


def test_new_code_is_published_before_any_alias_moves(deploys: Deploys) -> None:
    deploys.deploy("1")
    deploys.account.calls.clear()
    deploys.deploy("2")
    actions = [action for action, _function in deploys.account.changes]

    assert actions == ["UpdateFunction", "PublishFunctionVersion"] * 10 + ["UpdateAlias"] * 10


def test_a_change_of_the_domain_alone_changes_the_domain_alone(deploys: Deploys) -> None:
    deploys.deploy()
    deploys.account.calls.clear()
    deploys.environment["LIVE_RECORD_CERTIFICATE"] = "-----BEGIN CERTIFICATE-----\nMIIC"
    deploys.deploy()

    assert deploys.account.changes == [("UpdateCustomDomain", DOMAIN)]


def test_a_change_of_one_setting_publishes_what_has_it_alone(deploys: Deploys) -> None:
    deploys.deploy()
    before = deploys.serving()
    deploys.environment["LIVE_RECORD_API_TOKENS"] = "ops:read+control:an-other-s3cr3t-s3cr3t"
    deploys.deploy()
    after = deploys.serving()

    moved = {name for name, version in after.items() if version != before[name]}
    assert moved == {"record-command", "stream-events", "files", "console"}


def test_a_change_of_a_trigger_or_a_reservation_by_hand_is_put_right(deploys: Deploys) -> None:
    deploys.deploy()
    reconcile = deploys.account.functions["live-record-reconcile-prod"]
    reconcile.triggers["every-minute"]["triggerConfig"] = '{"cronExpression": "@every 9m"}'
    reconcile.reserved = None
    deploys.account.calls.clear()
    deploys.deploy()

    assert {action for action, _name in deploys.account.changes} == {
        "UpdateTrigger",
        "PutConcurrencyConfig",
    }


def test_a_reservation_that_s_yaml_has_no_more_is_given_back_first(deploys: Deploys) -> None:
    deploys.deploy()
    deploys.account.functions["live-record-files-prod"].reserved = 45
    deploys.account.functions["live-record-stream-events-prod"].reserved = None
    deploys.deploy()

    reserved = {name: each.reserved for name, each in deploys.account.functions.items()}
    assert reserved["live-record-files-prod"] is None
    assert reserved["live-record-stream-events-prod"] == 40


def test_a_reservation_is_lowered_before_another_is_raised(deploys: Deploys) -> None:
    deploys.deploy()
    lowered, raised = "live-record-stream-events-prod", "live-record-reconcile-prod"
    deploys.account.functions[lowered].reserved = 85
    deploys.account.functions[raised].reserved = 1
    deploys.account.calls.clear()
    deploys.deploy()

    assert deploys.account.changes == [
        ("PutConcurrencyConfig", lowered),
        ("PutConcurrencyConfig", raised),
    ]


# --- failures

FAILS = {
    "CreateFunction": Refusal(403, "AccessDenied", "no permission"),
    "PublishFunctionVersion": Refusal(500, "InternalServerError", "try again"),
    "CreateAlias": Refusal(403, "AccessDenied", "no permission"),
    "CreateTrigger": Refusal(403, "AccessDenied", "no permission"),
    "PutAsyncInvokeConfig": Refusal(400, "InvalidArgument", "no such queue"),
    "PutConcurrencyConfig": Refusal(400, "InvalidArgument", "90 would be reserved"),
    "CreateCustomDomain": Refusal(400, "CertificateMismatch", "the key does not match"),
}


@SWITCH
@pytest.mark.parametrize("action", FAILS)
def test_a_first_deploy_that_fails_at_a_step_goes_on_from_there(
    action: str, identical_update_counts: bool
) -> None:
    deploys = Deploys(ready_account(identical_update_counts=identical_update_counts))
    deploys.account.fails[action] = FAILS[action]
    with pytest.raises(Failure, match=FAILS[action].code):
        deploys.deploy()
    deploys.account.fails.clear()
    deploys.deploy()

    assert len(deploys.serving()) == 10
    assert DOMAIN in deploys.account.domains
    assert deploys.deploy() == []


@pytest.mark.parametrize("lacks", ["cnames", "filed"])
def test_a_domain_that_is_not_ready_holds_up_nothing_but_itself(
    deploys: Deploys, lacks: str
) -> None:
    getattr(deploys.account, lacks).clear()
    with pytest.raises(Failure, match=r"DomainNameNotResolved|InvalidICPLicense"):
        deploys.deploy()
    assert len(deploys.serving()) == 10
    getattr(deploys.account, lacks).add(DOMAIN)
    deploys.account.calls.clear()
    deploys.deploy()

    assert deploys.account.changes == [("CreateCustomDomain", DOMAIN)]


class Killed(BaseException):
    """The process is killed."""


def commands_of_a_first_deploy() -> int:
    seen: list[tuple[str, ...]] = []
    Deploys(ready_account(), listen=seen.append).deploy()
    return len(seen)


@pytest.mark.slow
@SWITCH
def test_a_first_deploy_that_is_killed_at_any_command_goes_on_from_there(
    identical_update_counts: bool,
) -> None:
    for last in range(commands_of_a_first_deploy()):
        deploys = Deploys(ready_account(identical_update_counts=identical_update_counts))
        kill_at(deploys, last)
        deploys.deploy()

        assert len(deploys.serving()) == 10, last
        assert deploys.deploy() == [], last
        with pytest.raises(Failure, match="no release before"):
            deploys.roll_back()


def kill_at(deploys: Deploys, last: int, code: str = "1") -> None:
    """Deploy until the command of that number, which is not begun any more."""
    left = [last]

    def listen(_words: tuple[str, ...]) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    deploys.listen = listen
    with pytest.raises(Killed):
        deploys.deploy(code)
    deploys.listen = lambda _words: None


@pytest.mark.slow
def test_an_upgrade_that_is_killed_at_any_command_can_be_rolled_back() -> None:
    """It leads back to the first release, or to the second if that served in part."""
    for last in range(commands_of_an_upgrade()):
        deploys = Deploys(ready_account())
        deploys.deploy("1")
        first = deploys.serving()
        kill_at(deploys, last, "2")
        has_served = deploys.serving() != first
        deploys.deploy("3")
        lines = deploys.roll_back()

        assert any(
            line.startswith(f"rolling back to 2026-11-0{1 + has_served}") for line in lines
        ), last
        assert has_served or deploys.serving() == first, last


def commands_of_an_upgrade() -> int:
    seen: list[tuple[str, ...]] = []
    deploys = Deploys(ready_account())
    deploys.deploy("1")
    deploys.listen = seen.append
    deploys.deploy("2")
    return len(seen)


def test_an_alias_that_somebody_else_moved_meanwhile_is_left(deploys: Deploys) -> None:
    deploys.deploy("1")
    deploys.deploy("2")
    files = deploys.account.functions["live-record-files-prod"]

    def somebody_else(words: tuple[str, ...]) -> None:
        if words[:3] == ("relay", "version", "publish"):
            files.aliases["release"]["versionId"] = "1"

    deploys.listen = somebody_else
    with pytest.raises(Failure, match="somebody else deploys"):
        deploys.deploy("3")
    assert files.aliases["release"]["versionId"] == "1"


# --- one step alone, and none


@pytest.mark.parametrize("step", STEPS)
def test_each_step_can_be_run_alone(deploys: Deploys, step: str) -> None:
    deploys.deploy("1", only=STEPS[: STEPS.index(step)])
    changed = deploys.deploy("1", only=[step])

    assert {line.partition(" ")[0] for line in changed} >= {step}
    assert deploys.deploy("1", only=[step]) == []


def test_an_alias_is_not_moved_to_what_is_not_this_code(deploys: Deploys) -> None:
    deploys.deploy("1")

    with pytest.raises(Failure, match="Deploy with `--only functions` first"):
        deploys.deploy("2", only=["alias"])


def test_a_dry_run_changes_nothing_and_says_what_would_change(deploys: Deploys) -> None:
    first = deploys.deploy(dry_run=True)
    assert deploys.account.changes == []
    deploys.deploy("1")
    deploys.account.calls.clear()
    second = deploys.deploy("2", dry_run=True)

    assert deploys.account.changes == []
    assert len(first) > len(second) == 20
    assert "functions files: would publish a version" in second[4]
    assert "triggers reconcile: nothing to do: every-minute, wake" in deploys.said


# --- the way back


def test_a_rollback_after_a_deploy_that_failed_leads_to_what_served(deploys: Deploys) -> None:
    deploys.deploy("1")
    serving = deploys.serving()
    deploys.account.fails["UpdateAlias"] = FAILS["CreateAlias"]
    with pytest.raises(Failure, match="AccessDenied"):
        deploys.deploy("2")
    deploys.account.fails.clear()
    deploys.deploy("2")
    deploys.roll_back()

    assert deploys.serving() == serving


def test_a_release_that_was_rolled_back_from_is_not_gone_back_to(deploys: Deploys) -> None:
    for code in ("1", "2"):
        deploys.deploy(code)
    deploys.roll_back()
    first = deploys.serving()
    deploys.deploy("3")
    deploys.roll_back()

    assert deploys.serving() == first


def test_code_that_was_rolled_back_from_serves_again_without_a_new_version(
    deploys: Deploys,
) -> None:
    deploys.deploy("1")
    deploys.deploy("2")
    second = deploys.serving()
    deploys.roll_back()
    deploys.account.calls.clear()
    deploys.deploy("2")

    assert deploys.serving() == second
    assert {action for action, _name in deploys.account.changes} == {"UpdateAlias"}


def test_a_description_fits_into_what_function_compute_takes(deploys: Deploys) -> None:
    deploys.environment["LIVE_RECORD_RELAY_KEY"] = "unguessable-relay-1"
    deploys.deploy("1")
    deploys.deploy("2")
    each = [v.description for f in deploys.account.functions.values() for v in f.versions]

    assert max(map(len, each)) <= 256
    assert sum(text.startswith("addresses: ") for text in each) == 2
