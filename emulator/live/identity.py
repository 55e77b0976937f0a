"""GetCallerIdentity of STS: the identity behind an access key.

actions.py calls this module. The real STS has an address of its own; the emulator answers at
Live's. It knows only the account.
"""

from __future__ import annotations

from emulator.live.account import Account

VERSION = "2015-04-01"
ACCOUNT_ID = "1000000000000000"
USER_ID = "200000000000000000"
ROLE_ID = "300000000000000000"


def caller_identity(account: Account, access_key: str) -> dict[str, object]:
    """Return the identity; its `IdentityType` is Account for the root key."""
    credential = account.credential(access_key)
    kind = credential.identity if credential else "RAMUser"
    body: dict[str, object] = {"AccountId": ACCOUNT_ID, "IdentityType": kind}
    match kind:
        case "Account":
            rest = {"UserId": ACCOUNT_ID, "PrincipalId": ACCOUNT_ID, "Arn": _arn("root")}
        case "AssumedRoleUser":
            arn = _arn("assumed-role/live-record/dev")
            rest = {"RoleId": ROLE_ID, "PrincipalId": f"{ROLE_ID}:dev", "Arn": arn}
        case _:
            rest = {"UserId": USER_ID, "PrincipalId": USER_ID, "Arn": _arn("user/dev")}
    return {**body, **rest}


def _arn(who: str) -> str:
    return f"acs:ram::{ACCOUNT_ID}:{who}"
