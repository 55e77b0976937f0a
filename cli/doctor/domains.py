"""The checks of the policy's domains: streaming domains of the account with their ingest domains.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import Domain, Snapshot, Unread
from cli.texts import N_

UNKNOWN = "InvalidDomain"

NOT_MAIN = fault(
    "domain.not_main",
    N_(
        "{domain} is of type {type}, not a main streaming domain. In policy.toml, name {bound_to}"
        " instead"
    ),
)
BOUND_TO_NONE = fault(
    "domain.unbound",
    N_(
        "{domain} is of type {type}, not a main streaming domain, and is bound to none. In"
        " policy.toml, name a main streaming domain"
    ),
)
NOT_OURS = fault(
    "domain.unknown",
    N_("{domain} is not a domain of this account. Correct its name in policy.toml"),
)
NOT_NAMED = fault(
    "mapping.unnamed",
    N_(
        "streams are also pushed to {ingest}, which the policy does not name. So callbacks about"
        " these streams are ignored. Add {ingest} to `ingest` of {domain} in policy.toml"
    ),
)
NOT_BOUND = fault(
    "mapping.unbound",
    N_("no stream pushed to {ingest} reaches {domain}: Live does not bind the two"),
)
NO_INGEST = warning(
    "mapping.none",
    N_(
        "{domain} has no ingest domain: streams are pushed to it directly. If yours are pushed to"
        " another domain, bind the two in the console of Live"
    ),
)


def main(snapshot: Snapshot) -> Findings:
    """Yield a fault for each domain of the policy that is not a main streaming domain (type vhost).

    The API accepts only main streaming domains (docs/platform/live.md §1.1).
    """
    fix = snapshot.apply_command()
    for domain in snapshot.domains:
        if not isinstance(domain.mapping, Unread):
            yield from _not_main(domain.name, domain.mapping, fix)
        elif domain.mapping.code.startswith(UNKNOWN):
            yield NOT_OURS.found(fix, domain=domain.name)


def _not_main(name: str, mapping: Sequence[tuple[str, str]], fix: str) -> Iterator[Finding]:
    types = dict(mapping)
    mains = [other for other, kind in types.items() if kind == "vhost"]
    if name in mains:
        return
    kind = types.get(name, "?")
    if mains:
        yield NOT_MAIN.found(fix, domain=name, type=kind, bound_to=mains[0])
    else:
        yield BOUND_TO_NONE.found(fix, domain=name, type=kind)


def mapping(snapshot: Snapshot) -> Findings:
    """Yield a finding for each ingest domain that Live binds to a domain but the policy does not,
    or the other way round. Also yield one for each domain that has no ingest domain in either.

    The stage ignores the callbacks of an ingest domain that the policy does not name.
    """
    if isinstance(snapshot.policy, Unread):
        return
    for domain, ours in zip(snapshot.domains, snapshot.policy.domains, strict=True):
        if not isinstance(domain.mapping, Unread) and any(
            name == domain.name and kind == "vhost" for name, kind in domain.mapping
        ):
            yield from _bound(snapshot, domain, ours.ingest)


def _bound(snapshot: Snapshot, domain: Domain, named: tuple[str, ...]) -> Iterator[Finding]:
    theirs = {name.lower() for name in domain.ingest}
    ours = {name.lower() for name in named}
    apply_policy = snapshot.apply_command()
    for name in sorted(theirs - ours):
        yield NOT_NAMED.found(apply_policy, ingest=name, domain=domain.name)
    for name in sorted(ours - theirs):
        bind = f"aliyun live AddLiveDomainMapping --PushDomain {name} --PullDomain {domain.name}"
        yield NOT_BOUND.found(bind, ingest=name, domain=domain.name)
    if not theirs and not ours:
        yield NO_INGEST.found(domain=domain.name)


CHECKS = (
    Check(
        "domain",
        N_("each domain of the policy is a main streaming domain"),
        main,
        ("policy", "mapping"),
    ),
    Check(
        "mapping",
        N_("each domain of the policy names exactly the ingest domains that Live has bound to it"),
        mapping,
        ("policy", "mapping"),
    ),
)
