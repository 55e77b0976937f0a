"""Where doctor reads from: the stage's API, the account, OSS.

The collectors call it. What cannot be read is returned as an Unread, never raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cli.account import Account, Declined
from cli.api import Api
from cli.doctor.snapshot import Bucket, Unread
from cli.errors import Failure

T = TypeVar("T")
NOBODY = "InvalidCredentials"
"""Our own code: there are no credentials to call with."""


@dataclass(slots=True)
class Sources:
    """`account` is None without credentials; then `why` is the cause."""

    api: Api
    account: Account | None
    bucket: Callable[[Account, str, str], Bucket]
    why: str = ""
    refused: list[Unread] = field(default_factory=list)

    def stage(self, subject: str, read: Callable[[], T]) -> T | Unread:
        try:
            return read()
        except Failure as error:
            return Unread(subject, str(error))

    def cloud(self, subject: str, service: str, read: Callable[[Account], T]) -> T | Unread:
        """Read from the account; `service` is its name in RAM: live, oss or sts."""
        try:
            if self.account is not None:
                return read(self.account)
            unread = Unread(subject, self.why, "", NOBODY)
        except Declined as error:
            unread = Unread(subject, str(error), f"{service}:{error.action}", error.code)
        self.refused.append(unread)
        return unread
