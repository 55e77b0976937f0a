"""Deploys of the stage prod to the emulator of Function Compute, with a double of `s`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.deploying.fingerprints import fingerprints
from cli.deploying.release import STEPS, Release, release
from cli.deploying.rollback import plan_rollback, roll_back
from cli.deploying.stage import Stage, stage_named
from cli.packaging import PACKAGES
from emulator.fc_control.account import Account
from tests.support.fc3 import FakeServerless, calls_to

ROOT = Path(__file__).parents[2]
DOMAIN = "record.example.com"
SOUND = {
    "LIVE_RECORD_STORE": "rediss://user:hush@store.example.com:6380/0",
    "LIVE_RECORD_API_TOKENS": "ops:read+control:s3cr3t-s3cr3t-s3cr3t",
    "LIVE_RECORD_STREAM_KEYS": "K3yK3yK3yK3yK3y0",
    "LIVE_RECORD_RECORD_KEYS": "K3yK3yK3yK3yK3y2",
    "LIVE_RECORD_PATH_TOKENS": "unguessable-path-1",
    "LIVE_RECORD_CALLBACK_HOST": "fc.example.com",
    "LIVE_RECORD_WAKE_KEY": "unguessable-wake-1",
    "LIVE_RECORD_LOG_PROJECT": "logs",
    "LIVE_RECORD_LOG_STORE": "live-record",
    "LIVE_RECORD_VPC": "vpc-1",
    "LIVE_RECORD_SECURITY_GROUP": "sg-1",
    "LIVE_RECORD_VSWITCH": "vsw-1",
    "LIVE_RECORD_DOMAIN": DOMAIN,
    "LIVE_RECORD_CERTIFICATE": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "LIVE_RECORD_CERTIFICATE_KEY": "-----BEGIN KEY-----\npr1vate\n-----END KEY-----",
    "LIVE_RECORD_FAILURES": "acs:mns:cn-shanghai:1:/queues/failures/messages",
}
FUNCTIONS = stage_named("prod", SOUND).functions()


def ready_account(**options: bool) -> Account:
    """Return an account whose domain leads to it and is filed."""
    return Account(cnames={DOMAIN}, filed={DOMAIN}, **options)  # type: ignore[arg-type] # only flags are passed


@dataclass
class Deploys:
    """The deploys of one account; `day` makes each label later than the one before."""

    account: Account
    environment: dict[str, str] = field(default_factory=lambda: dict(SOUND))
    listen: Callable[[tuple[str, ...]], None] = lambda _words: None
    day: int = 0
    said: list[str] = field(default_factory=list)
    name: str = "prod"

    def stage(self, code: str = "1") -> Stage:
        return stage_named(
            self.name, self.environment, codes={each.variable: Path(code) for each in PACKAGES}
        )

    def s(self, stage: Stage) -> FakeServerless:
        return FakeServerless(stage, calls_to(self.account), self.listen)

    def deploy(
        self, code: str = "1", *, only: Sequence[str] = STEPS, dry_run: bool = False
    ) -> Sequence[str]:
        """Deploy the code of this name; return what changed. `said` has the lines printed
        meanwhile."""
        self.day += 1
        self.said = []
        stage = self.stage(code)
        at = f"2026-11-{self.day:02}T20:00:00Z"
        label = f"{at} live-record 0.2.0 {code:0>12} secrets: {fingerprints(stage.environment)}"
        wanted = Release(label, lambda _props: code, only, dry_run)
        return release(stage, self.s, wanted, self.said.append).changes

    def roll_back(self) -> list[str]:
        """Roll back; return the lines printed."""
        s = self.s(self.stage())
        plan = plan_rollback(s, FUNCTIONS)
        lines = [*plan.warnings]
        roll_back(s, plan, lines.append)
        return lines

    def serving(self) -> dict[str, str]:
        """Return the version that `release` of each function points to."""
        aliases = {name: each.aliases for name, each in self.account.functions.items()}
        return {
            name[len("live-record-") : -len(f"-{self.name}")]: kept["release"]["versionId"]
            for name, kept in aliases.items()
            if "release" in kept
        }
