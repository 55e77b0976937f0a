"""The Alibaba Cloud account that the stand-in plays, read from one TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from emulator.live.fields import Fields, Unfit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # 3.10 only

DEVELOPMENT = Path(__file__).with_name("account.toml")

AUTOMATIC, ASK, PUSH_URL, MANUAL = 0, 1, 2, 7  # OnDemand, facts/live.md §5


@dataclass(frozen=True, slots=True)
class Credential:
    access_key: str
    secret: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    streaming: str
    ingest: tuple[str, ...]
    transcodings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording configuration; "*" stands for all apps or all streams (facts/live.md §6)."""

    domain: str
    app: str
    stream: str
    on_demand: int
    delay_ms: int = 180_000
    cycle_ms: int = 3_600_000
    formats: tuple[str, ...] = ("mp4",)

    def covers(self, domain: str, app: str, stream: str) -> bool:
        return self.domain == domain and self.app in ("*", app) and self.stream in ("*", stream)

    def rank(self) -> tuple[bool, bool]:
        """domain+app+stream before domain+app before domain."""
        return self.stream != "*", self.app != "*"


@dataclass(frozen=True, slots=True)
class Notify:
    stream_url: str
    record_url: str
    on_demand_url: str
    need_status: bool
    stream_key: str
    record_key: str
    exception_url: str = ""
    switch_url: str = ""


@dataclass(frozen=True, slots=True)
class Manners:
    """How Live delivers callbacks (facts/live.md §2)."""

    publish_delay_ms: int = 0
    timeout_ms: int = 5_000
    retries: int = 5
    retry_wait_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Account:
    credentials: tuple[Credential, ...]
    domains: tuple[Domain, ...]
    rules: tuple[Rule, ...]
    notify: Notify
    manners: Manners = Manners()
    commands_per_second: int = 50

    def credential(self, access_key: str) -> Credential | None:
        return next((one for one in self.credentials if one.access_key == access_key), None)

    def domain(self, name: str) -> Domain | None:
        """The domain by its streaming or one of its ingest names."""
        return next((one for one in self.domains if name in (one.streaming, *one.ingest)), None)


def load_account(path: Path | None = None) -> Account:
    """Raises Unfit, whose faults name everything wrong with the file."""
    file = path or DEVELOPMENT
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unfit([f"the account file {file} cannot be read: {error}"]) from error
    return _account(Fields(table))


def _account(top: Fields) -> Account:
    account = Account(
        commands_per_second=top.number("commands_per_second", 50, least=1),
        credentials=tuple(_credential(row) for row in top.tables("credential")),
        domains=tuple(_domain(row) for row in top.tables("domain")),
        rules=tuple(read_rule(row) for row in top.tables("recording")),
        notify=_notify(table := top.table("callbacks")),
        manners=_manners(table),
    )
    if not account.credentials or not account.domains:
        top.fault("an account needs at least one [[credential]] and one [[domain]]")
    top.done()
    return account


def _credential(row: Fields) -> Credential:
    return Credential(row.text("access_key"), row.text("secret"), row.maybe_text("security_token"))


def _domain(row: Fields) -> Domain:
    return Domain(row.text("streaming"), row.texts("ingest"), row.texts("transcodings", []))


def read_rule(row: Fields) -> Rule:
    rule = Rule(
        domain=row.text("domain"),
        app=row.text("app", "*"),
        stream=row.text("stream", "*"),
        on_demand=row.number("on_demand", most=MANUAL),
        delay_ms=1000 * row.number("delay_seconds", 180, least=15, most=21_600),
        cycle_ms=1000 * row.number("cycle_seconds", 3_600, least=0, most=86_400),
        formats=row.texts("formats", ["mp4"]),
    )
    if rule.on_demand not in (AUTOMATIC, ASK, PUSH_URL, MANUAL):
        row.fault("on_demand must be 0 (automatic), 1 (asks), 2 (push URL) or 7 (manual)")
    return rule


def _notify(table: Fields) -> Notify:
    return Notify(
        stream_url=table.text("stream_url", ""),
        record_url=table.text("record_url", ""),
        on_demand_url=table.text("on_demand_url", ""),
        need_status=table.flag("need_status", default=True),
        stream_key=table.text("stream_key", ""),
        record_key=table.text("record_key", ""),
        exception_url=table.text("exception_url", ""),
        switch_url=table.text("switch_url", ""),
    )


def _manners(table: Fields) -> Manners:
    return Manners(
        publish_delay_ms=table.number("publish_delay_ms", 0),
        timeout_ms=table.number("timeout_ms", 5_000, least=1),
        retries=table.number("retries", 5),
        retry_wait_ms=table.number("retry_wait_ms", 1_000),
    )
