"""Who asks, and what they may ask."""

from __future__ import annotations

from cli.doctor.finding import Check, Findings, fault, warning
from cli.doctor.reader import NOBODY
from cli.doctor.seen import Seen, Unread


def credentials(seen: Seen) -> Findings:
    identity = seen.identity
    if isinstance(identity, Unread):
        if identity.code == NOBODY:
            yield fault(
                "there are no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and"
                " ALIBABA_CLOUD_ACCESS_KEY_SECRET, of a RAM user"
            )
        else:
            yield fault(f"who they are of could not be learnt: {identity.why}")
    elif identity == "Account":
        yield fault(
            "they are the account's own root key, which may do everything and cannot be limited:"
            " make a RAM user, and delete the key",
            "aliyun ram CreateUser --UserName live-record-doctor",
        )


def access(seen: Seen) -> Findings:
    """Each action once, however often it was refused."""
    for action in dict.fromkeys(one.action for one in seen.refused if one.is_forbidden):
        yield fault(
            f"these credentials may not {action}: let a RAM policy of theirs allow it, which takes"
            " 1 to 2 minutes to hold"
        )
    for one in {one.why: one for one in seen.refused if _is_other(one)}.values():
        yield warning(f"{one.what} could not be read: {one.why}")


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
