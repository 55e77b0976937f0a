"""The checks of what is deployed in Function Compute, and of the roles that Live needs.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from cli.doctor.finding import Check, Findings, Kind, fault, nothing, warning
from cli.doctor.snapshot import Deployment, Snapshot, Unread
from cli.function_compute import ALIAS, PREFIX, UNRESERVED, is_left_over
from cli.runtimes import OUT_OF_SUPPORT, WITHOUT_SUPPORTED
from cli.texts import N_

TIMER = "every-minute"
TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "record-command": (),
    "stream-events": (),
    "record-events": (),
    "on-demand": (),
    "files": (TIMER,),
    "relay": ("http",),
    "reconcile": (TIMER, "wake"),
    "notify": (TIMER,),
    "deliver": (TIMER,),
    "console": (),
}
"""The functions of a stage, named without the prefix and the stage, and the triggers of each."""
LIVE_ROLE, MTS_ROLE = "AliyunLiveDefaultRole", "AliyunMTSDefaultRole"

ON_THIS_MACHINE = {
    check: nothing(f"{check}.local", N_("the stage runs on this machine"))
    for check in ("deployed", "triggers", "reservations", "route", "service-roles")
}
MISSING = fault(
    "deployed.missing",
    N_("{functions}: not deployed in {region}. Deploy the stage, or pass `--region`"),
)
NO_ALIAS = fault(
    "deployed.alias",
    N_("{functions}: the alias `release` is missing, so no call arrives. Deploy again"),
)
OLDER = warning(
    "deployed.older",
    N_(
        "{functions}: the alias `release` does not point to the newest version. After a rollback"
        " this is as intended; otherwise a deploy has stopped halfway: deploy again"
    ),
)
RUNTIME = warning(
    "deployed.runtime",
    N_("{runtime} gets no more fixes. Set LIVE_RECORD_RUNTIME=python3.12 and deploy"),
)
NO_TRIGGER = fault("triggers.missing", N_("{triggers}: absent, or not for the alias `release`"))
LEFT_OVER = warning(
    "triggers.left",
    N_(
        "{triggers}: deployed, but no longer in s.yaml. A deploy does not remove triggers: remove"
        " them yourself"
    ),
)
FUNCTION_LEFT = warning(
    "deployed.left",
    N_(
        "{functions}: deployed, but no longer in s.yaml. A deploy does not remove functions: remove"
        " them yourself"
    ),
)
RESERVED = warning(
    "reservations.many",
    N_(
        "{reserved} of the region's {instances} instances are reserved, which leaves only {left} to"
        " all other functions. At least {least} must stay unreserved: reserve fewer in env.yaml"
    ),
)
NO_DOMAIN = fault(
    "route.missing", N_("{host} is not a custom domain of Function Compute in {region}")
)
NOT_RELEASE = fault("route.alias", N_("{paths}: these routes do not lead to the alias `release`"))
NOTHING_RECORDED = nothing("service-roles.nothing", N_("there is no recording configuration"))
NO_ROLE = warning(
    "service-roles.missing",
    N_(
        "the role {role} does not exist: Live may not write into buckets. Authorize Live in its"
        " console once"
    ),
)
NO_MTS_ROLE = warning(
    "service-roles.mts",
    N_(
        "the role {role}, which a recording as mp4 needs, does not exist. Authorize Media"
        " Processing in its console once"
    ),
)


def deployed(snapshot: Snapshot) -> Findings:
    deployment = snapshot.deployment
    if not isinstance(deployment, Deployment) or isinstance(snapshot.examined, Unread):
        return
    wanted = set(_names(snapshot))
    found = {name: each for name, each in deployment.functions.items() if name in wanted}
    yield from _of_functions(MISSING, wanted - found.keys(), region=deployment.region)
    yield from _of_functions(NO_ALIAS, {name for name in found if found[name].serving is None})
    yield from _of_functions(OLDER, {name for name in found if found[name].is_behind})
    stage = snapshot.stage_name
    left = {name for name in deployment.functions if is_left_over(name, stage, wanted)}
    yield from _of_functions(FUNCTION_LEFT, left)
    is_old = any(each.runtime == OUT_OF_SUPPORT for each in found.values())
    if is_old and deployment.region not in WITHOUT_SUPPORTED:
        yield RUNTIME.found(snapshot.deploy_command(), runtime=OUT_OF_SUPPORT)


def _names(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the stage's functions, with the triggers of each."""
    stage = snapshot.stage_name
    return {f"{PREFIX}{key}-{stage}": triggers for key, triggers in TRIGGERS.items()}


def _of_functions(kind: Kind, names: Iterable[str], **about: str) -> Findings:
    listed = ", ".join(sorted(names))
    if listed:
        yield kind.found("", functions=listed, **about)


def triggers(snapshot: Snapshot) -> Findings:
    deployment = snapshot.deployment
    if not isinstance(deployment, Deployment) or isinstance(snapshot.examined, Unread):
        return
    absent, left = list[str](), list[str]()
    for name, wanted in _names(snapshot).items():
        if name in deployment.functions:
            found = deployment.functions[name].triggers
            absent += [f"{name}/{each}" for each in wanted if found.get(each) != ALIAS]
            left += [f"{name}/{each}" for each in found if each not in wanted]
    if absent:
        yield NO_TRIGGER.found(snapshot.deploy_command(), triggers=", ".join(absent))
    if left:
        yield LEFT_OVER.found(triggers=", ".join(left))


def cause_of_silence(snapshot: Snapshot, function: str) -> str:
    """Return the name of the check that finds why no timer calls the function. Return "" if a timer
    calls it, or if that is unknown."""
    deployment = snapshot.deployment
    if not isinstance(deployment, Deployment) or isinstance(snapshot.examined, Unread):
        return ""
    found = deployment.functions.get(f"{PREFIX}{function}-{snapshot.stage_name}")
    if found is None or found.serving is None:
        return "deployed"
    return "" if found.triggers.get(TIMER) == ALIAS else "triggers"


def reservations(snapshot: Snapshot) -> Findings:
    deployment = snapshot.deployment
    if isinstance(deployment, Deployment):
        instances = snapshot.stage_ref.instances
        left = instances - deployment.reserved
        if left < UNRESERVED:
            yield RESERVED.found(
                reserved=deployment.reserved, instances=instances, left=left, least=UNRESERVED
            )


def route(snapshot: Snapshot) -> Findings:
    deployment = snapshot.deployment
    if not isinstance(deployment, Deployment):
        return
    host = urlsplit(snapshot.stage_ref.url).hostname or ""
    if host not in deployment.routes:
        yield NO_DOMAIN.found(snapshot.deploy_command(), host=host, region=deployment.region)
    elsewhere = [
        f"{path} ({qualifier})"
        for path, qualifier in deployment.routes.get(host, {}).items()
        if qualifier != ALIAS
    ]
    if elsewhere:
        yield NOT_RELEASE.found(snapshot.deploy_command(), paths=", ".join(elsewhere))


def service_roles(snapshot: Snapshot) -> Findings:
    """Yield a warning for each of Alibaba Cloud's own roles that the recordings need and that does
    not exist."""
    roles = snapshot.service_roles
    if isinstance(roles, Unread) or roles is None:
        return
    found = [each for domain in snapshot.domains for each in domain.configurations]
    if not found:
        yield NOTHING_RECORDED.found()
    if LIVE_ROLE not in roles and any(not each.is_vod for each in found):
        yield NO_ROLE.found(role=LIVE_ROLE)
    formats = {each.name for configuration in found for each in configuration.formats}
    if MTS_ROLE not in roles and "mp4" in formats:
        yield NO_MTS_ROLE.found(role=MTS_ROLE)


def _check(name: str, holds: str, found: Callable[[Snapshot], Findings], *rests_on: str) -> Check:
    """Return a check that finds nothing to check if the stage is on this machine."""

    def examine(snapshot: Snapshot) -> Findings:
        is_local = snapshot.deployment is None
        yield from [ON_THIS_MACHINE[name].found()] if is_local else found(snapshot)

    return Check(name, holds, examine, rests_on)


_RESTS_ON = ("examined", "deployment")
CHECKS = (
    _check(
        "deployed",
        N_("every function is deployed, and the alias `release` points to its newest version"),
        deployed,
        *_RESTS_ON,
    ),
    _check("triggers", N_("the triggers are those of s.yaml, and no others"), triggers, *_RESTS_ON),
    _check(
        "reservations",
        N_("at least 40 instances of the region stay unreserved"),
        reservations,
        "deployment",
    ),
    _check(
        "route",
        N_("the routes of the custom domain lead to the alias `release`"),
        route,
        "deployment",
    ),
    _check(
        "service-roles",
        N_(
            "the service roles that the recordings need exist (that of Live for OSS, and that of"
            " Media Processing for mp4)"
        ),
        service_roles,
        *("service_roles", "policy", "recordings", "vod"),
    ),
)
