"""What doctor finds in Function Compute: a deployment that is well, and one of each that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cli.doctor.compute import LIVE_ROLE, MTS_ROLE, TRIGGERS
from cli.doctor.finding import Severity
from cli.doctor.snapshot import DeployedFunction, Deployment, Snapshot
from cli.function_compute import ALIAS

HOST = "fc.example.com"
NAME = "live-record-reconcile-prod"
ROLES = frozenset([LIVE_ROLE, MTS_ROLE])
GOOD = Deployment(
    region="cn-shanghai",
    functions={
        f"live-record-{key}-prod": DeployedFunction(
            "python3.12", 3, 3, dict.fromkeys(triggers, ALIAS)
        )
        for key, triggers in TRIGGERS.items()
    },
    reserved=45,
    routes={HOST: {"/v1/*": ALIAS, "/callbacks/stream/*": ALIAS}},
)
RECONCILE = GOOD.functions[NAME]
DEPLOY = "make deploy STAGE=prod"
Case = tuple[str, Severity, str, str, Callable[[], Snapshot]]


def _reconcile(function: DeployedFunction) -> Deployment:
    return replace(GOOD, functions={**GOOD.functions, NAME: function})


WITHOUT = replace(GOOD, functions={n: f for n, f in GOOD.functions.items() if n != NAME})
LEFT = replace(GOOD, functions={**GOOD.functions, "live-record-old-prod": RECONCILE})
TO_LATEST = {"every-minute": "LATEST", "wake": ALIAS}
ONE_MORE = {**RECONCILE.triggers, "http": ALIAS}
WRONG: tuple[tuple[str, Severity, str, str, Deployment], ...] = (
    ("deployed", Severity.FAULT, "reconcile-prod: not deployed in cn-sh", "", WITHOUT),
    (
        *("deployed", Severity.FAULT, "the alias `release` is missing", ""),
        _reconcile(replace(RECONCILE, serving=None)),
    ),
    (
        *("deployed", Severity.WARNING, "does not point to the newest", ""),
        _reconcile(replace(RECONCILE, newest=4)),
    ),
    (
        *("deployed", Severity.WARNING, "gets no more fixes", DEPLOY),
        _reconcile(replace(RECONCILE, runtime="python3.10")),
    ),
    (
        "deployed",
        Severity.WARNING,
        "live-record-old-prod: deployed, but no longer in s.yaml",
        "",
        LEFT,
    ),
    (
        *("triggers", Severity.FAULT, "every-minute: absent, or not for", DEPLOY),
        _reconcile(replace(RECONCILE, triggers=TO_LATEST)),
    ),
    (
        *("triggers", Severity.WARNING, "http: deployed, but no longer in s.yaml", ""),
        _reconcile(replace(RECONCILE, triggers=ONE_MORE)),
    ),
    (
        *("reservations", Severity.WARNING, "61 of the region's 100 instances", ""),
        replace(GOOD, reserved=61),
    ),
    ("route", Severity.FAULT, "is not a custom domain", DEPLOY, replace(GOOD, routes={})),
    (
        *("route", Severity.FAULT, "/v1/* (LATEST): these routes do not", DEPLOY),
        replace(GOOD, routes={HOST: {"/v1/*": "LATEST"}}),
    ),
)


def cases(healthy: Snapshot) -> Iterator[Case]:
    """Yield the check, its severity, what it says, its fix, and the snapshot that shows it."""
    for check, severity, says, fix, deployment in WRONG:
        yield check, severity, says, fix, _with(healthy, deployment)
    for role, says in ((LIVE_ROLE, "may not write"), (MTS_ROLE, "recording as mp4 needs")):
        left = replace(healthy, service_roles=ROLES - {role})
        yield "service-roles", Severity.WARNING, says, "", lambda left=left: left  # type: ignore[misc] # bound now


def _with(healthy: Snapshot, deployment: Deployment) -> Callable[[], Snapshot]:
    return lambda: replace(healthy, deployment=deployment)
