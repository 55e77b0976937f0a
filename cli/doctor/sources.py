"""Asks the stage and the account; what cannot be read becomes an Unread, never an error."""

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
"""Ours: there are no credentials to ask with."""


@dataclass(slots=True)
class Sources:
    """`account` is None without credentials, which `why` says."""

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
        """`service` is that of RAM: live, oss or sts."""
        try:
            if self.account is not None:
                return read(self.account)
            unread = Unread(subject, self.why, "", NOBODY)
        except Declined as error:
            unread = Unread(subject, str(error), f"{service}:{error.action}", error.code)
        self.refused.append(unread)
        return unread
