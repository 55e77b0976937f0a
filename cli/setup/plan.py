"""What Live has and what a stage needs: the difference, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cli.account import Account
from cli.setup.configurations import KEY, Place, Value, read, recordings
from cli.setup.stage import Secret, Stage, Unusable
from shared.protocol.policy import Domain, OnPublish, Rule

AUTOMATIC, ASKS, PUSH_URL, MANUAL = 0, 1, 2, 7
"""OnDemand of a recording configuration (facts/live.md 5)."""
OBJECT_NAME = "record/{AppName}/{StreamName}/{EscapedStartTime}_{EscapedEndTime}"
GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asks for beyond the policy. `manual`: also what records by itself, though no
    rule of the policy is about it."""

    take_over: bool = False
    manual: bool = False
    bucket: str = ""
    endpoint: str = ""
    formats: Sequence[str] = ("mp4",)


@dataclass(frozen=True, slots=True)
class Change:
    place: Place
    before: Value | None = field(repr=False)
    after: Value | None = field(repr=False)


@dataclass(slots=True)
class Plan:
    """`forward` is what a take-over records in the policy first, by kind of callback; `blocked`
    says what is left as it is although the stage needs it changed, `notes` what to know."""

    changes: list[Change] = field(default_factory=list)
    forward: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, place: Place, before: Value | None, after: Value) -> None:
        if before != after:
            self.changes.append(Change(place, before, after))


class Blocked(Exception):
    pass


def compare(stage: Stage, account: Account, wanted: Wanted) -> Plan:
    """Raises Declined where Live does not say what it has."""
    plan = Plan()
    for domain in stage.policy.domains:
        held = list(recordings(account, domain.streaming))
        _Recordings(stage, domain, wanted, plan).compare(held)
        asks = any(value.get("OnDemand") == ASKS for _, value in held)
        callbacks = _Callbacks(stage, wanted, plan)
        callbacks.record(account, Place("record", domain.streaming), asks=asks)
        for ingest in domain.ingest or (domain.streaming,):
            callbacks.stream(account, Place("stream", ingest))
    return plan


@dataclass(slots=True)
class _Callbacks:
    stage: Stage
    wanted: Wanted
    plan: Plan

    def stream(self, account: Account, place: Place) -> None:
        now = read(account, place)
        after = dict(now or {})
        try:
            forward = self._url(after, "NotifyUrl", "stream", place)
            if not after.get("ExceptionNotifyUrl"):
                after["ExceptionNotifyUrl"] = self.stage.callback("exception")
            elif self.stage.is_ours(after["ExceptionNotifyUrl"]):
                self._url(after, "ExceptionNotifyUrl", "exception", place)
            self._key(after, "stream_key", signs="yes")
        except (Blocked, Unusable) as why:
            self.plan.blocked.append(f"{place}: {why}")
            return
        self._put(place, now, after, forward)
        if now is not None and now != after:
            self.plan.notes.append(
                f"{place}: Live tells nobody its SwitchNotifyUrl, and setting the others may clear"
                " it: where you use dual-stream ingest, set it again afterwards"
            )

    def record(self, account: Account, place: Place, *, asks: bool) -> None:
        now = read(account, place)
        after = dict(now or {})
        forward: dict[str, str] = {}
        try:
            forward |= self._url(after, "NotifyUrl", "record", place)
            if asks or self.stage.is_ours(after.get("OnDemandUrl", "")):
                forward |= self._url(after, "OnDemandUrl", "on-demand", place)
            after["NeedStatusNotify"] = True
            self._record_key(now, after, place)
        except (Blocked, Unusable) as why:
            self.plan.blocked.append(f"{place}: {why}")
            return
        self._put(place, now, after, forward)

    def _put(
        self, place: Place, now: Value | None, after: Value, forward: Mapping[str, str]
    ) -> None:
        self.plan.forward.update(forward)
        self.plan.put(place, now, after)

    def _url(self, after: dict[str, Any], name: str, flow: Any, place: Place) -> dict[str, str]:  # noqa: ANN401 - a Flow
        """What has to be forwarded from now on, if anything."""
        present = after.get(name, "")
        if self.stage.leads(present, flow):
            return {}
        after[name] = self.stage.callback(flow)
        if not present or self.stage.is_ours(present):
            return {}
        if not self.wanted.take_over:
            raise Blocked(
                f"{name} leads to {shown(present)}, which is not ours. --take-over records it as"
                " forward_to of the policy and puts ours in its place"
            )
        return self._forward(flow.replace("-", "_"), present, place)

    def _forward(self, kind: str, url: str, place: Place) -> dict[str, str]:
        if not self.stage.relays:
            raise Blocked(
                "a take-over needs LIVE_RECORD_RELAY_URL and LIVE_RECORD_RELAY_KEY in the stage:"
                " without them nobody passes callbacks on"
            )
        had = self.stage.policy.forward_to.of(kind) or self.plan.forward.get(kind, url)
        if had != url:
            raise Blocked(
                f"callbacks are forwarded to {shown(had)} already, and forward_to.{kind} holds one"
                f" address: bring {shown(url)} together with it first"
            )
        self.plan.notes.append(
            f"{place}: what is passed on to {shown(url)} keeps coming, signed with a key that the"
            " stage knows"
        )
        return {kind: url}

    def _record_key(self, now: Value | None, after: dict[str, Any], place: Place) -> None:
        """Where Live does not tell the key, it is set with whatever else changes."""
        if now is None or KEY in now or now.get("NotifyReqAuth") is False:
            self._key(after, "record_key", signs=True)
        elif now != after:
            after |= {"NotifyReqAuth": True, KEY: self.stage.secret("record_key")}
            self.plan.notes.append(
                f"{place}: Live does not tell its key, so that --undo cannot put the key back"
            )

    def _key(self, after: dict[str, Any], kind: Secret, *, signs: object) -> None:
        """One that the stage knows stays: streams that are live go on signing with it."""
        present = str(after.get(KEY, ""))
        if after.get("NotifyReqAuth") == signs and present and self.stage.knows(kind, present):
            return
        after |= {"NotifyReqAuth": signs, KEY: self.stage.secret(kind)}


@dataclass(slots=True)
class _Recordings:
    stage: Stage
    domain: Domain
    wanted: Wanted
    plan: Plan

    def compare(self, held: Sequence[tuple[Place, Value]]) -> None:
        for place, value in held:
            self.plan.put(place, value, self._mended(place, value))
        for app, stream in self._missing([place for place, _ in held]):
            place = Place("oss", self.domain.streaming, app, stream)
            pattern = [value for one, value in held if one.kind == "oss"]
            try:
                self.plan.put(place, None, self._new(pattern))
            except Blocked as why:
                self.plan.blocked.append(f"{place}: {why}")

    def _mended(self, place: Place, value: Value) -> Value:
        after = dict(value)
        if value.get("OnDemand") in (AUTOMATIC, PUSH_URL):
            if self.wanted.manual or self._is_ruled(place):
                after["OnDemand"] = MANUAL
            else:
                self.plan.notes.append(
                    f"{place} records by itself and no rule is about it: left alone (--manual"
                    " makes it manual)"
                )
        after["DelayTime"] = self.stage.merge_delay
        if place.kind == "oss":
            after["RecordFormat"] = self._formats(place, value)
            after["OssEndpoint"] = self.wanted.endpoint or value.get("OssEndpoint", "")
        return after

    def _formats(self, place: Place, value: Value) -> list[dict[str, Any]]:
        """Under a name that two streams share, one overwrites the other's files."""
        formats = [dict(one) for one in value["RecordFormat"]] or self._new_formats()
        for one in formats:
            prefix = one.get("OssObjectPrefix", "")
            if place.streams == "*" and prefix and "{StreamName}" not in prefix:
                one["OssObjectPrefix"] = _with_stream(prefix)
        return formats

    def _is_ruled(self, place: Place) -> bool:
        """Whether a rule records by itself what this configuration is for."""
        return any(
            _meets(rule.match.app, place.app) and _meets(rule.match.stream, place.streams)
            for rule in self._rules()
        )

    def _rules(self) -> Iterator[Rule]:
        for rule in self.stage.policy.rules:
            pattern = rule.match.domain.lower()
            if rule.on_publish is OnPublish.RECORD and fnmatchcase(self.domain.streaming, pattern):
                yield rule

    def _missing(self, held: Sequence[Place]) -> Iterator[tuple[str, str]]:
        """The places that a rule needs and none of the present ones is for."""
        apps = [(rule.match.app, rule.match.stream) for rule in self._rules()]
        if not apps and not held:
            apps = [("*", "*")]
        added: set[tuple[str, str]] = set()
        for app, stream in apps:
            is_there = any(_meets(app, one.app) and _meets(stream, one.streams) for one in held)
            place = (_plain(app), _plain(stream))
            if not is_there and place not in added:
                added.add(place)
                yield place

    def _new(self, pattern: Sequence[Value]) -> Value:
        """As another of the domain, unless the person says where to."""
        if self.wanted.bucket:
            where = {"OssBucket": self.wanted.bucket, "OssEndpoint": self.wanted.endpoint}
            formats = self._new_formats()
        elif pattern:
            where = {name: pattern[0][name] for name in ("OssBucket", "OssEndpoint")}
            formats = [dict(one) for one in pattern[0]["RecordFormat"]] or self._new_formats()
        else:
            raise Blocked(
                "there is none, and no other of the domain to go by: say --bucket and --endpoint"
            )
        return {
            **where,
            "OnDemand": MANUAL,
            "DelayTime": self.stage.merge_delay,
            "RecordFormat": formats,
        }

    def _new_formats(self) -> list[dict[str, Any]]:
        return [{"Format": name, "OssObjectPrefix": OBJECT_NAME} for name in self.wanted.formats]


def _meets(pattern: str, name: str) -> bool:
    return name == "*" or fnmatchcase(name, pattern)


def _plain(pattern: str) -> str:
    """Live knows names and "*", and no other pattern."""
    return "*" if GLOB & set(pattern) else pattern


def _with_stream(prefix: str) -> str:
    folder, divided, name = prefix.rpartition("/")
    return f"{folder}{divided}{{StreamName}}/{name}" if divided else f"{{StreamName}}/{prefix}"


def shown(url: str) -> str:
    """The end of a callback URL is often a secret."""
    head, _, path = url.partition("://")
    host, divided, rest = path.partition("/")
    return f"{head}://{host}/…" if divided and rest else url
