"""Looks at everything, changes nothing, and goes on whatever does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from cli.account import Account
from cli.api import Api
from cli.doctor import callback_probe, parse
from cli.doctor.collect_domain import DomainReading
from cli.doctor.snapshot import Bucket, Callback, Domain, Identity, Json, Knock, Seen, Unread, Where
from cli.doctor.sources import Reader
from cli.errors import Failure
from shared.config import load_policy
from shared.errors import Misconfigured
from shared.protocol.durations import instant
from shared.protocol.policy import Policy

AT_ONCE = 12
"""How many things are asked for side by side."""
NO_LIVE = Unread("Live's clock", "it does not answer")


def look(reader: Reader, where: Where, *, now: Callable[[], int]) -> Seen:
    """All of it, within a few seconds. `now` gives ms, where the stage does not tell its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        identity = pool.submit(reader.cloud, "who the credentials are of", "sts", _identity)
        health = pool.submit(reader.stage, "its health", reader.api.health)
        listed = pool.submit(reader.stage, "its streams", lambda: _listed(reader.api))
        asked = pool.submit(reader.stage, "its policy", lambda: _policy(reader.api))
        examined = reader.stage("the stage", reader.api.examined)
        apart = reader.cloud("Live's clock", "live", lambda account: _apart(account, examined))
        at = now() if isinstance(examined, Unread) else instant(examined["now"])
        policy, who = asked.result(), identity.result()
        named = () if isinstance(policy, Unread) else policy.domains
        domains = [DomainReading(reader, pool, one, at).read() for one in named]
        hosts = _hosts(where.url, examined)
        buckets = _buckets(reader, pool, domains)
        knocks = _knocks(pool, domains, hosts, at)
        return Seen(
            where=where,
            identity=who,
            clocks_apart=apart,
            health=health.result(),
            examined=examined,
            policy=policy,
            listed=listed.result(),
            domains=domains,
            buckets=buckets,
            knocks=knocks,
            known=_known(reader, domains, hosts),
            refused=reader.refused,
        )


def _identity(account: Account) -> Identity:
    """Also the first call of the SDK, whose session no two threads should make at once
    (facts/sdk.md B2)."""
    return parse.identity(account.who())


def _apart(account: Account, examined: Json | Unread) -> int | Unread:
    """How far the stage's clock is ahead of Live's, which tells whole seconds."""
    theirs = account.clock()
    if isinstance(examined, Unread) or theirs is None:
        return examined if isinstance(examined, Unread) else NO_LIVE
    ours: int = instant(examined["now"]) - examined["settings"]["clock_offset_ms"]
    return ours - round(theirs.timestamp() * 1000)


def _listed(api: Api) -> Sequence[Json]:
    rows: Sequence[Json] = api.listed(100_000)["recordings"]
    return rows


def _policy(api: Api) -> Policy:
    try:
        return load_policy(json.dumps(api.policy()["policy"]), kind="json")
    except Misconfigured as error:
        raise Failure(f"this release cannot read it: {error}") from None


def _hosts(url: str, examined: Json | Unread) -> set[str]:
    told = "" if isinstance(examined, Unread) else examined["settings"]["callback_host"]
    return {urlsplit(url).netloc, told} - {""}


def _buckets(
    reader: Reader, pool: ThreadPoolExecutor, domains: Sequence[Domain]
) -> Mapping[tuple[str, str], Bucket | Unread]:
    wanted = dict.fromkeys(
        (one.bucket, one.endpoint)
        for domain in domains
        for one in domain.configurations
        if not one.is_vod
    )
    asked = {
        (name, endpoint): pool.submit(
            reader.cloud,
            f"the bucket {name}",
            "oss",
            lambda account, name=name, endpoint=endpoint: reader.bucket(account, name, endpoint),
        )
        for name, endpoint in wanted
    }
    return {place: future.result() for place, future in asked.items()}


def _callbacks(domains: Sequence[Domain]) -> Iterator[tuple[str, Callback]]:
    for domain in domains:
        for told in domain.stream_callbacks.values():
            if isinstance(told, Callback):
                yield "stream", told
        if isinstance(domain.record_callback, Callback):
            yield "record", domain.record_callback


def _knocks(
    pool: ThreadPoolExecutor, domains: Sequence[Domain], hosts: set[str], now: int
) -> Mapping[str, Knock]:
    """Only what leads to this stage is called: whoever else has a callback is left alone."""
    asked: list[Any] = []
    for kind, told in dict.fromkeys(_callbacks(domains)):
        if urlsplit(told.url).netloc in hosts:
            knock = callback_probe.at_stream if kind == "stream" else callback_probe.at_record
            asked.append(pool.submit(knock, told, now))
        if told.on_demand_url and urlsplit(told.on_demand_url).netloc in hosts:
            asked.append(pool.submit(callback_probe.at_on_demand, told))
    return {knock.url: knock for knock in (future.result() for future in asked)}


def _known(reader: Reader, domains: Sequence[Domain], hosts: set[str]) -> Mapping[str, bool | None]:
    """What Live holds of the stage's secrets, asked about by their digests; only those of URLs
    that lead to the stage are told even so."""
    secrets = {"stream_key": set[str](), "record_key": set[str](), "path_token": set[str]()}
    for kind, told in _callbacks(domains):
        secrets[f"{kind}_key"].add(told.key)
        urls = (url for url in (told.url, told.on_demand_url) if urlsplit(url).netloc in hosts)
        secrets["path_token"] |= {_token(url) for url in urls}
    names = list(secrets)
    found: dict[str, bool | None] = {}
    for row in zip_longest(*(sorted(one - {""}) for one in secrets.values())):
        asked = {name: secret for name, secret in zip(names, row, strict=True) if secret}
        found |= _asked(reader, asked)
    return found


def _asked(reader: Reader, secrets: Mapping[str, str]) -> Mapping[str, bool | None]:
    digests = {name: sha256(secret.encode()).hexdigest() for name, secret in secrets.items()}
    told = reader.stage("its secrets", lambda: reader.api.examined(**digests))
    if isinstance(told, Unread):
        return {}
    return {f"{name}:{secret}": told["matches"][name] for name, secret in secrets.items()}


def _token(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]
