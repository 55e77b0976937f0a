"""The stage itself: whether it runs, keeps what it is told, and may do what it has to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cli.doctor.account import granting
from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import FORBIDDEN, Json, Seen, Unread
from shared.protocol.durations import written
from shared.protocol.policy import ForwardTo, Mode, OnPublish

UNKNOWN = "InvalidDomain"
"""What the check of domains tells."""
TIMER = "reconcile is called each minute by its timer"
STALE, LATE = 180_000, 120_000
"""ms after which a reconcile no longer runs, and after which what is due waits too long."""
APART, TOO_FAR = 30_000, 240_000
"""ms that a clock may be off; a callback is refused when it is 5 minutes (facts/live.md 3)."""
RECENT = 3_600_000
"""ms for which a callback that was not passed on is told."""
CALLBACK_S, CALLBACKS = 0.1, 2
"""s of an instance that a callback takes, and how many come as a stream begins."""
ROLE = granting("record-command", "ToRole --RoleName live-record-record-command")
DEPLOY = "make deploy STAGE={}"


def up(seen: Seen) -> Findings:
    """What answers to nobody is said once."""
    unread = {one.why: one for one in (seen.health, seen.examined) if isinstance(one, Unread)}
    for one in unread.values():
        yield fault(f"{one.what} could not be read: {one.why}")


def store(seen: Seen) -> Findings:
    if not isinstance(seen.examined, Unread) and not seen.examined["store"]["writable"]:
        yield fault(f"the store takes no writes: {seen.examined['store']['why']}")


def durable(seen: Seen) -> Findings:
    if not isinstance(seen.examined, Unread) and seen.examined["store"]["engine"] == "redis":
        yield from _redis(seen.examined["store"]["settings"])


_CONFIG = "redis-cli -u $LIVE_RECORD_STORE config set {} {}"


def _redis(told: Json) -> Iterator[Finding]:
    """What is promised is as durable as the engine (design.md 9)."""
    if told.get("role", "master") != "master":
        yield fault("the store is a replica: give LIVE_RECORD_STORE the primary's address")
    if told.get("aof_enabled") == "0":
        lost = "a restart of the store forgets every wish: nothing is written to its disk"
        yield fault(lost, _CONFIG.format("appendonly", "yes"))
    elif told.get("appendfsync") == "no":
        yield warning(
            "the store leaves it to its system when it writes to disk",
            _CONFIG.format("appendfsync", "everysec"),
        )
    evicts = told.get("maxmemory_policy", "noeviction")
    if evicts != "noeviction":
        lost = f"short of memory, the store throws records away (maxmemory-policy {evicts})"
        yield fault(lost, _CONFIG.format("maxmemory-policy", "noeviction"))
    if told.get("aof_last_write_status", "ok") != "ok":
        yield fault("the store could not write to its disk: look at its space")


def policy(seen: Seen) -> Findings:
    again = seen.mend("policy apply policy.toml")
    if not isinstance(seen.examined, Unread):
        if seen.examined["policy"]["fault"]:
            yield fault(
                "the store's newest policy is not in force, the one before it is:"
                f" {seen.examined['policy']['fault']}",
                again,
            )
        if seen.examined["mode"] == Mode.OBSERVE.value:
            yield warning(
                "the stage only observes: it sends no command. In policy.toml and in"
                " LIVE_RECORD_MODE, mode is to be act",
                again,
            )


def timer(seen: Seen) -> Findings:
    if isinstance(seen.health, Unread) or "due" not in seen.health:
        return  # without its store, which another check says
    age, oldest = seen.health["reconciled_ms_ago"], seen.health["oldest_due_ms"]
    mend = _deploy(seen)
    if age is None:
        yield fault(
            "reconcile has never run: a minute after a deploy it has, unless its timer is off", mend
        )
    elif age > STALE:
        yield fault(f"reconcile last ran {written(age)} ago: its timer is to be enabled", mend)
    elif oldest > LATE:
        yield warning(f"something has waited for {written(oldest)}: {seen.health['due']} are due")


def _deploy(seen: Seen) -> str:
    if isinstance(seen.examined, Unread):
        return ""
    return DEPLOY.format(seen.examined["stage"])


def wake(seen: Seen) -> Findings:
    if seen.setting("wakes") is False:
        yield warning(
            "what cannot be done at once waits for the timer: give LIVE_RECORD_WAKE_URL the"
            " address of reconcile's own HTTP trigger",
            _deploy(seen),
        )


def relay(seen: Seen) -> Findings:
    """Whoever had the callbacks before us is passed on what comes."""
    lost = None if isinstance(seen.health, Unread) else seen.health.get("relay_lost_ms_ago")
    forwards = not isinstance(seen.policy, Unread) and seen.policy.forward_to != ForwardTo()
    if forwards and lost is not None and lost < RECENT:
        yield warning(
            f"a callback did not reach whoever had it before, {written(lost)} ago: see whether the"
            " addresses of forward_to answer"
        )


def secrets(seen: Seen) -> Findings:
    without = {
        "stream_keys": "LIVE_RECORD_STREAM_KEYS",
        "record_keys": "LIVE_RECORD_RECORD_KEYS",
        "path_tokens": "LIVE_RECORD_PATH_TOKENS",
    }
    for name, variable in without.items():
        if seen.setting(name) == 0:
            yield fault(f"{variable} is unset, so every callback is refused", _deploy(seen))


def clock(seen: Seen) -> Findings:
    apart = seen.clocks_apart
    if not isinstance(apart, Unread) and abs(apart) > APART:
        way = "ahead of" if apart > 0 else "behind"
        text = f"the stage's clock is {written(abs(apart))} {way} Live's"
        if abs(apart) > TOO_FAR:
            yield fault(f"{text}: genuine callbacks are refused")
        else:
            yield warning(f"{text}: from 5m on, genuine callbacks are refused")


def role(seen: Seen) -> Findings:
    """The function's own permissions, which nobody else has."""
    for told in () if isinstance(seen.examined, Unread) else seen.examined["live"]:
        code = told["code"] or UNKNOWN
        what = f"list the streams of {told['domain']} to the function's role ({code})"
        if code.startswith(FORBIDDEN):
            needs = "live:DescribeLiveStreamsOnlineList"
            yield fault(f"Live refuses to {what}: it needs {needs}", ROLE)
        elif not code.startswith(UNKNOWN):
            yield fault(f"Live does not {what}")
    if not isinstance(seen.listed, Unread):
        yield from _refused(seen.listed)


def _refused(listed: Sequence[Json]) -> Iterator[Finding]:
    for row in listed:
        if row["reason"]["code"] == "operator_action_needed":
            text = row["reason"]["text"]
            said = f"Live refuses the function's commands, as for {row['stream']}: {text}"
            yield fault(said, ROLE)
            return


def instances(seen: Seen) -> Findings:
    """How many instances it takes when everything that the policy allows begins within a second.
    Function Compute answers 429 beyond its quota (facts/function-compute.md 5)."""
    size = _size(seen)
    if size is None:
        return
    needed, quota = math.ceil(size * CALLBACKS * CALLBACK_S), seen.where.instances
    if needed > quota:
        yield warning(
            f"{size} streams that begin within one second take {needed} instances, as reckoned, and"
            f" the region is taken to have {quota} (nobody asked it: say --instances if it has"
            " more): what is refused is learnt from"
            " the online list, up to 90 s later. A higher quota is asked for at"
            " https://quotas.console.aliyun.com (product: Function Compute)"
        )


def _size(seen: Seen) -> int | None:
    """How many streams may be recorded at once; None where nothing limits them."""
    whole = seen.setting("max_concurrent")
    if isinstance(seen.policy, Unread):
        return whole if isinstance(whole, int) else None
    records = [rule for rule in seen.policy.rules if rule.on_publish is OnPublish.RECORD]
    places = [rule.max_concurrent for rule in records]
    caps = [place for place in places if place is not None]
    found = sum(caps) if caps and len(caps) == len(places) else None
    return min((one for one in (whole, found) if one is not None), default=None)


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
    Check("relay", "callbacks reach whoever had them before", relay, ("health", "policy")),
    Check(
        "secrets",
        "the stage has keys and a path token to prove callbacks by",
        secrets,
        ("examined",),
    ),
    Check("clock", "the stage's clock goes with Live's", clock, ("clocks_apart",)),
    Check(
        "role",
        "the function's role may ask Live, and its commands are not refused",
        role,
        ("examined", "listed"),
    ),
    Check(
        "quota",
        "reckoned, not asked of Function Compute: as many instances as --instances says do for"
        " the policy's size",
        instances,
        ("examined", "policy"),
    ),
)
