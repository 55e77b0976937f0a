"""The Snapshot: everything that doctor has read, as plain values.

cli.doctor.collect builds it and every check reads it. It must know neither requests nor answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cli.recording_precedence import possibly_used
from shared.protocol.policy import Policy

Json = Mapping[str, Any]

AUTOMATIC, ASKS, PUSH_URL, MANUAL = 0, 1, 2, 7
"""OnDemand of a recording configuration (docs/platform/live.md §5)."""
DEFAULT_INSTANCES = 100
"""The default quota of Function Compute in a region (docs/platform/function-compute.md §5)."""
FORBIDDEN = ("Forbidden", "NoPermission", "AccessDenied")
"""Codes of missing permissions begin with one of these."""
NOBODY, NO_ANSWER = "InvalidCredentials", "NoAnswer"
"""Our own codes: no credentials, and a stage that does not answer at all."""

LEFT_OUT = "LeftOut"
"""Our own code: doctor has read only the beginning of the list. `why` is then the number of entries
that it has read."""
OTHER = "OTHER"
"""Stands in a command for the name of another stage."""

_EXPLAINED = {"InvalidDomain": "domain", "NoSuchBucket": "bucket", "WrongEndpoint": "bucket"}


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the Snapshot that could not be read: `subject` names it, and `why` is the cause.

    `action` is the action's name in RAM, empty if Alibaba Cloud was not called. `code` is Alibaba
    Cloud's error code or one of our own; it is empty if the stage refused the request.
    """

    subject: str
    why: str
    action: str = ""
    code: str = ""

    @property
    def is_forbidden(self) -> bool:
        return self.code.startswith(FORBIDDEN)

    @property
    def is_partial(self) -> bool:
        """Return True if the beginning of the part was read, False if nothing was."""
        return self.code == LEFT_OUT

    @property
    def is_of_account(self) -> bool:
        """Return True if the part was to come from Alibaba Cloud, False if from the stage."""
        return bool(self.action) or self.code == NOBODY

    @property
    def explained_by(self) -> str:
        """Return the name of the check that reports the error `code` as a finding of its own; empty
        if none does."""
        return next((check for code, check in _EXPLAINED.items() if self.code.startswith(code)), "")


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of the credentials.

    `kind` is Account (the root key), RAMUser or AssumedRoleUser; `name` is the RAM user or role.
    """

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of a recording configuration. `prefix` is the template for the object names of
    its files, `segments` that for the segments of an M3U8; "" means that Live chooses the names."""

    name: str
    prefix: str
    segments: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording configuration, into OSS or VOD. `app` and `stream` are "*" if it is for every
    application or stream.

    `bucket` is empty for VOD. `created_ms` is None if Live does not return it.
    """

    domain: str
    app: str
    stream: str
    on_demand: int | None
    delay_ms: int | None
    formats: tuple[Format, ...] = ()
    bucket: str = ""
    endpoint: str = ""
    created_ms: int | None = None

    @property
    def is_vod(self) -> bool:
        return not self.bucket

    def __str__(self) -> str:
        return f"{self.domain}/{self.app}/{self.stream}"

    @property
    def place(self) -> tuple[str, str]:
        return self.app, self.stream


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback configuration of one domain; its key is never shown.

    If Live does not return the signing settings, `signs` is None and `key` is empty.
    """

    domain: str
    url: str
    signs: bool | None
    key: str = field(default="", repr=False)
    on_demand_url: str = ""
    status: bool = False


@dataclass(frozen=True, slots=True)
class Online:
    app: str
    stream: str
    published_ms: int


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """Live's record of a callback that did not arrive, or that reported an error. `code` says why
    it did not arrive, or which error it reported."""

    kind: str
    stream: str
    code: str
    at: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A streaming domain of the policy, as Live has it.

    `mapping` holds the name and the type of each domain that Live binds to this one. A callback
    configuration that does not exist is None. If a list was too long to read to its end, `beyond`
    has an Unread for the rest, by the list's name.
    """

    name: str
    mapping: Sequence[tuple[str, str]] | Unread
    recordings: Sequence[Recording] | Unread
    vod: Sequence[Recording] | Unread
    record_callback: Callback | Unread | None
    stream_callbacks: Mapping[str, Callback | Unread | None]
    online: Sequence[Online] | Unread = ()
    lost: Sequence[CallbackRecord] | Unread = ()
    broken: Sequence[CallbackRecord] | Unread = ()
    beyond: Mapping[str, Unread] = field(default_factory=dict)

    @property
    def knows_all_configurations(self) -> bool:
        """Return True if the configurations into OSS and those into VOD were read to the end."""
        names = ("recordings", "vod")
        unread = any(isinstance(getattr(self, name), Unread) for name in names)
        return not unread and self.beyond.keys().isdisjoint(names)

    @property
    def configurations(self) -> Sequence[Recording]:
        """Return the recording configurations into OSS and into VOD, as far as they could be
        read."""
        both = (self.recordings, self.vod)
        return [
            configuration
            for configurations in both
            if not isinstance(configurations, Unread)
            for configuration in configurations
        ]

    def configuration(self, app: str, stream: str) -> Recording | None:
        """Return the recording configuration that applies to a stream, None if there is none."""
        used = possibly_used(self.configurations, lambda each: each.place, app, stream)
        return next(iter(used), None)

    @property
    def live(self) -> Sequence[Online]:
        """Return the live streams, none if they could not be read."""
        return () if isinstance(self.online, Unread) else self.online

    @property
    def ingest(self) -> Sequence[str]:
        if isinstance(self.mapping, Unread):
            return ()
        return [name for name, kind in self.mapping if kind == "publish"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of OSS. `expires_days`: after how many days its rules delete an object at the
    earliest, None if they delete none. `readers`: the origins, with wildcards, whose pages may read
    the bucket by its CORS rules."""

    name: str
    endpoint: str
    expires_days: int | None = None
    readers: tuple[str, ...] = ()
    has_cors_rules: bool = False


@dataclass(frozen=True, slots=True)
class CallbackProbe:
    """The answer of a callback URL that doctor has called.

    `status` is 0 without an answer; `ours`: the answer looks like one of a live-record stage;
    `signed`: the call was signed with the key that Live holds.
    """

    url: str
    status: int
    ours: bool
    signed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function in Function Compute.

    `serving` is the version that the alias release points to, or None if there is no alias.
    `newest` is its newest version, or 0 if it has none. `triggers` holds, by the trigger's name,
    the alias or version that each trigger calls.
    """

    runtime: str
    serving: int | None
    newest: int
    triggers: Mapping[str, str]

    @property
    def is_behind(self) -> bool:
        return self.serving is not None and self.serving < self.newest


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed in the region: the functions of all stages, how many instances all functions
    of the account reserve, and to which qualifier each route of each custom domain points."""

    region: str
    functions: Mapping[str, DeployedFunction]
    reserved: int
    routes: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class StageRef:
    """The stage that is checked.

    `options` are the command options that name it; `live` is the option that names an emulator, for
    commands that call Live; `instances` is the region's quota. `is_local`: `make dev` runs it.
    """

    url: str
    options: str
    live: str = ""
    instances: int = DEFAULT_INSTANCES
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was read.

    `clock_offset_ms`: how far the stage's clock is ahead of Live's.
    `examined`: the answer of GET /v1/doctor.
    `listed`: the streams that the stage knows.
    `schedules`: the stage's schedules, as GET /v1/schedules lists them.
    `unreadable`: the streams whose record the stage cannot read.
    `known`: for each secret that Live holds, as "kind:secret", whether the stage knows it.
    `path_kinds`: for each path token that the stage knows, the kind of callback that the token is
    valid for, or "all".
    `refused`: calls with the account's credentials that failed.
    `now_ms`: when the snapshot was read.
    `deployment`: what is deployed; None for a stage on this machine.
    `service_roles`: which of Alibaba Cloud's own roles exist; None for a stage on this machine.
    """

    stage_ref: StageRef
    identity: Identity | Unread
    clock_offset_ms: int | Unread
    health: Json | Unread
    examined: Json | Unread
    policy: Policy | Unread
    listed: Sequence[Json] | Unread
    schedules: Sequence[Json] | Unread = ()
    unreadable: Sequence[str] = ()
    domains: Sequence[Domain] = ()
    buckets: Mapping[tuple[str, str], Bucket | Unread] = field(default_factory=dict)
    probes: Mapping[str, CallbackProbe] = field(default_factory=dict)
    known: Mapping[str, bool | None] = field(default_factory=dict, repr=False)
    path_kinds: Mapping[str, str] = field(default_factory=dict, repr=False)
    refused: Sequence[Unread] = ()
    now_ms: int = 0
    deployment: Deployment | Unread | None = None
    service_roles: frozenset[str] | Unread | None = None

    def unread(self, names: Iterable[str]) -> Sequence[Unread]:
        """Return what could not be read among the parts with these names. A name is that of a field
        of the Snapshot, or of a field of its domains."""
        found: dict[Unread, None] = {}
        for name in names:
            own = getattr(self, name, None)
            parts = [own] if name in self.__slots__ else self._parts_of_domains(name)
            each = chain.from_iterable(p.values() if isinstance(p, Mapping) else [p] for p in parts)
            found |= {part: None for part in each if isinstance(part, Unread)}
        return list(found)

    def _parts_of_domains(self, name: str) -> list[Any]:
        """Return this part of each domain, and the rest of those that were not read to the end."""
        rests = [domain.beyond[name] for domain in self.domains if name in domain.beyond]
        return [*(getattr(domain, name) for domain in self.domains), *rests]

    @property
    def observes(self) -> bool:
        """Return True if the stage decides everything and sends nothing."""
        return not isinstance(self.examined, Unread) and self.examined["mode"] == "observe"

    @property
    def other_hosts(self) -> Sequence[str]:
        """Return the hosts of the stage that this one may take over from, or has taken over from
        (docs/disaster.md)."""
        return (self.setting("callback_hosts") or ())[1:]

    @property
    def is_standby(self) -> bool:
        """Return True if the stage observes until it takes over from another stage, which acts and
        configures Live."""
        return self.observes and bool(self.other_hosts)

    def fix_command(self, command: str) -> str:
        live = self.stage_ref.live if command.startswith("setup") else ""
        return f"live-record {command} {self.stage_ref.options}{live}"

    def setup_command(self, options: str = "") -> str:
        """Return the command that configures Live as the stage needs it. For a standby, the command
        names the stage that acts, because setup for the standby would take the callbacks from that
        stage."""
        command = f"setup {options}".strip()
        if self.is_standby:
            return f"live-record {command} --stage {OTHER}{self.stage_ref.live}"
        return self.fix_command(command)

    def apply_command(self) -> str:
        """Return the command that applies the policy. For a stage that only observes, the command
        names the policy file of this stage, whose mode is observe; another file would let the stage
        act."""
        name = f"policy.{self.stage_name}.toml" if self.observes else "policy.toml"
        return self.fix_command(f"policy apply {name}")

    def deploy_command(self) -> str:
        """Return the command that deploys the stage again; empty if the stage's name is unknown."""
        if self.stage_ref.is_local:
            return "make dev"
        return "" if isinstance(self.examined, Unread) else f"make deploy STAGE={self.stage_name}"

    @property
    def stage_name(self) -> str:
        return "" if isinstance(self.examined, Unread) else str(self.examined["stage"])

    @property
    def store(self) -> Json:
        """Return what the stage says about its store; empty if the stage could not be read."""
        return {} if isinstance(self.examined, Unread) else self.examined["store"]

    @property
    def problems(self) -> Sequence[Json]:
        """Return the problems that the stage reports."""
        return () if isinstance(self.health, Unread) else self.health.get("problems", ())

    def knows(self, kind: str, secret: str) -> bool | None:
        """Return whether the stage knows a secret; None if that could not be read.

        `kind` is stream_key, record_key or path_token.
        """
        return self.known.get(f"{kind}:{secret}")

    def setting(self, name: str) -> Any:  # noqa: ANN401 - as GET /v1/doctor has it
        return None if isinstance(self.examined, Unread) else self.examined["settings"].get(name)
