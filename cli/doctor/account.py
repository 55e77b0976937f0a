"""The checks of the credentials: their owner, and what they may call.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.account import REVOKED
from cli.doctor.finding import Check, Finding, Findings, fault, unknown
from cli.doctor.snapshot import NOBODY, Identity, Snapshot, Unread
from cli.texts import N_

INSPECTOR = "live-record-inspector"

NO_CREDENTIALS = fault(
    "credentials.none",
    N_(
        "there are no credentials. Set ALIBABA_CLOUD_ACCESS_KEY_ID and"
        " ALIBABA_CLOUD_ACCESS_KEY_SECRET of a RAM user"
    ),
    blocks=True,
)
REVOKED_CREDENTIALS = fault(
    "credentials.revoked",
    N_(
        "these credentials are not valid ({code}): the access key is wrong, deleted or disabled."
        " Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET to a valid one"
    ),
    blocks=True,
)
UNKNOWN_OWNER = unknown(
    "credentials.owner",
    N_(
        "the owner of the credentials could not be determined: {why}. Run `live-record doctor`"
        " again"
    ),
)
ROOT_KEY = fault(
    "credentials.root",
    N_(
        "the credentials are the account's root key, which may do everything and cannot be"
        " limited. Create a RAM user with its own key, and delete the root key"
    ),
)
FORBIDDEN = fault(
    "access.forbidden",
    N_(
        "these credentials may not call {action}. A new RAM policy takes effect after 1 to 2"
        " minutes"
    ),
)
UNANSWERED = unknown(
    "access.unanswered",
    N_(
        "no answer from Alibaba Cloud about {subject}: {why} (unanswered requests: {count}). Run"
        " `live-record doctor` again"
    ),
)
BEYOND = unknown(
    "access.beyond",
    N_("`doctor` has checked only the first {count} of {subject}, and there are more"),
)


def credentials(snapshot: Snapshot) -> Findings:
    identity = snapshot.identity
    if not isinstance(identity, Unread):
        if identity.kind == "Account":
            yield ROOT_KEY.found(f"aliyun ram CreateUser --UserName {INSPECTOR}")
    elif identity.code == NOBODY:
        yield NO_CREDENTIALS.found()
    elif identity.code.startswith(REVOKED):
        yield REVOKED_CREDENTIALS.found(code=identity.code)
    else:
        yield UNKNOWN_OWNER.found(why=identity.why)


def access(snapshot: Snapshot) -> Findings:
    """Yield one finding for each forbidden action, one for each other error code of refused calls,
    and one for each list that was read only in part."""
    refused = [unread for unread in snapshot.refused if not unread.action.startswith("sts:")]
    for action in dict.fromkeys(unread.action for unread in refused if unread.is_forbidden):
        yield FORBIDDEN.found(_grant_inspector(snapshot.identity), action=action)
    yield from _unanswered([unread for unread in refused if _is_unexplained(unread)])
    for unread in refused:
        if unread.is_partial:
            yield BEYOND.found(count=unread.why, subject=unread.subject)


def _unanswered(refused: list[Unread]) -> Iterator[Finding]:
    for code in dict.fromkeys(unread.code for unread in refused):
        same = [unread for unread in refused if unread.code == code]
        yield UNANSWERED.found(count=len(same), subject=same[0].subject, why=same[0].why)


def _grant_inspector(identity: Identity | Unread) -> str:
    name = "NAME" if isinstance(identity, Unread) else identity.name or "NAME"
    if not isinstance(identity, Unread) and identity.kind == "AssumedRoleUser":
        return grant_command("inspector", f"ToRole --RoleName {name}")
    return grant_command("inspector", f"ToUser --UserName {name}")


def grant_command(policy: str, whom: str) -> str:
    """Return the aliyun commands, joined by `&&`, that create the RAM policy of
    deploy/ram/`policy`.json and attach it to a user or role. `whom` names the user or role, as in
    `ToUser --UserName NAME`."""
    name = f"live-record-{policy}"
    attach, _space, rest = whom.partition(" ")
    return (
        f"aliyun ram CreatePolicy --PolicyName {name}"
        f' --PolicyDocument "$(cat deploy/ram/{policy}.json)"'
        f" && aliyun ram AttachPolicy{attach} --PolicyType Custom --PolicyName {name} {rest}"
    )


REPORTED_ELSEWHERE = (
    NOBODY,
    *REVOKED,
    "InvalidDomain",
    "CodeConfigNotFound",
    "InvalidConfig",
    "NoSuchBucket",
    "WrongEndpoint",
)


def _is_unexplained(unread: Unread) -> bool:
    is_reported = unread.is_partial or unread.code.startswith(REPORTED_ELSEWHERE)
    return not unread.is_forbidden and not is_reported


CHECKS = (
    Check(
        "credentials", N_("`doctor` has credentials, and they are not the root key"), credentials
    ),
    Check(
        "access",
        N_("the credentials may read everything that `doctor` checks"),
        access,
        after=("credentials",),
    ),
)
