"""The checks of the stage itself: it runs, its store is durable, and its role allows its calls.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cli.doctor.account import grant_command
from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import FORBIDDEN, Json, Snapshot, Unread
from shared.protocol.durations import written
from shared.protocol.policy import ForwardTo, Mode, OnPublish

UNKNOWN = "InvalidDomain"
"""The check of domains reports it."""
TIMER = "reconcile is called each minute by its timer"
STALE_MS, LATE_MS = 180_000, 120_000
"""Reconcile is taken as stopped after the first; due commands wait too long after the second."""
CLOCK_WARNING_MS, CLOCK_FAULT_MS = 30_000, 240_000
"""A callback is rejected when the clocks differ by 5 minutes (docs/platform/live.md §3)."""
RECENT_MS = 3_600_000
"""How long a callback that was not forwarded is reported."""
CALLBACK_S, STREAM_CALLBACKS = 0.1, 2
"""How long an instance handles a callback, and how many callbacks a publish causes."""
ROLE = grant_command("record-command", "ToRole --RoleName live-record-record-command")
DEPLOY = "make deploy STAGE={}"


def up(snapshot: Snapshot) -> Findings:
    """Report each cause of an unreadable stage once."""
    unread_by_cause = {
        unread.why: unread
        for unread in (snapshot.health, snapshot.examined)
        if isinstance(unread, Unread)
    }
    for unread in unread_by_cause.values():
        yield fault(f"{unread.subject} could not be read: {unread.why}")


def store(snapshot: Snapshot) -> Findings:
    if not isinstance(snapshot.examined, Unread) and not snapshot.examined["store"]["writable"]:
        yield fault(f"the store takes no writes: {snapshot.examined['store']['why']}")


def durable(snapshot: Snapshot) -> Findings:
    if (
        not isinstance(snapshot.examined, Unread)
        and snapshot.examined["store"]["engine"] == "redis"
    ):
        yield from _redis(snapshot.examined["store"]["settings"])


_CONFIG = "redis-cli -u $LIVE_RECORD_STORE config set {} {}"


def _redis(settings: Json) -> Iterator[Finding]:
    """An accepted command is as durable as the engine of the store."""
    if settings.get("role", "master") != "master":
        yield fault("the store is a replica: give LIVE_RECORD_STORE the primary's address")
    if settings.get("aof_enabled") == "0":
        lost = "a restart of the store forgets every intent: nothing is written to its disk"
        yield fault(lost, _CONFIG.format("appendonly", "yes"))
    elif settings.get("appendfsync") == "no":
        yield warning(
            "the store leaves it to its system when it writes to disk",
            _CONFIG.format("appendfsync", "everysec"),
        )
    evicts = settings.get("maxmemory_policy", "noeviction")
    if evicts != "noeviction":
        lost = f"short of memory, the store throws records away (maxmemory-policy {evicts})"
        yield fault(lost, _CONFIG.format("maxmemory-policy", "noeviction"))
    if settings.get("aof_last_write_status", "ok") != "ok":
        yield fault("the store could not write to its disk: check the free space")


def policy(snapshot: Snapshot) -> Findings:
    apply_policy = snapshot.fix_command("policy apply policy.toml")
    if not isinstance(snapshot.examined, Unread):
        if snapshot.examined["policy"]["fault"]:
            yield fault(
                "the store's newest policy is not in force, the one before it is:"
                f" {snapshot.examined['policy']['fault']}",
                apply_policy,
            )
        if snapshot.examined["mode"] == Mode.OBSERVE.value:
            yield warning(
                "the stage only observes: it sends no command. In policy.toml and in"
                " LIVE_RECORD_MODE, mode is to be act",
                apply_policy,
            )


def timer(snapshot: Snapshot) -> Findings:
    if isinstance(snapshot.health, Unread) or "due" not in snapshot.health:
        return  # without its store, which another check reports
    age, oldest = snapshot.health["reconciled_ms_ago"], snapshot.health["oldest_due_ms"]
    fix = _deploy(snapshot)
    if age is None:
        yield fault(
            "reconcile has never run: a minute after a deploy it has, unless its timer is off", fix
        )
    elif age > STALE_MS:
        yield fault(f"reconcile last ran {written(age)} ago: its timer is to be enabled", fix)
    elif oldest > LATE_MS:
        yield warning(
            f"something has waited for {written(oldest)}: {snapshot.health['due']} are due"
        )


def _deploy(snapshot: Snapshot) -> str:
    if isinstance(snapshot.examined, Unread):
        return ""
    return DEPLOY.format(snapshot.examined["stage"])


def wake(snapshot: Snapshot) -> Findings:
    if snapshot.setting("wakes") is False:
        yield warning(
            "what cannot be done at once waits for the timer: give LIVE_RECORD_WAKE_URL the"
            " address of reconcile's own HTTP trigger",
            _deploy(snapshot),
        )


def relay(snapshot: Snapshot) -> Findings:
    """Callbacks are forwarded to the previous receivers."""
    lost = None if isinstance(snapshot.health, Unread) else snapshot.health.get("relay_lost_ms_ago")
    forwards = not isinstance(snapshot.policy, Unread) and snapshot.policy.forward_to != ForwardTo()
    if forwards and lost is not None and lost < RECENT_MS:
        yield warning(
            f"a callback did not reach its previous receiver, {written(lost)} ago: check whether"
            " the addresses of forward_to answer"
        )


def secrets(snapshot: Snapshot) -> Findings:
    without = {
        "stream_keys": "LIVE_RECORD_STREAM_KEYS",
        "record_keys": "LIVE_RECORD_RECORD_KEYS",
        "path_tokens": "LIVE_RECORD_PATH_TOKENS",
    }
    for name, variable in without.items():
        if snapshot.setting(name) == 0:
            yield fault(f"{variable} is unset, so every callback is rejected", _deploy(snapshot))


def clock(snapshot: Snapshot) -> Findings:
    offset_ms = snapshot.clock_offset_ms
    if not isinstance(offset_ms, Unread) and abs(offset_ms) > CLOCK_WARNING_MS:
        way = "ahead of" if offset_ms > 0 else "behind"
        text = f"the stage's clock is {written(abs(offset_ms))} {way} Live's"
        if abs(offset_ms) > CLOCK_FAULT_MS:
            yield fault(f"{text}: genuine callbacks are rejected")
        else:
            yield warning(f"{text}: from 5m on, genuine callbacks are rejected")


def role(snapshot: Snapshot) -> Findings:
    """Check the permissions of the functions' own role."""
    for entry in () if isinstance(snapshot.examined, Unread) else snapshot.examined["live"]:
        code = entry["code"] or UNKNOWN
        action = f"list the streams of {entry['domain']} to the function's role ({code})"
        if code.startswith(FORBIDDEN):
            needs = "live:DescribeLiveStreamsOnlineList"
            yield fault(f"Live refuses to {action}: it needs {needs}", ROLE)
        elif not code.startswith(UNKNOWN):
            yield fault(f"Live does not {action}")
    if not isinstance(snapshot.listed, Unread):
        yield from _refused(snapshot.listed)


def _refused(listed: Sequence[Json]) -> Iterator[Finding]:
    for row in listed:
        if row["reason"]["code"] == "operator_action_needed":
            text = row["reason"]["text"]
            sentence = f"Live refuses the function's commands, as for {row['stream']}: {text}"
            yield fault(sentence, ROLE)
            return


def instances(snapshot: Snapshot) -> Findings:
    """How many instances it takes when everything that the policy allows begins within a second.
    Function Compute answers 429 beyond its quota (docs/platform/function-compute.md §5)."""
    size = _size(snapshot)
    if size is None:
        return
    needed, quota = math.ceil(size * STREAM_CALLBACKS * CALLBACK_S), snapshot.stage_ref.instances
    if needed > quota:
        yield warning(
            f"{size} streams that begin within one second take an estimated {needed} instances, and"
            f" the region is assumed to have {quota} (it is not asked: pass --instances if it has"
            " more). Streams whose callbacks are refused are detected in the online list, up to"
            " 90 s later. Request a higher quota at"
            " https://quotas.console.aliyun.com (product: Function Compute)"
        )


def _size(snapshot: Snapshot) -> int | None:
    """Return how many streams may be recorded at once; None without a limit."""
    whole = snapshot.setting("max_concurrent")
    if isinstance(snapshot.policy, Unread):
        return whole if isinstance(whole, int) else None
    records = [rule for rule in snapshot.policy.rules if rule.on_publish is OnPublish.RECORD]
    quotas = [rule.max_concurrent for rule in records]
    caps = [quota for quota in quotas if quota is not None]
    found = sum(caps) if caps and len(caps) == len(quotas) else None
    return min((limit for limit in (whole, found) if limit is not None), default=None)


CHECKS = (
    Check("stage", "the stage answers, and its settings are sound", up),
    Check("store", "the store answers and takes writes", store, ("examined",)),
    Check(
        "durable",
        "a restart of the store forgets nothing, and it evicts nothing",
        durable,
        ("examined",),
    ),
    Check("policy", "the newest policy is in force, and acts", policy, ("examined", "policy")),
    Check("timer", TIMER, timer, ("health",)),
    Check("wake", "what cannot be done at once wakes a reconcile", wake, ("examined",)),
    Check("relay", "callbacks reach their previous receivers", relay, ("health", "policy")),
    Check(
        "secrets",
        "the stage has keys and a path token to verify callbacks with",
        secrets,
        ("examined",),
    ),
    Check("clock", "the stage's clock agrees with Live's", clock, ("clock_offset_ms",)),
    Check(
        "role",
        "the function's role may ask Live, and its commands are not refused",
        role,
        ("examined", "listed"),
    ),
    Check(
        "quota",
        "estimated, Function Compute is not asked: --instances instances suffice for the policy's"
        " size",
        instances,
        ("examined", "policy"),
    ),
)
