"""Doctor asks Function Compute what is deployed, by the official SDK, and RAM for two roles."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.account import Account as CloudAccount
from cli.account import Declined
from cli.api import Api
from cli.doctor.bucket import bucket
from cli.doctor.collect_compute import read_deployment, read_service_roles
from cli.doctor.compute import CHECKS, LIVE_ROLE, MTS_ROLE, TRIGGERS
from cli.doctor.finding import Severity, examine
from cli.doctor.snapshot import Deployment, Domain, StageRef, Unread
from cli.doctor.sources import Sources
from cli.function_compute import FunctionCompute
from emulator.fc.template import load_template
from emulator.fc_control.account import Account
from emulator.fc_control.function import Function
from emulator.fc_control.refusal import Refusal
from emulator.fc_control.server import running
from shared.outbound.live import Credentials
from tests.cli.test_doctor_checks import EXAMINED, HEALTHY
from tests.support.deploys import DOMAIN, ROOT, SOUND, Deploys, ready_account
from tests.support.doctor_compute import GOOD, NAME, RECONCILE, ROLES

pytestmark = pytest.mark.slow

CREDENTIALS = Credentials("id", "secret")


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    """Return what doctor reads of a stage that was deployed."""
    deploys = Deploys(ready_account())
    deploys.deploy()
    found = read(deploys.account)
    assert isinstance(found, Deployment)
    return found


def read(account: Account, compute: str = "") -> Deployment | Unread | None:
    with running(account) as address:
        return read_deployment(sources(compute or address))


def sources(compute: str) -> Sources:
    account = CloudAccount(CREDENTIALS, ram="http://127.0.0.1:9")
    api = Api("https://127.0.0.1:9", "t")
    return Sources(api, account, bucket, compute=compute, region="cn-shanghai")


def found(deployment: Deployment | Unread | None, **more: object) -> dict[str, Severity]:
    """Return the code of each finding that is not ok."""
    parts = {"deployment": deployment, "service_roles": ROLES, **more}
    snapshot = replace(
        HEALTHY,
        stage_ref=StageRef("https://record.example.com", "--stage prod"),
        examined={**EXAMINED, "stage": "prod"},
        **parts,  # type: ignore[arg-type] # fields of a Snapshot
    )
    findings = examine(CHECKS, snapshot)
    return {each.code: each.severity for each in findings if each.severity is not Severity.OK}


def test_a_stage_that_was_deployed_is_well(deployed: Deployment) -> None:
    assert deployed.functions[NAME] == replace(RECONCILE, serving=2, newest=2)
    assert found(deployed) == {}


def test_the_older_runtime_is_fine_where_the_newer_is_not_offered(deployed: Deployment) -> None:
    older = replace(deployed.functions[NAME], runtime="python3.10")
    mixed = replace(deployed, functions={**deployed.functions, NAME: older})

    assert found(mixed) == {"deployed.runtime": Severity.WARNING}
    assert found(replace(mixed, region="ap-southeast-1")) == {}


def test_the_functions_and_triggers_that_doctor_knows_are_those_of_s_yaml() -> None:
    resources = load_template(ROOT / "s.yaml", {}).items()
    functions = {
        key.replace("_", "-"): tuple(
            each["triggerName"] for each in resource["props"].get("triggers", [])
        )
        for key, resource in resources
        if resource["component"] == "fc3"
    }

    assert functions == TRIGGERS


def test_a_function_of_another_stage_is_not_left_over(deployed: Deployment) -> None:
    """The name of the other stage may end with that of ours."""
    others = ("live-record-files-staging", "live-record-files-eu-prod")
    other = dict.fromkeys(others, deployed.functions[NAME])

    assert found(replace(deployed, functions={**deployed.functions, **other})) == {}


def test_all_pages_of_a_long_list_are_read() -> None:
    account = ready_account()
    for number in range(101):
        name = f"live-record-{number}-prod"
        account.functions[name] = Function(name, {"runtime": "python3.12"}, reserved=0)
    with running(account) as address:
        listed = FunctionCompute(CloudAccount(CREDENTIALS), address).functions("live-record-")

    assert len({each["functionName"] for each in listed}) == 101


def test_a_permission_that_is_missing_is_named_and_the_checks_are_unknown() -> None:
    account = ready_account()
    account.fails["ListFunctions"] = Refusal(403, "AccessDenied", "no permission")
    with running(account) as address:
        asked = sources(address)
        unread = read_deployment(asked)

    assert isinstance(unread, Unread)
    assert (unread.action, unread.is_forbidden) == ("fc:ListFunctions", True)
    assert set(found(unread).values()) == {Severity.UNKNOWN}


def test_nothing_is_asked_about_a_stage_on_this_machine() -> None:
    assert read_deployment(sources("")) is None
    assert read_service_roles(sources("")) is None
    assert found(None, service_roles=None) == {
        f"{check.name}.local": Severity.NOTHING for check in CHECKS
    }


# --- Alibaba Cloud's own roles


def of_roles(domains: Sequence[Domain]) -> dict[str, Severity]:
    """Return what is found where neither of the two roles exists."""
    all_of_them = found(GOOD, service_roles=frozenset(), domains=domains)
    return {code: each for code, each in all_of_them.items() if code.startswith("service-roles")}


def test_roles_are_not_said_to_be_well_where_what_needs_them_is_not_known() -> None:
    unread = Unread("its configurations", "NeverSent", "live:DescribeLiveRecordConfig", "NeverSent")
    unknown = [replace(HEALTHY.domains[0], recordings=unread)]
    nothing = [replace(HEALTHY.domains[0], recordings=[])]

    assert of_roles(unknown) == {"service-roles.unknown": Severity.UNKNOWN}
    assert of_roles(nothing) == {"service-roles.nothing": Severity.NOTHING}


class Ram(BaseHTTPRequestHandler):
    """Answers GetRole as RAM does, and knows the role of Live alone."""

    def do_POST(self) -> None:
        (asked,) = parse_qs(urlsplit(self.path).query)["RoleName"]
        absent = {"Code": "EntityNotExist.Role", "Message": "The role not exists", "RequestId": "1"}
        is_known = asked == LIVE_ROLE
        data = json.dumps({"Role": {"RoleName": asked}} if is_known else absent).encode()
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base names it
        """Print nothing."""


@pytest.fixture
def ram() -> Iterator[CloudAccount]:
    with HTTPServer(("127.0.0.1", 0), Ram) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield CloudAccount(CREDENTIALS, ram=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def test_ram_says_which_roles_there_are(ram: CloudAccount) -> None:
    assert [ram.has_role(name) for name in (LIVE_ROLE, MTS_ROLE)] == [True, False]


def test_a_ram_that_does_not_answer_is_no_answer() -> None:
    with pytest.raises(Declined):
        CloudAccount(CREDENTIALS, ram="http://127.0.0.1:9").has_role(LIVE_ROLE)


# --- a deploy cures what it names --------------------------------------------------------------


def reconcile_of(account: Account) -> Function:
    return account.functions[NAME]


def lead_past_release(account: Account) -> None:
    for route in account.domains[DOMAIN]["routeConfig"]["routes"]:
        route["qualifier"] = "LATEST"


def publish_beside_release(account: Account) -> None:
    """As a deploy that has stopped before the alias."""
    function = reconcile_of(account)
    function.update({"memorySize": 1024})
    function.publish("", identical_update_counts=True)


FAULTS: Mapping[str, Callable[[Account], object]] = {
    "deployed.missing": lambda account: account.functions.pop(NAME),
    "deployed.alias": lambda account: reconcile_of(account).aliases.clear(),
    "deployed.older": publish_beside_release,
    "triggers.missing": lambda account: reconcile_of(account).triggers.pop("every-minute"),
    "route.missing": lambda account: account.domains.clear(),
    "route.alias": lead_past_release,
}


@pytest.mark.parametrize("code", FAULTS)
def test_what_a_deploy_cures_is_gone_after_one(code: str) -> None:
    deploys = Deploys(ready_account())
    deploys.deploy()
    FAULTS[code](deploys.account)
    assert code in found(read(deploys.account))

    deploys.deploy()
    assert found(read(deploys.account)) == {}


def test_a_deploy_with_the_newer_runtime_cures_the_older_one() -> None:
    deploys = Deploys(ready_account(), {**SOUND, "LIVE_RECORD_RUNTIME": "python3.10"})
    deploys.deploy()
    assert found(read(deploys.account)) == {"deployed.runtime": Severity.WARNING}

    deploys.environment["LIVE_RECORD_RUNTIME"] = "python3.12"
    deploys.deploy()
    assert found(read(deploys.account)) == {}


OLD = NAME.replace("reconcile", "old")


def leave_a_function(account: Account) -> None:
    account.functions[OLD] = Function(OLD, {"runtime": "python3.12"})


def leave_a_trigger(account: Account) -> None:
    triggers = reconcile_of(account).triggers
    triggers["http"] = {**triggers["wake"], "triggerName": "http"}


def reserve(account: Account, instances: int | None) -> None:
    reconcile_of(account).reserved = instances


REMOVALS: Mapping[str, tuple[Callable[[Account], object], Callable[[Account], object]]] = {
    "deployed.left": (leave_a_function, lambda account: account.functions.pop(OLD)),
    "triggers.left": (leave_a_trigger, lambda account: reconcile_of(account).triggers.pop("http")),
    "reservations.many": (
        lambda account: reserve(account, 61),
        lambda account: reserve(account, None),
    ),
}
"""What plants a fault, and what its finding tells people to do in the console."""


@pytest.mark.parametrize("code", REMOVALS)
def test_what_people_remove_by_hand_is_gone_then(code: str) -> None:
    deploys = Deploys(ready_account())
    deploys.deploy()
    plant, cure = REMOVALS[code]
    plant(deploys.account)
    assert code in found(read(deploys.account))

    cure(deploys.account)
    assert found(read(deploys.account)) == {}
