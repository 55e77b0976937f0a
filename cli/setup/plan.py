"""Compares Live's configuration with what a stage needs, and lists the changes.

The setup command calls compare(). It must not change anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from gettext import gettext as _
from typing import Any
from urllib.parse import urlsplit

from cli.account import Account
from cli.api import ALL_ROWS
from cli.setup.configurations import (
    KEY,
    OBJECT_NAMES,
    ConfigTarget,
    Value,
    needs_new,
    read,
    recordings,
)
from cli.setup.stage import Secret, Stage, Unusable
from shared.protocol import StreamKey
from shared.protocol.object_prefix import prefix_of
from shared.protocol.policy import Domain, Mode, Rule

AUTOMATIC, ASKS, PUSH_URL, MANUAL = 0, 1, 2, 7
"""OnDemand of a recording configuration (docs/platform/live.md §5)."""
OBJECT_NAME = "record/{AppName}/{StreamName}/{EscapedStartTime}_{EscapedEndTime}"
SEGMENT_NAME, SEGMENT_S = "{UnixTimestamp}_{Sequence}", 30
GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The options of the command.

    `manual`: also switch automatic configurations to manual if no policy rule covers them; `mode`:
    let the stage act, or only observe, from now on (None: as before); `formats`: the file formats
    that setup adds to each configuration that is or becomes manual, unless it has them.
    """

    take_over: bool = False
    manual: bool = False
    mode: Mode | None = None
    bucket: str = ""
    endpoint: str = ""
    formats: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Change:
    target: ConfigTarget
    before: Value | None = field(repr=False)
    after: Value | None = field(repr=False)

    @property
    def hands_over(self) -> bool:
        """Return True if the change ends Live's automatic recording: the stage then has to
        record."""
        before, after = self.before or {}, self.after or {}
        return before.get("OnDemand") in (AUTOMATIC, PUSH_URL) and after.get("OnDemand") == MANUAL


@dataclass(slots=True)
class Plan:
    """The changes to make.

    `forward`: the addresses that a take-over first adds to the policy's forward_to, by kind of
    callback; `blocked`: needed changes that setup cannot make, and why; `notes`: what the operator
    should know; `mode`: the mode to set, None if it stays; `later`: what would change if the stage
    acted.
    """

    changes: list[Change] = field(default_factory=list)
    forward: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mode: Mode | None = None
    later: list[Change] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.changes and self.mode is None

    def put(self, target: ConfigTarget, before: Value | None, after: Value) -> None:
        if before != after:
            self.changes.append(Change(target, before, after))


class Blocked(Exception):
    pass


def compare(stage: Stage, account: Account, options: SetupOptions) -> Plan:
    """Return the changes that the stage needs in Live. Raise Declined if Live cannot be read.

    Callbacks come first: a stage that gets no callbacks must not take over from Live.
    """
    plan, configurations, targets = Plan(), Plan(), list[ConfigTarget]()
    for domain in stage.policy.domains:
        present = list(recordings(account, domain.streaming))
        targets += [target for target, _value in present]
        _Recordings(stage, domain, options, configurations).compare(present)
        asks = any(value.get("OnDemand") == ASKS for _, value in present)
        callbacks = _Callbacks(stage, options, plan)
        callbacks.record(account, ConfigTarget("record", domain.streaming), asks=asks)
        for ingest in domain.ingest or (domain.streaming,):
            callbacks.stream(account, ConfigTarget("stream", ingest))
    if options.mode is not None and options.mode is not stage.mode:
        plan.mode = options.mode
    plan.blocked += configurations.blocked
    plan.notes += [*configurations.notes, *_by_hand(stage, targets)]
    if (options.mode or stage.mode) is Mode.OBSERVE:
        plan.later = configurations.changes
    else:
        plan.changes += configurations.changes
    return plan


def _by_hand(stage: Stage, targets: Sequence[ConfigTarget]) -> Iterator[str]:
    """Yield a note for each stream whose start was refused, that no rule may record and that none
    of Live's recording configurations covers."""
    for row in stage.api.list_recordings(ALL_ROWS, phase="failed")["recordings"]:
        key = StreamKey.parse(row["stream"])
        is_refused = row["reason"]["code"] == "no_record_config"
        is_covered = any(target.covers(key) for target in targets)
        if is_refused and not is_covered and not stage.policy.rule(key).may_record:
            sentence = _(
                "somebody asked by hand to record {stream}, but Live has no recording configuration"
                " for this stream. In policy.toml, add a rule that matches the stream; with"
                ' `on_publish = "on_request"`, the rule records it only when somebody asks. Apply'
                " the policy, and run `live-record setup` again"
            )
            yield sentence.format(stream=key)


@dataclass(slots=True)
class _Callbacks:
    stage: Stage
    options: SetupOptions
    plan: Plan

    def stream(self, account: Account, target: ConfigTarget) -> None:
        now = read(account, target)
        after = dict(now or {})
        try:
            forward = self._url(after, "NotifyUrl", "stream", target)
            if not after.get("ExceptionNotifyUrl"):
                after["ExceptionNotifyUrl"] = self.stage.callback("exception")
            elif self.stage.is_ours(after["ExceptionNotifyUrl"]):
                self._url(after, "ExceptionNotifyUrl", "exception", target)
            self._key(after, "stream_key", signs="yes")
        except (Blocked, Unusable) as why:
            self.plan.blocked.append(f"{target}: {why}")
            return
        self._put(target, now, after, forward)
        if now is not None and now != after:
            sentence = _(
                "{target}: setting the other callback URLs may clear SwitchNotifyUrl, which no API"
                " returns. If you use dual-stream ingest, set SwitchNotifyUrl again afterwards"
            )
            self.plan.notes.append(sentence.format(target=target))

    def record(self, account: Account, target: ConfigTarget, *, asks: bool) -> None:
        now = read(account, target)
        after = dict(now or {})
        forward: dict[str, str] = {}
        try:
            forward |= self._url(after, "NotifyUrl", "record", target)
            if asks or self.stage.is_ours(after.get("OnDemandUrl", "")):
                forward |= self._url(after, "OnDemandUrl", "on-demand", target)
            after["NeedStatusNotify"] = True
            self._record_key(now, after, target)
        except (Blocked, Unusable) as why:
            self.plan.blocked.append(f"{target}: {why}")
            return
        self._put(target, now, after, forward)

    def _put(
        self, target: ConfigTarget, now: Value | None, after: Value, forward: Mapping[str, str]
    ) -> None:
        self.plan.forward.update(forward)
        self.plan.put(target, now, after)

    def _url(
        self,
        after: dict[str, Any],
        name: str,
        flow: Any,  # noqa: ANN401 - a Flow
        target: ConfigTarget,
    ) -> dict[str, str]:
        """Set the URL of field `name` to ours; return the URL to forward to, as {kind: URL}.

        The result is empty if there was no URL or it is ours. Raise Blocked without --take-over.
        """
        present = after.get(name, "")
        if self.stage.points_to(present, flow):
            return {}
        after[name] = self.stage.callback(flow)
        if not present or self.stage.is_ours(present):
            return {}
        if not self.options.take_over:
            sentence = _(
                "{name} points to {url}, which is not an address of this stage. Pass `--take-over`"
                " to put the stage's address in its place and to forward the callbacks to {url}"
            )
            raise Blocked(sentence.format(name=name, url=redacted(present)))
        return self._forward(flow.replace("-", "_"), present, target)

    def _forward(self, kind: str, url: str, target: ConfigTarget) -> dict[str, str]:
        if not self.stage.relays:
            raise Blocked(
                _(
                    "the stage cannot forward callbacks. Set LIVE_RECORD_RELAY_URL and"
                    " LIVE_RECORD_RELAY_KEY, deploy the stage, and run `live-record setup` again"
                )
            )
        had = self.stage.policy.forward_to.of(kind) or self.plan.forward.get(kind, url)
        if had != url:
            sentence = _(
                "callbacks are forwarded to {had} already, and `forward_to.{kind}` can hold only"
                " one address. First merge the receiver at {url} into the receiver at {had}"
            )
            raise Blocked(sentence.format(had=redacted(had), kind=kind, url=redacted(url)))
        sentence = _(
            "{target}: the stage forwards the callbacks to {url}. Live signs them with a key of"
            " this stage. If the receiver verifies signatures, it must use this key"
        )
        self.plan.notes.append(sentence.format(target=target, url=redacted(url)))
        return {kind: url}

    def _record_key(self, now: Value | None, after: dict[str, Any], target: ConfigTarget) -> None:
        """Set the key; if Live does not return the present one, only along with another change."""
        if now is None or KEY in now or now.get("NotifyReqAuth") is False:
            self._key(after, "record_key", signs=True)
        elif now != after:
            after |= {"NotifyReqAuth": True, KEY: self.stage.secret("record_key")}
            sentence = _(
                "{target}: Live does not return its key, so `--undo` cannot restore the key"
            )
            self.plan.notes.append(sentence.format(target=target))

    def _key(self, after: dict[str, Any], kind: Secret, *, signs: object) -> None:
        """Set the key unless the stage knows the present one: live streams keep the present key."""
        present = str(after.get(KEY, ""))
        if after.get("NotifyReqAuth") == signs and present and self.stage.knows(kind, present):
            return
        after |= {"NotifyReqAuth": signs, KEY: self.stage.secret(kind)}


@dataclass(slots=True)
class _Recordings:
    stage: Stage
    domain: Domain
    options: SetupOptions
    plan: Plan

    def compare(self, present: Sequence[tuple[ConfigTarget, Value]]) -> None:
        for target, value in present:
            after = self._corrected(target, value)
            self.plan.put(target, value, after)
            if needs_new(target, value, after):
                sentence = _(
                    "{target}: Live cannot change the object names of an existing configuration, so"
                    " `setup` deletes this configuration and adds it again. A stream that is"
                    " published in between is not recorded"
                )
                self.plan.notes.append(sentence.format(target=target))
        for app, stream in self._missing([target for target, _value in present]):
            target = ConfigTarget("oss", self.domain.streaming, app, stream)
            pattern = [value for other, value in present if other.kind == "oss"]
            try:
                self.plan.put(target, None, self._new(pattern))
            except Blocked as why:
                self.plan.blocked.append(f"{target}: {why}")

    def _corrected(self, target: ConfigTarget, value: Value) -> Value:
        after = dict(value)
        if value.get("OnDemand") in (AUTOMATIC, PUSH_URL):
            if self.options.manual or self._is_ruled(target):
                after["OnDemand"] = MANUAL
            else:
                self.plan.notes.append(self._uncovered().format(target=target))
        after["DelayTime"] = self.stage.merge_delay
        if target.kind == "oss":
            after["RecordFormat"] = self._formats(target, value)
            if after.get("OnDemand") not in (AUTOMATIC, PUSH_URL):
                after["RecordFormat"] += self._lacking(after["RecordFormat"])
            after["OssEndpoint"] = self._endpoint(target, value)
        return after

    def _uncovered(self) -> str:
        if (self.options.mode or self.stage.mode) is Mode.OBSERVE:
            return _(
                "{target} is automatic, and no rule covers it: not changed. While the stage"
                " observes, `--manual` switches it to manual only together with `--act`"
            )
        return _(
            "{target} is automatic, and no rule covers it: not changed. To switch it to manual,"
            " pass `--manual`"
        )

    def _endpoint(self, target: ConfigTarget, value: Value) -> str:
        """Return the endpoint of the options where a rule records into its bucket, else the present
        one, with a note."""
        present, wanted = str(value.get("OssEndpoint", "")), self.options.endpoint
        if wanted in ("", present):
            return present
        bucket = value.get("OssBucket", "")
        if not self._is_ours(target):
            sentence = _("{target}: no rule covers it, so its endpoint stays {endpoint}")
        elif self.options.bucket not in ("", bucket):
            sentence = _(
                "{target}: it records into {bucket}, not into the bucket of `--bucket`, so its"
                " endpoint stays {endpoint}"
            )
        else:
            return wanted
        note = sentence.format(target=target, bucket=bucket, endpoint=present)
        self.plan.notes.append(note)
        return present

    def _is_ours(self, target: ConfigTarget) -> bool:
        """Return True for a configuration that setup itself would add: one that a rule covers, or
        the domain's own if the domain has no rules."""
        is_whole_domain = (target.app, target.streams) == ("*", "*")
        return self._is_ruled(target) or (is_whole_domain and not any(self._rules()))

    def _formats(self, target: ConfigTarget, value: Value) -> list[dict[str, Any]]:
        """Return the formats, with {StreamName} in object names that several streams share.

        Without it one stream could overwrite another's file.
        """
        formats = [dict(entry) for entry in value["RecordFormat"]] or self._new_formats()
        for entry in formats if target.streams == "*" else ():
            for name in OBJECT_NAMES:
                prefix = entry.get(name, "")
                if prefix and "{StreamName}" not in prefix:
                    entry[name] = _with_stream(prefix, self.domain.object_prefix)
        return formats

    def _lacking(self, formats: Sequence[Value]) -> list[dict[str, Any]]:
        """Return the formats that the options name and the configuration lacks, with their objects
        in the same folder."""
        known = {str(entry.get("Format")).lower() for entry in formats}
        like = next((str(each.get("OssObjectPrefix") or "") for each in formats), "") or OBJECT_NAME
        return [_format(name, like) for name in self.options.formats if name not in known]

    def _is_ruled(self, target: ConfigTarget) -> bool:
        """Return True if a rule lets streams of this configuration be recorded."""
        return any(
            _matches(rule.match.app, target.app) and _matches(rule.match.stream, target.streams)
            for rule in self._rules()
        )

    def _rules(self) -> Iterator[Rule]:
        for rule in self.stage.policy.rules:
            pattern = rule.match.domain.lower()
            if rule.may_record and fnmatchcase(self.domain.streaming, pattern):
                yield rule

    def _missing(self, present: Sequence[ConfigTarget]) -> Iterator[tuple[str, str]]:
        """Yield (app, stream) of each rule that no present configuration covers, "*" for any.

        A domain without rules and configurations yields ("*", "*").
        """
        apps = [(rule.match.app, rule.match.stream) for rule in self._rules()]
        if not apps and not present:
            apps = [("*", "*")]
        added: set[tuple[str, str]] = set()
        for app, stream in apps:
            is_there = any(
                _matches(app, existing.app) and _matches(stream, existing.streams)
                for existing in present
            )
            names = (_name_or_star(app), _name_or_star(stream))
            if not is_there and names not in added:
                added.add(names)
                yield names

    def _new(self, pattern: Sequence[Value]) -> Value:
        """Return a value for --bucket, or else like the first in `pattern`; raise Blocked if there
        is neither."""
        if self.options.bucket:
            where = {"OssBucket": self.options.bucket, "OssEndpoint": self.options.endpoint}
            formats = self._new_formats()
        elif pattern:
            where = {name: pattern[0][name] for name in ("OssBucket", "OssEndpoint")}
            formats = [dict(entry) for entry in pattern[0]["RecordFormat"]] or self._new_formats()
            formats += self._lacking(formats)
        else:
            raise Blocked(
                _(
                    "this configuration does not exist, and the domain has no other one to copy."
                    " Pass `--bucket` and `--endpoint`."
                )
            )
        return {
            **where,
            "OnDemand": MANUAL,
            "DelayTime": self.stage.merge_delay,
            "RecordFormat": formats,
        }

    def _new_formats(self) -> list[dict[str, Any]]:
        return [_format(name, OBJECT_NAME) for name in self.options.formats or ("mp4",)]


def _format(name: str, object_name: str) -> dict[str, Any]:
    """Return a format. The segments of an M3U8 get the folder of its playlist."""
    entry: dict[str, Any] = {"Format": name, "OssObjectPrefix": object_name}
    if name != "m3u8":
        return entry
    folder = "".join(prefix_of(object_name).rpartition("/")[:2])
    segment = SEGMENT_NAME if "{StreamName}" in folder else f"{{StreamName}}_{SEGMENT_NAME}"
    return {**entry, "SliceDuration": SEGMENT_S, "SliceOssObjectPrefix": f"{folder}{segment}"}


def _matches(pattern: str, name: str) -> bool:
    return name == "*" or fnmatchcase(name, pattern)


def _name_or_star(pattern: str) -> str:
    """Return "*" for a pattern, because Live knows no other pattern, and a plain name unchanged."""
    return "*" if GLOB & set(pattern) else pattern


def _with_stream(prefix: str, known: Sequence[str]) -> str:
    """Return the object name with {StreamName} in its folder. If that folder is not `known` to the
    policy, take a known one, if there is any: the stage signs no URL for other names."""
    folder, divided, name = prefix.rpartition("/")
    own = f"{folder}{divided}{{StreamName}}/{name}"
    begins = [prefix_of(template) for template in known]
    if own.startswith(tuple(begins)):
        return own
    folders = (one.rpartition("/")[0] for one in begins)
    named = next((one for one in folders if "{StreamName}" in one), "")
    return f"{named}/{name}" if named else own


def redacted(url: str) -> str:
    """Return the URL without its path, which often ends in a secret."""
    head, _, path = url.partition("://")
    host, divided, rest = path.partition("/")
    return f"{head}://{host}/…" if divided and rest else url


def url_parts_that_differ(before: str, after: str) -> list[str]:
    """Return the names of the parts in which two URLs differ, such as "host". The parts themselves
    may be secret."""
    old, new = urlsplit(before), urlsplit(after)
    (old_path, _o, old_end), (new_path, _n, new_end) = (
        parts.path.rpartition("/") for parts in (old, new)
    )
    pairs = (
        (_("scheme"), old.scheme, new.scheme),
        (_("host"), old.netloc, new.netloc),
        (_("path"), old_path, new_path),
        (_("last part of the path"), old_end, new_end),
        (_("query"), old.query, new.query),
    )
    return [name for name, one, other in pairs if one != other]
