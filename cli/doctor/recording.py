"""The checks of recording configurations: the policy's streams have one, and it suits the policy.

cli.doctor.checks lists them. Like all checks they read a Snapshot and send nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from gettext import gettext as _
from itertools import product
from urllib.parse import urlsplit

from cli.api import AGE_UNKNOWN, ENDED_ON_PURPOSE, STORE_EMPTIED
from cli.doctor.finding import (
    Check,
    Finding,
    Findings,
    Kind,
    Severity,
    fault,
    nothing,
    unknown,
    warning,
)
from cli.doctor.snapshot import (
    ASKS,
    AUTOMATIC,
    OTHER,
    PUSH_URL,
    Domain,
    Json,
    Recording,
    Snapshot,
    Unread,
)
from cli.doctor.stage import NOT_RECORDED as NOT_RECORDED_CODE
from cli.doctor.stage import UNKNOWN_RECORDING as UNKNOWN_CODE
from cli.doctor.stage import UNREPORTED as UNREPORTED_CODE
from cli.doctor.stage import is_only_unreadable, is_writable, stops_writes
from cli.output import is_uncertain
from cli.texts import N_, detail
from shared.protocol import StreamKey
from shared.protocol.durations import instant, written
from shared.protocol.object_prefix import prefix_of
from shared.protocol.policy import Policy, Rule

SOON_DAYS = 7
"""A lifecycle rule that deletes recordings sooner is probably a mistake."""
NO_CONFIG = "no_record_config"
"""The reason of a stream whose start was refused with CodeConfigNotFound."""

NONE = fault(
    "recording.none",
    N_(
        "{domain} has no recording configuration, so every start is refused with"
        " CodeConfigNotFound. Name the bucket to record into"
    ),
)
NOT_COVERED = fault(
    "recording.rule",
    N_(
        "no recording configuration of {domain} covers the streams of the rule {rule}: every start"
        " is refused with CodeConfigNotFound"
    ),
)
BY_HAND = fault(
    "recording.by_hand",
    N_(
        "somebody asked to record these streams, but no recording configuration covers them:"
        " {streams}. Every start is refused with CodeConfigNotFound. In policy.toml, add a rule"
        ' that matches these streams; with `on_publish = "on_request"`, the rule records them only'
        " when somebody asks"
    ),
)
TWO = warning(
    "recording.two",
    N_(
        "{one} and {other} both cover the stream {stream}, and it is not documented which of the"
        " two Live uses. Add a recording configuration for this stream alone"
    ),
)
RECORDS_ITSELF = warning(
    "on-demand.automatic",
    N_(
        "{config} records automatically (OnDemand 0): rules, stops and `max_duration` do not apply"
        " to its streams. Make it manual (OnDemand 7)"
    ),
)
PUSH_URL_DECIDES = warning(
    "on-demand.push_url",
    N_(
        "{config} records as the push URL demands (OnDemand 2), whatever the policy is. Make it"
        " manual (OnDemand 7)"
    ),
)
OSS_AND_VOD = warning(
    "storage.both",
    N_("{config} is configured for OSS and for VOD, but a stream uses only one of them"),
)
NO_FORMAT = fault(
    "formats.none",
    N_("{config} names no format for the original stream: only transcoded streams are recorded"),
)
OTHER_FORMATS = warning(
    "formats.forward",
    N_(
        "{config} records only {formats}. If the answer of `forward_to.on_demand` names none of"
        " these formats, Live records nothing. Let the answer name one of them"
    ),
)
SHARED_NAME = warning(
    "names.shared",
    N_(
        "{config}: the object name of {formats} does not contain `{{StreamName}}`, so two streams"
        " may write the same file"
    ),
)
UNSIGNED_NAME = warning(
    "names.unsigned",
    N_(
        "{config} gives its files the names {names}. The `object_prefix` of this domain in the"
        " policy does not allow these names, so the files get no playback URL. Add the names to"
        " `object_prefix`, and apply the policy"
    ),
)
OTHER_DELAY = warning(
    "delay.other",
    N_(
        "{config} waits {delay} for an interrupted stream (DelayTime), but LIVE_RECORD_MERGE_DELAY"
        " is {setting}"
    ),
)
OTHER_ENDPOINT = fault(
    "bucket.endpoint",
    N_(
        "the bucket {bucket} is at {endpoint}, but the recording configuration names"
        " {other_endpoint}"
    ),
)
WRONG_ENDPOINT = fault(
    "bucket.elsewhere",
    N_("the bucket {bucket} is not at {endpoint}. The console of OSS shows its endpoint"),
)
NO_BUCKET = fault(
    "bucket.none", N_("the bucket {bucket} does not exist: recordings break with BucketNotFound")
)
OTHER_BUCKET = warning(
    "bucket.other",
    N_(
        "{config} records into the bucket {bucket}, but the stage reads the bucket {stage_bucket}:"
        " files in {bucket} get no playback URL, and verification reports them as missing. Name"
        " {bucket} under `domain.bucket` of the policy, and let the role of the function `files`"
        " read it"
    ),
)
DELETES_SOON = warning(
    "lifecycle.soon",
    N_(
        "the bucket {bucket} deletes recordings once they are {days}d old. Check its"
        " lifecycle rules in the console of OSS"
    ),
)
NO_READERS = warning(
    "cors.none",
    N_(
        "the bucket {bucket} has no rule for requests of other origins (CORS): the console at"
        " {origin} cannot play its FLV and HLS files, only MP4"
    ),
)
OTHER_READERS = warning(
    "cors.others",
    N_(
        "the CORS rules of the bucket {bucket} leave out {origin}: the console there cannot play"
        " its FLV and HLS files, only MP4. Add a rule in the console of OSS that allows GET and"
        " HEAD, and every header, from {origin}"
    ),
)
OLDER_THAN_CONFIG = warning(
    "fresh.older",
    N_(
        "{stream} was published before the configuration {config} was created. The"
        " configuration applies from the next publish; to use it now, push the stream again"
    ),
)
BAD_NAME = fault(
    "recorded.name",
    N_(
        "{stream} is live and cannot be recorded because of its name: it {why}. Publish it under"
        " another name"
    ),
)
NOT_KNOWN = fault(
    "recorded.unknown",
    N_(
        "these streams are live and set to record, but the stage does not know them: {streams}."
        " The function `reconcile` finds them in the online list within a minute"
    ),
)
NOT_RECORDED = fault(
    "recorded.waits",
    N_("these streams are live and set to record, but not recorded: {streams}. The cause: {why}"),
)
UNCLEAR = fault(
    "recorded.unclear",
    N_(
        "nobody knows whether these streams are recorded, because the answer to each start was lost"
        " or unclear: {streams}. The cause: {why}. The stage sends the start again until the answer"
        " is clear"
    ),
)
UNANSWERED = unknown(
    "recorded.unanswered",
    N_(
        "Live has reported that it records these streams, but the answer to each start was lost or"
        " unclear: {streams}. The stage sends the start again until the answer is clear"
    ),
)
UNSHOWN = warning(
    "recorded.unshown",
    N_(
        "Live accepted a start for these streams, but nothing shows yet that it records them:"
        " {streams}. The stage sends another start to find out; `live-record list` shows when"
    ),
)
UNREADABLE = fault(
    "recorded.unreadable",
    N_(
        "the records of these streams cannot be read, so no start is sent: {streams}. You can still"
        " stop these streams. To start them, deploy the release that wrote the records"
    ),
)
SUSPENDED = warning(
    "recorded.suspended",
    N_("these streams are live, but not recorded while the policy is suspended: {streams}"),
)
OTHER_DELAY_HERE = warning(
    "delay.other_stage",
    N_(
        "{config} waits {delay} for an interrupted stream (DelayTime), but LIVE_RECORD_MERGE_DELAY"
        " is {setting}. Copy LIVE_RECORD_MERGE_DELAY from the stage that this stage is to replace,"
        " and deploy"
    ),
)
FORGOTTEN_HERE = unknown(
    "recorded.forgotten_standby",
    N_(
        "the store was emptied, so the stage does not know whether Live still records these"
        " streams: {streams}. Import the state of the other stage again, then run"
        " `live-record store accept`"
    ),
)
FORGOTTEN = unknown(
    "recorded.forgotten",
    N_(
        "the store was emptied, so the stage does not know whether Live still records these"
        " streams: {streams}. Start or stop each, then run `live-record store accept`"
    ),
)
UNDECIDED = unknown(
    "recorded.undecided",
    N_(
        "the online list shows these streams, but they may have ended: {streams}. The stage"
        " polls until that is certain, for a minute at most"
    ),
)
UNDATED = unknown(
    "recorded.undated",
    N_(
        "the stage's clock was set back, so the stage does not know whether these streams are"
        " recorded: {streams}. It finds out from the online list within two minutes"
    ),
)
LATER_PUBLISH = unknown(
    "recorded.later",
    N_(
        "the online list shows a later publish of these streams than the stage knows, so the stage"
        " does not know whether they are recorded: {streams}. It finds out from the online list"
        " within two minutes"
    ),
)
CONFIG_CAME_LATER = fault(
    "recorded.config",
    N_(
        "Live refused to start recording these streams (CodeConfigNotFound): {streams}. They have"
        " a recording configuration by now, but it applies only from the next publish. Publish"
        " them again"
    ),
)
OLD = unknown(
    "recorded.old",
    N_("the store accepts no writes, so what the stage says about its streams may be old"),
)
STAGE_SAYS = fault("recorded.stage", N_("{problem}. {advice}"))
NOT_LIVE = nothing("recorded.none", N_("no stream that should be recorded is live"))
NO_STREAM = nothing("fresh.none", N_("no stream is live"))
NO_CONFIGS = {
    check: nothing(f"{check}.nothing", N_("there is no recording configuration"))
    for check in ("on-demand", "storage", "formats", "names", "delay")
}
NO_BUCKETS = {
    check: nothing(f"{check}.nothing", N_("no recording configuration names a bucket"))
    for check in ("bucket", "lifecycle", "cors")
}


def coverage(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        yield from _uncovered(snapshot, domain)


def _uncovered(snapshot: Snapshot, domain: Domain) -> Iterator[Finding]:
    is_whole = domain.knows_all_configurations
    if is_whole and not domain.configurations:
        create = "--bucket NAME --endpoint oss-REGION.aliyuncs.com"
        yield _configure(snapshot, NONE, create, domain=domain.name)
    elif is_whole and not isinstance(snapshot.policy, Unread):
        yield from _missing(snapshot, domain, snapshot.policy)
        yield from _by_hand(snapshot, domain, snapshot.policy)
    if is_whole:
        yield from _undecided(domain)


def _undecided(domain: Domain) -> Iterator[Finding]:
    """Yield a warning for each stream of which two configurations may be the one in force: one for
    its name in all applications, and one for its application."""
    places = {each.place: each for each in domain.configurations}
    of_names = [each for each in places.values() if each.app == "*" != each.stream]
    of_apps = [each for each in places.values() if each.stream == "*" != each.app]
    for one, other in product(of_names, of_apps):
        if (other.app, one.stream) not in places:
            stream = f"{domain.name}/{other.app}/{one.stream}"
            yield TWO.found(one=one, other=other, stream=stream)


def _missing(snapshot: Snapshot, domain: Domain, policy: Policy) -> Iterator[Finding]:
    for rule in _recorded(policy, domain.name):
        if not any(_may_cover(rule, config) for config in domain.configurations):
            yield _configure(snapshot, NOT_COVERED, domain=domain.name, rule=rule.name)


def _configure(snapshot: Snapshot, kind: Kind, options: str = "", **about: str) -> Finding:
    """Return a finding that setup cures by changing recording configurations. Setup leaves them
    unchanged while the stage observes, because Live has to record by itself then. So a warning
    follows from the check `policy`, and the cure of a fault lets the stage act."""
    if snapshot.observes and not snapshot.is_standby:
        if kind.severity is Severity.WARNING:
            return kind.found(because="policy", **about)
        options = f"--act {options}".strip()
    return kind.found(snapshot.setup_command(options), **about)


def _by_hand(snapshot: Snapshot, domain: Domain, policy: Policy) -> Iterator[Finding]:
    """Yield one fault for all streams that a person or a schedule wants recorded, but that no rule
    may record and no configuration covers."""
    refused = [
        shown
        for stream, shown in _asked_for(snapshot)
        if (key := StreamKey.parse(stream)).domain == domain.name
        and not policy.rule(key).may_record
        and domain.configuration(key.app, key.stream) is None
    ]
    if refused:
        yield _configure_by_rule(snapshot, _counted(refused))


def _configure_by_rule(snapshot: Snapshot, streams: str) -> Finding:
    found = _configure(snapshot, BY_HAND, streams=streams)
    apply = snapshot.apply_command()
    if snapshot.is_standby:
        apply = f"live-record policy apply policy.toml --stage {OTHER}"
    return replace(found, fix=f"{apply} && {found.fix}")


def _asked_for(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield each stream whose start was refused, and each stream or pattern of a schedule that has
    an occurrence to come; each with the text that names it."""
    for row in () if isinstance(snapshot.listed, Unread) else snapshot.listed:
        if row["reason"]["code"] == NO_CONFIG:
            yield row["stream"], row["stream"]
    for row in () if isinstance(snapshot.schedules, Unread) else snapshot.schedules:
        for stream in row["streams"] if row["next"] else ():
            shown = _("{stream} (schedule {id})").format(stream=stream, id=row["id"])
            yield stream, shown


def _recorded(policy: Policy, domain: str) -> Iterator[Rule]:
    for rule in policy.rules:
        if rule.may_record and rule.match.is_of(domain):
            yield rule


def _may_cover(rule: Rule, config: Recording) -> bool:
    """Return True if the configuration covers some of the rule's streams."""
    return _matches(rule.match.app, config.app) and _matches(rule.match.stream, config.stream)


def _matches(pattern: str, name: str) -> bool:
    return name == "*" or fnmatchcase(name, pattern)


def _configurations(snapshot: Snapshot) -> Iterator[Recording]:
    for domain in snapshot.domains:
        yield from domain.configurations


def mode(snapshot: Snapshot) -> Findings:
    if not any(_configurations(snapshot)):
        yield NO_CONFIGS["on-demand"].found()
    for config in _configurations(snapshot):
        if config.on_demand == AUTOMATIC:
            yield _of_mode(RECORDS_ITSELF, snapshot, config)
        elif config.on_demand == PUSH_URL:
            yield _of_mode(PUSH_URL_DECIDES, snapshot, config)


def _of_mode(kind: Kind, snapshot: Snapshot, config: Recording) -> Finding:
    """Return the finding; setup needs --manual if no rule covers the configuration."""
    rules = () if isinstance(snapshot.policy, Unread) else _recorded(snapshot.policy, config.domain)
    is_ruled = any(_may_cover(rule, config) for rule in rules)
    return _configure(snapshot, kind, "" if is_ruled else "--manual", config=str(config))


def storage(snapshot: Snapshot) -> Findings:
    """Yield a warning for each application and stream with a configuration into OSS and one into
    VOD: a stream uses only one of the two (docs/platform/live.md §6)."""
    if not any(_configurations(snapshot)):
        yield NO_CONFIGS["storage"].found()
    for domain in snapshot.domains:
        if isinstance(domain.recordings, Unread) or isinstance(domain.vod, Unread):
            continue
        oss_targets = {(config.app, config.stream) for config in domain.recordings}
        for config in domain.vod:
            if (config.app, config.stream) in oss_targets:
                delete = (
                    f"aliyun live DeleteLiveRecordVodConfig --DomainName {config.domain}"
                    f" --AppName '{config.app}' --StreamName '{config.stream}'"
                )  # Live may be recording by itself, by either of the two, while the stage observes
                yield OSS_AND_VOD.found("" if snapshot.observes else delete, config=config)


def formats(snapshot: Snapshot) -> Findings:
    if not any(_configurations(snapshot)):
        yield NO_CONFIGS["formats"].found()
    asks_others = not isinstance(snapshot.policy, Unread) and bool(
        snapshot.policy.forward_to.on_demand
    )
    for config in _configurations(snapshot):
        names = ", ".join(dict.fromkeys(form.name for form in config.formats))
        if not names and not config.is_vod:
            yield _configure(snapshot, NO_FORMAT, config=str(config))
        elif asks_others and config.on_demand == ASKS and names:
            yield OTHER_FORMATS.found(config=config, formats=names)


def names(snapshot: Snapshot) -> Findings:
    if not any(_configurations(snapshot)):
        yield NO_CONFIGS["names"].found()
    for config in _configurations(snapshot):
        shared = ", ".join(_shared(config))
        if shared:
            yield _configure(snapshot, SHARED_NAME, config=str(config), formats=shared)
        else:
            yield from _unsigned(snapshot, config)


def _unsigned(snapshot: Snapshot, config: Recording) -> Findings:
    """Yield a warning for object names that the policy does not know: a stage that signs URLs signs
    none for them."""
    policy = snapshot.policy
    if not snapshot.setting("signs_files") or isinstance(policy, Unread):
        return
    domains = (one for one in policy.domains if one.streaming == config.domain)
    known = next((one.object_prefix for one in domains), ())
    begins = tuple(map(prefix_of, known))
    names = dict.fromkeys(form.prefix for form in config.formats if form.prefix)
    unknown = ", ".join(name for name in names if not prefix_of(name).startswith(begins))
    if unknown and known:
        yield UNSIGNED_NAME.found(snapshot.apply_command(), config=config, names=unknown)


def _shared(config: Recording) -> Iterator[str]:
    """Yield each format of which two streams may write the same object: a file, or a segment."""
    for form in config.formats:
        if _is_shared(config, form.prefix):
            yield form.name
        if _is_shared(config, form.segments):
            yield f"{form.name} (SliceOssObjectPrefix)"


def _is_shared(config: Recording, prefix: str) -> bool:
    return config.stream == "*" and bool(prefix) and "{StreamName}" not in prefix


def delay(snapshot: Snapshot) -> Findings:
    ours = snapshot.setting("merge_delay_ms")
    if ours is None:
        return
    if not any(_configurations(snapshot)):
        yield NO_CONFIGS["delay"].found()
    for config in _configurations(snapshot):
        theirs = config.delay_ms
        if theirs is not None and theirs != ours:
            about = {"config": str(config), "delay": written(theirs), "setting": written(ours)}
            if snapshot.is_standby:
                fix = snapshot.deploy_command()
                yield OTHER_DELAY_HERE.found(fix, **about)
            else:
                yield _configure(snapshot, OTHER_DELAY, **about)


def buckets(snapshot: Snapshot) -> Findings:
    if not snapshot.buckets:
        yield NO_BUCKETS["bucket"].found()
    for (name, endpoint), bucket in snapshot.buckets.items():
        if not isinstance(bucket, Unread):
            if bucket.endpoint and bucket.endpoint != endpoint:
                there, option = bucket.endpoint, f"--endpoint {bucket.endpoint}"
                about = {"bucket": name, "endpoint": there, "other_endpoint": endpoint}
                yield _configure(snapshot, OTHER_ENDPOINT, option, **about)
        elif bucket.code == "WrongEndpoint":
            option = "--endpoint oss-REGION.aliyuncs.com"
            yield _configure(snapshot, WRONG_ENDPOINT, option, bucket=name, endpoint=endpoint)
        elif bucket.code == "NoSuchBucket":
            fix = f"aliyun oss mb oss://{name} --endpoint {endpoint}"
            yield NO_BUCKET.found(fix, bucket=name)
    for config in _configurations(snapshot):
        ours = "" if config.is_vod else _bucket_read(snapshot, config)
        if ours and config.bucket != ours:
            yield OTHER_BUCKET.found(config=config, bucket=config.bucket, stage_bucket=ours)


def _bucket_read(snapshot: Snapshot, config: Recording) -> str:
    """Return the bucket in which the stage looks for the files of a configuration, "" if none."""
    policy = snapshot.policy
    named = None if isinstance(policy, Unread) else policy.bucket_of(config.domain, config.app)
    return named.name if named else str(snapshot.setting("bucket") or "")


def lifecycle(snapshot: Snapshot) -> Findings:
    if not snapshot.buckets:
        yield NO_BUCKETS["lifecycle"].found()
    for bucket in snapshot.buckets.values():
        if isinstance(bucket, Unread) or bucket.expires_days is None:
            continue
        if bucket.expires_days < SOON_DAYS:
            yield DELETES_SOON.found(bucket=bucket.name, days=bucket.expires_days)


def cors(snapshot: Snapshot) -> Findings:
    if not snapshot.buckets:
        yield NO_BUCKETS["cors"].found()
    url = urlsplit(snapshot.stage_ref.url)
    origin = f"{url.scheme}://{url.netloc}"
    for bucket in snapshot.buckets.values():
        if isinstance(bucket, Unread) or any(fnmatchcase(origin, one) for one in bucket.readers):
            continue
        about = {"bucket": bucket.name, "origin": origin}
        if bucket.has_cors_rules:  # the command would replace them
            yield OTHER_READERS.found(**about)
        else:
            yield NO_READERS.found(_allow_command(bucket.name, origin), **about)


def _allow_command(bucket: str, origin: str) -> str:
    rule = {
        "AllowedOrigin": [origin],
        "AllowedMethod": ["GET", "HEAD"],
        "AllowedHeader": "*",
        "MaxAgeSeconds": 600,
    }
    rules = json.dumps({"CORSRule": [rule]}, separators=(",", ":"))
    return f"ossutil api put-bucket-cors --bucket {bucket} --cors-configuration '{rules}'"


def fresh(snapshot: Snapshot) -> Findings:
    """Yield a warning for each live stream that was published before its recording configuration
    was added.

    A configuration applies from the next publish on (docs/platform/live.md §6).
    """
    if not any(domain.live for domain in snapshot.domains):
        yield NO_STREAM.found()
    refused = _refused_without_configuration(snapshot)
    for domain in snapshot.domains:
        for stream in domain.live if domain.knows_all_configurations else ():
            config = domain.configuration(stream.app, stream.stream)
            if config and config.created_ms is not None and config.created_ms > stream.published_ms:
                key = StreamKey(domain.name, stream.app, stream.stream)
                because = "recorded" if str(key) in refused else ""
                yield OLDER_THAN_CONFIG.found(because=because, stream=key, config=config)


def _refused_without_configuration(snapshot: Snapshot) -> set[str]:
    """Return the streams whose start Live refused because they had no recording configuration."""
    listed = () if isinstance(snapshot.listed, Unread) else snapshot.listed
    return {row["stream"] for row in listed if row["reason"]["code"] == NO_CONFIG}


def recorded(snapshot: Snapshot) -> Findings:
    """Yield one finding for each cause why live streams that should be recorded are not."""
    if isinstance(snapshot.policy, Unread) or isinstance(snapshot.listed, Unread):
        return
    known = {row["stream"]: row for row in snapshot.listed}
    wanted = list(_wanted(snapshot, snapshot.policy, known))
    found = list(_unrecorded(snapshot, wanted))
    codes = (NOT_RECORDED_CODE, UNKNOWN_CODE, UNREPORTED_CODE)
    stage_says = next((one for one in snapshot.problems if one["code"] in codes), None)
    if not found and stage_says:
        found = [STAGE_SAYS.found(problem=stage_says["text"], advice=stage_says["fix"])]
    if not wanted and not found:
        found = [NOT_LIVE.found()]
    elif not found and not is_writable(snapshot):
        found = [OLD.found(because="store")]
    elif not found and any(stops_writes(problem) for problem in snapshot.problems):
        found = [OLD.found(because="health")]
    yield from found


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A live stream that is wanted, and its row in the stage's list; the row is empty if the stage
    does not know the stream. `lost_ms`: for how long it has not been recorded."""

    domain: Domain
    key: StreamKey
    row: Json
    lost_ms: int
    published_ms: int


def _wanted(snapshot: Snapshot, policy: Policy, known: dict[str, Json]) -> Iterator[_Wanted]:
    """Yield the live streams that a rule records or somebody asked for. Leave out streams published
    just now, but not those whose publish time lies ahead because a clock was set back."""
    for domain in snapshot.domains:
        for stream in domain.live:
            live_ms = snapshot.now_ms - stream.published_ms
            if 0 <= live_ms < ON_ITS_WAY_MS:
                continue
            key = StreamKey(domain.name, stream.app, stream.stream)
            row = known.get(str(key), {})
            if policy.rule(key).records_on_publish or row.get("wanted"):
                wrong = row.get("wrong")  # null also while a start is on its way
                lost_ms = wrong["lost_ms"] if wrong else max(live_ms, 0)
                yield _Wanted(domain, key, row, lost_ms, stream.published_ms)


ON_ITS_WAY_MS = 5_000
"""A stream is recorded within this time of its publish, if all is well."""
NOT_RECORDED_PHASES = {"idle", "failed", "waiting", "queued", "starting"}


def _unrecorded(snapshot: Snapshot, wanted: Sequence[_Wanted]) -> Iterator[Finding]:
    for each in wanted:
        if each.key.fault:
            yield BAD_NAME.found(stream=each.key, why=detail(each.key.fault))
    good = sorted((each for each in wanted if not each.key.fault), key=lambda each: -each.lost_ms)
    unlisted = [each for each in good if not each.row]
    is_emptied = any(problem["code"] == STORE_EMPTIED for problem in snapshot.problems)
    yield from _unreadable(snapshot, unlisted)
    if suspended := [each for each in good if _is_suspended(snapshot, each)]:
        yield SUSPENDED.found(because="health", streams=_lost(suspended))
    shown = {*snapshot.unreadable, *(str(each.key) for each in suspended)}
    unknown = [each for each in unlisted if str(each.key) not in shown]
    if unknown and not is_emptied:
        yield NOT_KNOWN.found(_starts(snapshot, unknown), streams=_lost(unknown))
    known = [each for each in good if each.row and each not in suspended]
    if unshown := [each for each in known if _is_unshown(each.row)]:
        yield UNSHOWN.found(streams=_lost(unshown))
    forgotten = [each for each in known if each.row["reason"]["code"] == STORE_EMPTIED]
    if forgotten := [*forgotten, *(unknown if is_emptied else ())]:
        kind = FORGOTTEN_HERE if snapshot.is_standby else FORGOTTEN
        yield kind.found(because="health", streams=_lost(forgotten))
    yield from _uncertain(snapshot, known)
    unrecorded = [each for each in known if _is_unrecorded(each.row) and not _is_unshown(each.row)]
    if unclear := [each for each in unrecorded if is_uncertain(each.row)]:
        why = _reason(unclear[0].row)["text"]
        yield UNCLEAR.found(streams=_lost(unclear), why=why)
    waits = [each for each in unrecorded if not is_uncertain(each.row)]
    for code in dict.fromkeys(_reason(each.row)["code"] for each in waits):
        same = [each for each in waits if _reason(each.row)["code"] == code]
        yield _of_cause(snapshot, code, same)


def _uncertain(snapshot: Snapshot, known: Sequence[_Wanted]) -> Iterator[Finding]:
    """Yield findings about the streams of which the stage does not know whether they are live or
    recorded."""
    if undecided := [each for each in known if _is_undecided(each.row)]:
        yield UNDECIDED.found(streams=_lost(undecided))
    if unanswered := [each for each in known if _is_unanswered(each.row)]:
        yield UNANSWERED.found(streams=_lost(unanswered))
    if undated := [each for each in known if each.row["reason"]["code"] == AGE_UNKNOWN]:
        yield UNDATED.found(streams=_lost(undated))
    if later := [each for each in known if _is_published_later(snapshot, each)]:
        yield LATER_PUBLISH.found(streams=_lost(later))


def _unreadable(snapshot: Snapshot, unlisted: Sequence[_Wanted]) -> Iterator[Finding]:
    """Yield one fault for the records that cannot be read. The fault counts those of wanted live
    streams or, if there are none, all."""
    if snapshot.unreadable:
        lost = [each for each in unlisted if str(each.key) in snapshot.unreadable]
        streams = _lost(lost) if lost else _counted(snapshot.unreadable)
        because = "" if is_only_unreadable(snapshot) else "health"
        yield UNREADABLE.found(because=because, streams=streams)


def _is_suspended(snapshot: Snapshot, each: _Wanted) -> bool:
    """Return True if only the suspension of the policy keeps a rule from recording the stream."""
    if each.row:
        return bool(each.row["reason"]["code"] == POLICY_SUSPENDED)
    is_readable = str(each.key) not in snapshot.unreadable
    policy = snapshot.policy
    return is_readable and not isinstance(policy, Unread) and policy.is_suspended(snapshot.now_ms)


RULE_PENDING = "rule_pending"
"""The reason of a live stream that a rule is about to record."""
POLICY_SUSPENDED = "policy_suspended"
"""The reason of a live stream that a rule would record, were the policy not suspended."""


def _is_published_later(snapshot: Snapshot, each: _Wanted) -> bool:
    """Return True if the stage calls the stream recorded, and what it knows of the recording is
    older than the publish in the online list."""
    shown_at, offset_ms = each.row.get("confirmed_at"), snapshot.clock_offset_ms
    if each.row["phase"] != "recording" or not shown_at or isinstance(offset_ms, Unread):
        return False
    return each.published_ms + offset_ms > instant(shown_at) + PUBLISH_VARIES_MS


PUBLISH_VARIES_MS = 10_000
"""How much later than the callback of a publish the online list may date the same publish."""


def _is_unrecorded(row: Json) -> bool:
    ended_or_forgotten = (*ENDED_ON_PURPOSE, STORE_EMPTIED)
    is_counted = row["reason"]["code"] not in ended_or_forgotten and not _is_undecided(row)
    is_lost = is_counted and not _is_unwanted(row) and not _is_unanswered(row)
    return row["phase"] in NOT_RECORDED_PHASES and is_lost


def _is_unwanted(row: Json) -> bool:
    """Return True if the stage knows that the stream is live and is not to be recorded: a rule
    starts only one recording for each publish, and this recording has ended."""
    is_known_live = row.get("live") == "yes" and not row.get("wanted")
    return is_known_live and row["reason"]["code"] != RULE_PENDING


def _is_unanswered(row: Json) -> bool:
    """Return True if Live has reported that it records the stream, although the answer to its start
    was lost or unclear: the stage then counts nothing as lost."""
    is_live = row.get("live") == "yes" and bool(row.get("wanted"))
    return is_live and "wrong" in row and row["wrong"] is None and is_uncertain(row)


def _reason(row: Json) -> Json:
    """Return why the stream is not recorded."""
    shown: Json = (row.get("wrong") or row).get("reason") or row["reason"]
    return shown


def _is_undecided(row: Json) -> bool:
    """Return True if the stage is finding out whether the stream has ended."""
    return row["reason"]["code"] == MAY_HAVE_ENDED and not row.get("wrong")


def _is_unshown(row: Json) -> bool:
    """Return True if Live accepted a start, and nothing has shown yet whether it records."""
    return row["phase"] == "starting" and row["reason"]["code"] in OPEN and not row.get("wrong")


MAY_HAVE_ENDED = "may_have_ended"
OPEN = {"accepted", "adopted", "unconfirmed"}
"""Reasons which mean that the stream may be recorded by now."""
CAUSES = {
    "operator_action_needed": "role",
    "live_not_activated": "role",
    "observed": "policy",
}
"""For a stream's reason, the check that reports its cause."""
RETRIED = {"throttled", "unavailable", "never_sent", "not_live_yet"}
RETRIED |= {"queued", "sent", "published", "seen_online", "no_quota", "slot_missed"}
"""Reasons for which the stage itself sends the start again: a start by hand would not be faster."""


def _of_cause(snapshot: Snapshot, code: str, same: Sequence[_Wanted]) -> Finding:
    domain, key, row = same[0].domain, same[0].key, same[0].row
    streams, why, fix = _lost(same), _reason(row)["text"], _starts(snapshot, same)
    if code == NO_CONFIG and domain.configuration(key.app, key.stream):
        return CONFIG_CAME_LATER.found(streams=streams)
    if code == NO_CONFIG:
        cause = "recording" if any(_uncovered(snapshot, domain)) else ""
        return NOT_RECORDED.found(because=cause, streams=streams, why=why)
    if code in CAUSES:
        return NOT_RECORDED.found(because=CAUSES[code], streams=streams, why=why)
    return NOT_RECORDED.found("" if code in RETRIED else fix, streams=streams, why=why)


def _lost(streams: Sequence[_Wanted]) -> str:
    """Return a text with the number of streams, and with the one that has not been recorded for
    longest."""
    oldest = written(streams[0].lost_ms // 1000 * 1000)
    if len(streams) == 1:
        return _("{stream} (for {oldest})").format(stream=streams[0].key, oldest=oldest)
    sentence = _("{count} streams, of these {stream} for the longest time ({oldest})")
    return sentence.format(count=len(streams), stream=streams[0].key, oldest=oldest)


def _counted(streams: Sequence[str]) -> str:
    if len(streams) == 1:
        return streams[0]
    return _("{count} streams, such as {stream}").format(count=len(streams), stream=streams[0])


MOST_STARTS = 5


def _starts(snapshot: Snapshot, streams: Sequence[_Wanted]) -> str:
    """Return the command that starts the streams, or the first few of them; "" if the stage would
    send no start."""
    if snapshot.observes:
        return ""
    return " && ".join(snapshot.fix_command(f"start {each.key}") for each in streams[:MOST_STARTS])


_ALL = ("policy", "recordings", "vod")
CHECKS = (
    Check(
        "recording",
        N_("every stream that the policy or a schedule may record has a recording configuration"),
        coverage,
        (*_ALL, "schedules"),
    ),
    Check("on-demand", N_("every recording configuration is manual or on demand"), mode, _ALL),
    Check("storage", N_("no stream is configured for both OSS and VOD"), storage, _ALL),
    Check(
        "formats",
        N_("every recording configuration names a format for the original stream"),
        formats,
        _ALL,
    ),
    Check("names", N_("two streams never write the same object"), names, _ALL),
    Check("delay", N_("DelayTime is the stage's merge delay"), delay, ("examined", *_ALL)),
    Check(
        "bucket",
        N_("every recording bucket exists, at the configured endpoint"),
        buckets,
        ("policy", "recordings", "buckets"),
    ),
    Check(
        "lifecycle",
        N_("no bucket deletes recordings within a week"),
        lifecycle,
        ("policy", "recordings", "buckets"),
    ),
    Check(
        "cors",
        N_("the CORS rules of every bucket let the console play its files"),
        cors,
        ("policy", "recordings", "buckets"),
    ),
    Check(
        "fresh",
        N_("no live stream began before its recording configuration was created"),
        fresh,
        ("online", *_ALL),
    ),
    Check(
        "recorded",
        N_("every live stream that is wanted is recorded"),
        recorded,
        ("policy", "listed", "online"),
    ),
)
