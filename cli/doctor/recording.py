"""Recording configurations: whether there is one for what the policy wants, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import ASKS, AUTOMATIC, PUSH_URL, Domain, Recording, Seen, Unread
from shared.protocol import StreamKey
from shared.protocol.durations import written
from shared.protocol.policy import OnPublish, Policy, Rule

SETUP = "setup"
SOON = 7
"""Days: recordings that a bucket deletes sooner surprise their owner."""


def present(seen: Seen) -> Findings:
    for domain in seen.domains:
        is_whole = not isinstance(domain.recordings, Unread) and not isinstance(domain.vod, Unread)
        if is_whole and not domain.configurations:
            yield fault(
                f"{domain.name} has no recording configuration, so every start is refused with"
                " CodeConfigNotFound: name the bucket that is to be recorded into",
                seen.mend(f"{SETUP} --bucket NAME --endpoint oss-REGION.aliyuncs.com"),
            )
        elif is_whole and not isinstance(seen.policy, Unread):
            yield from _missing(seen, domain, seen.policy)


def _missing(seen: Seen, domain: Domain, policy: Policy) -> Iterator[Finding]:
    for rule in _recorded(policy, domain.name):
        if not any(_may_hold(rule, one) for one in domain.configurations):
            yield fault(
                f"no recording configuration of {domain.name} is for the streams of the rule"
                f" {rule.name}: every start is refused with CodeConfigNotFound",
                seen.mend(SETUP),
            )


def _recorded(policy: Policy, domain: str) -> Iterator[Rule]:
    for rule in policy.rules:
        if rule.on_publish is OnPublish.RECORD and rule.match.is_of(domain):
            yield rule


def _may_hold(rule: Rule, one: Recording) -> bool:
    """Whether it is for some of the rule's streams."""
    return _meet(rule.match.app, one.app) and _meet(rule.match.stream, one.stream)


def _meet(pattern: str, name: str) -> bool:
    return name == "*" or fnmatchcase(name, pattern)


def mode(seen: Seen) -> Findings:
    for domain in seen.domains:
        for one in domain.configurations:
            if one.on_demand == AUTOMATIC:
                yield warning(
                    f"{one} records by itself (OnDemand 0): no rule, no stop that sticks and no"
                    " max_duration applies to what it records. Manual is OnDemand 7",
                    seen.mend(_manual(seen, one)),
                )
            elif one.on_demand == PUSH_URL:
                yield warning(
                    f"{one} records what its push URL asks for (OnDemand 2), whatever the policy"
                    " says. Manual is OnDemand 7",
                    seen.mend(_manual(seen, one)),
                )


def _manual(seen: Seen, one: Recording) -> str:
    """What no rule is about, setup leaves alone unless it is told."""
    rules = () if isinstance(seen.policy, Unread) else _recorded(seen.policy, one.domain)
    return SETUP if any(_may_hold(rule, one) for rule in rules) else f"{SETUP} --manual"


def storage(seen: Seen) -> Findings:
    """facts/live.md 6: a stream uses OSS or VOD, not both."""
    for domain in seen.domains:
        if isinstance(domain.recordings, Unread) or isinstance(domain.vod, Unread):
            continue
        places = {(one.app, one.stream) for one in domain.recordings}
        for one in domain.vod:
            if (one.app, one.stream) in places:
                yield warning(
                    f"{one} is configured for OSS and for VOD, and a stream uses only one of them",
                    f"aliyun live DeleteLiveRecordVodConfig --DomainName {one.domain}"
                    f" --AppName '{one.app}' --StreamName '{one.stream}'",
                )


def formats(seen: Seen) -> Findings:
    asks_others = not isinstance(seen.policy, Unread) and bool(seen.policy.forward_to.on_demand)
    for domain in seen.domains:
        for one in domain.configurations:
            names = ", ".join(dict.fromkeys(form.name for form in one.formats))
            if not names and not one.is_vod:
                yield fault(
                    f"{one} names no format for the stream itself: only what is transcoded is"
                    " recorded",
                    seen.mend(SETUP),
                )
            elif asks_others and one.on_demand == ASKS and names:
                yield warning(
                    f"{one} records {names}: an answer of forward_to.on_demand that names none of"
                    " these is taken for a no"
                )


def names(seen: Seen) -> Findings:
    for domain in seen.domains:
        for one in domain.configurations:
            shared = [form.name for form in one.formats if _is_shared(one, form.prefix)]
            if shared:
                yield warning(
                    f"{one}: the object name of {', '.join(shared)} does not hold {{StreamName}},"
                    " so two streams may write the same file",
                    seen.mend(SETUP),
                )


def _is_shared(one: Recording, prefix: str) -> bool:
    return one.stream == "*" and bool(prefix) and "{StreamName}" not in prefix


def delay(seen: Seen) -> Findings:
    ours = seen.setting("merge_delay_ms")
    if ours is None:
        return
    for domain in seen.domains:
        for one in domain.configurations:
            if one.delay is not None and one.delay != ours:
                yield warning(
                    f"{one} waits {written(one.delay)} for an interrupted stream (DelayTime), and"
                    f" LIVE_RECORD_MERGE_DELAY says {written(ours)}",
                    seen.mend(SETUP),
                )


def buckets(seen: Seen) -> Findings:
    for (name, endpoint), bucket in seen.buckets.items():
        if not isinstance(bucket, Unread):
            if bucket.endpoint and bucket.endpoint != endpoint:
                yield fault(
                    f"the bucket {name} is at {bucket.endpoint}, and the recording configuration"
                    f" says {endpoint}",
                    seen.mend(f"{SETUP} --endpoint {bucket.endpoint}"),
                )
        elif bucket.code == "WrongEndpoint":
            yield fault(
                f"the bucket {name} is not at {endpoint}: see where it is in the console of OSS",
                seen.mend(f"{SETUP} --endpoint oss-REGION.aliyuncs.com"),
            )
        elif bucket.code == "NoSuchBucket":
            yield fault(
                f"the bucket {name} does not exist: recordings break with BucketNotFound",
                f"aliyun oss mb oss://{name} --endpoint {endpoint}",
            )
        else:
            yield warning(f"the bucket {name} could not be looked at: {bucket.why}")


def lifecycle(seen: Seen) -> Findings:
    for bucket in seen.buckets.values():
        if not isinstance(bucket, Unread) and bucket.expires is not None and bucket.expires < SOON:
            yield warning(
                f"the bucket {bucket.name} deletes recordings after {bucket.expires} days: its"
                " lifecycle rules are in the console of OSS"
            )


def fresh(seen: Seen) -> Findings:
    """facts/live.md 6: a configuration holds from the next publish on."""
    for domain in seen.domains:
        for stream in () if isinstance(domain.online, Unread) else domain.online:
            one = domain.configuration(stream.app, stream.stream)
            if one and one.created is not None and one.created > stream.published:
                yield warning(
                    f"{StreamKey(domain.name, stream.app, stream.stream)} was published before"
                    f" the configuration {one} was made: it holds from its next publish on"
                )


def recorded(seen: Seen) -> Findings:
    """OnDemand 7 records nothing unless somebody says so: what is live and wanted is recorded."""
    if isinstance(seen.policy, Unread) or isinstance(seen.listed, Unread):
        return
    known = {row["stream"]: row for row in seen.listed}
    for domain in seen.domains:
        for stream in () if isinstance(domain.online, Unread) else domain.online:
            key = StreamKey(domain.name, stream.app, stream.stream)
            if seen.policy.rule(key).on_publish is OnPublish.RECORD:
                yield from _unrecorded(seen, str(key), known.get(str(key)))


STILL = {"idle", "failed", "waiting"}
SAID_SO = {"held", "asked_stop", "time_over"}


def _unrecorded(seen: Seen, stream: str, row: object) -> Iterator[Finding]:
    mend = seen.mend(f"start {stream}")
    if not isinstance(row, dict):
        yield fault(f"{stream} is live and to be recorded, and the stage has not heard of it", mend)
    elif row["phase"] in STILL and row["reason"]["code"] not in SAID_SO:
        why = row["reason"]["text"]
        yield fault(f"{stream} is live and to be recorded, and is not: {why}", mend)


CHECKS = (
    Check(
        "recording",
        "what the policy records has a recording configuration",
        present,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "on-demand",
        "recordings are manual, or asked for on demand",
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
        "every recording configuration names a format for the stream itself",
        formats,
        ("policy", "recordings", "vod"),
    ),
    Check(
        "names", "two streams never write the same object", names, ("policy", "recordings", "vod")
    ),
    Check(
        "delay",
        "DelayTime is what the stage reckons with",
        delay,
        ("examined", "policy", "recordings", "vod"),
    ),
    Check(
        "bucket",
        "every bucket that is recorded into exists, and is where it is said",
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
        "live streams were published under the configuration that is now",
        fresh,
        ("online", "policy", "recordings", "vod"),
    ),
    Check(
        "recorded",
        "what is live and wanted by a rule is recorded",
        recorded,
        ("policy", "listed", "online"),
    ),
)
