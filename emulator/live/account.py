"""The emulated Alibaba Cloud account: credentials, domains, rules, callbacks, buckets.

`load_account` reads it from one TOML file; tests build it with `replace`. It is the initial state
only: backend.py holds the later changes by API calls.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from emulator.live.fields import Fields, Unfit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore] # 3.10 only

DEVELOPMENT = Path(__file__).with_name("account.toml")

AUTOMATIC, ASK, PUSH_URL, MANUAL = 0, 1, 2, 7  # OnDemand, docs/platform/live.md §5


REFUSED, TAKES_OVER, BACKUP = "refused", "takes_over", "backup"
IDENTITIES = ("RAMUser", "AssumedRoleUser", "Account")
OSS_ENDPOINT = "oss-cn-shanghai.aliyuncs.com"
PREFIX = "record/{AppName}/{StreamName}/{StartTime}_{EndTime}"
SLICE_PREFIX = "record/{AppName}/{StreamName}/{UnixTimestamp}_{Sequence}"
"""The prefix of the names of M3U8 segments. Both prefixes are examples in the SDK's models."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key; `identity` is its IdentityType, and Account is the root key."""

    access_key: str
    secret: str
    security_token: str | None = None
    identity: str = "RAMUser"


@dataclass(frozen=True, slots=True)
class Domain:
    streaming: str
    ingest: tuple[str, ...]
    transcodings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """One OSS bucket; `expires_days` is its lifecycle rule, if it has one. Pages of `cors_origins`
    may read it; by default, every page may."""

    name: str
    endpoint: str
    expires_days: int | None = None
    cors_origins: tuple[str, ...] = ("*",)

    def lets_read(self, origin: str) -> bool:
        return any(fnmatchcase(origin, pattern) for pattern in self.cors_origins)


DEVELOPMENT_BUCKET = Bucket("dev-bucket", OSS_ENDPOINT)


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording configuration; "*" means all apps or all streams (docs/platform/live.md §6).

    `api_fields` holds the rest of it, as the fields that the Describe API returns.
    """

    domain: str
    app: str
    stream: str
    on_demand: int
    delay_ms: int = 180_000
    cycle_ms: int = 3_600_000
    formats: tuple[str, ...] = ("mp4",)
    storage: str = "oss"
    bucket: str = ""
    created_ms: int = 0
    api_fields: Mapping[str, object] = field(default_factory=dict)
    window: tuple[int, int] | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.domain, self.app, self.stream

    def covers(self, domain: str, app: str, stream: str) -> bool:
        return self.domain == domain and self.app in ("*", app) and self.stream in ("*", stream)

    def is_in_force(self, at_ms: int) -> bool:
        """Return False for a timed configuration outside its window."""
        return self.window is None or self.window[0] <= at_ms < self.window[1]

    def rank(self) -> tuple[bool, bool]:
        """Return the precedence: domain+app+stream before domain+app before domain."""
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
    vod_url: str = ""
    vod_key: str = ""


@dataclass(frozen=True, slots=True)
class Manners:
    """Timing and retries of callback delivery (docs/platform/live.md §2)."""

    publish_delay_ms: int = 0
    timeout_ms: int = 5_000
    retries: int = 5
    retry_wait_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Ingest:
    """Settings of RTMP ingest (docs/platform/live.md §2 Timing).

    With an `auth_key`, publish URLs must be signed. A signature is valid for `auth_valid_s` from
    the time that it names. The effect of a second publisher of a stream is UNCONFIRMED.
    """

    publish_delay_ms: int = 2_000
    idle_ms: int = 10_000
    auth_key: str = ""
    auth_valid_s: int = 1_800
    second_publisher: str = REFUSED


@dataclass(frozen=True, slots=True)
class Account:
    credentials: tuple[Credential, ...]
    domains: tuple[Domain, ...]
    rules: tuple[Rule, ...]
    notify: Notify
    manners: Manners = Manners()
    ingest: Ingest = Ingest()
    commands_per_second: int = 50
    buckets: tuple[Bucket, ...] = ()

    def credential(self, access_key: str) -> Credential | None:
        found = (each for each in self.credentials if each.access_key == access_key)
        return next(found, None)


def load_account(path: Path | None = None) -> Account:
    """Return the account; raise Unfit with every fault of the file."""
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
        buckets=tuple(_bucket(row) for row in top.tables("bucket")) or (DEVELOPMENT_BUCKET,),
        notify=_notify(table := top.table("callbacks")),
        manners=_manners(table),
        ingest=_ingest(top.table("ingest")),
    )
    if not account.credentials or not account.domains:
        top.fault("an account needs at least one [[credential]] and one [[domain]]")
    top.raise_faults()
    return account


def _credential(row: Fields) -> Credential:
    return Credential(
        row.text("access_key"),
        row.text("secret"),
        row.maybe_text("security_token"),
        row.word("identity", IDENTITIES, "RAMUser"),
    )


def _bucket(row: Fields) -> Bucket:
    days = row.maybe_number("expires_days", least=1, most=36_500)
    return Bucket(row.text("name"), row.text("endpoint", OSS_ENDPOINT), days)


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
        formats=row.texts("formats", ["flv"]),
        bucket=row.text("bucket", DEVELOPMENT_BUCKET.name),
    )
    rule = replace(rule, api_fields=_api_fields(rule, row.text("endpoint", OSS_ENDPOINT)))
    if rule.on_demand not in (AUTOMATIC, ASK, PUSH_URL, MANUAL):
        row.fault("on_demand must be 0 (automatic), 1 (asks), 2 (push URL) or 7 (manual)")
    return rule


def _api_fields(rule: Rule, endpoint: str) -> dict[str, object]:
    each: dict[str, object] = {"CycleDuration": rule.cycle_ms // 1000, "OssObjectPrefix": PREFIX}
    formats = [{"Format": name, **each} for name in rule.formats]
    return {
        "OssBucket": rule.bucket,
        "OssEndpoint": endpoint,
        "RecordFormatList": {"RecordFormat": formats},
    }


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
        vod_url=table.text("vod_url", ""),
        vod_key=table.text("vod_key", ""),
    )


def _manners(table: Fields) -> Manners:
    return Manners(
        publish_delay_ms=table.number("publish_delay_ms", 0),
        timeout_ms=table.number("timeout_ms", 5_000, least=1),
        retries=table.number("retries", 5),
        retry_wait_ms=table.number("retry_wait_ms", 1_000),
    )


def _ingest(table: Fields) -> Ingest:
    return Ingest(
        publish_delay_ms=table.number("publish_delay_ms", 2_000),
        idle_ms=table.number("idle_ms", 10_000, least=1),
        auth_key=table.text("auth_key", ""),
        auth_valid_s=table.number("auth_valid_s", 1_800),
        second_publisher=table.word("second_publisher", (REFUSED, TAKES_OVER, BACKUP), REFUSED),
    )
