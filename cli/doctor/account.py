"""Who asks, and what they may ask."""

from __future__ import annotations

from cli.doctor.finding import Check, Findings, fault, warning
from cli.doctor.snapshot import Identity, Seen, Unread
from cli.doctor.sources import NOBODY

INSPECTOR = "live-record-inspector"


def credentials(seen: Seen) -> Findings:
    identity = seen.identity
    if isinstance(identity, Unread):
        if identity.code == NOBODY:
            yield fault(
                "there are no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and"
                " ALIBABA_CLOUD_ACCESS_KEY_SECRET, of a RAM user"
            )
        else:
            yield fault(f"whose they are could not be learnt: {identity.why}")
    elif identity.kind == "Account":
        yield fault(
            "they are the account's own root key, which may do everything and cannot be limited:"
            " make a RAM user and a key of its own, and delete the root key",
            f"aliyun ram CreateUser --UserName {INSPECTOR}",
        )


def access(seen: Seen) -> Findings:
    """Each action once, however often it was refused."""
    for action in dict.fromkeys(one.action for one in seen.refused if one.is_forbidden):
        yield fault(
            f"these credentials may not {action}: it takes 1 to 2 minutes until a policy holds",
            _grant(seen.identity),
        )
    for one in {one.why: one for one in seen.refused if _is_other(one)}.values():
        yield warning(f"{one.what} could not be read: {one.why}")


def _grant(identity: Identity | Unread) -> str:
    name = "NAME" if isinstance(identity, Unread) else identity.name or "NAME"
    if not isinstance(identity, Unread) and identity.kind == "AssumedRoleUser":
        return granting("inspector", f"ToRole --RoleName {name}")
    return granting("inspector", f"ToUser --UserName {name}")


def granting(policy: str, whom: str) -> str:
    """The policies are those of deploy/ram."""
    name = f"live-record-{policy}"
    attach, _, rest = whom.partition(" ")
    return (
        f"aliyun ram CreatePolicy --PolicyName {name}"
        f' --PolicyDocument "$(cat deploy/ram/{policy}.json)"'
        f" && aliyun ram AttachPolicy{attach} --PolicyType Custom --PolicyName {name} {rest}"
    )


TOLD_ELSEWHERE = (
    NOBODY,
    "InvalidDomain",
    "CodeConfigNotFound",
    "InvalidConfig",
    "NoSuchBucket",
    "WrongEndpoint",
)


def _is_other(one: Unread) -> bool:
    return not one.is_forbidden and not one.code.startswith(TOLD_ELSEWHERE)


CHECKS = (
    Check("credentials", "the credentials are there, and no root key", credentials),
    Check("access", "they may read all that doctor looks at", access),
)
