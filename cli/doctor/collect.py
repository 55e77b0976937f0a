"""Collects the Snapshot: reads the stage, the account, buckets and callback URLs in parallel.

The doctor command calls collect(). It must change nothing and raise nothing: a part that cannot be
read becomes an Unread in the Snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from gettext import gettext as _
from hashlib import sha256
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from cli.account import Account
from cli.api import ALL_ROWS, Api
from cli.doctor import callback_probe, parse
from cli.doctor.collect_compute import read_deployment, read_service_roles
from cli.doctor.collect_domain import DomainCollector
from cli.doctor.snapshot import (
    Bucket,
    Callback,
    CallbackProbe,
    Domain,
    Identity,
    Json,
    Snapshot,
    StageRef,
    Unread,
)
from cli.doctor.sources import Sources
from cli.errors import Failure
from cli.web import callback_hosts, hides_a_token
from shared.config import load_policy
from shared.errors import Misconfigured
from shared.protocol.durations import instant
from shared.protocol.policy import Policy

PARALLEL_REQUESTS = 12
"""The largest number of requests at the same time."""


def collect(sources: Sources, stage_ref: StageRef, *, now_ms: Callable[[], int]) -> Snapshot:
    """Return the Snapshot, usually within seconds. Its time is the stage's; if the stage does not
    answer, `now_ms` gives the time."""
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        identity = pool.submit(sources.cloud, _("the owner of the credentials"), "sts", _identity)
        health = pool.submit(sources.stage, _("the health of the stage"), sources.api.health)
        listed = pool.submit(
            sources.stage,
            _("the list of streams of the stage"),
            lambda: sources.api.list_recordings(ALL_ROWS),
        )
        schedules = pool.submit(
            sources.stage, _("the schedules of the stage"), sources.api.schedules
        )
        policy_future = pool.submit(
            sources.stage, _("the policy of the stage"), lambda: _policy(sources.api)
        )
        examined = sources.stage(_("the stage"), sources.api.examine)
        clock_offset = sources.cloud(
            _("Live's clock"), "live", lambda account: _clock_offset(account, examined)
        )
        at = now_ms() if isinstance(examined, Unread) else instant(examined["now"])
        policy, who = policy_future.result(), identity.result()
        deployment = pool.submit(read_deployment, sources)
        roles = pool.submit(read_service_roles, sources)
        policy_domains = () if isinstance(policy, Unread) else policy.domains
        domains = [
            DomainCollector(sources, pool, domain, at).collect() for domain in policy_domains
        ]
        hosts = _hosts(stage_ref.url, examined)
        buckets = _buckets(sources, pool, domains)
        probes = _probes(pool, domains, hosts, at)
        matches, answer = _matches(sources, domains, hosts), listed.result()
        return Snapshot(
            stage_ref=stage_ref,
            identity=who,
            clock_offset_ms=clock_offset,
            health=health.result(),
            examined=examined,
            policy=policy,
            listed=answer if isinstance(answer, Unread) else answer["recordings"],
            schedules=schedules.result(),
            unreadable=_unreadable(answer),
            domains=domains,
            buckets=buckets,
            probes=probes,
            known={name: is_known for name, (is_known, _kind) in matches.items()},
            path_kinds={
                name.partition(":")[2]: kind for name, (_is_known, kind) in matches.items() if kind
            },
            deployment=deployment.result(),
            service_roles=roles.result(),
            refused=sources.refused,
            now_ms=at,
        )


def _identity(account: Account) -> Identity:
    """Return the owner of the credentials.

    This is the SDK's first call, and the only one until it has returned: two threads must not
    create the SDK's session at the same time (docs/platform/sdk.md §B2).
    """
    return parse.identity(account.caller_identity())


def _clock_offset(account: Account, examined: Json | Unread) -> int | Unread:
    """Return how far the stage's clock is ahead of Live's, in ms; Live reports whole seconds."""
    theirs = account.clock()
    if isinstance(examined, Unread) or theirs is None:
        return examined if isinstance(examined, Unread) else _no_live()
    ours: int = instant(examined["now"]) - examined["settings"]["clock_offset_ms"]
    return ours - round(theirs.timestamp() * 1000)


def _no_live() -> Unread:
    return Unread(_("Live's clock"), _("it does not answer"), "live:Date", "NeverSent")


def _unreadable(answer: Json | Unread) -> Sequence[str]:
    return () if isinstance(answer, Unread) else [row["stream"] for row in answer["unreadable"]]


def _policy(api: Api) -> Policy:
    try:
        return load_policy(json.dumps(api.policy()["policy"]), kind="json")
    except Misconfigured as error:
        raise Failure(
            _("this release cannot read the policy: {error}").format(error=error)
        ) from None


def _hosts(url: str, examined: Json | Unread) -> set[str]:
    if isinstance(examined, Unread):
        return {urlsplit(url).netloc}
    return callback_hosts(url, examined["settings"])


def _buckets(
    sources: Sources, pool: ThreadPoolExecutor, domains: Sequence[Domain]
) -> Mapping[tuple[str, str], Bucket | Unread]:
    wanted = dict.fromkeys(
        (config.bucket, config.endpoint)
        for domain in domains
        for config in domain.configurations
        if not config.is_vod
    )
    futures = {
        (name, endpoint): pool.submit(
            sources.cloud,
            _("the bucket {bucket}").format(bucket=name),
            "oss",
            lambda account, name=name, endpoint=endpoint: sources.bucket(account, name, endpoint),
        )
        for name, endpoint in wanted
    }
    return {location: future.result() for location, future in futures.items()}


def _callbacks(domains: Sequence[Domain]) -> Iterator[tuple[str, Callback]]:
    for domain in domains:
        for callback in domain.stream_callbacks.values():
            if isinstance(callback, Callback):
                yield "stream", callback
        if isinstance(domain.record_callback, Callback):
            yield "record", domain.record_callback


def _probes(
    pool: ThreadPoolExecutor, domains: Sequence[Domain], hosts: set[str], now_ms: int
) -> Mapping[str, CallbackProbe]:
    """Call the callback URLs that point to this stage, and no others; return the answers by URL.

    A URL over http is not called: it ends with a path token, which others on the way could read.
    """
    futures: list[Any] = []
    for kind, callback in dict.fromkeys(_callbacks(domains)):
        if _may_call(callback.url, hosts):
            probe = (
                callback_probe.probe_stream_callback
                if kind == "stream"
                else callback_probe.probe_record_callback
            )
            futures.append(pool.submit(probe, callback, now_ms))
        if callback.on_demand_url and _may_call(callback.on_demand_url, hosts):
            futures.append(pool.submit(callback_probe.probe_on_demand_callback, callback))
    return {probe.url: probe for probe in (future.result() for future in futures)}


def _may_call(url: str, hosts: set[str]) -> bool:
    return urlsplit(url).netloc in hosts and hides_a_token(url)


Match = tuple[bool | None, str | None]
"""Whether the stage knows a secret, and for a path token the kind of callback; a release before 0.3
does not report the kind."""


def _matches(sources: Sources, domains: Sequence[Domain], hosts: set[str]) -> Mapping[str, Match]:
    """Return, by "kind:secret", whether the stage knows each secret that Live holds.

    Only digests are sent. Path tokens are taken only from URLs of the stage.
    """
    secrets = {"stream_key": set[str](), "record_key": set[str](), "path_token": set[str]()}
    for kind, callback in _callbacks(domains):
        secrets[f"{kind}_key"].add(callback.key)
        urls = (
            url for url in (callback.url, callback.on_demand_url) if urlsplit(url).netloc in hosts
        )
        secrets["path_token"] |= {_token(url) for url in urls}
    names = list(secrets)
    found: dict[str, Match] = {}
    for row in zip_longest(*(sorted(values - {""}) for values in secrets.values())):
        present = {name: secret for name, secret in zip(names, row, strict=True) if secret}
        found |= _match_secrets(sources, present)
    return found


def _match_secrets(sources: Sources, secrets: Mapping[str, str]) -> Mapping[str, Match]:
    digests = {name: sha256(secret.encode()).hexdigest() for name, secret in secrets.items()}
    examined = sources.stage(_("the secrets of the stage"), lambda: sources.api.examine(**digests))
    if isinstance(examined, Unread):
        return {}
    matches = examined["matches"]
    return {
        f"{name}:{secret}": (matches[name], matches.get(f"{name}_kind"))
        for name, secret in secrets.items()
    }


def _token(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]
