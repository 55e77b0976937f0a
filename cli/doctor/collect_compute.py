"""Collects what is deployed in Function Compute, and which of Alibaba Cloud's own roles exist.

cli.doctor.collect calls this module. It must raise only errors that Sources turns into an Unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from gettext import gettext as _

from cli.account import Account, Json
from cli.doctor.compute import LIVE_ROLE, MTS_ROLE
from cli.doctor.snapshot import DeployedFunction, Deployment, Unread
from cli.doctor.sources import Sources
from cli.function_compute import ALIAS, PREFIX, FunctionCompute

PARALLEL_REQUESTS = 6


def read_deployment(sources: Sources) -> Deployment | Unread | None:
    """Return what is deployed, None for a stage that is on this machine."""
    if not sources.compute:
        return None
    return sources.cloud(
        _("what is deployed in Function Compute"),
        "fc",
        lambda account: _deployment(account, sources.compute, sources.region),
    )


def read_service_roles(sources: Sources) -> frozenset[str] | Unread | None:
    """Return which of the roles LIVE_ROLE and MTS_ROLE exist, None for a stage that is on this
    machine."""
    if not sources.compute:
        return None
    return sources.cloud(_("Alibaba Cloud's own roles"), "ram", _service_roles)


def _deployment(account: Account, address: str, region: str) -> Deployment:
    """Return what is deployed under our names in the region."""
    compute = FunctionCompute(account, address)
    functions = compute.functions(PREFIX)
    names = [str(each["functionName"]) for each in functions]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        found = list(pool.map(lambda each: _function(compute, each), functions))
    reserved = [each.get("reservedConcurrency") for each in compute.reservations()]
    return Deployment(
        region=region,
        functions=dict(zip(names, found, strict=True)),
        reserved=sum(int(each or 0) for each in reserved),
        routes={str(each["domainName"]): _routes(each) for each in compute.domains()},
    )


def _function(compute: FunctionCompute, function: Json) -> DeployedFunction:
    name = str(function["functionName"])
    alias = compute.alias(name, ALIAS)
    numbers = [int(each["versionId"]) for each in compute.versions(name)]
    return DeployedFunction(
        runtime=str(function.get("runtime")),
        serving=int(alias["versionId"]) if alias else None,
        newest=max(numbers, default=0),
        triggers={
            str(each["triggerName"]): str(each.get("qualifier") or "LATEST")
            for each in compute.triggers(name)
        },
    )


def _routes(domain: Json) -> Mapping[str, str]:
    """Return the qualifier to which each path leads."""
    routes = (domain.get("routeConfig") or {}).get("routes") or []
    return {str(each["path"]): str(each.get("qualifier") or "LATEST") for each in routes}


def _service_roles(account: Account) -> frozenset[str]:
    return frozenset(role for role in (LIVE_ROLE, MTS_ROLE) if account.has_role(role))
