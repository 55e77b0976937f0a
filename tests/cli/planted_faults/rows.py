"""The faults: how each is planted, and what cures it.

Those of the vendor's own diagnosis are marked with the step that looks for them
(docs/platform/live.md, SKILL).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import alibabacloud_oss_v2 as oss
import redis

from cli.account import Declined
from cli.api import Api
from cli.local.stack import TOKEN
from cli.stage_registry import Target, register
from emulator.live import Remote
from tests.cli.planted_faults.ground import (
    BOTH,
    BY_HAND,
    CONFIG_NAMES,
    LIVE,
    OF_RECORD,
    OF_STREAM,
    OSS_CONFIG,
    POLICY,
    POLICY_S,
    PREFIX,
    PUSH,
    PUSH2,
    SPARE,
    STAGE,
    SWAPPED,
    Ground,
    formats,
)
from tests.support.compute_emulator import eventually

Plant = Callable[[Ground], object]


def _delete_config(ground: Ground) -> None:
    ground.account.ask("DeleteLiveAppRecordConfig", **CONFIG_NAMES)


def _only_transcoded(ground: Ground) -> None:
    ground.put_config(RecordFormat=None, TranscodeRecordFormat=formats(), TranscodeTemplates=["sd"])


def _no_one_to_ask(ground: Ground) -> None:
    ground.put_config(OnDemand=1)
    ground.record_notify(OnDemandUrl=None)


STREAM_OF_ALL = {"DomainName": LIVE, "AppName": "*", "StreamName": "room1"}


def _configure_stream_of_all(ground: Ground) -> None:
    params = {**OSS_CONFIG, "OssBucket": "dev-bucket", "RecordFormat": formats()}
    ground.account.ask("AddLiveAppRecordConfig", **{**params, **STREAM_OF_ALL})


def _let_applications_decide(ground: Ground) -> None:
    ground.account.ask("DeleteLiveAppRecordConfig", **STREAM_OF_ALL)


def _both_storages(ground: Ground) -> None:
    params = {**CONFIG_NAMES, "VodTranscodeGroupId": "group", "OnDemand": 7}
    ground.account.ask("AddLiveRecordVodConfig", **params)


def _policy_of_an_ingest_domain(ground: Ground) -> None:
    ground.apply(SWAPPED)
    (ground.folder / "policy.toml").write_text(POLICY)


def _another_ingest_domain(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH2, PullDomain=LIVE)
    ground.stack.control("notify")
    (ground.folder / "policy.toml").write_text(BOTH)


def _unbound(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH, PullDomain=LIVE)


def _observes(ground: Ground) -> None:
    good = (ground.folder / "policy.toml").read_text()
    ground.apply(f'mode = "observe"\n{good}')
    (ground.folder / "policy.toml").write_text(good)


def _unheard(ground: Ground) -> None:
    ground.live.publish(f"unheard-{uuid4().hex}", callback=False, time=_a_while_ago(ground))


def _delete_bucket(ground: Ground) -> None:
    ground.oss().delete_bucket(oss.DeleteBucketRequest(bucket="dev-bucket"))


@dataclass(frozen=True)
class Row:
    """A fault, and the finding that it leads to. `by_hand` is the part of the cure that no command
    does: what the finding tells people to do in a console, or to a stream. It comes last. `also`
    are further findings of the same fault."""

    code: str
    plant: Plant
    by_hand: Plant = lambda _ground: None
    also: frozenset[str] = frozenset()


def config(**changed: Any) -> Plant:  # noqa: ANN401 - as the API has them
    return lambda ground: ground.put_config(**changed)


def stream_url(path: str) -> Plant:
    return lambda ground: ground.stream_notify(NotifyUrl=f"{ground.stack.fc}{path}")


def record_url(path: str) -> Plant:
    return lambda ground: ground.record_notify(NotifyUrl=f"{ground.stack.fc}{path}")


def asks_at(url: str) -> Plant:
    def plant(ground: Ground) -> None:
        ground.put_config(OnDemand=1)
        there = url if url.startswith("http") else ground.stack.fc + url
        ground.record_notify(OnDemandUrl=there)

    return plant


def fails(**fault: object) -> Plant:
    return lambda ground: ground.live.fail(times=10_000, **fault)


def skewed(seconds: float) -> Plant:
    return lambda ground: ground.live.skew(seconds)


def server(*command: str | int) -> Plant:
    """Tell the store's server something, as its operator does."""
    return lambda ground: redis.Redis.from_url(ground.engine.url).execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's own


def registered(url: str, token: str) -> Plant:
    return lambda ground: register(STAGE, Target(url or ground.stack.fc, token, ground.stack.live))


def _really_there(ground: Ground) -> None:
    register(STAGE, Target(ground.stack.fc, TOKEN, ground.stack.live))


def _walk(ground: Ground) -> None:
    """Start by hand what no rule names, and write the rule without applying it."""
    Remote(ground.stack.live, app="yard").publish("walk", wait=True)
    ground.types("start", f"{LIVE}/yard/walk", "--stage", STAGE)
    (ground.folder / "policy.toml").write_text(POLICY + BY_HAND)


def _walk_again(ground: Ground) -> None:
    """Publish the stream anew: a configuration applies from then on."""
    yard = Remote(ground.stack.live, app="yard")
    yard.unpublish("walk", wait=True)
    yard.publish("walk", wait=True)
    eventually(lambda: ground.phase("walk", app="yard") == "recording")
    ground.types("stop", f"{LIVE}/yard/walk", "--stage", STAGE)
    yard.unpublish("walk", wait=True)


def _no_configuration(ground: Ground) -> None:
    for app in ("app", "other", "yard"):
        with suppress(Declined):
            ground.account.ask("DeleteLiveAppRecordConfig", **{**CONFIG_NAMES, "AppName": app})


def _unknown_domain(ground: Ground) -> None:
    ground.apply(POLICY.replace(LIVE, "nowhere.example.com").replace(PUSH, "push9.example.com"))
    (ground.folder / "policy.toml").write_text(POLICY)


def _other_folder(ground: Ground) -> None:
    """Record into another folder, and write it into the policy without applying that."""
    ground.put_config(RecordFormat=formats(PREFIX.replace("record/", "other/")))
    names = '["record/{AppName}/{StreamName}/", "other/{AppName}/{StreamName}/"]'
    policy = POLICY.replace("[[rule]]", f"object_prefix = {names}\n[[rule]]")
    (ground.folder / "policy.toml").write_text(policy)


def _usual_folder(ground: Ground) -> None:
    ground.put_config()
    ground.apply(POLICY)


def _lose_a_callback(ground: Ground) -> None:
    ground.live.detour("drop", event="publish_done", times=1)
    ground.live.publish("lost", wait=True)
    ground.live.unpublish("lost", wait=True)


def _bring_a_callback(ground: Ground) -> None:
    ground.live.publish("lost", wait=True)
    ground.live.unpublish("lost", wait=True)


def _a_while_ago(ground: Ground) -> int:
    """Let 10 s pass; return a publish time in s within them. A start is no longer on its way then,
    and every recording configuration is older: doctor would find a newer one until the end."""
    ground.live.advance(10)
    return ground.now_s() - 8


def _bad_name(ground: Ground) -> None:
    ground.live.publish("bad*", callback=False, time=_a_while_ago(ground))


def _end_bad_name(ground: Ground) -> None:
    ground.live.unpublish("bad*", callback=False)


def _no_ingest(ground: Ground) -> None:
    _unbound(ground)
    ground.apply(POLICY.replace('ingest = ["push.example.com"]', "ingest = []"))


def _bind_again(ground: Ground) -> None:
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH, PullDomain=LIVE)
    ground.apply(POLICY)


def _policy_of_an_unbound_domain(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)
    ground.apply(SWAPPED.replace(PUSH, PUSH2))
    (ground.folder / "policy.toml").write_text(POLICY)


def _bind_the_second(ground: Ground) -> None:
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)


def forwards(kind: str) -> Plant:
    """Send the callbacks on to an address where nobody answers."""
    target = f'[forward_to]\n{kind} = "http://127.0.0.1:1/"\n'
    return lambda ground: ground.apply(target + POLICY)


def _asks_others(ground: Ground) -> None:
    ground.put_config(OnDemand=1)
    forwards("on_demand")(ground)
    ground.types("setup", "--stage", STAGE, "--yes")


def _asks_nobody(ground: Ground) -> None:
    ground.stop_forwarding()
    ground.put_config()


def _delete_soon(ground: Ground) -> None:
    rule = oss.LifecycleRule(
        id="soon", prefix="", status="Enabled", expiration=oss.LifecycleRuleExpiration(days=2)
    )
    whole = oss.LifecycleConfiguration(rules=[rule])
    ground.oss().put_bucket_lifecycle(
        oss.PutBucketLifecycleRequest(bucket="dev-bucket", lifecycle_configuration=whole)
    )


def _keep(ground: Ground) -> None:
    ground.oss().delete_bucket_lifecycle(oss.DeleteBucketLifecycleRequest(bucket="dev-bucket"))


def _let_no_page_read(ground: Ground) -> None:
    ground.oss().delete_bucket_cors(oss.DeleteBucketCorsRequest(bucket="dev-bucket"))


def _let_another_page_read(ground: Ground) -> None:
    _let_pages_read(ground, "https://other.example.com")


def _let_pages_read(ground: Ground, origin: str = "*") -> None:
    ground.let_pages_read("dev-bucket", [origin], ["GET"])


def _configured_since(ground: Ground) -> None:
    ground.live.publish("early", wait=True)
    eventually(lambda: ground.phase("early") == "recording")
    ground.live.advance(2)
    ground.put_config()


def again(stream: str) -> Plant:
    """Publish a stream anew, until it is recorded."""

    def publish_anew(ground: Ground) -> None:
        ground.live.unpublish(stream, wait=True)
        ground.live.publish(stream, wait=True)
        eventually(lambda: ground.phase(stream) == "recording")

    return publish_anew


def refused(stream: str, code: str, status: int) -> Plant:
    """Let Live refuse every command, and publish a stream that is to be recorded."""

    def plant(ground: Ground) -> None:
        fails(code=code, status=status, action="RealTimeRecordCommand")(ground)
        ground.live.publish(stream, wait=True, time=_a_while_ago(ground))

    return plant


def granted(stream: str) -> Plant:
    """Let Live accept commands again, and publish the stream anew: that is not waited with."""

    def heal(ground: Ground) -> None:
        ground.heals()
        again(stream)(ground)

    return heal


def _break_a_recording(ground: Ground) -> None:
    ground.live.publish("breaks", wait=True)
    eventually(lambda: ground.phase("breaks") == "recording")
    error = {"code": "PermissionDenied.ResourceAccess", "message": "no"}
    event = {"event": "transformat_error", "error_info": error, "file_info": {"uri": "x.flv"}}
    ground.live.advance(2)  # Live names seconds: what fails in that of its start may be older
    ground.live.record_event("breaks", "transformat_error", **event)


def _many_at_once(ground: Ground) -> None:
    ground.apply(f"{POLICY}max_concurrent = 9000\n")


def _usual_policy(ground: Ground) -> None:
    ground.apply(POLICY)


def _takes_no_writes(ground: Ground) -> None:
    """Let the engine wait for replicas that it does not have, while a stream is recorded."""
    ground.live.publish("old", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("old") == "recording")
    server("CONFIG", "SET", "min-replicas-to-write", 1)(ground)


def _replica_that_takes_writes(ground: Ground) -> None:
    server("CONFIG", "SET", "replica-read-only", "no")(ground)
    server("REPLICAOF", "127.0.0.1", 1)(ground)


def _primary(ground: Ground) -> None:
    server("REPLICAOF", "NO", "ONE")(ground)
    server("CONFIG", "SET", "replica-read-only", "yes")(ground)


def _policy_of_a_later_release(ground: Ground) -> None:
    client = redis.Redis.from_url(ground.engine.url)
    newest = client.hlen(POLICIES)
    client.hset(POLICIES, str(newest + 1), f'{round(time.time() * 1000)} {{"later": 1}}')


POLICIES = "live-record:{dev}:policies"


def _unreadable(ground: Ground) -> None:
    """Let a later release have written the record of a live stream, whose turn then comes."""
    ground.live.publish("later", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("later") == "recording")
    record = f"live-record:{{dev}}:record:{LIVE}\0app\0later"
    server("HSET", record, "document", '{"format":1,"record":{"later":1}}')(ground)
    ground.fire_timer()


def _stop_the_unreadable(ground: Ground) -> None:
    """Stop it, as health says, which replaces the record; the release that wrote it would do so,
    too."""
    code, output = ground.types("stop", f"{LIVE}/app/later", "--stage", STAGE)
    assert code == 0, output
    eventually(lambda: ground.phase("later") == "idle")
    ground.live.unpublish("later", wait=True)
    ground.types("start", f"{LIVE}/app/later", "--stage", STAGE)  # which ends the hold


def _schedule_of_a_later_release(ground: Ground) -> None:
    """Let a later release have stored a schedule, which then has to be planned."""
    of_stage = "live-record:{dev}:schedules"
    server("HSET", of_stage, "show", '{"later":1}')(ground)
    server("ZADD", f"{of_stage}_due", 0, "show")(ground)
    ground.fire_timer()


def _write_the_schedule_again(ground: Ground) -> None:
    """Do as health says; then take the schedule away, which is possible again."""
    file = ground.folder / "schedules.toml"
    file.write_text(SHOW)
    for words in (("apply", str(file), "--yes"), ("delete", "show")):
        code, output = ground.types("schedule", *words, "--stage", STAGE)
        assert code == 0, output


SHOW = """
[[schedule]]
id = "show"
streams = ["live.example.com/app/show"]
start = 2099-01-06T19:00:00
end = 2099-01-06T21:00:00
timezone = "Asia/Shanghai"
"""


def _suspend(ground: Ground) -> None:
    """Suspend the policy, and let a stream begin."""
    ground.types("policy", "suspend", "--for", "1h", "--note", "x", "--stage", STAGE)
    ground.live.advance(POLICY_S)
    ground.live.publish("suspended", wait=True, time=_a_while_ago(ground))


def _resume(ground: Ground) -> None:
    code, output = ground.types("policy", "resume", "--stage", STAGE)
    assert code == 0, output


def _list_was_unread(ground: Ground) -> None:
    """Let reconcile alone be refused the online list."""
    fails(code="Forbidden.RAM", status=403, action="DescribeLiveStreamsOnlineList")(ground)
    ground.fire_timer()
    ground.heals()


def _emptied(ground: Ground) -> None:
    """Empty the store while a stream is recorded; the timer finds it in the online list."""
    ground.live.publish("forgotten", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("forgotten") == "recording")
    server("FLUSHALL")(ground)
    ground.fire_timer()


def _accept_the_store(ground: Ground) -> None:
    ground.types("start", f"{LIVE}/app/forgotten", "--stage", STAGE)
    eventually(lambda: ground.phase("forgotten") == "recording")
    code, output = ground.types("store", "accept", "--stage", STAGE)
    assert code == 0, output


def _lose_a_forwarded_callback(ground: Ground) -> None:
    """Forward callbacks to nobody, and let some come until the policy is in force."""
    forwards("stream")(ground)
    ground.live.advance(POLICY_S)
    api = Api(ground.stack.fc, TOKEN)

    def is_lost() -> bool:
        ground.live.publish("forwarded", wait=True)
        ground.live.unpublish("forwarded", wait=True)
        return api.health()["relay_lost_ms_ago"] is not None

    eventually(is_lost)


def _refused_before_its_configuration(ground: Ground) -> None:
    """Let a start be refused for want of a configuration, which is put there afterwards."""
    _delete_config(ground)
    ground.live.publish("before", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("before") == "failed")
    ground.put_config()


def _second_bucket(ground: Ground) -> None:
    ground.oss().put_bucket(oss.PutBucketRequest(bucket="second-bucket"))
    ground.let_pages_read("second-bucket", ["*"], ["GET"])
    ground.put_config(OssBucket="second-bucket")


def _ended_and_listed(ground: Ground) -> None:
    """Let a stream end that Live's list goes on to show for a while."""
    ground.live.publish("ended", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("ended") == "recording")
    ground.fire_timer()  # which ends after any other run: none is at work while the clock jumps
    ground.live.advance(60)
    ground.live.switch(online_list_lag_ms=50_000)
    ground.live.unpublish("ended", wait=True)


def _republished_unheard(ground: Ground) -> None:
    """Let a recorded stream drop and come back; every callback of that is lost."""
    name = f"again-{uuid4().hex}"
    ground.live.publish(name, wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase(name) == "recording")
    ground.live.detour("drop", event="*", stream=name, times=9)
    ground.live.advance(30)
    ground.live.unpublish(name, wait=True)
    ground.live.publish(name, wait=True, time=ground.now_s() - 6)


def _reconnect_heard(ground: Ground) -> None:
    """Let a recorded stream drop and come back, with all callbacks."""
    ground.heals()
    ground.fire_timer()
    for _ in range(2):
        ground.live.publish("heard", wait=True)
        eventually(lambda: ground.phase("heard") == "recording")
        ground.live.unpublish("heard", wait=True)


def _list_is_fresh(ground: Ground) -> None:
    ground.live.switch(online_list_lag_ms=0)


def swallowed(stream: str) -> Plant:
    """Let Live accept a start, and do nothing."""

    def plant(ground: Ground) -> None:
        fails(transport="swallow", command="start")(ground)
        ground.live.publish(stream, wait=True, time=_a_while_ago(ground))

    return plant


def keys(access_key: str, secret: str) -> Plant:
    """Put an access key into the environment of whoever runs doctor."""

    def plant(_ground: Ground) -> None:
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = access_key
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = secret

    return plant


VENDOR: dict[str, Row] = {
    "3.1 no configuration": Row("recording.rule", _delete_config),
    "two of which Live may use either": Row(
        "recording.two", _configure_stream_of_all, _let_applications_decide
    ),
    "3.1 OnDemand is not manual": Row("on-demand.automatic", config(OnDemand=0)),
    "3.1 no format of the stream": Row("formats.none", _only_transcoded),
    "3.1 a bucket that is gone": Row("bucket.none", _delete_bucket, _let_pages_read),
    "3.1 the endpoint of another region": Row(
        "bucket.endpoint", config(OssEndpoint="oss-cn-beijing.aliyuncs.com")
    ),
    "3.1 an object name for all": Row(
        "names.shared", config(RecordFormat=formats("record/{StartTime}_{EndTime}"))
    ),
    "3.2 OSS and VOD": Row("storage.both", _both_storages, also=frozenset({"delay.other"})),
    "3.3 live, manual, and nobody calls": Row("recorded.unknown", _unheard),
    "4.1 no NotifyUrl": Row(
        "record-callback.none",
        lambda ground: ground.account.ask("DeleteLiveRecordNotifyConfig", DomainName=LIVE),
    ),
    "4.1 NeedStatusNotify is false": Row(
        "status.none", lambda ground: ground.record_notify(NeedStatusNotify="false")
    ),
    "4.1 no OnDemandUrl": Row("on-demand-callback.none", _no_one_to_ask),
    "2.1 not the main streaming domain": Row("domain.not_main", _policy_of_an_ingest_domain),
}


def _by_code(*rows: Row) -> dict[str, Row]:
    return {row.code: row for row in rows}


CALLBACKS = _by_code(
    Row(
        "stream-callback.none",
        lambda ground: ground.account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=PUSH),
    ),
    Row(
        "stream-callback.elsewhere",
        lambda ground: ground.stream_notify(NotifyUrl="http://127.0.0.1:1/live"),
    ),
    Row("stream-callback.path", stream_url("/callbacks/other/dev-path")),
    Row("stream-callback.token", stream_url("/callbacks/stream/other-token")),
    Row("stream-callback.old_token", stream_url("/callbacks/stream/dev-path")),
    Row("stream-callback.other_token", stream_url(f"/callbacks/stream/{OF_RECORD}")),
    Row(
        "record-callback.elsewhere",
        lambda ground: ground.record_notify(NotifyUrl="http://127.0.0.1:1/record"),
    ),
    Row("record-callback.path", record_url("/callbacks/other/dev-path")),
    Row("record-callback.token", record_url("/callbacks/record/other-token")),
    Row("record-callback.old_token", record_url("/callbacks/record/dev-path")),
    Row("record-callback.other_token", record_url(f"/callbacks/record/{OF_STREAM}")),
    Row(
        "on-demand-callback.elsewhere",
        asks_at("http://127.0.0.1:1/ask"),
        lambda ground: ground.stop_forwarding(),
    ),
    Row("on-demand-callback.path", asks_at("/callbacks/other/dev-path")),
    Row("on-demand-callback.token", asks_at("/callbacks/on-demand/other-token")),
    Row("on-demand-callback.old_token", asks_at("/callbacks/on-demand/dev-path")),
    Row("on-demand-callback.other_token", asks_at(f"/callbacks/on-demand/{OF_STREAM}")),
    Row(
        "stream-key.unknown",
        lambda ground: ground.stream_notify(NotifyAuthKey="somebodyelseskey0"),
    ),
    Row("stream-key.unsigned", lambda ground: ground.stream_notify(NotifyReqAuth="no")),
    Row(
        "record-key.unsigned",
        lambda ground: ground.record_notify(NotifyReqAuth="false", NotifyAuthKey=None),
    ),
    Row(
        "record-key.unknown",
        lambda ground: ground.record_notify(NotifyAuthKey="somebodyelseskey0"),
    ),
)
ACCOUNT = VENDOR | _by_code(
    Row("names.unsigned", _other_folder, _usual_folder),
    Row("delay.other", config(DelayTime=30)),
    Row("on-demand.push_url", config(OnDemand=2)),
    Row("policy.observes", _observes),
    Row("mapping.unnamed", _another_ingest_domain),
    Row("mapping.unbound", _unbound),
    Row("domain.unknown", _unknown_domain),
    Row("recording.none", _no_configuration),
    Row("recording.by_hand", _walk, _walk_again),
    Row("recorded.name", _bad_name, _end_bad_name),
    Row("delivery.lost", _lose_a_callback, _bring_a_callback),
)
STAGE_ROWS = _by_code(
    Row("durable.memory", server("CONFIG", "SET", "appendonly", "no")),
    Row("durable.evicts", server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")),
    Row("durable.fsync", server("CONFIG", "SET", "appendfsync", "no")),
    Row("durable.info", server("ACL", "SETUSER", "default", "-info")),
    Row("store.commands", server("ACL", "SETUSER", "default", "-hset")),
    Row(
        "health.stops",
        server("CONFIG", "SET", "maxmemory", 1),
        server("CONFIG", "SET", "maxmemory", 0),
    ),
    Row("stage.down", registered("http://127.0.0.1:1", TOKEN), _really_there),
    Row("stage.refuses", registered("", "another-token"), _really_there),
    Row(
        "credentials.revoked",
        fails(code="InvalidAccessKeyId.NotFound", status=404, action="GetCallerIdentity"),
        Ground.heals,
    ),
    Row(
        "credentials.owner",
        fails(code="ServiceUnavailable", status=503, action="GetCallerIdentity"),
        Ground.heals,
    ),
    Row(
        "access.forbidden",
        fails(code="Forbidden.RAM", status=403, action="DescribeLiveRecordNotifyRecords"),
        Ground.heals,
    ),
    Row(
        "access.unanswered",
        fails(code="ServiceUnavailable", status=503, action="DescribeLiveRecordNotifyRecords"),
        Ground.heals,
    ),
    Row(
        "role.list",
        fails(code="Forbidden.RAM", status=403, action="DescribeLiveStreamsOnlineList"),
        Ground.heals,
        also=frozenset({"access.forbidden"}),
    ),
    Row(
        "role.revoked",
        fails(
            code="InvalidAccessKeyId.NotFound", status=404, action="DescribeLiveStreamsOnlineList"
        ),
        Ground.heals,
    ),
    Row(
        "role.list_fails",
        fails(code="InternalError", status=500, action="DescribeLiveStreamsOnlineList"),
        Ground.heals,
        also=frozenset({"access.unanswered"}),
    ),
    Row("mapping.none", _no_ingest, _bind_again, also=frozenset({"stream-callback.none"})),
    Row("domain.unbound", _policy_of_an_unbound_domain, _bind_the_second),
    Row("formats.forward", _asks_others, _asks_nobody),
    Row("lifecycle.soon", _delete_soon, _keep),
    Row("cors.none", _let_no_page_read, _let_pages_read),
    Row("cors.others", _let_another_page_read, _let_pages_read),
    Row("fresh.older", _configured_since, again("early")),
    Row("recorded.waits", refused("throttled", "Throttling.User", 400), granted("throttled")),
    Row("recorded.unclear", refused("unclear", "InternalError", 500), granted("unclear")),
    Row("role.commands", refused("barred", "Forbidden.RAM", 403), granted("barred")),
    Row("role.not_activated", refused("inactive", "LiveServiceNotFound", 404), granted("inactive")),
    Row("errors.broken", _break_a_recording, again("breaks")),
    Row("quota.small", _many_at_once, _usual_policy),
    Row("clock.far_ahead", skewed(-400), skewed(0)),
    Row("clock.far_behind", skewed(400), skewed(0)),
    Row("clock.ahead", skewed(-100), skewed(0)),
    Row("clock.behind", skewed(100), skewed(0)),
    Row(
        "store.unavailable",
        lambda ground: ground.engine.kill(),
        lambda ground: ground.engine.start(),
    ),
    Row(
        "store.unwritable",
        _takes_no_writes,
        server("CONFIG", "SET", "min-replicas-to-write", 0),
        also=frozenset({"durable.unread", "recorded.old"}),
    ),
    Row("durable.replica", _replica_that_takes_writes, _primary),
    Row("policy.refused", _policy_of_a_later_release),
    Row("recorded.unreadable", _unreadable, _stop_the_unreadable),
    Row(
        "recorded.suspended",
        _suspend,
        _resume,
        also=frozenset({"health.warns"}),
    ),
    Row("health.warns", _schedule_of_a_later_release, _write_the_schedule_again),
    Row("role.list_was_unread", _list_was_unread, lambda ground: ground.fire_timer()),
    Row("recorded.forgotten", _emptied, _accept_the_store, also=frozenset({"health.warns"})),
    Row("relay.lost", _lose_a_forwarded_callback, lambda ground: ground.stop_forwarding()),
    Row("recorded.config", _refused_before_its_configuration, again("before")),
    Row("bucket.other", _second_bucket, config()),
    Row("recorded.unshown", swallowed("swallowed"), granted("swallowed")),
    Row("recorded.undecided", _ended_and_listed, _list_is_fresh),
    Row(
        "recorded.later",
        _republished_unheard,
        _reconnect_heard,
        also=frozenset({"delivery.lost"}),
    ),
    Row("credentials.root", keys("root", "root-secret"), keys("dev", "dev-secret")),
)
ROWS = CALLBACKS | ACCOUNT | STAGE_ROWS
CURED_ALONE = frozenset({"wake.lost", "deployed.runtime"})
"""Findings that have a test of their own, here and in test_doctor_compute.py."""
NEVER_CURED = {
    "durable.disk": "needs a disk that is full",
    "bucket.elsewhere": "needs a bucket in another region; setup --endpoint is tried for its row",
    "role.asked": "needs two who ask within one second; to ask again cures it",
    "recorded.unanswered": "needs a report of a start that was not answered; tests/cli/"
    "test_answers_agree.py has one, and the stage's next start cures it",
    "recorded.undated": "needs a clock that is set back; the incident clock_set_back has one",
    "access.beyond": "needs a list of more pages than doctor reads",
    **dict.fromkeys(
        ("policy.standby", "recorded.forgotten_standby"),
        "needs a second stage that acts; tests/cli/test_doctor_cures.py has what is advised",
    ),
    **dict.fromkeys(
        (f"{kind}.other_stage" for kind in ("delay", "stream-key", "record-key")),
        "as above: what is advised is about the other stage",
    ),
    "service-roles.missing": "only the console can create this role",
    "service-roles.mts": "only the console can create this role",
    **dict.fromkeys(
        (f"{kind}-callback.http" for kind in ("stream", "record", "on-demand")),
        "needs a stage that is not on this machine; setup is tried for the other addresses",
    ),
}
"""Findings whose cure no test executes, and why. tests/cli/test_doctor_checks.py shows them all."""


def found_or_planted_again(ground: Ground, row: Row) -> tuple[int, list[dict[str, Any]]] | None:
    """Return what doctor finds, once the row's findings are among it, and nothing else but what
    follows from them; plant the fault again if the stage's timer repaired it already."""
    found = ground.finds(row.code)
    if found is None and row.plant in (_unheard, _republished_unheard):
        row.plant(ground)
    if found is None:
        return None
    codes = {finding["code"] for finding in found[1]}
    roots = {finding["code"] for finding in found[1] if not finding["because"]}
    return found if codes >= row.also and roots <= {row.code, *row.also} else None


def is_found_and_cured(ground: Ground, row: Row) -> None:
    """Plant the fault; execute what doctor says; check that doctor is content then."""
    row.plant(ground)
    code, found = eventually(lambda: found_or_planted_again(ground, row))
    assert code in (3, 4)

    for command in dict.fromkeys(finding["fix"] for finding in found if finding["fix"]):
        ground.execute(command)
    row.by_hand(ground)
    ground.until_well()
