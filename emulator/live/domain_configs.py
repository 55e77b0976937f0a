"""What the API tells of domains, and how it binds and stops them."""

from __future__ import annotations

from emulator.live import parameters
from emulator.live.backend import Live
from emulator.live.domains import INGEST, STREAMING
from emulator.live.parameters import Given

Json = dict[str, object]
SEARCHES = ("fuzzy_match", "pre_match", "suf_match", "full_match")
REGION = "cn-shanghai"


def mapping(live: Live, given: Given) -> Json:
    """facts/live.md §1.1: `vhost` is the main streaming domain, `publish` the ingest domain."""
    parameters.need(given, "DomainName")
    name = given["DomainName"]
    kind = live.domains.kind(name)
    domain = live.domain(name)
    rows = [(name, "publish" if kind == INGEST else "vhost")]
    if domain is not None:
        rows = [(domain.streaming, "vhost"), *((ingest, "publish") for ingest in domain.ingest)]
    models = [{"DomainName": name, "Type": kind} for name, kind in rows]
    return {"LiveDomainModels": {"LiveDomainModel": models}}


def bind(live: Live, given: Given) -> Json:
    parameters.need(given, "PullDomain", "PushDomain")
    live.domains.bind(given["PushDomain"], given["PullDomain"])
    return {}


def release(live: Live, given: Given) -> Json:
    parameters.need(given, "PullDomain", "PushDomain")
    live.domains.release(given["PushDomain"], given["PullDomain"])
    return {}


def stop(live: Live, given: Given) -> Json:
    parameters.need(given, "DomainName")
    live.domains.stop(given["DomainName"])
    return {}


def start(live: Live, given: Given) -> Json:
    parameters.need(given, "DomainName")
    live.domains.start(given["DomainName"])
    return {}


def detail(live: Live, given: Given) -> Json:
    parameters.need(given, "DomainName")
    name = given["DomainName"]
    told = {
        "DomainName": name,
        "LiveDomainType": live.domains.kind(name),
        "DomainStatus": _status(live, name),
        "Cname": _cname(name),
        "Region": REGION,
        "Scope": "domestic",
        "SSLProtocol": "off",
    }
    return {"DomainDetail": told}


def listed(live: Live, given: Given) -> Json:
    page = parameters.number(given, "PageNumber", 1, 100_000)
    size = parameters.number(given, "PageSize", 20, 50)
    names = [name for name in live.domains if _fits(live, name, given)]
    shown = names[(page - 1) * size : page * size]
    return {
        "PageNumber": page,
        "PageSize": size,
        "TotalCount": len(names),
        "Domains": {"PageData": [_row(live, name) for name in shown]},
    }


def _fits(live: Live, name: str, given: Given) -> bool:
    kind = parameters.word(given, "LiveDomainType", ("", STREAMING, INGEST))
    status = parameters.word(given, "DomainStatus", ("", "online", "offline", "configuring"))
    wanted, how = given.get("DomainName", ""), parameters.word(given, "DomainSearchType", SEARCHES)
    found = {
        "fuzzy_match": wanted in name,
        "pre_match": name.startswith(wanted),
        "suf_match": name.endswith(wanted),
        "full_match": wanted in ("", name),
    }[how]
    is_kind = kind in ("", live.domains.kind(name))
    return found and is_kind and status in ("", _status(live, name))


def _row(live: Live, name: str) -> Json:
    return {
        "DomainName": name,
        "LiveDomainType": live.domains.kind(name),
        "LiveDomainStatus": _status(live, name),
        "Cname": _cname(name),
        "RegionName": REGION,
    }


def _status(live: Live, name: str) -> str:
    return "offline" if live.domains.is_offline(name) else "online"


def _cname(name: str) -> str:
    return f"{name}.w.alikunlun.example"
