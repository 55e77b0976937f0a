"""The settings of a stage, from the environment variables that begin with LIVE_RECORD_.

Composition and the command line read them. The environment is an argument; this module never reads
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from shared.config import values
from shared.config.path_tokens import path_tokens_of
from shared.config.robots import Robot, robots
from shared.config.store_keys import StoreKey
from shared.config.strength import MAKE_ONE, weaknesses
from shared.config.suggestions import did_you_mean
from shared.config.tokens import Tokens, digest_of, read_tokens
from shared.errors import Fault, Misconfigured
from shared.protocol.durations import duration
from shared.protocol.policy import Mode, Policy
from shared.store import store_url

PREFIX: Final = "LIVE_RECORD_"
DEV: Final = "dev"
MISSING: Final = "MissingParam"
EMULATOR: Final = "FC_EMULATOR"
"""Set only by the emulator of Function Compute. On Function Compute nobody can set it, because the
prefix is reserved and the variable is removed (docs/platform/function-compute.md §1.5)."""

T = TypeVar("T")


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of a stage, which docs/settings.md explains. Durations are in ms."""

    stage: str
    store: str
    store_id: str
    policy: str
    api_tokens: Tokens
    stream_keys: tuple[str, ...]
    record_keys: tuple[str, ...]
    path_tokens: tuple[str, ...]
    callback_hosts: tuple[str, ...]
    rate: float
    max_concurrent: int | None
    live_endpoint: str
    live_protocol: str
    wake_url: str
    wake_key: str
    relay_url: str
    forward_hosts: tuple[str, ...]
    webhook_hosts: tuple[str, ...]
    webhook_secrets: Mapping[str, str]
    deliver_hosts: tuple[str, ...]
    deliver_credentials: tuple[StoreKey, ...]
    heartbeat_url: str
    robots: tuple[Robot, ...]
    files_url: str
    bucket: str
    oss_endpoint: str
    oss_protocol: str
    relay_key: str
    on_demand_default: bool
    lazy_imports: bool
    dev_clock: str
    is_emulated: bool
    mode: Mode
    max_duration: int
    hold: int
    merge_delay: int
    signature_window: int
    keep: int
    keep_ledger: int

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "Settings(…)"

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, of_stage: bool = False) -> Settings:
        """Return the settings in the environment variables `env`. Raise Misconfigured with every
        fault and what to do about each.

        If `of_stage`, `env` holds the variables of all functions, and a missing secret is a fault.
        Otherwise `env` holds the variables of one function, which gets only the secrets that it
        uses; so a missing secret is no fault.
        """
        read = _EnvironmentReader(env)
        settings = _settings(read)
        faults = [*read.faults, *read.unknown()]
        named = {fault.field for fault in faults}
        found = [*_contradictions(settings, env), *(_missing(settings) if of_stage else ())]
        faults += [fault for fault in found if fault.field not in named]
        if faults:
            raise Misconfigured(faults)
        return settings

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of this stage, in lower case: those that Live calls, and those of the
        stage's own functions. A host includes its port if it has one."""
        own = (urlsplit(self.wake_url).netloc, urlsplit(self.relay_url).netloc)
        return tuple(host.lower() for host in (*self.callback_hosts, *own) if host)

    @property
    def callback_host(self) -> str:
        """Return the host that Live should call; "" if the settings name none."""
        return next(iter(self.callback_hosts), "")

    @property
    def all_path_tokens(self) -> tuple[str, ...]:
        """Return every valid last part of a callback URL: the token of each kind, and the secrets
        themselves, which release 0.2 used."""
        return (*self.path_tokens, *path_tokens_of(self.path_tokens))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the secrets that no log may show, wherever they occur."""
        own = (self.wake_key, self.relay_key, *store_url.secrets_of(self.store))
        own = (*own, *values.secrets_of_url(self.heartbeat_url))
        own = (*own, *(secret for robot in self.robots for secret in robot.secrets))
        own = (*own, *self.webhook_secrets.values())
        keys = (*self.stream_keys, *self.record_keys, *self.all_path_tokens, *own)
        others = (part for each in self.deliver_credentials for part in (each.secret, each.token))
        return tuple(key for key in (*keys, *others) if key)

    @property
    def sealing_key(self) -> bytes:
        """Return the key with which this function encrypts the cursors of its lists
        (`sealed_text`). All instances of the function derive the same key from its secrets. Nobody
        without these secrets can."""
        known = [*self.secrets, *(token.digest.hex() for token in self.api_tokens.tokens)]
        return digest_of("\n".join(["sealing key", *known]))


def mode_of(settings: Settings, policy: Policy) -> Mode:
    """Return OBSERVE if the settings or the policy demand it, else ACT."""
    return Mode.OBSERVE if Mode.OBSERVE in (settings.mode, policy.mode) else Mode.ACT


def names() -> tuple[str, ...]:
    """Return the names of all settings, such as LIVE_RECORD_STORE, in the order in which they are
    read."""
    read = _EnvironmentReader({})
    _settings(read)
    return tuple(read.taken)


class _EnvironmentReader:
    """Reads variables one by one and collects faults. An empty variable counts as unset."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.is_emulated = bool(env.get(EMULATOR))
        self.taken: list[str] = []
        self.faults: list[Fault] = []

    def take(
        self, name: str, read: Callable[[str], T], default: str = "", *, missing: str = ""
    ) -> T:
        """Return the value of the variable `name`, parsed by `read`. If the value is wrong, note
        the fault and return the default, so that later faults are found too. If the variable is
        unset and `missing` is not "", note a fault with this text."""
        self.taken.append(PREFIX + name)
        value = self._env.get(PREFIX + name, "").strip()
        if missing and not value:
            self.faults.append(Fault(PREFIX + name, f"is missing: {missing}", MISSING))
        try:
            return read(value or default)
        except ValueError as error:
            self.faults.append(Fault(PREFIX + name, str(error)))
        return read(default)

    def unknown(self) -> Iterator[Fault]:
        for name in sorted(self._env):
            if name.startswith(PREFIX) and name not in self.taken:
                yield Fault(name, did_you_mean(name, self.taken, prefix=PREFIX))


def _settings(read: _EnvironmentReader) -> Settings:
    protocol, endpoint = read.take("LIVE_ENDPOINT", values.endpoint, "live.aliyuncs.com")
    oss_protocol, oss_endpoint = read.take("OSS_ENDPOINT", values.oss_endpoint)
    return Settings(
        stage=read.take("STAGE", values.stage, DEV),
        store=read.take("STORE", values.store, missing=values.STORES),
        store_id=read.take("STORE_ID", values.store_id),
        policy=read.take("POLICY", values.policy, "policy.json"),
        api_tokens=read.take("API_TOKENS", read_tokens),
        stream_keys=read.take("STREAM_KEYS", values.keys(64)),
        record_keys=read.take("RECORD_KEYS", values.keys(32)),
        path_tokens=read.take("PATH_TOKENS", values.path_tokens),
        callback_hosts=read.take("CALLBACK_HOST", values.callback_hosts),
        rate=read.take("RATE", values.rate, "45"),
        max_concurrent=read.take("MAX_CONCURRENT", values.count_or_none),
        live_endpoint=endpoint,
        live_protocol=protocol,
        wake_url=read.take("WAKE_URL", values.url),
        wake_key=read.take("WAKE_KEY", values.own_key),
        relay_url=read.take("RELAY_URL", values.url),
        forward_hosts=read.take("FORWARD_HOSTS", values.hosts),
        webhook_hosts=read.take("WEBHOOK_HOSTS", values.hosts),
        webhook_secrets=read.take("WEBHOOK_SECRETS", values.webhook_secrets),
        deliver_hosts=read.take("DELIVER_HOSTS", values.hosts),
        deliver_credentials=read.take("DELIVER_CREDENTIALS", values.store_keys),
        heartbeat_url=read.take("HEARTBEAT_URL", values.url),
        robots=read.take("ROBOTS", robots),
        files_url=read.take("FILES_URL", values.url),
        bucket=read.take("BUCKET", values.bucket),
        oss_endpoint=oss_endpoint,
        oss_protocol=oss_protocol,
        relay_key=read.take("RELAY_KEY", values.own_key),
        on_demand_default=read.take("ON_DEMAND_DEFAULT", store_url.flag, "false"),
        lazy_imports=read.take("LAZY_IMPORTS", store_url.flag, "true"),
        dev_clock=read.take("DEV_CLOCK", str),
        is_emulated=read.is_emulated,
        mode=read.take("MODE", values.mode, Mode.ACT.value),
        max_duration=read.take("MAX_DURATION", duration, "12h"),
        hold=read.take("HOLD", duration, "12h"),
        merge_delay=read.take("MERGE_DELAY", values.merge_delay, "180s"),
        signature_window=read.take("SIGNATURE_WINDOW", values.signature_window, "5m"),
        keep=read.take("KEEP", values.keep, "30d"),
        keep_ledger=read.take("KEEP_LEDGER", values.keep, "400d"),
    )


def _contradictions(settings: Settings, env: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the faults that show only when settings are compared. Each function on Function Compute
    has its own file system, so SQLite cannot be the store there."""
    emulated = settings.is_emulated
    on_fc = bool(env.get("FC_FUNC_CODE_PATH") or env.get("FC_ACCOUNT_ID"))
    if on_fc and not emulated and settings.store.startswith("sqlite:"):
        yield _fault("STORE", "SQLite is for one machine: on Function Compute use `redis://…`")
    if settings.bucket and not settings.oss_endpoint:
        yield _fault(
            "OSS_ENDPOINT",
            "is missing, but LIVE_RECORD_BUCKET is set: write `oss-REGION.aliyuncs.com`",
            MISSING,
        )
    if settings.oss_endpoint and not settings.bucket:
        yield _fault(
            "BUCKET",
            "is missing, but LIVE_RECORD_OSS_ENDPOINT is set: write the bucket's name",
            MISSING,
        )
    if settings.record_keys and not settings.callback_host:
        yield _fault(
            "CALLBACK_HOST",
            "is missing, but LIVE_RECORD_RECORD_KEYS is set: write the host of the callback URLs,"
            " for which Live signs callbacks",
            MISSING,
        )
    if settings.stage != DEV or not emulated:
        yield from _unfit(settings, env)


def _missing(settings: Settings) -> Iterator[Fault]:
    if settings.wake_url and not settings.wake_key:
        yield _fault(
            "WAKE_KEY", f"is missing, but LIVE_RECORD_WAKE_URL is set: {MAKE_ONE}", MISSING
        )
    if settings.relay_url and not settings.relay_key:
        yield _fault(
            "RELAY_KEY", f"is missing, but LIVE_RECORD_RELAY_URL is set: {MAKE_ONE}", MISSING
        )
    if not settings.api_tokens.tokens:
        yield _fault(
            "API_TOKENS", f"is missing: nobody could ask for a recording; {MAKE_ONE}", MISSING
        )


def _unfit(settings: Settings, env: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a fault for each setting that only the emulator's stage dev may have."""
    if settings.dev_clock:
        yield _fault("DEV_CLOCK", f"is only for the stage {DEV} in the emulator: unset it")
    protocols = {
        "LIVE_ENDPOINT": settings.live_protocol,
        "OSS_ENDPOINT": settings.oss_protocol,
        "WAKE_URL": settings.wake_url.partition("://")[0],
        "RELAY_URL": settings.relay_url.partition("://")[0],
        "HEARTBEAT_URL": settings.heartbeat_url.partition("://")[0],
    }
    if any(robot.url.startswith("http:") for robot in settings.robots):
        protocols["ROBOTS"] = "http"
    for name in (name for name, protocol in protocols.items() if protocol.lower() == "http"):
        yield _fault(name, f"http is only for the stage {DEV} in the emulator: use `https`")
    for name, detail in weaknesses(_secrets(settings), settings.api_tokens):
        yield _fault(name, detail)
    if env.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET") == "dev-secret":
        yield Fault(
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            "is the key of the emulator: give the function a role",
        )


def _secrets(settings: Settings) -> dict[str, Sequence[str]]:
    return {
        "STREAM_KEYS": settings.stream_keys,
        "RECORD_KEYS": settings.record_keys,
        "PATH_TOKENS": settings.path_tokens,
        "WAKE_KEY": (settings.wake_key,),
        "RELAY_KEY": (settings.relay_key,),
        "WEBHOOK_SECRETS": tuple(settings.webhook_secrets.values()),
    }


def _fault(name: str, detail: str, code: str = "MalformedParam") -> Fault:
    return Fault(PREFIX + name, detail, code)
