"""Reads a policy file (TOML or JSON) as a Policy, and reports all mistakes in it at once.

It finds the mistakes that the file alone shows. `stage_policy` finds those that only a comparison
with the stage's settings shows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any, Final, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from shared.config import values
from shared.config.robots import robot_name
from shared.config.suggestions import did_you_mean
from shared.errors import Fault, Misconfigured
from shared.outbox.event import EventType
from shared.protocol.durations import duration, instant, stored_duration
from shared.protocol.object_prefix import DEFAULT_PREFIX, prefix_of
from shared.protocol.policy import (
    COPIED_FORMATS,
    NAME_PARTS,
    AlertSeverity,
    ConditionCode,
    CopyRule,
    Domain,
    ForwardTo,
    Match,
    Mode,
    NamedBucket,
    NotifyRule,
    OnInterruption,
    OnPublish,
    Policy,
    QuietHours,
    Rule,
    Suspension,
    Webhook,
    is_percentage,
)

Kind = Literal["json", "toml"]
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_GLOB: Final = r"[^\s/]{1,256}"
_RECEIVER: Final = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
MAX_WEBHOOK_ENTRIES: Final = 12
"""All receivers share 96 workers (functions/notify/telling.py), so each of twelve gets eight."""
_MAX_SECRET_KEYS: Final = 4
_S3_TARGET: Final = r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^\s\\{}]{0,512}))?"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_BRACES: Final = r"\{([^{}]*)\}"
_MAX_PREFIX_CHARS: Final = 1_024
_MAX_REMARK_CHARS: Final = 200
_MAX_POINTS: Final = 100
_MAX_STREAMS: Final = 9_999_999
"""As in LIVE_RECORD_MAX_CONCURRENT. The store's counters end at 2^63."""

_TIME: Final = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])"
_QUIET: Final = rf"{_TIME}-{_TIME} ?([+-]){_TIME}"
_LEAST_REPEAT_MS: Final = 300_000
_LINE: Final = r"line (\d+)"
_Found = tuple[tuple[str | int, ...], Fault]
"""A fault: where it is in the file, and what is wrong."""

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


def load_policy(
    text: str, *, kind: Kind, ours: Sequence[str] = (), is_stored: bool = False
) -> Policy:
    """Return the policy in the text of a policy file. If the text has faults, raise Misconfigured
    with all of them, each with its line.

    `ours` are the hosts of this stage; no forward and no webhook may go to them, since the stage
    would send callbacks to itself. `is_stored`: the text comes from the store. In such a text, a
    duration without a unit is in seconds, because release 0.2 may have stored the text.
    """
    table, span = _Table(_parsed(text, kind)), stored_duration if is_stored else duration
    policy = Policy(
        domains=tuple(_domain(inner) for inner in table.tables("domain")),
        rules=tuple(_rule(inner, span) for inner in table.tables("rule")),
        mode=table.take("mode", _one_of(Mode), Mode.ACT),
        forward_to=_forward_to(table.table("forward_to"), ours),
        notify=tuple(_notify(inner) for inner in table.tables("notify")),
        webhooks=tuple(_webhook(inner, ours) for inner in table.tables("webhook")),
        deliver=tuple(_deliver(inner) for inner in table.tables("deliver")),
        suspended=_suspension(table.table("suspended")) if "suspended" in table.fields else None,
    )
    table.end()
    found = [*table.faults, *_compared(policy, table.faults)]
    if found:
        raise Misconfigured(_with_lines(found, text, kind))
    return policy


def _compared(policy: Policy, found: Sequence[_Found]) -> Iterator[_Found]:
    """Yield the faults that show only when two parts are compared. Parts with faults of their own
    are skipped."""
    wrong = {part for path, _ in found for part in path}
    if "domain" not in wrong:
        yield from _domain_faults(policy)
    if not wrong & {"domain", "match"}:
        yield from _rule_faults(policy)
    if "notify" not in wrong:
        yield from _notify_faults(policy)
    if "webhook" not in wrong:
        yield from _webhook_faults(policy)
    if "deliver" not in wrong:
        yield from _deliver_faults(policy)


def _with_lines(found: Sequence[_Found], text: str, kind: Kind) -> list[Fault]:
    from shared.config.lines import json_lines, line_of, toml_lines

    lines = json_lines(text) if kind == "json" else toml_lines(text)
    return [replace(fault, line=line_of(path, lines)) for path, fault in found]


def policy_as_json(text: str, *, kind: Kind) -> str:
    """Return the text of a policy file as JSON, which every Python can read. Raise Misconfigured if
    it has faults. The package to deploy contains the result."""
    load_policy(text, kind=kind)
    return json.dumps(_parsed(text, kind), ensure_ascii=False, indent=2)


def _parsed(text: str, kind: Kind) -> Mapping[str, object]:
    try:
        document = json.loads(text) if kind == "json" else _toml().loads(text)
    except (ValueError, RecursionError) as error:
        place = re.search(_LINE, str(error))
        detail, line = f"is not {kind.upper()}: {error}", int(place[1]) if place else 0
        raise Misconfigured([Fault("policy", detail, line=line)]) from error
    if not isinstance(document, dict):
        raise Misconfigured([Fault("policy", "has to be an object with `domain` and `rule`")])
    return document


def _toml() -> Any:  # noqa: ANN401 - one module under two names
    try:
        return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as error:
        detail = "this Python reads no TOML: install `tomli`, or give the policy as JSON"
        raise Misconfigured([Fault("policy", detail)]) from error


class _Table(Struct):
    """One table of the file: which names were read, and every fault found so far."""

    fields: Mapping[str, object]
    path: tuple[str | int, ...] = ()
    faults: list[_Found] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def take(self, name: str, read: Callable[[object], T], default: T) -> T:
        self.known.add(name)
        if name not in self.fields:
            return default
        try:
            return read(self.fields[name])
        except ValueError as error:
            self.fault(name, str(error))
            return default

    def need(self, name: str, read: Callable[[object], T], default: T) -> T:
        if name not in self.fields:
            self.fault(name, "is missing", "MissingParam")
        return self.take(name, read, default)

    def table(self, name: str) -> _Table:
        nothing: Mapping[str, object] = {}
        fields = self.take(name, _object, nothing)
        return _Table(fields, (*self.path, name), self.faults)

    def tables(self, name: str) -> Iterator[_Table]:
        """Yield each table of a list. Its path holds its number in the file, from 1."""
        nothing: Sequence[Mapping[str, object]] = ()
        for number, fields in enumerate(self.take(name, _objects, nothing), 1):
            yield _Table(fields, (*self.path, name, number), self.faults)

    def end(self) -> None:
        for name in self.fields:
            if name not in self.known:
                self.fault(name, did_you_mean(name, self.known))

    def fault(self, name: str, detail: str, code: str = "MalformedParam") -> None:
        path = (*self.path, name)
        self.faults.append((path, Fault(f"policy: {_written(path)}", detail, code)))


def _written(path: tuple[str | int, ...]) -> str:
    """Return a path as people write it: ("rule", 1, "match", "app") becomes "rule #1 match.app"."""
    parts = [f" #{part} " if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).replace(" .", " ").strip(" .")


def _forward_to(table: _Table, ours: Sequence[str]) -> ForwardTo:
    targets = [table.take(name, _target(ours), "") for name in ("stream", "record", "on_demand")]
    table.end()
    return ForwardTo(*targets)


def _target(ours: Sequence[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        try:
            url = urlsplit(value) if isinstance(value, str) else None
            port = url.port if url else None
        except ValueError:
            url = port = None
        if not isinstance(value, str) or url is None or not _is_address(value, url):
            raise ValueError(
                "write a URL that begins with `https://` or `http://`, without user name,"
                " password or `#`"
            )
        if _named(url.hostname or "", port) & set(ours):
            raise ValueError(
                "leads to this stage itself, which would forward each callback to itself: write"
                " the address of another receiver"
            )
        return value

    return read


def _webhook(table: _Table, ours: Sequence[str]) -> Webhook:
    match = table.table("match")
    name = table.need("name", _receiver, "")
    webhook = Webhook(
        name=name,
        url=table.need("url", _target(ours), ""),
        events=table.take("events", _event_globs, ("*",)),
        match=Match(*(match.take(part, _glob, "*") for part in ("domain", "app", "stream"))),
        secrets=table.take("secrets", _receivers, (name,)),
    )
    match.end()
    table.end()
    return webhook


def _receiver(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_RECEIVER, value):
        raise ValueError("write a name of 1 to 32 small letters, digits and `-`, like `crm`")
    return value


def _receivers(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_SECRET_KEYS:
        raise ValueError(
            f'write a list of 1 to {_MAX_SECRET_KEYS} names, like `["crm", "crm-2027"]`'
        )
    return tuple(_receiver(inner) for inner in value)


def _event_globs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError('write a list, like `["recording.*", "gap.opened"]`')
    return tuple(_event_glob(inner) for inner in value)


def _event_glob(value: str) -> str:
    known = [kind.value for kind in EventType]
    if not any(fnmatchcase(name, value) for name in known):
        raise ValueError(f'"{value[:50]}" fits no event; the events are {", ".join(known)}')
    return value


def _webhook_faults(policy: Policy) -> Iterator[_Found]:
    if len(policy.webhooks) > MAX_WEBHOOK_ENTRIES:
        detail = (
            f"write at most {MAX_WEBHOOK_ENTRIES} receivers: each receiver has workers of its own"
        )
        yield ("webhook",), Fault("policy: webhook", detail)
    names = [hook.name for hook in policy.webhooks]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            detail = f"{name} is in the file twice"
            yield ("webhook", number, "name"), Fault(f"policy: webhook #{number} name", detail)


def _is_address(value: str, url: SplitResult) -> bool:
    """Return True if the text can be the address of a request. `urlsplit` drops line breaks, so
    they are checked here."""
    if not value.isprintable() or " " in value:
        return False
    web = url.scheme in {"https", "http"} and bool(url.hostname)
    return web and url.username is None and not url.fragment


def _named(host: str, port: int | None) -> set[str]:
    """Return each form in which the settings may name the host; for a default port, also the form
    without the port."""
    host = f"[{host}]" if ":" in host else host
    with_port = {f"{host}:{port}"} if port else {host, f"{host}:443", f"{host}:80"}
    return with_port | ({host} if port in {80, 443} else set())


def _domain(table: _Table) -> Domain:
    domain = Domain(
        streaming=table.need("streaming", _domain_name, ""),
        ingest=table.take("ingest", _domain_names, ()),
        sub=table.take("sub", _domain_names, ()),
        object_prefix=table.take("object_prefix", _object_names, (DEFAULT_PREFIX,)),
        bucket=tuple(_bucket(inner) for inner in table.tables("bucket")),
    )
    table.end()
    return domain


def _bucket(table: _Table) -> NamedBucket:
    bucket = NamedBucket(
        name=table.need("name", _bucket_name, ""),
        endpoint=table.need("endpoint", _bucket_endpoint, ""),
        app=table.take("app", _glob, "*"),
    )
    table.end()
    return bucket


def _rule(table: _Table, span: Callable[[object], int]) -> Rule:
    match = table.table("match")
    rule = Rule(
        match=Match(*(match.take(name, _glob, "*") for name in ("domain", "app", "stream"))),
        on_publish=table.take("on_publish", _one_of(OnPublish), OnPublish.IGNORE),
        on_interruption=table.take(
            "on_interruption", _one_of(OnInterruption), OnInterruption.RESUME
        ),
        max_duration=table.take("max_duration", span, None),
        max_concurrent=table.take("max_concurrent", _count, None),
        priority=table.take("priority", _priority, 0),
        coverage_target=table.take("coverage_target", _percentage, None),
        max_gap=table.take("max_gap", duration, None),
    )
    match.end()
    table.end()
    return rule


def _notify(table: _Table) -> NotifyRule:
    match = table.table("match")
    rule = NotifyRule(
        sink=table.need("sink", robot_name, ""),
        match=Match(*(match.take(name, _glob, "*") for name in ("domain", "app", "stream"))),
        condition=match.take("condition", _condition, "*"),
        severity=table.take("severity", _one_of(AlertSeverity), AlertSeverity.WARNING),
        after=table.take("after", duration, 0),
        repeat=table.take("repeat", _repeat, None),
        quiet_hours=table.take("quiet_hours", _quiet_hours, None),
        language=table.take("language", _language, "en"),
    )
    match.end()
    table.end()
    return rule


def _condition(value: object) -> str:
    known = [code.value for code in ConditionCode]
    if not isinstance(value, str) or not any(fnmatchcase(code, value) for code in known):
        raise ValueError(f"is not a condition: write one of {', '.join(known)}, or a pattern")
    return value


def _repeat(value: object) -> int:
    repeat = duration(value)
    if repeat < _LEAST_REPEAT_MS:
        raise ValueError("write `5m` or more: a robot that gets too many messages is muted")
    return repeat


def _quiet_hours(value: object) -> QuietHours:
    found = re.fullmatch(_QUIET, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('write hours and the time zone, like "23:00-07:00 +08:00"')
    first, end, sign, ahead = found[1], found[2], found[3], found[4]
    offset_min = _minutes(ahead) * (-1 if sign == "-" else 1)
    return QuietHours(_minutes(first), _minutes(end), offset_min)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _language(value: object) -> str:
    if value not in ("en", "zh"):
        raise ValueError("write `en` or `zh`")
    return str(value)


def _suspension(table: _Table) -> Suspension:
    suspension = Suspension(
        until=table.need("until", instant, 0),
        who=table.take("who", _remark, ""),
        note=table.take("note", _remark, ""),
    )
    table.end()
    return suspension


def _remark(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_REMARK_CHARS or not value.isprintable():
        raise ValueError(f"write a text of at most {_MAX_REMARK_CHARS} characters")
    return value


def _deliver(table: _Table) -> CopyRule:
    match = table.table("match")
    bucket, prefix = table.need("target", _s3_target, ("", ""))
    deliver = CopyRule(
        match=Match(*(match.take(name, _glob, "*") for name in ("domain", "app", "stream"))),
        bucket=bucket,
        prefix=prefix,
        endpoint=table.need("endpoint", _endpoint, ""),
        credentials=table.need("credentials", _credentials_name, ""),
        region=table.take("region", _region, ""),
        name=table.take("name", _name_template, "{uri}"),
        formats=table.take("formats", _formats, ()),
        path_style=table.take("path_style", _flag, default=False),
    )
    match.end()
    table.end()
    return deliver


def _s3_target(value: object) -> tuple[str, str]:
    """Return bucket and prefix."""
    found = re.fullmatch(_S3_TARGET, value) if isinstance(value, str) else None
    parts = found[2].strip("/").split("/") if found and found[2] else []
    if found is None or {"", ".", ".."} & set(parts):
        raise ValueError(
            "write a target like `s3://bucket/prefix`, with a bucket of 3 to 63 characters:"
            " a-z, 0-9, dot and dash"
        )
    return found[1], "/".join(parts)


def _endpoint(value: object) -> str:
    try:
        url = urlsplit(value) if isinstance(value, str) else None
        _ = url.port if url else None
    except ValueError:
        url = None
    if not isinstance(value, str) or url is None or not _is_address(value, url):
        raise ValueError("write the store's address, like `https://s3.eu-central-1.amazonaws.com`")
    if url.path.strip("/") or url.query:
        raise ValueError("write only the address, without the bucket and without a path")
    return value.rstrip("/")


def _credentials_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NAME, value):
        raise ValueError("name an entry of LIVE_RECORD_DELIVER_CREDENTIALS, never a key itself")
    return value


def _region(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NAME, value):
        raise ValueError(
            "write the name that the target's provider gives the region, like `eu-central-1`"
        )
    return value


def _name_template(value: object) -> str:
    """Return a template of names. Raise ValueError if two files could get the same name."""
    text = value if isinstance(value, str) and len(value) <= _MAX_PREFIX_CHARS else ""
    parts = set(re.findall(_BRACES, text))
    is_safe = not {"", ".", ".."} & set(text.split("/"))
    is_unique = "uri" in parts or {"app", "stream", "file"} <= parts
    if not (is_safe and is_unique) or parts - set(NAME_PARTS):
        raise ValueError(
            "write a template that gives each file its own name: with `{uri}`, or with `{app}`,"
            " `{stream}` and `{file}`"
        )
    return text


def _formats(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not set(value) <= {*COPIED_FORMATS}:
        raise ValueError('write a list of `mp4`, `flv` and `m3u8`, like `["mp4"]`')
    return tuple(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write `true` or `false`")  # noqa: TRY004 - faults are ValueErrors here
    return value


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("has to be a table")  # noqa: TRY004 - as above
    return value


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list):
        raise ValueError("has to be a list of tables")  # noqa: TRY004 - as above
    return [_object(inner) for inner in value]


def _domain_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_DOMAIN, value):
        raise ValueError("write one whole domain, like `live.example.com`")
    return value.lower()


def _domain_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('write a list, like `["push.example.com"]`')  # noqa: TRY004 - as above
    return tuple(_domain_name(inner) for inner in value)


def _object_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f'write a list, like `["{DEFAULT_PREFIX}"]`')
    return tuple(_object_name(inner) for inner in value)


def _object_name(value: object) -> str:
    name = value if isinstance(value, str) and len(value) <= _MAX_PREFIX_CHARS else ""
    if not prefix_of(name).rpartition("/")[0]:
        raise ValueError(
            "write an `OssObjectPrefix` as in Live. It must begin with a folder whose name is known"
            f" before the recording, as in {DEFAULT_PREFIX}"
        )
    return name


def _bucket_name(value: object) -> str:
    return values.bucket(value if isinstance(value, str) and value else "?")


def _bucket_endpoint(value: object) -> str:
    """Return the host. Only OSS itself is accepted, because the function's temporary key is used
    there."""
    if not isinstance(value, str) or not values.is_oss_host(value):
        raise ValueError("write the bucket's public endpoint, like `oss-cn-shanghai.aliyuncs.com`")
    return value


def _glob(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_GLOB, value):
        raise ValueError('write a name or a pattern like "class*", without `/` and spaces')
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_STREAMS:
        raise ValueError(f"write a whole number from 1 to {_MAX_STREAMS}")
    return value


def _percentage(value: object) -> float:
    if not is_percentage(value):
        raise ValueError("write a percentage from 0 to 100, like `99.9`")
    return float(value)


def _priority(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_POINTS:
        raise ValueError(f"write a whole number from -{_MAX_POINTS} to {_MAX_POINTS}")
    return value


def _one_of(kind: type[E]) -> Callable[[object], E]:
    def read(value: object) -> E:
        for member in kind:
            if member.value == value:
                return member
        raise ValueError(f"write {' or '.join(str(member.value) for member in kind)}")

    return read


def _deliver_faults(policy: Policy) -> Iterator[_Found]:
    detail = (
        "does not end with `{uri}`: write `{uri}` last, or leave `m3u8` out of `formats`, because a"
        " playlist finds its segments by their names"
    )
    for number, rule in enumerate(policy.deliver, 1):
        if "m3u8" in rule.formats and not rule.keeps_folders:
            yield ("deliver", number, "name"), Fault(f"policy: deliver #{number} name", detail)


def _domain_faults(policy: Policy) -> Iterator[_Found]:
    if not policy.domains:
        detail = "is missing: name each streaming domain"
        yield ("domain",), Fault("policy: domain", detail, "MissingParam")
    seen: set[str] = set()
    for number, domain in enumerate(policy.domains, 1):
        for name in domain.names:
            if name in seen:
                detail = f"{name} is in the file twice"
                yield ("domain", number), Fault(f"policy: domain #{number}", detail)
            seen.add(name)


def _notify_faults(policy: Policy) -> Iterator[_Found]:
    """Yield duplicate rules, and robots that would get messages in two languages."""
    languages: dict[str, str] = {}
    names: set[str] = set()
    for number, rule in enumerate(policy.notify, 1):
        where = f"policy: notify #{number}"
        if rule.name in names:
            yield ("notify", number), Fault(where, "is in the file twice")
        names.add(rule.name)
        if languages.setdefault(rule.sink, rule.language) != rule.language:
            detail = (
                f"an earlier rule uses another language for the robot {rule.sink}: use one language"
                " for each robot"
            )
            yield ("notify", number, "language"), Fault(f"{where} language", detail)


def _rule_faults(policy: Policy) -> Iterator[_Found]:
    for number, rule in enumerate(policy.rules, 1):
        where = f"policy: rule #{number} match"
        pattern = rule.match.domain.lower()
        if not any(fnmatchcase(domain.streaming, pattern) for domain in policy.domains):
            path = ("rule", number, "match", "domain")
            yield path, Fault(f"{where}.domain", _no_such(policy, pattern))
        for earlier, other in enumerate(policy.rules[: number - 1], 1):
            if _covers(other.match, rule.match):
                detail = (
                    f"is never reached, because rule #{earlier} matches all of its streams: put it"
                    " before that rule, or delete it"
                )
                yield ("rule", number, "match"), Fault(where, detail)
                break


def _no_such(policy: Policy, pattern: str) -> str:
    main = policy.streaming(pattern)
    if main:
        return f"rules are matched with the main streaming domain: write {main}"
    return "matches the streaming domain of no `[[domain]]`: correct the pattern, or add the domain"


def _covers(wide: Match, narrow: Match) -> bool:
    """Return True if `wide` certainly matches everything that `narrow` matches."""
    pairs = (
        (wide.domain.lower(), narrow.domain.lower()),
        (wide.app, narrow.app),
        (wide.stream, narrow.stream),
    )
    return all(pattern in {"*", other} for pattern, other in pairs)
