"""The checks of recording configurations: the policy's streams have one, and it suits the policy.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import ASKS, AUTOMATIC, PUSH_URL, Domain, Recording, Snapshot, Unread
from shared.protocol import StreamKey
from shared.protocol.durations import written
from shared.protocol.policy import OnPublish, Policy, Rule

SETUP = "setup"
SOON_DAYS = 7
"""A lifecycle rule that deletes recordings sooner is probably a mistake."""


def coverage(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        is_whole = not isinstance(domain.recordings, Unread) and not isinstance(domain.vod, Unread)
        if is_whole and not domain.configurations:
            yield fault(
                f"{domain.name} has no recording configuration, so every start is refused with"
                " CodeConfigNotFound. Name the bucket to record into",
                snapshot.fix_command(f"{SETUP} --bucket NAME --endpoint oss-REGION.aliyuncs.com"),
            )
        elif is_whole and not isinstance(snapshot.policy, Unread):
            yield from _missing(snapshot, domain, snapshot.policy)


def _missing(snapshot: Snapshot, domain: Domain, policy: Policy) -> Iterator[Finding]:
    for rule in _recorded(policy, domain.name):
        if not any(_may_cover(rule, config) for config in domain.configurations):
            yield fault(
                f"no recording configuration of {domain.name} covers the streams of the rule"
                f" {rule.name}: every start is refused with CodeConfigNotFound",
                snapshot.fix_command(SETUP),
            )


def _recorded(policy: Policy, domain: str) -> Iterator[Rule]:
    for rule in policy.rules:
        if rule.on_publish is OnPublish.RECORD and rule.match.is_of(domain):
            yield rule


def _may_cover(rule: Rule, config: Recording) -> bool:
    """Return True if the configuration covers some of the rule's streams."""
    return _matches(rule.match.app, config.app) and _matches(rule.match.stream, config.stream)


def _matches(pattern: str, name: str) -> bool:
    return name == "*" or fnmatchcase(name, pattern)


def mode(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for config in domain.configurations:
            if config.on_demand == AUTOMATIC:
                yield warning(
                    f"{config} records automatically (OnDemand 0): rules, stops and max_duration do"
                    " not apply to it. Make it manual (OnDemand 7)",
                    snapshot.fix_command(_manual(snapshot, config)),
                )
            elif config.on_demand == PUSH_URL:
                yield warning(
                    f"{config} records as the push URL demands (OnDemand 2), whatever the policy"
                    " is. Make it manual (OnDemand 7)",
                    snapshot.fix_command(_manual(snapshot, config)),
                )


def _manual(snapshot: Snapshot, config: Recording) -> str:
    """Return the setup command, with --manual if no rule covers the configuration."""
    rules = () if isinstance(snapshot.policy, Unread) else _recorded(snapshot.policy, config.domain)
    return SETUP if any(_may_cover(rule, config) for rule in rules) else f"{SETUP} --manual"


def storage(snapshot: Snapshot) -> Findings:
    """Yield a warning for each configuration for both OSS and VOD: a stream uses only one of them
    (docs/platform/live.md §6)."""
    for domain in snapshot.domains:
        if isinstance(domain.recordings, Unread) or isinstance(domain.vod, Unread):
            continue
        oss_targets = {(config.app, config.stream) for config in domain.recordings}
        for config in domain.vod:
            if (config.app, config.stream) in oss_targets:
                yield warning(
                    f"{config} is configured for OSS and for VOD, but a stream uses only one of"
                    " them",
                    f"aliyun live DeleteLiveRecordVodConfig --DomainName {config.domain}"
                    f" --AppName '{config.app}' --StreamName '{config.stream}'",
                )


def formats(snapshot: Snapshot) -> Findings:
    asks_others = not isinstance(snapshot.policy, Unread) and bool(
        snapshot.policy.forward_to.on_demand
    )
    for domain in snapshot.domains:
        for config in domain.configurations:
            names = ", ".join(dict.fromkeys(form.name for form in config.formats))
            if not names and not config.is_vod:
                yield fault(
                    f"{config} names no format for the original stream: only transcoded streams are"
                    " recorded",
                    snapshot.fix_command(SETUP),
                )
            elif asks_others and config.on_demand == ASKS and names:
                yield warning(
                    f"{config} records {names}: an answer of forward_to.on_demand that names none"
                    " of these counts as a no"
                )


def names(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for config in domain.configurations:
            shared = [form.name for form in config.formats if _is_shared(config, form.prefix)]
            if shared:
                yield warning(
                    f"{config}: the object name of {', '.join(shared)} does not hold"
                    " {StreamName}, so two streams may write the same file",
                    snapshot.fix_command(SETUP),
                )


def _is_shared(config: Recording, prefix: str) -> bool:
    return config.stream == "*" and bool(prefix) and "{StreamName}" not in prefix


def delay(snapshot: Snapshot) -> Findings:
    ours = snapshot.setting("merge_delay_ms")
    if ours is None:
        return
    for domain in snapshot.domains:
        for config in domain.configurations:
            if config.delay_ms is not None and config.delay_ms != ours:
                yield warning(
                    f"{config} waits {written(config.delay_ms)} for an interrupted stream"
                    f" (DelayTime), but LIVE_RECORD_MERGE_DELAY is {written(ours)}",
                    snapshot.fix_command(SETUP),
                )


def buckets(snapshot: Snapshot) -> Findings:
    for (name, endpoint), bucket in snapshot.buckets.items():
        if not isinstance(bucket, Unread):
            if bucket.endpoint and bucket.endpoint != endpoint:
                yield fault(
                    f"the bucket {name} is at {bucket.endpoint}, but the recording configuration"
                    f" names {endpoint}",
                    snapshot.fix_command(f"{SETUP} --endpoint {bucket.endpoint}"),
                )
        elif bucket.code == "WrongEndpoint":
            yield fault(
                f"the bucket {name} is not at {endpoint}. The console of OSS shows its endpoint",
                snapshot.fix_command(f"{SETUP} --endpoint oss-REGION.aliyuncs.com"),
            )
        elif bucket.code == "NoSuchBucket":
            yield fault(
                f"the bucket {name} does not exist: recordings break with BucketNotFound",
                f"aliyun oss mb oss://{name} --endpoint {endpoint}",
            )
        else:
            yield warning(f"the bucket {name} could not be checked: {bucket.why}")


def lifecycle(snapshot: Snapshot) -> Findings:
    for bucket in snapshot.buckets.values():
        if (
            not isinstance(bucket, Unread)
            and bucket.expires_days is not None
            and bucket.expires_days < SOON_DAYS
        ):
            yield warning(
                f"the bucket {bucket.name} deletes recordings after {bucket.expires_days} days."
                " Check its lifecycle rules in the console of OSS"
            )


def fresh(snapshot: Snapshot) -> Findings:
    """Yield a warning for each live stream that is older than its configuration.

    A configuration applies from the next publish on (docs/platform/live.md §6).
    """
    for domain in snapshot.domains:
        for stream in () if isinstance(domain.online, Unread) else domain.online:
            config = domain.configuration(stream.app, stream.stream)
            if config and config.created_ms is not None and config.created_ms > stream.published_ms:
                yield warning(
                    f"{StreamKey(domain.name, stream.app, stream.stream)} was published before"
                    f" the configuration {config} was created, which applies from its next publish"
                )


def recorded(snapshot: Snapshot) -> Findings:
    """Yield a fault for each live stream that a rule records and that is not recorded.

    Manual recording (OnDemand 7) needs a command to start.
    """
    if isinstance(snapshot.policy, Unread) or isinstance(snapshot.listed, Unread):
        return
    known = {row["stream"]: row for row in snapshot.listed}
    for domain in snapshot.domains:
        for stream in () if isinstance(domain.online, Unread) else domain.online:
            key = StreamKey(domain.name, stream.app, stream.stream)
            if snapshot.policy.rule(key).on_publish is not OnPublish.RECORD:
                continue
            if key.fault:
                yield fault(
                    f"{key} is live and cannot be recorded: its name {key.fault}. Publish it under"
                    " another name"
                )
            else:
                yield from _unrecorded(snapshot, str(key), known.get(str(key)))


NOT_RECORDED_PHASES = {"idle", "failed", "waiting"}
DELIBERATE_REASONS = {"held", "asked_stop", "time_over"}


def _unrecorded(snapshot: Snapshot, stream: str, row: object) -> Iterator[Finding]:
    fix = snapshot.fix_command(f"start {stream}")
    if not isinstance(row, dict):
        yield fault(f"{stream} is live and set to record, but the stage does not know it", fix)
    elif row["phase"] in NOT_RECORDED_PHASES and row["reason"]["code"] not in DELIBERATE_REASONS:
        why = row["reason"]["text"]
        yield fault(f"{stream} is live and set to record, but is not recorded: {why}", fix)


CHECKS = (
    Check(
        "recording",
        "every rule that records has a recording configuration",
        coverage,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "on-demand",
        "every recording configuration is manual or on demand",
        mode,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "storage",
        "no stream is configured for both OSS and VOD",
        storage,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "formats",
        "every recording configuration names a format for the original stream",
        formats,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "names", "two streams never write the same object", names, ("policy", "recordings", "vod")
    ),
    Check(
        "delay",
        "DelayTime is the stage's merge delay",
        delay,
        ("examined", "policy", "recordings", "vod"),
    ),
    Check(
        "bucket",
        "every recording bucket exists, at the configured endpoint",
        buckets,
        ("policy", "recordings"),
    ),
    Check(
        "lifecycle",
        "no bucket deletes recordings within a week",
        lifecycle,
        ("policy", "recordings"),
    ),
    Check(
        "fresh",
        "live streams were published under the present configuration",
        fresh,
        ("online", "policy", "recordings", "vod"),
    ),
    Check(
        "recorded",
        "every live stream that a rule records is recorded",
        recorded,
        ("policy", "listed", "online"),
    ),
)
