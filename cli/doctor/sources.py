"""The sources that doctor reads: the stage's API, the account, OSS.

The collectors call this module. It must not raise: a failed read returns an Unread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cli.account import Account, Declined
from cli.api import Api
from cli.doctor.snapshot import LEFT_OUT, NO_ANSWER, NOBODY, Bucket, Unread
from cli.errors import Failure, StageRefusal, clause_of

T = TypeVar("T")


@dataclass(slots=True)
class Sources:
    """Reads each source, and collects in `refused` what could not be read from the account. Without
    credentials, `account` is None, and `why` is the cause."""

    api: Api
    account: Account | None
    bucket: Callable[[Account, str, str], Bucket]
    why: str = ""
    compute: str = ""
    """The address of Function Compute's API, empty if the stage does not run there."""
    region: str = ""
    refused: list[Unread] = field(default_factory=list)

    def stage(self, subject: str, read: Callable[[], T]) -> T | Unread:
        try:
            return read()
        except StageRefusal as error:
            return Unread(subject, clause_of(error))
        except Failure as error:
            return Unread(subject, clause_of(error), code=NO_ANSWER)

    def cloud(self, subject: str, service: str, read: Callable[[Account], T]) -> T | Unread:
        """Return what `read` returns. If it fails, or if there are no credentials, return an
        Unread, and add that to `refused`.

        `service` is the service's name in RAM: live, oss, sts, fc or ram.
        """
        try:
            if self.account is not None:
                return read(self.account)
            unread = Unread(subject, self.why, "", NOBODY)
        except Declined as error:
            unread = Unread(subject, str(error), f"{service}:{error.action}", error.code)
        self.refused.append(unread)
        return unread

    def rest_of(self, subject: str, action: str, count: int) -> Unread:
        """Return an Unread for the rest of one of Live's lists, of which `count` entries were
        read."""
        rest = Unread(subject, str(count), f"live:{action}", LEFT_OUT)
        self.refused.append(rest)
        return rest
