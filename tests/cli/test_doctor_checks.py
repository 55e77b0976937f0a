"""Each check of doctor, as a function of the Snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from cli import texts
from cli.doctor import recording, report
from cli.doctor.checks import CHECKS, kinds
from cli.doctor.finding import Finding, Severity, examine, worst
from cli.doctor.snapshot import (
    Bucket,
    Callback,
    CallbackProbe,
    CallbackRecord,
    Deployment,
    Domain,
    Format,
    Identity,
    Online,
    Recording,
    Snapshot,
    StageRef,
    Unread,
)
from shared.config import load_policy
from shared.protocol.durations import rfc3339
from shared.protocol.policy import Policy
from tests.conftest import NOON
from tests.support.doctor_compute import GOOD as GOOD_DEPLOYMENT
from tests.support.doctor_compute import ROLES
from tests.support.doctor_compute import cases as compute_cases

LIVE, PUSH = "live.example.com", "push.example.com"
URL = "https://fc.example.com"
STREAM_URL, RECORD_URL, ASK_URL = (
    f"{URL}/callbacks/{kind}/path-token" for kind in ("stream", "record", "on-demand")
)
ENDPOINT = "oss-cn-shanghai.aliyuncs.com"
ALLOW_PAGES = (
    "ossutil api put-bucket-cors --bucket recordings --cors-configuration"
    """ '{"CORSRule":[{"AllowedOrigin":["https://fc.example.com"],"AllowedMethod":["GET","HEAD"],"""
    """"AllowedHeader":"*","MaxAgeSeconds":600}]}'"""
)
BUCKET = ("recordings", ENDPOINT)
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "class*" }
on_publish = "record"
max_concurrent = 200
"""
EXAMINED: dict[str, Any] = {
    "stage": "prod",
    "mode": "act",
    "settings": {
        "callback_host": "fc.example.com",
        "merge_delay_ms": 180_000,
        "signs_files": True,
        "bucket": "recordings",
        "max_concurrent": None,
        "signature_window_ms": 300_000,
        "wakes": True,
        "stream_keys": 1,
        "record_keys": 1,
        "path_tokens": 1,
    },
    "store": {
        "engine": "redis",
        "settings": {
            "role": "master",
            "aof_enabled": "1",
            "aof_last_write_status": "ok",
            "maxmemory_policy": "noeviction",
            "appendfsync": "always",
        },
        "writable": True,
        "why": "",
        "missing": [],
        "expected_id": "cn-shanghai.prod.aaaa",
        "found_id": "cn-shanghai.prod.aaaa",
    },
    "policy": {"version": 1, "fault": ""},
    "live": [{"domain": LIVE, "online": 0, "code": None}],
}
HEALTH = {"ready": True, "reconciled_ms_ago": 20_000, "due": 0, "oldest_due_ms": 0}
HEALTH |= {"heartbeat_ms_ago": 20_000}
PREFIX = "record/{AppName}/{StreamName}/{StartTime}"
CONFIGURATION = Recording(
    LIVE,
    "*",
    "*",
    7,
    180_000,
    (Format("mp4", "record/{AppName}/{StreamName}/{StartTime}"),),
    *BUCKET,
    NOON - 1,
)
TELLS_STREAM = Callback(PUSH, STREAM_URL, True, "stream-key")
TELLS_RECORD = Callback(LIVE, RECORD_URL, True, "record-key", ASK_URL, status=True)
MAPPING = [(LIVE, "vhost"), (PUSH, "publish")]
DOMAIN = Domain(
    name=LIVE,
    mapping=MAPPING,
    recordings=[CONFIGURATION],
    vod=[],
    record_callback=TELLS_RECORD,
    stream_callbacks={PUSH: TELLS_STREAM},
)
GOOD = {STREAM_URL: 200, RECORD_URL: 200}


def policy(text: str = POLICY) -> Policy:
    return load_policy(text, kind="toml")


HEALTHY = Snapshot(
    stage_ref=StageRef(URL, "--stage prod"),
    identity=Identity("RAMUser", "ada"),
    clock_offset_ms=200,
    health=HEALTH,
    examined=EXAMINED,
    policy=policy(),
    listed=[],
    domains=[DOMAIN],
    buckets={BUCKET: Bucket(*BUCKET, readers=("https://*",), has_cors_rules=True)},
    probes={
        url: CallbackProbe(url, status, ours=True, signed=True) for url, status in GOOD.items()
    },
    known={
        "stream_key:stream-key": True,
        "record_key:record-key": True,
        "path_token:path-token": True,
    },
    now_ms=NOON + 60_000,
    deployment=GOOD_DEPLOYMENT,
    service_roles=ROLES,
)
AWAY = Unread("the stage", "nothing answers", code="NoAnswer")
NOT_LET = Unread("the stage", "Forbidden: the token lacks the scope control")
UNLISTED = Unread("its streams", "InternalError")
UNKNOWN_REJECTION = Unread(
    "the domain's mapping", "Forbidden.RAM", "live:DescribeLiveDomainMapping", "Forbidden.RAM"
)
Change = Callable[[], Snapshot]


def examined(part: str, **changed: object) -> Snapshot:
    return replace(HEALTHY, examined={**EXAMINED, part: {**EXAMINED[part], **changed}})


def telling(code: str) -> Snapshot:
    """Return a stage whose health reports this problem."""
    problem = {
        "code": code,
        "text": "it did not arrive",
        "fix": "Mend it.",
        "stops_commands": False,
    }
    return replace(HEALTHY, health={**HEALTH, "problems": [problem]})


def suspended(snapshot: Snapshot) -> Snapshot:
    until = '[suspended]\nuntil = "2030-01-01T00:00:00Z"\n'
    health = telling("policy_suspended").health
    return replace(snapshot, policy=policy(f"{POLICY}{until}"), health=health)


def reporting(*, stops_commands: bool) -> Snapshot:
    problem = {"code": "store_busy", "text": "there is an other writer", "fix": "End it."}
    problems = [{**problem, "stops_commands": stops_commands}]
    return replace(HEALTHY, health={**HEALTH, "problems": problems})


def narrow(*, offset_ms: int) -> Snapshot:
    """Return a stage that takes the shortest signature window, with a clock that is off."""
    short = examined("settings", signature_window_ms=40_000)
    return replace(short, clock_offset_ms=offset_ms)


def engine(**settings: str) -> Snapshot:
    return examined("store", settings={**EXAMINED["store"]["settings"], **settings})


def domain(**changed: Any) -> Snapshot:  # noqa: ANN401 - as Domain has them
    return replace(HEALTHY, domains=[replace(DOMAIN, **changed)])


def configured(**changed: Any) -> Snapshot:  # noqa: ANN401 - as Recording has them
    return domain(recordings=[replace(CONFIGURATION, **changed)])


def _two_that_cover_a_stream() -> list[Recording]:
    places = (("class1", "*"), ("*", "room1"), ("*", "*"))
    return [replace(CONFIGURATION, app=app, stream=stream) for app, stream in places]


def with_policy(text: str) -> Snapshot:
    return replace(HEALTHY, policy=policy(text))


def probed(url: str, status: int, **more: Any) -> Snapshot:  # noqa: ANN401 - as CallbackProbe has them
    fields = {"ours": True, "signed": True, **more}
    return replace(HEALTHY, probes={**HEALTHY.probes, url: CallbackProbe(url, status, **fields)})


def listed(code: str = "never_asked", phase: str = "idle") -> list[dict[str, Any]]:
    reason = {"code": code, "text": "so it is"}
    return [{"stream": f"{LIVE}/classroom/lesson", "phase": phase, "reason": reason}]


def published_again(at: int) -> Snapshot:
    """Return a snapshot in which the list dates the publish `at` ms after noon, and the stage was
    last shown 50 s before noon that it is recorded."""
    (row,) = listed("confirmed", "recording")
    shown = [{**row, "confirmed_at": rfc3339(NOON - 50_000)}]
    return replace(domain(online=[Online("classroom", "lesson", NOON + at)]), listed=shown)


NO_SCHEDULES = Unread("the schedules of the stage", "no answer")


def scheduled(*streams: str, paused: bool = False, is_over: bool = False) -> Snapshot:
    """Return the snapshot of a stage with one schedule, whose next occurrence is to come."""
    coming = [] if paused or is_over else [{"id": "gala@2099-01-01T00:00:00"}]
    row = {"id": "gala", "streams": list(streams), "next": coming}
    covering = domain(recordings=[replace(CONFIGURATION, app="class*")])
    return replace(covering, schedules=[row])


OWN_HOST = "b.example.com"
ONLINE = [Online("classroom", "lesson", NOON)]
NO_CONFIG = "no_record_config"
OTHER_APP = replace(CONFIGURATION, app="other")
OBSERVED = replace(HEALTHY, examined={**EXAMINED, "mode": "observe"})
NO_ROLE = [{"domain": LIVE, "online": None, "code": "Forbidden.RAM"}]
ASKING = replace(CONFIGURATION, on_demand=1)
FORWARDS = f'{POLICY}\n[forward_to]\non_demand = "https://old.example.com/ask"\n'
SETUP, APPLY = "live-record setup --stage prod", "live-record policy apply policy.toml --stage prod"
ACT = "live-record setup --act --stage prod"
TAKE_OVER = "live-record setup --take-over --stage prod"
DEPLOY = "make deploy STAGE=prod"
WARNING, FAULT = Severity.WARNING, Severity.FAULT
NOBODY = Unread("who they are of", "no credentials", "sts:GetCallerIdentity", "InvalidCredentials")

RELAY_LOST = {**HEALTH, "relay_lost_ms_ago": 60_000}
ROLE = "aliyun ram CreatePolicy --PolicyName live-record-record-command"

REVOKED = Unread("who", "", "sts:GetCallerIdentity", "InvalidAccessKeyId.NotFound")
SILENT = Unread("the recordings", "NeverSent", "live:DescribeLiveRecordConfig", "NeverSent")
UNKNOWN = Severity.UNKNOWN
EMPTIED = {"code": "store_emptied", "text": "", "fix": "", "stops_commands": False}
STORE_PROBLEM = {"code": "store_disk", "text": "disk", "fix": "Free it.", "stops_commands": True}
NO_STORE = {"ready": False, "store": "unavailable", "problems": [STORE_PROBLEM]}
WAITS = {"code": "not_recorded", "text": "3 wait", "fix": "See.", "stops_commands": False}


def of_role(code: str) -> Snapshot:
    return replace(HEALTHY, examined={**EXAMINED, "live": [{"domain": LIVE, "code": code}]})


def asking(url: str) -> Snapshot:
    return domain(recordings=[ASKING], record_callback=replace(TELLS_RECORD, on_demand_url=url))


def of_kind(kind: str) -> Snapshot:
    return replace(asking(ASK_URL), path_kinds={"path-token": kind})


def observing(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot of a stage that only observes; unchanged if the stage did not answer."""
    if isinstance(snapshot.examined, Unread):
        return snapshot
    return replace(snapshot, examined={**snapshot.examined, "mode": "observe"})


def standby(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot of a stage that observes until it takes over from the stage that Live
    calls (docs/disaster.md)."""
    if isinstance(snapshot.examined, Unread):
        return snapshot
    hosts = {"callback_host": OWN_HOST, "callback_hosts": [OWN_HOST, "fc.example.com"]}
    settings = {**snapshot.examined["settings"], **hosts}
    return replace(
        snapshot,
        stage_ref=replace(snapshot.stage_ref, url=f"https://{OWN_HOST}"),
        examined={**snapshot.examined, "mode": "observe", "settings": settings},
        known={**snapshot.known, "path_token:path-token": False},
        deployment=_with_own_route(snapshot.deployment),
    )


def _with_own_route(deployment: Deployment | Unread | None) -> Deployment | Unread | None:
    if not isinstance(deployment, Deployment):
        return deployment
    return replace(deployment, routes={OWN_HOST: deployment.routes.get("fc.example.com", {})})


def cut(name: str) -> Snapshot:
    """Return a snapshot of a domain of whose list `name` doctor has read the beginning."""
    lists = {"online": ("the list of live streams", 60_000, "DescribeLiveStreamsOnlineList")}
    lists |= {"recordings": ("the recording configurations", 600, "DescribeLiveRecordConfig")}
    subject, count, action = lists[name]
    rest = Unread(f"{subject} of {LIVE}", str(count), f"live:{action}", "LeftOut")
    return replace(domain(beyond={name: rest}), refused=[rest])


def known(secret: str) -> Snapshot:
    return replace(HEALTHY, known={**HEALTHY.known, secret: False})


MORE: tuple[tuple[str, Severity, str, str, Change], ...] = (
    ("credentials", FAULT, "not valid", "", lambda: replace(HEALTHY, identity=REVOKED)),
    (
        "credentials",
        UNKNOWN,
        "could not be determined",
        "",
        lambda: replace(HEALTHY, identity=replace(REVOKED, code="NeverSent")),
    ),
    ("access", UNKNOWN, "NeverSent", "", lambda: replace(HEALTHY, refused=[SILENT, SILENT])),
    (
        "access",
        UNKNOWN,
        "the first 60000 of the list of live streams of live.example.com, and there are more",
        "",
        lambda: cut("online"),
    ),
    ("clock", WARNING, "1m behind", "", lambda: replace(HEALTHY, clock_offset_ms=-60_000)),
    ("clock", FAULT, "5m ahead", "", lambda: replace(HEALTHY, clock_offset_ms=300_000)),
    ("clock", WARNING, "it is 5m ahead", "", lambda: replace(HEALTHY, clock_offset_ms=299_000)),
    ("clock", WARNING, "it is 40s ahead", "", lambda: narrow(offset_ms=20_000)),
    ("clock", FAULT, "40s behind", "", lambda: narrow(offset_ms=-40_000)),
    ("domain", FAULT, "bound to none", APPLY, lambda: domain(mapping=[(LIVE, "publish")])),
    (
        "durable",
        UNKNOWN,
        "settings of the store",
        "",
        lambda: examined("store", writable=False, why="no memory", settings={}),
    ),
    ("store", FAULT, "Free it", "", lambda: replace(HEALTHY, health=NO_STORE)),
    (
        "mapping",
        WARNING,
        "pushed to it directly",
        "",
        lambda: replace(
            domain(mapping=[(LIVE, "vhost")]),
            policy=policy(POLICY.replace('["push.example.com"]', "[]")),
        ),
    ),
    (
        "on-demand-callback",
        FAULT,
        "old.example.com",
        TAKE_OVER,
        lambda: asking("https://old.example.com/x"),
    ),
    (
        "on-demand-callback",
        FAULT,
        "the path must begin with /callbacks",
        SETUP,
        lambda: asking(STREAM_URL),
    ),
    ("on-demand-callback", FAULT, "over http", SETUP, lambda: asking(ASK_URL.replace("s:", ":"))),
    (
        "on-demand-callback",
        FAULT,
        "path token",
        SETUP,
        lambda: replace(asking(ASK_URL), known={"path_token:path-token": False}),
    ),
    (
        "record-callback",
        FAULT,
        "old.example.com",
        TAKE_OVER,
        lambda: domain(record_callback=replace(TELLS_RECORD, url="https://old.example.com/x")),
    ),
    (
        "record-callback",
        FAULT,
        "over http",
        SETUP,
        lambda: domain(record_callback=replace(TELLS_RECORD, url=RECORD_URL.replace("s:", ":"))),
    ),
    ("record-callback", FAULT, "path token", SETUP, lambda: known("path_token:path-token")),
    ("record-callback", FAULT, "of release 0.2", SETUP, lambda: of_kind("all")),
    ("record-callback", FAULT, "of another kind", SETUP, lambda: of_kind("stream")),
    ("stream-callback", FAULT, "of release 0.2", SETUP, lambda: of_kind("all")),
    ("stream-callback", FAULT, "of another kind", SETUP, lambda: of_kind("record")),
    ("on-demand-callback", FAULT, "of release 0.2", SETUP, lambda: of_kind("all")),
    ("on-demand-callback", FAULT, "of another kind", SETUP, lambda: of_kind("stream")),
    (
        "stream-callback",
        FAULT,
        "the path must begin with /callbacks",
        SETUP,
        lambda: domain(stream_callbacks={PUSH: replace(TELLS_STREAM, url=RECORD_URL)}),
    ),
    (
        "stream-key",
        FAULT,
        "does not sign",
        SETUP,
        lambda: domain(stream_callbacks={PUSH: replace(TELLS_STREAM, signs=False)}),
    ),
    ("record-key", FAULT, "does not know", SETUP, lambda: known("record_key:record-key")),
    (
        "recorded",
        FAULT,
        "Publish them again",
        "",
        lambda: replace(domain(online=ONLINE), listed=listed(NO_CONFIG, "failed")),
    ),
    (
        "recorded",
        WARNING,
        "nothing shows yet that it records",
        "",
        lambda: replace(domain(online=ONLINE), listed=listed("unconfirmed", "starting")),
    ),
    (
        "recorded",
        FAULT,
        "nobody knows whether these streams are recorded",
        "",
        lambda: replace(domain(online=ONLINE), listed=listed("in_doubt", "starting")),
    ),
    (
        "recorded",
        UNKNOWN,
        "Live has reported that it records these streams, but",
        "",
        lambda: replace(
            domain(online=ONLINE),
            listed=[
                {**row, "live": "yes", "wanted": True, "wrong": None}
                for row in listed("in_doubt", "starting")
            ],
        ),
    ),
    (
        "recorded",
        UNKNOWN,
        "but they may have ended",
        "",
        lambda: replace(domain(online=ONLINE), listed=listed("may_have_ended", "waiting")),
    ),
    (
        "recorded",
        UNKNOWN,
        "Start or stop each",
        "",
        lambda: replace(domain(online=ONLINE), health={**HEALTH, "problems": [EMPTIED]}),
    ),
    (
        "recorded",
        UNKNOWN,
        "clock was set back",
        "",
        lambda: replace(
            domain(online=[Online("classroom", "lesson", NOON + 600_000)]),
            listed=listed("recorded_age_unknown", "recording"),
        ),
    ),
    ("recorded", UNKNOWN, "shows a later publish", "", lambda: published_again(-30_000)),
    (
        "recorded",
        FAULT,
        "the records of these streams cannot be read",
        "",
        lambda: replace(domain(online=ONLINE), unreadable=[f"{LIVE}/classroom/lesson"]),
    ),
    (
        "recorded",
        UNKNOWN,
        "the store was emptied, so",
        "",
        lambda: replace(domain(online=ONLINE), listed=listed("store_emptied", "idle")),
    ),
    (
        "recorded",
        FAULT,
        "3 wait. See",
        "",
        lambda: replace(HEALTHY, health={**HEALTH, "problems": [WAITS]}),
    ),
    (
        "recording",
        FAULT,
        "somebody asked to record",
        f"{APPLY} && {SETUP}",
        lambda: replace(
            domain(recordings=[replace(CONFIGURATION, app="class*")]),
            listed=[{**listed(NO_CONFIG, "failed")[0], "stream": f"{LIVE}/yard/x"}],
        ),
    ),
    (
        "recording",
        FAULT,
        "covers them: live.example.com/yard/x (schedule gala).",
        f"{APPLY} && {SETUP}",
        lambda: scheduled(f"{LIVE}/yard/x", f"{LIVE}/classroom/y"),
    ),
    (
        "recording",
        FAULT,
        "covers them: live.example.com/yard/cam* (schedule gala).",
        f"{APPLY} && {SETUP}",
        lambda: scheduled(f"{LIVE}/yard/cam*"),
    ),
    (
        "recording",
        UNKNOWN,
        "the finding of `stage` says why",
        "",
        lambda: replace(HEALTHY, schedules=NO_SCHEDULES),
    ),
    (
        "stage",
        FAULT,
        "the schedules of the stage could not be read: no answer",
        "",
        lambda: replace(HEALTHY, schedules=NO_SCHEDULES),
    ),
    (
        "recorded",
        UNKNOWN,
        "may be old",
        "",
        lambda: replace(
            domain(online=ONLINE),
            listed=listed("confirmed", "recording"),
            health={**HEALTH, "problems": [STORE_PROBLEM]},
        ),
    ),
    (
        "recorded",
        WARNING,
        "while the policy is suspended",
        "",
        lambda: replace(
            suspended(domain(online=ONLINE)), listed=listed("policy_suspended", "idle")
        ),
    ),
    (
        "role",
        WARNING,
        "`reconcile` has a role of its own",
        "",
        lambda: telling("online_list_unreadable"),
    ),
    ("role", UNKNOWN, "has just run `doctor`", "", lambda: of_role("AskedJustNow")),
    ("role", FAULT, "InternalError", "", lambda: of_role("InternalError")),
    ("role", FAULT, "InvalidAccessKeyId", DEPLOY, lambda: of_role("InvalidAccessKeyId.NotFound")),
    (
        "role",
        FAULT,
        "so it is (seen with",
        "",
        lambda: replace(HEALTHY, listed=listed("live_not_activated")),
    ),
)

CASES: tuple[tuple[str, Severity, str, str, Change], ...] = (
    (
        "credentials",
        FAULT,
        "root key",
        "aliyun ram CreateUser",
        lambda: replace(HEALTHY, identity=Identity("Account")),
    ),
    (
        "credentials",
        FAULT,
        "there are no credentials",
        "",
        lambda: replace(HEALTHY, identity=NOBODY),
    ),
    (
        "access",
        FAULT,
        "live:DescribeLiveDomainMapping",
        "aliyun ram CreatePolicy --PolicyName live-record-inspector",
        lambda: replace(HEALTHY, refused=[UNKNOWN_REJECTION]),
    ),
    ("stage", FAULT, "nothing answers", "", lambda: replace(HEALTHY, examined=AWAY, health=AWAY)),
    (
        "stage",
        FAULT,
        "refuses the requests of `doctor`",
        "",
        lambda: replace(HEALTHY, examined=NOT_LET),
    ),
    ("stage", FAULT, "its streams could not", "", lambda: replace(HEALTHY, listed=UNLISTED)),
    ("store", FAULT, "no memory", "", lambda: examined("store", writable=False, why="no memory")),
    (
        "store",
        FAULT,
        "may not run HSET, EVALSHA",
        "redis-cli -u $LIVE_RECORD_STORE acl setuser USER ~live-record:* +hset +evalsha",
        lambda: examined("store", missing=["HSET", "EVALSHA"], writable=False, why="no permission"),
    ),
    ("health", FAULT, "other writer. End it.", "", lambda: reporting(stops_commands=True)),
    ("health", WARNING, "other writer. End it.", "", lambda: reporting(stops_commands=False)),
    ("identity", WARNING, "nobody would notice", DEPLOY, lambda: examined("store", expected_id="")),
    ("durable", FAULT, "loses everything", "redis-cli", lambda: engine(aof_enabled="0")),
    ("durable", WARNING, "write to disk", "redis-cli", lambda: engine(appendfsync="no")),
    ("durable", FAULT, "allkeys-lru", "redis-cli", lambda: engine(maxmemory_policy="allkeys-lru")),
    ("durable", WARNING, "may not run INFO", "redis-cli", lambda: examined("store", settings={})),
    ("durable", FAULT, "replica", "", lambda: engine(role="slave")),
    ("durable", FAULT, "the free space", "", lambda: engine(aof_last_write_status="err")),
    ("policy", FAULT, "newest policy", APPLY, lambda: examined("policy", fault="rule: is wrong")),
    ("policy", WARNING, "only observes", ACT, lambda: OBSERVED),
    (
        "timer",
        WARNING,
        "has not run yet",
        DEPLOY,
        lambda: replace(HEALTHY, health={**HEALTH, "reconciled_ms_ago": None}),
    ),
    (
        "timer",
        FAULT,
        "10m ago",
        DEPLOY,
        lambda: replace(HEALTHY, health={**HEALTH, "reconciled_ms_ago": 600_000}),
    ),
    (
        "timer",
        WARNING,
        "streams whose next command or check is due",
        "",
        lambda: replace(HEALTHY, health={**HEALTH, "oldest_due_ms": 200_000}),
    ),
    ("wake", WARNING, "WAKE_URL", DEPLOY, lambda: examined("settings", wakes=False)),
    ("wake", WARNING, "did not arrive", "", lambda: telling("wake_unreachable")),
    (
        "relay",
        WARNING,
        "1m ago",
        "",
        lambda: replace(HEALTHY, health=RELAY_LOST, policy=policy(FORWARDS)),
    ),
    (
        "heartbeat",
        WARNING,
        "30s ago",
        "",
        lambda: replace(
            HEALTHY,
            health={**HEALTH, "heartbeat_ms_ago": 90_000, "heartbeat_lost_ms_ago": 30_000},
        ),
    ),
    ("secrets", FAULT, "RECORD_KEYS is unset", DEPLOY, lambda: examined("settings", record_keys=0)),
    ("clock", WARNING, "1m ahead", "", lambda: replace(HEALTHY, clock_offset_ms=60_000)),
    ("clock", FAULT, "5m behind", "", lambda: replace(HEALTHY, clock_offset_ms=-300_000)),
    (
        "role",
        FAULT,
        "Forbidden.RAM",
        ROLE,
        lambda: replace(HEALTHY, examined={**EXAMINED, "live": NO_ROLE}),
    ),
    (
        "role",
        FAULT,
        "refuses the function's",
        ROLE,
        lambda: replace(HEALTHY, listed=listed("operator_action_needed")),
    ),
    (
        "quota",
        WARNING,
        "40 instances",
        "",
        lambda: replace(HEALTHY, stage_ref=StageRef(URL, "--stage prod", instances=10)),
    ),
    (
        "domain",
        FAULT,
        "name live.example.com instead",
        APPLY,
        lambda: replace(domain(name=PUSH), domains=[replace(DOMAIN, name=PUSH)]),
    ),
    (
        "domain",
        FAULT,
        "not a domain of this account",
        APPLY,
        lambda: domain(mapping=replace(UNKNOWN_REJECTION, code="InvalidDomain.NotFound")),
    ),
    (
        "mapping",
        FAULT,
        "also pushed to push2.example.com",
        APPLY,
        lambda: domain(mapping=[*MAPPING, ("push2.example.com", "publish")]),
    ),
    (
        "mapping",
        FAULT,
        "does not bind",
        "aliyun live AddLiveDomainMapping",
        lambda: domain(mapping=[(LIVE, "vhost")]),
    ),
    (
        "recording",
        FAULT,
        "has no recording configuration",
        "live-record setup --bucket NAME --endpoint",
        lambda: domain(recordings=[]),
    ),
    ("recording", FAULT, "rule live.example.com/class*/*", SETUP, lambda: configured(app="other")),
    ("on-demand", WARNING, "OnDemand 0", SETUP, lambda: configured(on_demand=0)),
    ("on-demand", WARNING, "OnDemand 2", SETUP, lambda: configured(on_demand=2)),
    (
        "on-demand",
        WARNING,
        "OnDemand 0",
        "live-record setup --manual --stage prod",
        lambda: configured(on_demand=0, app="other"),
    ),
    (
        "bucket",
        FAULT,
        "is not at oss-cn-shanghai",
        "live-record setup --endpoint",
        lambda: replace(
            HEALTHY,
            buckets={BUCKET: Unread("a bucket", "", "oss:GetBucketInfo", "WrongEndpoint")},
        ),
    ),
    (
        "recording",
        WARNING,
        f"{LIVE}/*/room1 and {LIVE}/class1/* both cover the stream {LIVE}/class1/room1",
        "",
        lambda: domain(recordings=_two_that_cover_a_stream()),
    ),
    (
        "storage",
        WARNING,
        "OSS and for VOD",
        "aliyun live DeleteLiveRecordVodConfig",
        lambda: domain(vod=[CONFIGURATION]),
    ),
    ("formats", FAULT, "names no format", SETUP, lambda: configured(formats=())),
    (
        "formats",
        WARNING,
        "names none of these formats",
        "",
        lambda: replace(domain(recordings=[ASKING]), policy=policy(FORWARDS)),
    ),
    (
        "names",
        WARNING,
        "{StreamName}",
        SETUP,
        lambda: configured(formats=(Format("mp4", "{StartTime}"),)),
    ),
    (
        "names",
        WARNING,
        "m3u8 (SliceOssObjectPrefix)",
        SETUP,
        lambda: configured(formats=(Format("m3u8", PREFIX, "record/{UnixTimestamp}_{Sequence}"),)),
    ),
    (
        "names",
        WARNING,
        "the files get no playback URL",
        APPLY,
        lambda: configured(formats=(Format("mp4", "vod/{StreamName}/{StartTime}"),)),
    ),
    ("delay", WARNING, "waits 30s", SETUP, lambda: configured(delay_ms=30_000)),
    (
        "bucket",
        FAULT,
        "does not exist",
        "aliyun oss mb",
        lambda: replace(
            HEALTHY, buckets={BUCKET: Unread("a bucket", "", "oss:GetBucketInfo", "NoSuchBucket")}
        ),
    ),
    (
        "bucket",
        FAULT,
        "is at oss-cn-beijing",
        "live-record setup --endpoint oss-cn-beijing.aliyuncs.com --stage prod",
        lambda: replace(
            HEALTHY, buckets={BUCKET: Bucket("recordings", "oss-cn-beijing.aliyuncs.com")}
        ),
    ),
    (
        "bucket",
        WARNING,
        "verification reports them as missing",
        "",
        lambda: configured(bucket="elsewhere"),
    ),
    (
        "lifecycle",
        WARNING,
        "once they are 2d old",
        "",
        lambda: replace(HEALTHY, buckets={BUCKET: Bucket(*BUCKET, expires_days=2)}),
    ),
    (
        "cors",
        WARNING,
        "has no rule for requests of other origins (CORS)",
        ALLOW_PAGES,
        lambda: replace(HEALTHY, buckets={BUCKET: Bucket(*BUCKET)}),
    ),
    (
        "cors",
        WARNING,
        "leave out",
        "",
        lambda: replace(
            HEALTHY,
            buckets={BUCKET: Bucket(*BUCKET, readers=("https://x.cn",), has_cors_rules=True)},
        ),
    ),
    (
        "fresh",
        WARNING,
        "published before",
        "",
        lambda: replace(domain(online=[Online("x", "y", NOON - 9)])),
    ),
    (
        "recorded",
        FAULT,
        "Publish it under another name",
        "",
        lambda: domain(online=[Online("classroom", "lesson*", NOON)]),
    ),
    (
        "recorded",
        FAULT,
        "the stage does not know them",
        f"live-record start {LIVE}/classroom/lesson",
        lambda: domain(online=ONLINE),
    ),
    (
        "recorded",
        FAULT,
        "so it is",
        "live-record start",
        lambda: replace(domain(online=ONLINE), listed=listed()),
    ),
    (
        "stream-callback",
        FAULT,
        "Live does not report",
        SETUP,
        lambda: domain(stream_callbacks={PUSH: None}),
    ),
    (
        "stream-callback",
        FAULT,
        "to old.example.com",
        TAKE_OVER,
        lambda: domain(
            stream_callbacks={PUSH: replace(TELLS_STREAM, url="https://old.example.com/x")}
        ),
    ),
    (
        "stream-callback",
        FAULT,
        "over http",
        SETUP,
        lambda: domain(
            stream_callbacks={PUSH: replace(TELLS_STREAM, url=STREAM_URL.replace("https", "http"))}
        ),
    ),
    (
        "stream-callback",
        FAULT,
        "path token",
        SETUP,
        lambda: replace(HEALTHY, known={**HEALTHY.known, "path_token:path-token": False}),
    ),
    ("record-callback", FAULT, "Live does not report", SETUP, lambda: domain(record_callback=None)),
    (
        "record-callback",
        FAULT,
        "the path must begin with /callbacks/record/",
        SETUP,
        lambda: domain(record_callback=replace(TELLS_RECORD, url=STREAM_URL)),
    ),
    (
        "on-demand-callback",
        FAULT,
        "no OnDemandUrl",
        SETUP,
        lambda: domain(
            recordings=[ASKING], record_callback=replace(TELLS_RECORD, on_demand_url="")
        ),
    ),
    (
        "status",
        FAULT,
        "NeedStatusNotify",
        SETUP,
        lambda: domain(record_callback=replace(TELLS_RECORD, status=False)),
    ),
    (
        "stream-key",
        FAULT,
        "does not know",
        SETUP,
        lambda: replace(HEALTHY, known={**HEALTHY.known, "stream_key:stream-key": False}),
    ),
    (
        "record-key",
        FAULT,
        "does not sign",
        SETUP,
        lambda: domain(record_callback=replace(TELLS_RECORD, signs=False, key="")),
    ),
    (
        "answer",
        FAULT,
        "nothing answers",
        "",
        lambda: probed(RECORD_URL, 0, ours=False, why="refused"),
    ),
    (
        "answer",
        FAULT,
        "something other than live-record",
        DEPLOY,
        lambda: probed(RECORD_URL, 404, ours=False),
    ),
    ("answer", FAULT, "LIVE_RECORD_CALLBACK_HOST", DEPLOY, lambda: probed(RECORD_URL, 401)),
    (
        "delivery",
        WARNING,
        "did not arrive",
        "",
        lambda: domain(lost=[CallbackRecord("publish", "a/b/c", "no answer", "now")]),
    ),
    (
        "errors",
        FAULT,
        "BucketNotFound",
        "",
        lambda: domain(broken=[CallbackRecord("record_error", "a/b/c", "BucketNotFound", "now")]),
    ),
)


OF_STANDBY: tuple[tuple[str, Severity, str, str, Change], ...] = (
    (
        "policy",
        WARNING,
        "also names fc.example.com",
        "",
        lambda: standby(HEALTHY),
    ),
    (
        "stream-key",
        FAULT,
        "Copy LIVE_RECORD_STREAM_KEYS from",
        DEPLOY,
        lambda: standby(known("stream_key:stream-key")),
    ),
    (
        "record-key",
        FAULT,
        "Copy LIVE_RECORD_RECORD_KEYS from",
        DEPLOY,
        lambda: standby(known("record_key:record-key")),
    ),
    (
        "delay",
        WARNING,
        "LIVE_RECORD_MERGE_DELAY is 3m. Copy LIVE_RECORD_MERGE_DELAY",
        DEPLOY,
        lambda: standby(configured(delay_ms=30_000)),
    ),
    (
        "recorded",
        UNKNOWN,
        "Import the state of the other stage again",
        "",
        lambda: standby(replace(domain(online=ONLINE), health={**HEALTH, "problems": [EMPTIED]})),
    ),
)
CASES += (*MORE, *OF_STANDBY, *compute_cases(HEALTHY))


def found(snapshot: Snapshot, check: str) -> list[Finding]:
    return [
        finding
        for finding in examine(CHECKS, snapshot)
        if finding.check == check and finding.severity > Severity.NOTHING
    ]


def test_a_healthy_stage_has_nothing_to_fix() -> None:
    assert worst(examine(CHECKS, HEALTHY)) <= Severity.NOTHING


@pytest.mark.parametrize("harmless", ["noeviction", "volatile-lru", "volatile-ttl"])
def test_an_eviction_of_what_expires_is_no_fault(harmless: str) -> None:
    """None of our keys expires. volatile-lru is the default of Alibaba Cloud's instances."""
    assert found(engine(maxmemory_policy=harmless), "durable") == []


@pytest.mark.parametrize(("check", "severity", "says", "fix", "change"), CASES)
def test_what_is_wrong_is_found_with_the_command_that_fixes_it(
    check: str, severity: Severity, says: str, fix: str, change: Change
) -> None:
    findings = found(change(), check)

    assert [finding.severity for finding in findings if says in finding.text] == [severity]
    assert all(finding.fix.startswith(fix) for finding in findings)


def test_every_check_is_shown_to_find_something() -> None:
    assert {check.name for check in CHECKS} == {case[0] for case in CASES}


def test_every_check_says_something_whatever_could_not_be_read() -> None:
    dark = replace(
        HEALTHY,
        identity=NOBODY,
        clock_offset_ms=AWAY,
        health=AWAY,
        examined=AWAY,
        policy=AWAY,
        listed=AWAY,
        domains=[],
        deployment=NOBODY,
        service_roles=NOBODY,
    )
    findings = examine(CHECKS, dark)

    assert [finding.check for finding in findings if finding.severity is Severity.OK] == []
    assert {finding.check: finding.code for finding in findings if not finding.because} == {
        "stage": "stage.down",
        "credentials": "credentials.none",
    }


def test_a_check_says_once_for_each_cause_what_it_could_not_look_at() -> None:
    """A stage that is away darkens most of them: one line of each is enough."""
    dark = replace(HEALTHY, examined=AWAY, policy=replace(AWAY, subject="its policy"), listed=AWAY)
    (finding,) = found(dark, "quota")

    assert (finding.severity, finding.because) == (Severity.UNKNOWN, "stage")


def test_a_store_that_does_not_answer_is_the_cause_of_what_is_not_known() -> None:
    """Not even the stage's own examination answers in time then."""
    problem = {"code": "store_unreachable", "text": "it is away", "fix": "Bring it back."}
    problems = [{**problem, "stops_commands": True}]
    away = {"ready": False, "store": "unavailable", "problems": problems}
    dark = replace(HEALTHY, health=away, examined=AWAY, listed=AWAY, policy=AWAY, domains=[])
    findings = examine(CHECKS, dark)

    assert [f.code for f in findings if f.severity is Severity.FAULT] == ["store.unavailable"]
    of_store = ("health", "identity", "durable", "policy", "timer", "wake", "relay", "role")
    assert {f.because for f in findings if f.check in of_store} == {"store"}
    assert Severity.OK not in {f.severity for f in findings if f.check in of_store}


def test_a_problem_of_the_store_and_its_remedy_are_two_sentences_of_chinese() -> None:
    texts.use_language("zh")
    (finding,) = found(replace(HEALTHY, health=NO_STORE), "store")

    assert finding.text == "disk。Free it."


def test_a_stage_without_a_monitor_is_told_of_the_setting() -> None:
    lonely = replace(HEALTHY, health={**HEALTH, "heartbeat_ms_ago": None})
    (finding,) = [f for f in examine(CHECKS, lonely) if f.check == "heartbeat"]

    assert (finding.severity, finding.code) == (Severity.NOTHING, "heartbeat.none")


def test_what_cannot_be_compared_is_not_said_to_be_well() -> None:
    silent = domain(record_callback=replace(TELLS_RECORD, key=""))
    (finding,) = [f for f in examine(CHECKS, silent) if f.check == "record-key"]

    assert (finding.severity, finding.code) == (Severity.NOTHING, "record-key.not_told")


@pytest.mark.parametrize(
    ("code", "fix"),
    [("Forbidden.RAM", ROLE), ("InvalidAccessKeyId.NotFound", DEPLOY), ("InternalError", "")],
)
def test_the_cure_for_a_refusal_fits_its_cause(code: str, fix: str) -> None:
    refused = replace(
        HEALTHY, examined={**EXAMINED, "live": [{"domain": LIVE, "online": None, "code": code}]}
    )
    (finding,) = found(refused, "role")

    assert (code in finding.text, finding.fix.startswith(fix), bool(finding.fix)) == (
        True,
        True,
        bool(fix),
    )


def test_a_standby_that_is_well_has_nothing_to_fix_but_that_it_observes() -> None:
    findings = examine(CHECKS, standby(HEALTHY))
    wrong = [finding for finding in findings if finding.severity > Severity.NOTHING]

    assert [(finding.code, finding.fix) for finding in wrong] == [("policy.standby", "")]
    assert {finding.code for finding in findings if finding.code.endswith(".other_stage")} == {
        *("stream-callback.other_stage", "record-callback.other_stage", "answer.other_stage")
    }


ALL = pytest.mark.parametrize(
    "change",
    [case[-1] for case in CASES],
    ids=[f"{number} {case[0]}" for number, case in enumerate(CASES)],
)


@ALL
def test_nothing_that_doctor_advises_lets_a_standby_act_or_takes_the_callbacks(
    change: Change,
) -> None:
    """What Live needs is configured by the stage that acts."""
    fixes = [finding.fix for finding in examine(CHECKS, standby(change()))]
    commands = [command for fix in fixes for command in fix.split(" && ")]
    ours = [command for command in commands if command.startswith("live-record")]

    applied = "live-record policy apply policy.prod.toml --stage prod"
    assert all(command == applied or command.endswith(" --stage OTHER") for command in ours), ours
    assert [command for command in ours if "--act" in command] == []


@ALL
def test_what_doctor_advises_of_a_stage_that_observes_cures_it_there(change: Change) -> None:
    """Setup leaves recording configurations unchanged while the stage observes, a start sends
    nothing, and a policy without the mode `observe` lets the stage act."""
    snapshot = observing(change())
    if snapshot.is_standby:
        return
    findings = examine(CHECKS, snapshot)
    of_configurations = {check.name for check in recording.CHECKS}
    setups = [
        finding.fix
        for finding in findings
        if finding.check in of_configurations and "live-record setup" in finding.fix
    ]

    assert all("live-record setup --act" in fix for fix in setups), setups
    fixes = [finding.fix for finding in findings]
    assert [fix for fix in fixes if "live-record start" in fix or "apply policy.toml" in fix] == []
    shown = [finding.text for finding in findings if "--act" not in finding.fix]
    assert [text for text in shown if "`start`" in text or "by hand" in text] == []


def test_a_fault_of_a_stage_that_observes_still_counts_as_one() -> None:
    """Live records by itself then, by the same configurations."""
    for snapshot in (configured(formats=()), configured(app="other"), domain(recordings=[])):
        wrong = [f for f in examine(CHECKS, observing(snapshot)) if f.severity is FAULT]
        assert [finding.because for finding in wrong] == [""]
        assert wrong[0].fix.startswith("live-record setup --act")


def test_lost_callbacks_of_the_stage_that_acts_are_not_explained_by_the_standby() -> None:
    lost = replace(standby(losing()), clock_offset_ms=400_000)

    assert [finding.because for finding in found(lost, "delivery")] == [""]


def test_a_standby_in_the_middle_of_its_take_over_has_its_own_callbacks_judged() -> None:
    url = f"https://{OWN_HOST}/callbacks/stream/path-token"
    taken = standby(domain(stream_callbacks={PUSH: replace(TELLS_STREAM, url=url)}))
    (finding,) = found(taken, "stream-callback")

    assert (finding.code, finding.fix) == ("stream-callback.token", SETUP)


def test_forty_streams_of_one_cause_are_one_finding_and_it_leads_to_the_cause() -> None:
    names = [f"lesson{number}" for number in range(40)]
    rows = [{**listed(NO_CONFIG, "failed")[0], "stream": f"{LIVE}/classroom/{n}"} for n in names]
    online = [Online("classroom", name, NOON + number) for number, name in enumerate(names)]
    rows[7]["wrong"] = {"lost_ms": 200_900}
    snapshot = replace(domain(online=online, recordings=[OTHER_APP]), listed=rows)
    (finding,) = found(snapshot, "recorded")

    assert (finding.because, finding.fix) == ("recording", "")
    assert (
        f"40 streams, of these {LIVE}/classroom/lesson7 for the longest time (3m20s)"
        in finding.text
    )
    assert found(snapshot, "recording")[0].code == "recording.rule"


def test_a_stream_that_the_stage_does_not_know_is_lost_since_its_publish() -> None:
    (finding,) = found(domain(online=ONLINE), "recorded")

    assert finding.code == "recorded.unknown"
    assert f"{LIVE}/classroom/lesson (for 1m)" in finding.text


def test_a_stream_that_no_configuration_covers_is_shown_even_where_its_rule_has_one() -> None:
    """A configuration covers some of the rule's streams, and so the check recording is ok."""
    snapshot = replace(
        domain(online=ONLINE, recordings=[replace(CONFIGURATION, app="classics")]),
        listed=listed(NO_CONFIG, "failed"),
    )

    assert found(snapshot, "recording") == []
    assert [finding.because for finding in found(snapshot, "recorded")] == [""]


def test_what_follows_from_a_check_that_is_well_by_now_has_a_line_of_its_own() -> None:
    """The stage acts again, and the stream still waits since it observed."""
    snapshot = replace(domain(online=ONLINE), listed=listed("observed", "waiting"))
    lines = list(report.lines(examine(CHECKS, snapshot)))

    assert found(snapshot, "policy") == []
    assert lines[0].split()[:2] == ["fault", "recorded"]
    assert lines[-1].startswith("1 fault, ")


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("online", {"access", "fresh", "recorded"}),
        (
            "recordings",
            {"access", "service-roles", "recording", "on-demand", "storage", "formats", "names"}
            | {"delay", "bucket", "lifecycle", "cors", "fresh", "on-demand-callback"},
        ),
    ],
)
def test_what_doctor_has_read_in_part_it_calls_unknown_and_says_which_part(
    name: str, checks: set[str]
) -> None:
    findings = examine(CHECKS, cut(name))
    unknown = {finding.check for finding in findings if finding.severity is UNKNOWN}

    assert unknown == checks
    assert {
        finding.check for finding in findings if finding.severity is Severity.OK
    } & checks == set()
    lines = list(report.lines(findings))
    (line,) = [each.strip() for each in lines if "could make only a part of these checks" in each]
    assert set(line.partition(": ")[2].split(", ")) == checks - {"access"}
    assert report.exit_code(findings) == 4


def test_what_was_read_in_part_is_not_called_absent() -> None:
    """The rest may have the configuration."""
    bare, other = replace(cut("recordings"), domains=[]), replace(cut("recordings"), domains=[])
    (whole,) = cut("recordings").domains
    bare = replace(bare, domains=[replace(whole, recordings=[])])
    other = replace(other, domains=[replace(whole, recordings=[OTHER_APP], online=ONLINE)])

    for snapshot in (bare, other):
        found_codes = {finding.code for finding in examine(CHECKS, snapshot)}
        assert not found_codes & {"recording.none", "recording.rule", "service-roles.nothing"}


def test_a_stream_may_have_a_configuration_that_was_not_read() -> None:
    (whole,) = cut("recordings").domains
    later = replace(whole, online=[Online("x", "y", NOON - 9)])

    assert [f.code for f in found(replace(cut("recordings"), domains=[later]), "fresh")] == [
        "fresh.partly"
    ]


def test_without_a_recording_configuration_there_is_nothing_to_check() -> None:
    bare = domain(recordings=[])
    checks = ("on-demand", "storage", "formats", "names", "delay", "service-roles")

    assert {f.code for f in examine(CHECKS, bare) if f.check in checks} == {
        f"{check}.nothing" for check in checks
    }


# --- one cause is one finding -------------------------------------------------------------------

LESSON = f"{LIVE}/classroom/lesson"
NO_DOMAIN = Unread("the mapping", "no", "live:DescribeLiveDomainMapping", "InvalidDomain.NotFound")
FAILED = CallbackRecord("publish", LESSON, "no answer", "now")


def crashing(count: int, *unreadable: str) -> Snapshot:
    """Return a stage with a live stream, that cannot handle so many streams."""
    snapshot = replace(domain(online=ONLINE), unreadable=unreadable)
    listing = [] if LESSON in unreadable else listed("confirmed", "recording")
    health = _tells("streams_quarantined", quarantined=count)
    return replace(snapshot, health=health, listed=listing)


def _tells(code: str, **figures: object) -> dict[str, Any]:
    health = telling(code).health
    assert not isinstance(health, Unread)
    return {**health, **figures}


def without_trigger(function: str, health: dict[str, Any]) -> Snapshot:
    name = f"live-record-{function}-prod"
    bare = replace(GOOD_DEPLOYMENT.functions[name], triggers={})
    functions = {**GOOD_DEPLOYMENT.functions, name: bare}
    deployment = replace(GOOD_DEPLOYMENT, functions=functions)
    return replace(HEALTHY, deployment=deployment, health={**HEALTH, **health})


def without_reconcile() -> Snapshot:
    kept = {n: f for n, f in GOOD_DEPLOYMENT.functions.items() if "reconcile" not in n}
    deployment = replace(GOOD_DEPLOYMENT, functions=kept)
    return replace(HEALTHY, deployment=deployment, health={**HEALTH, "reconciled_ms_ago": None})


def unset(setting: str, secret: str) -> Snapshot:
    return replace(examined("settings", **{setting: 0}), known={**HEALTHY.known, secret: False})


def losing(**changed: Any) -> Snapshot:  # noqa: ANN401 - as Domain has them
    return domain(lost=[FAILED], **changed)


ROOTS: tuple[tuple[str, str, Change], ...] = (
    ("a record", "recorded.unreadable", lambda: crashing(1, LESSON)),
    ("a record of no live stream", "recorded.unreadable", lambda: crashing(1, f"{LIVE}/yard/x")),
    ("a record and a crash", "health.warns", lambda: crashing(2, LESSON)),
    (
        "a list that the role may not read",
        "role.list",
        lambda: replace(of_role("Forbidden.RAM"), health=_tells("online_list_unreadable")),
    ),
    (
        "a list that is read again",
        "role.list_was_unread",
        lambda: telling("online_list_unreadable"),
    ),
    (
        "the list of an unknown domain",
        "domain.unknown",
        lambda: replace(
            domain(mapping=NO_DOMAIN),
            health=_tells("online_list_unreadable"),
            examined=of_role("InvalidDomain.NotFound").examined,
        ),
    ),
    (
        "a reconcile that is stuck",
        "health.warns",
        lambda: replace(HEALTHY, health=_tells("drain_stuck", due=3, oldest_due_ms=200_000)),
    ),
    (
        "a store that accepts no writes, so that no run can note that it ended",
        "store.unwritable",
        lambda: replace(
            losing(),
            examined=examined("store", writable=False, why="no memory").examined,
            health=_tells("drain_stuck", reconciled_ms_ago=3_600_000),
        ),
    ),
    (
        "a store that accepts no writes, and work that is late",
        "store.unwritable",
        lambda: replace(
            examined("store", writable=False, why="no memory"),
            health=_tells("tasks_late", due=3, oldest_due_ms=200_000),
        ),
    ),
    (
        "a suspended policy",
        "health.warns",
        lambda: replace(
            suspended(domain(online=ONLINE)), listed=listed("policy_suspended", "idle")
        ),
    ),
    (
        "a suspended policy, and a stream that the stage has not seen",
        "health.warns",
        lambda: suspended(domain(online=ONLINE)),
    ),
    (
        "no trigger of reconcile",
        "triggers.missing",
        lambda: without_trigger("reconcile", {"reconciled_ms_ago": 200_000}),
    ),
    (
        "no trigger of notify",
        "triggers.missing",
        lambda: without_trigger("notify", _tells("notify_silent")),
    ),
    (
        "no trigger of files",
        "triggers.missing",
        lambda: without_trigger("files", _tells("tasks_late")),
    ),
    (
        "no trigger of deliver",
        "triggers.missing",
        lambda: without_trigger("deliver", _tells("tasks_late")),
    ),
    ("no reconcile", "deployed.missing", without_reconcile),
    ("no stream keys", "secrets.none", lambda: unset("stream_keys", "stream_key:stream-key")),
    ("no record keys", "secrets.none", lambda: unset("record_keys", "record_key:record-key")),
    ("no path tokens", "secrets.none", lambda: unset("path_tokens", "path_token:path-token")),
    (
        "callbacks of nobody",
        "stream-callback.elsewhere",
        lambda: losing(stream_callbacks={PUSH: replace(TELLS_STREAM, url="https://x.cn/x")}),
    ),
    ("a clock", "clock.far_ahead", lambda: replace(losing(), clock_offset_ms=400_000)),
    (
        "an address that does not answer",
        "answer.none",
        lambda: replace(losing(), probes=probed(STREAM_URL, 0, ours=False, why="x").probes),
    ),
    ("a callback", "delivery.lost", losing),
    (
        "a configuration that came after the start",
        "recorded.config",
        lambda: replace(
            domain(online=[Online("classroom", "lesson", NOON - 9)]),
            listed=listed(NO_CONFIG, "failed"),
        ),
    ),
    (
        "a path that the stage does not have",
        "stream-callback.path",
        lambda: replace(
            domain(stream_callbacks={PUSH: replace(TELLS_STREAM, url=f"{URL}/other/path-token")}),
            probes=probed(f"{URL}/other/path-token", 404, ours=False).probes,
        ),
    ),
    (
        "a path token of another kind",
        "stream-callback.other_token",
        lambda: replace(
            HEALTHY,
            path_kinds={"path-token": "record"},
            probes=probed(STREAM_URL, 401).probes,
        ),
    ),
)


@pytest.mark.parametrize(("code", "change"), [row[1:] for row in ROOTS], ids=[r[0] for r in ROOTS])
def test_one_cause_is_one_finding_and_what_follows_from_it_is_shown_below(
    code: str, change: Change
) -> None:
    findings = examine(CHECKS, change())
    wrong = [finding for finding in findings if finding.severity in (WARNING, FAULT)]

    assert {finding.code for finding in wrong if not finding.because} == {code}
    (root,) = {finding.check for finding in wrong if not finding.because}
    assert {finding.because for finding in wrong} <= {"", root}
    assert [finding.fix for finding in wrong if finding.because and finding.fix] == []


def test_callbacks_of_several_kinds_that_were_lost_are_one_finding() -> None:
    lost = [
        CallbackRecord("publish", LESSON, "no answer", "2026-01-06T19:00:00Z"),
        CallbackRecord("publish_done", LESSON, "no answer", "2026-01-06T19:00:05Z"),
    ]
    (finding,) = found(domain(lost=lost), "delivery")

    assert "about publish, publish_done did not arrive" in finding.text
    assert "at 2026-01-06T19:00:05Z" in finding.text


@pytest.mark.parametrize(
    ("published", "ahead_ms", "codes"),
    [
        (-60_000, 0, []),
        (-41_000, 0, []),
        (-39_000, 0, ["recorded.later"]),
        (-39_000, -2_000, []),
        (-41_000, 2_000, ["recorded.later"]),
    ],
)
def test_a_stream_that_was_published_again_since_it_was_recorded_may_not_be_recorded(
    published: int, ahead_ms: int, codes: list[str]
) -> None:
    """Both callbacks of the reconnect were lost, and the stage has not read the list since."""
    snapshot = replace(published_again(published), clock_offset_ms=ahead_ms)

    assert [finding.code for finding in found(snapshot, "recorded")] == codes


@pytest.mark.parametrize(("confirmed_at", "is_found"), [(1, False), (-2_000, True), (None, True)])
def test_a_recording_that_failed_and_goes_on_since_is_no_fault(
    confirmed_at: int | None, is_found: bool
) -> None:
    """Live's record names the second alone."""
    failed = CallbackRecord("record_error", LESSON, "BucketNotFound", rfc3339(NOON))
    at = None if confirmed_at is None else rfc3339(NOON + confirmed_at)
    (row,) = listed("confirmed", "recording")
    again = replace(domain(broken=[failed]), listed=[{**row, "confirmed_at": at}])

    assert [f.code for f in found(again, "errors")] == ["errors.broken"] * is_found


def test_a_stream_whose_recording_has_ended_is_no_fault_however_it_has_ended() -> None:
    """A rule starts a recording once per publish."""
    (row,) = listed("interrupted_stop", "idle")
    ended = replace(domain(online=ONLINE), listed=[{**row, "live": "yes", "wanted": False}])

    assert [f.code for f in found(ended, "recorded")] == []


def test_a_wake_up_call_that_health_tells_of_is_not_said_to_be_well() -> None:
    lost = telling("wake_unreachable")

    assert [f.code for f in found(lost, "wake")] == ["wake.lost"]
    assert [f.severity for f in found(lost, "health")] == []


def test_a_policy_that_cannot_be_read_is_one_finding() -> None:
    refused = replace(
        telling("policy_unreadable"), examined=examined("policy", fault="too new").examined
    )

    assert [f.code for f in found(refused, "policy")] == ["policy.refused"]
    assert [f.severity for f in found(refused, "health")] == []


def test_a_timer_that_health_tells_of_is_not_said_to_be_well() -> None:
    """Health tells of it after 90 s (SILENT_MS)."""
    problem = {"code": "reconcile_silent", "text": "", "fix": "", "stops_commands": False}
    late = {**HEALTH, "reconciled_ms_ago": 95_000, "problems": [problem]}

    assert [f.code for f in found(replace(HEALTHY, health=late), "timer")] == ["timer.stopped"]


def test_everything_that_can_be_found_is_shown_to_be_found() -> None:
    shown = {f.code for *_, change in CASES for f in examine(CHECKS, change())}
    assert {kind.code for kind in kinds() if kind.severity is not Severity.NOTHING} - shown == set()


def test_what_live_refused_is_not_said_to_be_well() -> None:
    refused = replace(UNKNOWN_REJECTION, subject="the recording configurations")
    dark = replace(
        DOMAIN,
        mapping=UNKNOWN_REJECTION,
        recordings=refused,
        vod=refused,
        record_callback=refused,
        stream_callbacks={PUSH: refused},
        online=refused,
        lost=refused,
        broken=refused,
    )
    findings = examine(CHECKS, replace(HEALTHY, domains=[dark], buckets={}, probes={}))

    silent = {finding.check for finding in findings if finding.severity is Severity.OK}
    about_domains = {
        check.name
        for check in CHECKS
        if set(check.rests_on) & {field.name for field in fields(Domain)}
    }
    assert silent & about_domains == set()


def test_no_finding_shows_a_key_or_a_path_token() -> None:
    secrets = ("stream-key", "record-key", "path-token")
    texts = [
        f"{finding.text} {finding.fix}"
        for *_, change in CASES
        for finding in examine(CHECKS, change())
    ]

    assert [text for text in texts for secret in secrets if secret in text] == []


def test_a_command_that_asks_live_is_told_where_live_is() -> None:
    elsewhere = StageRef(URL, "--url https://fc.example.com", " --live http://127.0.0.1:9001")
    snapshot = replace(HEALTHY, stage_ref=elsewhere)

    assert snapshot.fix_command("setup").endswith(
        "--url https://fc.example.com --live http://127.0.0.1:9001"
    )
    assert snapshot.fix_command("start a/b/c").endswith("--url https://fc.example.com")


@pytest.mark.parametrize(
    "snapshot",
    [
        scheduled(f"{LIVE}/classroom/lesson"),
        scheduled(f"{LIVE}/classroom/cam*"),
        scheduled(f"{LIVE}/yard/x", paused=True),
        scheduled(f"{LIVE}/yard/x", is_over=True),
    ],
    ids=["covered", "covered pattern", "paused", "over"],
)
def test_a_schedule_that_is_covered_or_asks_for_nothing_is_no_fault(snapshot: Snapshot) -> None:
    assert all(finding.severity is Severity.OK for finding in found(snapshot, "recording"))


def test_a_stream_with_a_configuration_of_its_own_is_sure_of_it() -> None:
    own = replace(CONFIGURATION, app="class1", stream="room1")
    snapshot = domain(recordings=[*_two_that_cover_a_stream(), own])
    assert found(snapshot, "recording") == []


@pytest.mark.parametrize("check", ["stream-callback", "record-callback"])
def test_a_domain_whose_callbacks_go_to_another_stage_may_have_two_that_act(check: str) -> None:
    """Each has a store of its own, so neither sees the other's records."""
    url = "https://other.example.com/live/stream/x"
    snapshot = domain(
        stream_callbacks={PUSH: replace(TELLS_STREAM, url=url)},
        record_callback=replace(TELLS_RECORD, url=url),
    )
    (finding,) = found(snapshot, check)
    assert "go to other.example.com, not to this stage" in finding.text
    assert "if a stage that acts is there, let this one only observe" in finding.text
    assert "`live-record policy mode observe`" in finding.text
    assert finding.fix == f"{SETUP.partition(' --stage')[0]} --take-over --stage prod"
