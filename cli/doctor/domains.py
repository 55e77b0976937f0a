"""The checks of the policy's domains: streaming domains of the account with their ingest domains.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.finding import Check, Finding, Findings, fault, unreadable, warning
from cli.doctor.snapshot import Domain, Snapshot, Unread

UNKNOWN = "InvalidDomain"


def main(snapshot: Snapshot) -> Findings:
    """Yield a fault for each domain of the policy that is not a main streaming domain (type vhost).

    The API accepts only main streaming domains (docs/platform/live.md §1.1).
    """
    apply_policy = snapshot.fix_command("policy apply policy.toml")
    for domain in snapshot.domains:
        if isinstance(domain.mapping, Unread):
            yield _unread(domain.name, domain.mapping, apply_policy)
            continue
        mains = [name for name, kind in domain.mapping if kind == "vhost"]
        if domain.name not in mains:
            kind = dict(domain.mapping).get(domain.name, "another")
            description = "an ingest domain" if kind == "publish" else f"of type {kind}"
            instead = f". In policy.toml, write {mains[0]}" if mains else ", bound to none"
            yield fault(
                f"{domain.name} is {description}, not a main streaming domain{instead}",
                apply_policy,
            )


def _unread(name: str, unread: Unread, apply_policy: str) -> Finding:
    if unread.code.startswith(UNKNOWN):
        return fault(
            f"{name} is no domain of this account. Correct its name in policy.toml", apply_policy
        )
    return unreadable(unread)


def mapping(snapshot: Snapshot) -> Findings:
    """Yield the ingest domains that only Live or only the policy binds to a streaming domain.

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
    for name in sorted(theirs - ours):
        yield fault(
            f"streams are pushed to {name} too, which the policy does not name, so that their"
            f" callbacks are ignored. Add it to ingest of {domain.name} in policy.toml",
            snapshot.fix_command("policy apply policy.toml"),
        )
    for name in sorted(ours - theirs):
        yield fault(
            f"no stream pushed to {name} reaches {domain.name}: Live does not bind the two",
            f"aliyun live AddLiveDomainMapping --PushDomain {name} --PullDomain {domain.name}",
        )
    if not theirs and not ours:
        yield warning(f"{domain.name} has no ingest domain: streams are pushed to it directly")


CHECKS = (
    Check("domain", "each domain of the policy is a main streaming domain", main, ("policy",)),
    Check(
        "mapping",
        "Live and the policy bind the same ingest domains to each domain",
        mapping,
        ("policy", "mapping"),
    ),
)
