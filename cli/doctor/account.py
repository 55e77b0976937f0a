"""The checks of the credentials: their owner, and what they may call.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from cli.doctor.finding import Check, Findings, fault, warning
from cli.doctor.snapshot import Identity, Snapshot, Unread
from cli.doctor.sources import NOBODY

INSPECTOR = "live-record-inspector"


def credentials(snapshot: Snapshot) -> Findings:
    identity = snapshot.identity
    if isinstance(identity, Unread):
        if identity.code == NOBODY:
            yield fault(
                "there are no credentials. Set ALIBABA_CLOUD_ACCESS_KEY_ID and"
                " ALIBABA_CLOUD_ACCESS_KEY_SECRET of a RAM user"
            )
        else:
            yield fault(f"the owner of the credentials could not be determined: {identity.why}")
    elif identity.kind == "Account":
        yield fault(
            "the credentials are the account's root key, which may do everything and cannot be"
            " limited. Create a RAM user with its own key, and delete the root key",
            f"aliyun ram CreateUser --UserName {INSPECTOR}",
        )


def access(snapshot: Snapshot) -> Findings:
    """Yield one finding for each refused action and each other cause."""
    for action in dict.fromkeys(
        unread.action for unread in snapshot.refused if unread.is_forbidden
    ):
        yield fault(
            f"these credentials may not call {action}. A new RAM policy takes effect after 1 to 2"
            " minutes",
            _grant_inspector(snapshot.identity),
        )
    for unread in {
        unread.why: unread for unread in snapshot.refused if _is_unexplained(unread)
    }.values():
        yield warning(f"{unread.subject} could not be read: {unread.why}")


def _grant_inspector(identity: Identity | Unread) -> str:
    name = "NAME" if isinstance(identity, Unread) else identity.name or "NAME"
    if not isinstance(identity, Unread) and identity.kind == "AssumedRoleUser":
        return grant_command("inspector", f"ToRole --RoleName {name}")
    return grant_command("inspector", f"ToUser --UserName {name}")


def grant_command(policy: str, whom: str) -> str:
    """Return the aliyun command that grants a policy of deploy/ram to a user or role."""
    name = f"live-record-{policy}"
    attach, _, rest = whom.partition(" ")
    return (
        f"aliyun ram CreatePolicy --PolicyName {name}"
        f' --PolicyDocument "$(cat deploy/ram/{policy}.json)"'
        f" && aliyun ram AttachPolicy{attach} --PolicyType Custom --PolicyName {name} {rest}"
    )


REPORTED_ELSEWHERE = (
    NOBODY,
    "InvalidDomain",
    "CodeConfigNotFound",
    "InvalidConfig",
    "NoSuchBucket",
    "WrongEndpoint",
)


def _is_unexplained(unread: Unread) -> bool:
    return not unread.is_forbidden and not unread.code.startswith(REPORTED_ELSEWHERE)


CHECKS = (
    Check("credentials", "there are credentials, and not the root key", credentials),
    Check("access", "the credentials may read everything that doctor checks", access),
)
