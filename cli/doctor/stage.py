"""The checks of the stage itself: it runs, its store is durable, its role allows its calls.

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

ASKED_JUST_NOW = "AskedJustNow"
"""The stage asks Live every few seconds at most, whoever runs doctor."""
UNKNOWN = "InvalidDomain"
"""An error code that the check of domains reports."""
TIMER = "the timer calls reconcile every minute"
STALE_MS, LATE_MS = 180_000, 120_000
"""Reconcile counts as stopped after the first; a due command is late after the second."""
CLOCK_WARNING_MS, CLOCK_FAULT_MS = 30_000, 240_000
"""A callback is rejected when the clocks differ by 5 minutes (docs/platform/live.md §3)."""
RECENT_MS = 3_600_000
"""A failed forwarding of a callback is reported for this time."""
CALLBACK_S, STREAM_CALLBACKS = 0.1, 2
"""The time of an instance for one callback, and the number of callbacks of a publish."""
ROLE = grant_command("record-command", "ToRole --RoleName live-record-record-command")
DEPLOY = "make deploy STAGE={}"


def up(snapshot: Snapshot) -> Findings:
    """Yield one fault for each cause of an unreadable stage."""
    unread_by_cause = {
        unread.why: unread
        for unread in (snapshot.health, snapshot.examined)
        if isinstance(unread, Unread)
    }
    for unread in unread_by_cause.values():
        yield fault(f"{unread.subject} could not be read: {unread.why}")


_GRANT = "redis-cli -u $LIVE_RECORD_STORE acl setuser USER {}"


def store(snapshot: Snapshot) -> Findings:
    """Yield what keeps the store from being used: commands that its user may not run, or any
    other reason."""
    view = {} if isinstance(snapshot.examined, Unread) else snapshot.examined["store"]
    missing = view.get("missing", ())  # the release before has no such field
    if missing:
        text = f"the store's user may not run {', '.join(missing)}, which live-record needs"
        granted = " ".join(f"+{name.lower()}" for name in missing)
        yield fault(text, _GRANT.format(f"~live-record:* {granted}"))
    elif not view.get("writable", True):
        yield fault(f"the store accepts no writes: {view['why']}")


SHOWN_ELSEWHERE = {"store_unavailable", "reconcile_never_ran", "reconcile_silent", "mode_observe"}
"""Problems of health that a check of their own reports, with the command that fixes them."""


def health(snapshot: Snapshot) -> Findings:
    """Yield each problem that the stage reports of itself and no other check does."""
    problems = () if isinstance(snapshot.health, Unread) else snapshot.health.get("problems", ())
    for problem in problems:
        if problem["code"] not in SHOWN_ELSEWHERE:
            severe = fault if problem["stops_commands"] else warning
            yield severe(f"{problem['text']}. {problem['fix']}")


def durable(snapshot: Snapshot) -> Findings:
    if (
        not isinstance(snapshot.examined, Unread)
        and snapshot.examined["store"]["engine"] == "redis"
    ):
        yield from _redis(snapshot.examined["store"]["settings"])


def identity(snapshot: Snapshot) -> Findings:
    """Yield a warning if nobody would notice an emptied store. One that is, health reports."""
    if not isinstance(snapshot.examined, Unread) and not snapshot.examined["store"]["expected_id"]:
        yield warning(
            "whether the store was emptied is not checked: the stage has no LIVE_RECORD_STORE_ID."
            " A deploy gives it one",
            _deploy(snapshot),
        )


_CONFIG = "redis-cli -u $LIVE_RECORD_STORE config set {} {}"


def _redis(settings: Json) -> Iterator[Finding]:
    """Yield what makes the engine lose an accepted command: no persistence, eviction, errors."""
    if settings.get("role", "master") != "master":
        yield fault("the store is a replica. Set LIVE_RECORD_STORE to the primary's address")
    if settings.get("aof_enabled") == "0":
        lost = "a restart of the store loses every intent: nothing is written to its disk"
        yield fault(lost, _CONFIG.format("appendonly", "yes"))
    elif settings.get("appendfsync") == "no":
        yield warning(
            "the store lets the operating system decide when to write to disk",
            _CONFIG.format("appendfsync", "everysec"),
        )
    if "role" not in settings:
        yield warning(
            "whether the store loses records in a restart or evicts them is not known: its user may"
            " not run INFO",
            _GRANT.format("+info"),
        )
    evicts = settings.get("maxmemory_policy", "noeviction")
    if evicts.startswith("allkeys"):  # the others evict keys that expire: we have none
        lost = f"the store evicts records when memory runs short (maxmemory-policy {evicts})"
        yield fault(lost, _CONFIG.format("maxmemory-policy", "noeviction"))
    if settings.get("aof_last_write_status", "ok") != "ok":
        yield fault("the store could not write to its disk. Check the free space")


def policy(snapshot: Snapshot) -> Findings:
    apply_policy = snapshot.fix_command("policy apply policy.toml")
    if not isinstance(snapshot.examined, Unread):
        if snapshot.examined["policy"]["fault"]:
            yield fault(
                "the store's newest policy is not in force, but the one before it:"
                f" {snapshot.examined['policy']['fault']}",
                apply_policy,
            )
        if snapshot.examined["mode"] == Mode.OBSERVE.value:
            yield warning(
                "the stage only observes and sends no commands. LIVE_RECORD_MODE must not be"
                " observe",
                snapshot.fix_command("policy mode act"),
            )


def timer(snapshot: Snapshot) -> Findings:
    if isinstance(snapshot.health, Unread) or "due" not in snapshot.health:
        return  # without its store, which another check reports
    age, oldest = snapshot.health["reconciled_ms_ago"], snapshot.health["oldest_due_ms"]
    fix = _deploy(snapshot)
    if age is None:
        yield fault(
            "reconcile has never run, although it should within a minute of a deploy. Check that"
            " its timer is enabled",
            fix,
        )
    elif age > STALE_MS:
        yield fault(f"reconcile last ran {written(age)} ago. Check that its timer is enabled", fix)
    elif oldest > LATE_MS:
        yield warning(f"{snapshot.health['due']} streams are due, the oldest for {written(oldest)}")


def _deploy(snapshot: Snapshot) -> str:
    if isinstance(snapshot.examined, Unread):
        return ""
    return DEPLOY.format(snapshot.examined["stage"])


def wake(snapshot: Snapshot) -> Findings:
    if snapshot.setting("wakes") is False:
        yield warning(
            "a command that cannot be sent at once waits for the timer. Set LIVE_RECORD_WAKE_URL to"
            " the address of reconcile's HTTP trigger",
            _deploy(snapshot),
        )


def relay(snapshot: Snapshot) -> Findings:
    """Yield a warning if a callback recently failed to reach its previous receiver."""
    lost = None if isinstance(snapshot.health, Unread) else snapshot.health.get("relay_lost_ms_ago")
    forwards = not isinstance(snapshot.policy, Unread) and snapshot.policy.forward_to != ForwardTo()
    if forwards and lost is not None and lost < RECENT_MS:
        yield warning(
            f"a callback did not reach its previous receiver, {written(lost)} ago. Check that the"
            " addresses of forward_to answer"
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
            yield warning(f"{text}: at 5m, genuine callbacks will be rejected")


def role(snapshot: Snapshot) -> Findings:
    """Yield a fault for each call or command that Live refuses to the functions' own role."""
    for entry in () if isinstance(snapshot.examined, Unread) else snapshot.examined["live"]:
        code = entry["code"] or UNKNOWN
        action = f"list the streams of {entry['domain']} to the function's role ({code})"
        if code.startswith(FORBIDDEN):
            needs = "live:DescribeLiveStreamsOnlineList"
            yield fault(f"Live refuses to {action}: the role needs {needs}", ROLE)
        elif code == ASKED_JUST_NOW:
            yield warning(f"whether Live may {action} was asked a moment ago. Run doctor again")
        elif not code.startswith(UNKNOWN):
            yield fault(f"Live does not {action}")
    if not isinstance(snapshot.listed, Unread):
        yield from _refused(snapshot.listed)


def _refused(listed: Sequence[Json]) -> Iterator[Finding]:
    for row in listed:
        code, text = row["reason"]["code"], row["reason"]["text"]
        if code == "live_not_activated":
            yield fault(f"{text} (as for {row['stream']})")
            return
        if code == "operator_action_needed":
            sentence = f"Live refuses the function's commands, as for {row['stream']}: {text}"
            yield fault(sentence, ROLE)
            return


def instances(snapshot: Snapshot) -> Findings:
    """Yield a warning if the quota of instances is too small for the largest burst.

    The burst is that all streams which the policy allows begin within one second. Function Compute
    answers 429 beyond its quota (docs/platform/function-compute.md §5).
    """
    size = _size(snapshot)
    if size is None:
        return
    needed, quota = math.ceil(size * STREAM_CALLBACKS * CALLBACK_S), snapshot.stage_ref.instances
    if needed > quota:
        yield warning(
            f"{size} streams that begin within one second take an estimated {needed} instances, and"
            f" the region is assumed to have {quota} (pass --instances if it has more). Streams"
            " whose callbacks are refused are detected in the online list, up to 90 s later."
            " Request a higher quota at"
            " https://quotas.console.aliyun.com (product: Function Compute)"
        )


def _size(snapshot: Snapshot) -> int | None:
    """Return how many streams may be recorded at the same time; None without a limit."""
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
    Check(
        "store",
        "the store answers, accepts writes, and refuses no command that is needed",
        store,
        ("examined",),
    ),
    Check("health", "the stage reports no other problem of its own", health, ("health",)),
    Check(
        "identity",
        "an emptied store would be noticed",
        identity,
        ("examined",),
    ),
    Check(
        "durable",
        "the store loses nothing in a restart and evicts nothing",
        durable,
        ("examined",),
    ),
    Check("policy", "the newest policy is in force, in mode act", policy, ("examined", "policy")),
    Check("timer", TIMER, timer, ("health",)),
    Check("wake", "commands that cannot be sent at once wake a reconcile", wake, ("examined",)),
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
        "the function's role may call Live, and its commands are not refused",
        role,
        ("examined", "listed"),
    ),
    Check(
        "quota",
        "by estimate, --instances instances suffice for the policy's largest burst",
        instances,
        ("examined", "policy"),
    ),
)
