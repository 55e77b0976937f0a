"""The settings of the emulator that s.yaml does not have.

__main__.py fills them from options, tests from keywords.
They hold values only and must not act.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """The credentials that a function with a role gets."""

    access_key_id: str = "dev"
    access_key_secret: str = "dev-secret"  # noqa: S105 -- the development account's
    security_token: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings. The last five are UNCONFIRMED in docs/platform/function-compute.md."""

    quota: int = 100
    idle_seconds: float = 180
    retry_seconds: float = 0.5
    account_id: str = "1234567890123456"
    credentials: Credentials = field(default_factory=Credentials)
    clock_file: Path | None = None
    until_input_ends: bool = False
    freezes: bool = False
    """Whether an instance stands still between its calls (§5). False saves time in most tests."""
    python: str = ""
    """The instances' interpreter, with the standard library only; unset, it is the emulator's own,
    with all its packages."""
    working_directory: Path | None = None  # §1.2: where does a handler start? None: in its code
    strip_prefix: bool = False  # §2.1: is a route's prefix taken off the path?
    base64_always: bool = False  # §2.1: which bodies count as binary?
    async_raw_body: bool = False  # §3.2: is the body the event of an asynchronous HTTP call?
    error_status: int = 502  # §2.3: what an HTTP client gets when a handler raises
