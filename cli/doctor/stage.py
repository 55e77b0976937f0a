"""The checks of the stage itself: it runs, its store is durable, its role allows its calls.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from gettext import gettext as _

from cli.account import REVOKED
from cli.doctor.account import grant_command
from cli.doctor.compute import cause_of_silence
from cli.doctor.finding import (
    Check,
    Finding,
    Findings,
    Severity,
    fault,
    nothing,
    unknown,
    warning,
)
from cli.doctor.snapshot import FORBIDDEN, NO_ANSWER, Json, Snapshot, Unread
from cli.texts import N_
from shared.inbound.live_callbacks import WINDOW_MS
from shared.protocol import StreamKey
from shared.protocol.durations import written
from shared.protocol.policy import ForwardTo, OnPublish

ASKED_JUST_NOW = "AskedJustNow"
"""The stage's code if it did not ask Live: for doctor it asks at most once a second, whoever runs
doctor."""
UNKNOWN_DOMAIN = "InvalidDomain"
"""An error code that the check of domains reports."""
STALE_MS, LATE_MS = 90_000, 120_000
"""Reconcile has stopped after the first time without a run, as in the stage's health. A due stream
is late after the second."""
CLOCK_WARNINGS = 10
"""An offset of the clock is reported if it exceeds this part of the signature window: a tenth, such
as 30 s of five minutes."""
RECENT_MS = 3_600_000
"""A failed forwarding of a callback is reported for this time."""
HEARTBEAT_MS = 180_000
"""Older heartbeats, answered or lost, say nothing of the present: one is due each minute."""
CALLBACK_S, STREAM_CALLBACKS = 0.1, 2
"""How long one callback occupies an instance, and the number of callbacks of a publish."""
ROLE = grant_command("record-command", "ToRole --RoleName live-record-record-command")
_GRANT = "redis-cli -u $LIVE_RECORD_STORE acl setuser USER {}"
_CONFIG = "redis-cli -u $LIVE_RECORD_STORE config set {} {}"

DOWN = fault(
    "stage.down",
    N_(
        "the stage does not answer: {why}. Check its address, its certificate and the log of the"
        " function `record_command`"
    ),
    blocks=True,
)
REFUSES = fault(
    "stage.refuses",
    N_(
        "the stage refuses the requests of `doctor`: {why}. If it refuses the token, use one with"
        " the scopes `read` and `control`"
    ),
    blocks=True,
)
UNREADABLE = fault(
    "stage.unreadable",
    N_(
        "{subject} could not be read: {why}. Run `live-record doctor` again. If the error stays,"
        " the log of the function `record_command` says why"
    ),
)
STORE_COMMANDS = fault(
    "store.commands", N_("the store's user may not run {commands}, which live-record needs")
)
STORE_UNAVAILABLE = fault("store.unavailable", N_("{problem}"), blocks=True)
STORE_UNWRITABLE = fault("store.unwritable", N_("nothing can be stored: {problem}"))
STOPS = fault("health.stops", N_("{problem}. {advice}"))
WARNS = warning("health.warns", N_("{problem}. {advice}"))
NO_STORE_ID = warning(
    "identity.none",
    N_(
        "nobody would notice that the store was emptied: the stage has no"
        " LIVE_RECORD_STORE_ID. A deploy sets it"
    ),
)
SQLITE = nothing("durable.file", N_("the store is a file of this machine, not a server"))
REPLICA = fault(
    "durable.replica",
    N_("the store is a replica. Set LIVE_RECORD_STORE to the primary's address"),
)
NOT_PERSISTENT = fault(
    "durable.memory",
    N_("a restart of the store loses everything: nothing is written to its disk"),
)
SELDOM_SYNCED = warning(
    "durable.fsync", N_("the store lets the operating system decide when to write to disk")
)
NO_INFO = warning(
    "durable.info",
    N_(
        "the store's user may not run INFO, so `doctor` cannot tell whether the store evicts"
        " records or loses them in a restart"
    ),
)
NOT_ASKED = unknown("durable.unread", N_("the settings of the store could not be read"))
EVICTS = fault(
    "durable.evicts",
    N_("the store evicts records when memory runs short (`maxmemory-policy {policy}`)"),
)
DISK = fault(
    "durable.disk", N_("the store could not write to its disk. Check the free space of its disk")
)
NOT_IN_FORCE = fault(
    "policy.refused",
    N_("the stage does not use the newest policy in the store, or not all of it: {why}"),
)
OBSERVES = warning(
    "policy.observes",
    N_(
        "the stage only observes and sends no commands. If LIVE_RECORD_MODE is `observe`, change"
        " that variable first. If another stage acts for the same streams, do not run `setup`, but"
        " see docs/disaster.md"
    ),
)
STANDBY = warning(
    "policy.standby",
    N_(
        "the stage only observes and sends no commands. It is the standby of another stage"
        " (LIVE_RECORD_CALLBACK_HOST also names {hosts}). docs/disaster.md shows how it takes over"
    ),
)
NEVER_RAN = warning(
    "timer.never",
    N_(
        "`reconcile` has not run yet. Its timer calls it once a minute. If it has still not run"
        " after two minutes, check that the timer is enabled"
    ),
)
STOPPED = fault(
    "timer.stopped", N_("`reconcile` last ran {age} ago. Check that its timer is enabled")
)
LATE = warning(
    "timer.late",
    N_(
        "streams whose next command or check is due: {count}. The oldest has been due for {age}."
        " `live-record watch` shows why they wait; if Live throttles, other programs may use up"
        " the account's calls (docs/scale.md)"
    ),
)
NO_WAKE = warning(
    "wake.none",
    N_(
        "a command that cannot be sent at once waits for the timer. Set LIVE_RECORD_WAKE_URL to"
        " the address of the HTTP trigger of `reconcile`"
    ),
)
WAKE_LOST = warning("wake.lost", N_("{problem}. {advice}"))
RELAY_LOST = warning(
    "relay.lost",
    N_(
        "{age} ago, a callback that the stage forwarded did not reach its receiver. Check that the"
        " addresses of `forward_to` answer"
    ),
)
HEARTBEAT_LOST = warning(
    "heartbeat.lost",
    N_(
        "the monitor of LIVE_RECORD_HEARTBEAT_URL did not answer the last heartbeat, {age} ago."
        " The log of `reconcile` (`heartbeat.lost`) says why"
    ),
)
NO_HEARTBEAT = nothing(
    "heartbeat.none",
    N_(
        "no monitor gets a heartbeat, so nobody is alerted if the timer or the store stops."
        " Set LIVE_RECORD_HEARTBEAT_URL to a monitor's URL"
    ),
)
NO_FORWARDS = nothing("relay.none", N_("the policy forwards no callbacks"))
NO_SECRETS = fault("secrets.none", N_("{variable} is unset, so every callback is rejected"))
CLOCK_AHEAD = warning(
    "clock.ahead",
    N_(
        "the stage's clock is {offset} ahead of Live's. If it is {window} ahead, genuine callbacks"
        " are rejected. Correct the clock of the machine that runs the stage; on Function Compute,"
        " report the difference to Alibaba Cloud"
    ),
)
CLOCK_BEHIND = warning(
    "clock.behind",
    N_(
        "the stage's clock is {offset} behind Live's. If it is {window} behind, genuine callbacks"
        " are rejected. Correct the clock of the machine that runs the stage; on Function Compute,"
        " report the difference to Alibaba Cloud"
    ),
)
CLOCK_OFF_AHEAD = fault(
    "clock.far_ahead",
    N_(
        "the stage's clock is {offset} ahead of Live's: genuine callbacks are rejected. Correct"
        " the clock of the machine that runs the stage; on Function Compute, report the difference"
        " to Alibaba Cloud"
    ),
)
CLOCK_OFF_BEHIND = fault(
    "clock.far_behind",
    N_(
        "the stage's clock is {offset} behind Live's: genuine callbacks are rejected. Correct the"
        " clock of the machine that runs the stage; on Function Compute, report the difference to"
        " Alibaba Cloud"
    ),
)
LIST_FORBIDDEN = fault(
    "role.list",
    N_(
        "Live refuses the online list of {domain} to the role of the function `record_command`"
        " ({code}): the role needs `live:DescribeLiveStreamsOnlineList`"
    ),
)
ROLE_REVOKED = fault(
    "role.revoked",
    N_(
        "Live does not accept the credentials of the function's role ({code}). Check in the"
        " console of RAM that the role still exists and trusts Function Compute, then deploy again"
    ),
)
LIST_FAILS = fault(
    "role.list_fails",
    N_(
        "Live does not return the online list of {domain} to the function ({code}). While"
        " that lasts, the stage finds no stream whose callback was lost, and cannot tell"
        " whether other streams have ended. If it lasts, report the code to Alibaba Cloud"
    ),
)
LIST_WAS_UNREAD = warning(
    "role.list_was_unread",
    N_(
        "{problem} (at the last try of `reconcile`). The line `resync.failed` in the log of"
        " `reconcile` says what Live answered. `reconcile` has a role of its own: check it, too"
    ),
)
ASKED_RECENTLY = unknown(
    "role.asked",
    N_(
        "the online list of {domain} was not requested: the stage requests it for `doctor` at most"
        " once a second, and somebody else has just run `doctor`. Run `live-record doctor` again"
    ),
)
NOT_ACTIVATED = fault("role.not_activated", N_("{problem} (seen with {stream})"))
COMMANDS_FORBIDDEN = fault(
    "role.commands", N_("Live refuses the function's commands, for example for {stream}: {problem}")
)
SMALL_QUOTA = warning(
    "quota.small",
    N_(
        "if {streams} streams begin within one second, this stage needs about {needed} instances."
        " `doctor` assumes that the region allows {quota} (pass `--instances` if it allows more)."
        " Streams whose callbacks are refused are detected in the online list, up to 90 s later."
        " Request a higher quota at https://quotas.console.aliyun.com (product: Function Compute)"
    ),
)
NO_LIMIT = nothing("quota.none", N_("the policy sets no limit, so there is no burst to estimate"))


def up(snapshot: Snapshot) -> Findings:
    """Yield one fault for each cause why the stage could not be read. If its health says that the
    store does not answer, yield none: the store is the cause, and the next check reports it."""
    if _is_store_away(snapshot):
        return
    if isinstance(snapshot.examined, Unread):
        is_down = snapshot.examined.code == NO_ANSWER
        fix = "make dev" if snapshot.stage_ref.is_local and is_down else ""
        yield (DOWN if is_down else REFUSES).found(fix, why=snapshot.examined.why)
        return
    parts = (snapshot.health, snapshot.policy, snapshot.listed, snapshot.schedules)
    unread = {part.why: part for part in parts if isinstance(part, Unread)}
    for why, part in unread.items():
        yield UNREADABLE.found(subject=part.subject, why=why)


def _is_store_away(snapshot: Snapshot) -> bool:
    return not isinstance(snapshot.health, Unread) and snapshot.health.get("store") == AWAY


AWAY = "unavailable"
"""What health reports if the store does not answer."""


def store(snapshot: Snapshot) -> Findings:
    """Yield a fault if the store cannot be used: because its user may not run some commands, it
    does not answer, or it refuses writes."""
    missing = snapshot.store.get("missing", ())  # the release before has no such field
    if missing:
        granted = " ".join(f"+{name.lower()}" for name in missing)
        fix = _GRANT.format(f"~live-record:* {granted}")
        yield STORE_COMMANDS.found(fix, commands=", ".join(missing))
    elif _is_store_away(snapshot):
        yield STORE_UNAVAILABLE.found(problem=_store_problem(snapshot))
    elif not is_writable(snapshot):
        yield STORE_UNWRITABLE.found(problem=_store_problem(snapshot))


def is_writable(snapshot: Snapshot) -> bool:
    """Return False if the stage says that its store refuses writes."""
    return bool(snapshot.store.get("writable", True))


def unwritable(snapshot: Snapshot) -> str:
    """Return the name of the check that finds why nothing can be stored, "" if the store accepts
    writes. While the store refuses writes, no function can store that it ran, and no callback is
    accepted."""
    return "" if is_writable(snapshot) else "store"


def _store_problem(snapshot: Snapshot) -> str:
    """Return the problem of the store, with the fix if health names one."""
    ours = [one for one in snapshot.problems if stops_writes(one)]
    why = snapshot.store.get("why") or (ours[0]["text"] if ours else "")
    return _sentences(str(why), ours[0]["fix"]) if ours else str(why)


def _sentences(problem: str, advice: str) -> str:
    return _("{problem}. {advice}").format(problem=problem, advice=advice)


NOT_RECORDED = "not_recorded"
"""Health's code for streams that are wanted, live and not recorded."""
UNKNOWN_RECORDING = "recording_unknown"
"""Health's code for streams that are wanted and live, and of which nobody knows whether they are
recorded."""
UNREPORTED = "starts_unreported"
"""Health's code for starts that Live accepted and has not reported on."""
UNREACHED = "wake_unreachable"
"""Health's code for a wake-up call that did not reach reconcile."""
LIST_UNREAD = "online_list_unreadable"
"""Health's code for online lists that reconcile could not read."""
UNHANDLED = "streams_quarantined"
"""Health's code for streams whose handling crashes, or whose record cannot be read."""
UNUSABLE = "names_unusable"
"""Health's code for live streams that cannot be recorded because of their names."""
STUCK = "drain_stuck"
"""Health's code for a reconcile that begins to send commands and does not finish."""
TIMERS = {"notify_silent": ("notify",), "tasks_late": ("files", "deliver", "notify")}
"""For a problem of health, the functions whose timers may be off."""
SHOWN_ELSEWHERE = {
    "reconcile_never_ran",
    "reconcile_silent",
    "mode_observe",
    "policy_unreadable",
    NOT_RECORDED,
    UNKNOWN_RECORDING,
    UNREPORTED,
    UNREACHED,
    LIST_UNREAD,
}
"""Problems of health that a check of their own reports, with the command that fixes them."""


def stops_writes(problem: Json) -> bool:
    """Return True if a problem of health keeps the stage from writing to its store."""
    return _is_of_store(problem) and bool(problem["stops_commands"])


def _is_of_store(problem: Json) -> bool:
    return str(problem["code"]).startswith("store_")


def health(snapshot: Snapshot) -> Findings:
    """Yield each problem that the stage's health reports, unless another check reports it."""
    for problem in snapshot.problems:
        if not _is_shown_elsewhere(snapshot, problem):
            kind, code = STOPS if problem["stops_commands"] else WARNS, problem["code"]
            causes = (cause_of_silence(snapshot, name) for name in TIMERS.get(code, ()))
            because = unwritable(snapshot) or next(filter(None, causes), "")
            yield kind.found(because=because, problem=problem["text"], advice=problem["fix"])


def _is_shown_elsewhere(snapshot: Snapshot, problem: Json) -> bool:
    if problem["code"] == UNHANDLED:
        return is_only_unreadable(snapshot)
    if problem["code"] == UNUSABLE:
        return _shows_bad_name(snapshot)
    is_of_store = stops_writes(problem) and not is_writable(snapshot)
    return is_of_store or problem["code"] in SHOWN_ELSEWHERE


def _shows_bad_name(snapshot: Snapshot) -> bool:
    """Return True if an online list shows a name that cannot be used, which the check `recorded`
    then reports."""
    live = ((domain.name, one) for domain in snapshot.domains for one in domain.live)
    return any(StreamKey(name, one.app, one.stream).fault for name, one in live)


def is_only_unreadable(snapshot: Snapshot) -> bool:
    """Return True if every stream that the stage cannot handle has an unreadable record. The check
    `recorded` already reports such streams. Return False for a stage of an earlier release, which
    does not count the streams that it cannot handle."""
    counted = {} if isinstance(snapshot.health, Unread) else snapshot.health
    return bool(0 < counted.get("quarantined", math.inf) <= len(snapshot.unreadable))


def durable(snapshot: Snapshot) -> Findings:
    if snapshot.store.get("engine") == "sqlite":
        yield SQLITE.found()
    elif not is_writable(snapshot) and not snapshot.store["settings"]:
        yield NOT_ASKED.found(because="store")
    elif snapshot.store.get("engine") == "redis":
        yield from _redis(snapshot.store["settings"])


def identity(snapshot: Snapshot) -> Findings:
    """Yield a warning if the stage could not notice that its store was emptied, because it has no
    id of the store. The check `health` reports a store that was emptied."""
    if not snapshot.store["expected_id"]:
        yield NO_STORE_ID.found(snapshot.deploy_command())


def _redis(settings: Json) -> Iterator[Finding]:
    """Yield what makes the engine lose an accepted command: no persistence, eviction, errors."""
    if settings.get("role", "master") != "master":
        yield REPLICA.found()
    if settings.get("aof_enabled") == "0":
        yield NOT_PERSISTENT.found(_CONFIG.format("appendonly", "yes"))
    elif settings.get("appendfsync") == "no":
        yield SELDOM_SYNCED.found(_CONFIG.format("appendfsync", "everysec"))
    if "role" not in settings:
        yield NO_INFO.found(_GRANT.format("+info"))
    evicts = settings.get("maxmemory_policy", "noeviction")
    if evicts.startswith("allkeys"):  # the others evict keys that expire: we have none
        yield EVICTS.found(_CONFIG.format("maxmemory-policy", "noeviction"), policy=evicts)
    if settings.get("aof_last_write_status", "ok") != "ok":
        yield DISK.found()


def policy(snapshot: Snapshot) -> Findings:
    if isinstance(snapshot.examined, Unread):
        return
    if snapshot.examined["policy"]["fault"]:
        yield NOT_IN_FORCE.found(snapshot.apply_command(), why=snapshot.examined["policy"]["fault"])
    if snapshot.is_standby:
        yield STANDBY.found(hosts=", ".join(snapshot.other_hosts))
    elif snapshot.observes:
        yield OBSERVES.found(snapshot.fix_command("setup --act"))


def timer(snapshot: Snapshot) -> Findings:
    if isinstance(snapshot.health, Unread) or "due" not in snapshot.health:
        return
    age, oldest = snapshot.health["reconciled_ms_ago"], snapshot.health["oldest_due_ms"]
    fix = snapshot.deploy_command()
    cause = unwritable(snapshot) or cause_of_silence(snapshot, "reconcile")
    if age is None:
        yield NEVER_RAN.found("" if cause else fix, because=cause)
    elif age > STALE_MS:
        yield STOPPED.found("" if cause else fix, because=cause, age=written(age))
    elif oldest > LATE_MS:
        is_stuck = any(problem["code"] == STUCK for problem in snapshot.problems)
        because, count = cause or ("health" if is_stuck else ""), snapshot.health["due"]
        yield LATE.found(because=because, count=count, age=written(oldest))


def wake(snapshot: Snapshot) -> Findings:
    if snapshot.setting("wakes") is False:
        yield NO_WAKE.found(snapshot.deploy_command())
    for problem in snapshot.problems:
        if problem["code"] == UNREACHED:
            yield WAKE_LOST.found(problem=problem["text"], advice=problem["fix"])


def relay(snapshot: Snapshot) -> Findings:
    """Yield a warning if a callback that the stage forwarded recently did not reach its
    receiver."""
    if isinstance(snapshot.policy, Unread) or isinstance(snapshot.health, Unread):
        return
    lost = snapshot.health.get("relay_lost_ms_ago")
    if snapshot.policy.forward_to == ForwardTo():
        yield NO_FORWARDS.found()
    elif lost is not None and lost < RECENT_MS:
        yield RELAY_LOST.found(age=written(lost))


def heartbeat(snapshot: Snapshot) -> Findings:
    if isinstance(snapshot.health, Unread):
        return
    names = ("heartbeat_ms_ago", "heartbeat_lost_ms_ago")
    sent, lost = (snapshot.health.get(name) for name in names)
    if lost is not None and lost < min(HEARTBEAT_MS, sent or HEARTBEAT_MS):
        yield HEARTBEAT_LOST.found(age=written(lost))
    elif sent is None or sent > HEARTBEAT_MS:
        yield NO_HEARTBEAT.found()


def secrets(snapshot: Snapshot) -> Findings:
    without = {
        "stream_keys": "LIVE_RECORD_STREAM_KEYS",
        "record_keys": "LIVE_RECORD_RECORD_KEYS",
        "path_tokens": "LIVE_RECORD_PATH_TOKENS",
    }
    for name, variable in without.items():
        if snapshot.setting(name) == 0:
            yield NO_SECRETS.found(snapshot.deploy_command(), variable=variable)


def clock(snapshot: Snapshot) -> Findings:
    offset_ms = snapshot.clock_offset_ms
    window_ms = snapshot.setting("signature_window_ms") or WINDOW_MS  # an earlier release has none
    if isinstance(offset_ms, Unread) or abs(offset_ms) * CLOCK_WARNINGS <= window_ms:
        return
    is_far, is_ahead = abs(offset_ms) >= window_ms, offset_ms > 0
    if is_far:
        kind = CLOCK_OFF_AHEAD if is_ahead else CLOCK_OFF_BEHIND
    else:
        kind = CLOCK_AHEAD if is_ahead else CLOCK_BEHIND
    yield kind.found(offset=written(abs(offset_ms)), window=written(window_ms))


def role(snapshot: Snapshot) -> Findings:
    """Yield one fault for each cause why Live refuses calls or commands of the functions."""
    listing = [] if isinstance(snapshot.examined, Unread) else snapshot.examined["live"]
    codes = {entry["code"]: entry["domain"] for entry in reversed(listing) if entry["code"]}
    findings = [_listing(code, domain, snapshot) for code, domain in codes.items()]
    found = [finding for finding in findings if finding]
    yield from found
    yield from _unread_lists(snapshot, codes, found)
    is_revoked = ROLE_REVOKED.code in {finding.code for finding in found}
    if not isinstance(snapshot.listed, Unread) and not is_revoked:
        yield from _refused(snapshot, snapshot.listed)


def _unread_lists(
    snapshot: Snapshot, codes: Iterable[str], found: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield a finding if reconcile, which has a role of its own, could not read the online lists,
    unless the error that the stage itself got just now explains that."""
    is_explained = any(finding.severity > Severity.UNKNOWN for finding in found)
    if is_explained or any(code.startswith(UNKNOWN_DOMAIN) for code in codes):
        return
    for problem in snapshot.problems:
        if problem["code"] == LIST_UNREAD:
            yield LIST_WAS_UNREAD.found(problem=problem["text"])


def _listing(code: str, domain: str, snapshot: Snapshot) -> Finding | None:
    if code.startswith(UNKNOWN_DOMAIN):
        return None
    if code.startswith(FORBIDDEN):
        return LIST_FORBIDDEN.found(ROLE, domain=domain, code=code)
    if code.startswith(REVOKED):
        return ROLE_REVOKED.found(snapshot.deploy_command(), code=code)
    if code == ASKED_JUST_NOW:
        return ASKED_RECENTLY.found(domain=domain)
    return LIST_FAILS.found(domain=domain, code=code)


def _refused(snapshot: Snapshot, listed: Sequence[Json]) -> Iterator[Finding]:
    """Yield one fault for all commands that Live refuses, since they have one cause."""
    for row in listed:
        code, problem, stream = row["reason"]["code"], row["reason"]["text"], row["stream"]
        if code == "live_not_activated":
            yield NOT_ACTIVATED.found(problem=problem, stream=stream)
            return
        if code == "operator_action_needed":
            revoked = next((name for name in REVOKED if name in problem), "")
            if revoked:
                yield ROLE_REVOKED.found(snapshot.deploy_command(), code=revoked)
            else:
                yield COMMANDS_FORBIDDEN.found(ROLE, problem=problem, stream=stream)
            return


def instances(snapshot: Snapshot) -> Findings:
    """Yield a warning if the quota of instances is too small for the largest burst: all streams
    that the policy allows begin within one second.

    Function Compute answers 429 beyond its quota (docs/platform/function-compute.md §5).
    """
    size = _size(snapshot)
    if size is None:
        yield NO_LIMIT.found()
        return
    needed, quota = math.ceil(size * STREAM_CALLBACKS * CALLBACK_S), snapshot.stage_ref.instances
    if needed > quota:
        yield SMALL_QUOTA.found(streams=size, needed=needed, quota=quota)


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


ROOTS = (
    Check("stage", N_("the stage answers, and its settings are sound"), up),
    Check(
        "store",
        N_("the store answers, accepts writes, and refuses no command that is needed"),
        store,
        after=("stage",),
    ),
)
"""The checks on which most others depend."""
OF_STORE = ("stage", "store")
CHECKS = (
    Check(
        "health",
        N_("the stage reports no other problem of its own"),
        health,
        ("health",),
        OF_STORE,
    ),
    Check(
        "identity",
        N_("the stage would notice that its store was emptied"),
        identity,
        after=OF_STORE,
    ),
    Check(
        "durable",
        N_("the store loses nothing in a restart and evicts nothing"),
        durable,
        after=OF_STORE,
    ),
    Check(
        "policy",
        N_("the newest policy is in force, in mode `act`"),
        policy,
        ("policy",),
        OF_STORE,
    ),
    Check("timer", N_("the timer calls `reconcile` every minute"), timer, ("health",), OF_STORE),
    Check(
        "wake",
        N_("if a command cannot be sent at once, a wake-up call runs `reconcile`"),
        wake,
        ("health",),
        OF_STORE,
    ),
    Check(
        "relay",
        N_("callbacks reach their previous receivers"),
        relay,
        ("health", "policy"),
        OF_STORE,
    ),
    Check(
        "heartbeat",
        N_("a monitor gets a heartbeat from each run of the timer"),
        heartbeat,
        ("health",),
        OF_STORE,
    ),
    Check(
        "secrets",
        N_("the stage has keys and a path token to verify callbacks with"),
        secrets,
        after=("stage",),
    ),
    Check("clock", N_("the stage's clock agrees with Live's"), clock, ("clock_offset_ms",)),
    Check(
        "role",
        N_("the function's role may call Live, and its commands are not refused"),
        role,
        ("listed",),
        OF_STORE,
    ),
    Check(
        "quota",
        N_("by estimate, the region's instances suffice for the policy's largest burst"),
        instances,
        ("policy",),
        ("stage",),
    ),
)
