"""The API actions on domains: describe, bind, release, start, stop.

actions.py lists them by their names on the wire. They must not know the call itself, only its
parameters.
"""

from __future__ import annotations

from emulator.live import parameters
from emulator.live.backend import Live
from emulator.live.domains import INGEST, STREAMING
from emulator.live.parameters import Params

Json = dict[str, object]
SEARCHES = ("fuzzy_match", "pre_match", "suf_match", "full_match")
REGION = "cn-shanghai"
CREATED = "2026-01-01T00:00:00Z"
"""When every domain was added; nothing here changes one later."""


def mapping(live: Live, params: Params) -> Json:
    """Answer DescribeLiveDomainMapping; `vhost` is the streaming domain (docs/platform/live.md
    §1.1)."""
    parameters.need(params, "DomainName")
    name = params["DomainName"]
    kind = live.domains.kind(name)
    domain = live.domain(name)
    rows = [(name, "publish" if kind == INGEST else "vhost")]
    if domain is not None:
        rows = [(domain.streaming, "vhost"), *((ingest, "publish") for ingest in domain.ingest)]
    models = [{"DomainName": name, "Type": kind} for name, kind in rows]
    return {"LiveDomainModels": {"LiveDomainModel": models}}


def bind(live: Live, params: Params) -> Json:
    parameters.need(params, "PullDomain", "PushDomain")
    live.domains.bind(params["PushDomain"], params["PullDomain"])
    return {}


def release(live: Live, params: Params) -> Json:
    parameters.need(params, "PullDomain", "PushDomain")
    live.domains.release(params["PushDomain"], params["PullDomain"])
    return {}


def stop(live: Live, params: Params) -> Json:
    parameters.need(params, "DomainName")
    live.domains.stop(params["DomainName"])
    return {}


def start(live: Live, params: Params) -> Json:
    parameters.need(params, "DomainName")
    live.domains.start(params["DomainName"])
    return {}


def detail(live: Live, params: Params) -> Json:
    parameters.need(params, "DomainName")
    name = params["DomainName"]
    domain_detail = {
        "DomainName": name,
        "LiveDomainType": live.domains.kind(name),
        "DomainStatus": _status(live, name),
        "Cname": _cname(name),
        "Region": REGION,
        "Scope": "domestic",
        "SSLProtocol": "off",
        "GmtCreated": CREATED,
        "GmtModified": CREATED,
    }
    return {"DomainDetail": domain_detail}


def list_domains(live: Live, params: Params) -> Json:
    page = parameters.number(params, "PageNumber", 1, 100_000)
    size = parameters.number(params, "PageSize", 20, 50)
    names = [name for name in live.domains if _fits(live, name, params)]
    shown = names[(page - 1) * size : page * size]
    return {
        "PageNumber": page,
        "PageSize": size,
        "TotalCount": len(names),
        "Domains": {"PageData": [_row(live, name) for name in shown]},
    }


def _fits(live: Live, name: str, params: Params) -> bool:
    kind = parameters.word(params, "LiveDomainType", ("", STREAMING, INGEST))
    status = parameters.word(params, "DomainStatus", ("", "online", "offline", "configuring"))
    wanted = params.get("DomainName", "")
    search_type = parameters.word(params, "DomainSearchType", SEARCHES)
    found = {
        "fuzzy_match": wanted in name,
        "pre_match": name.startswith(wanted),
        "suf_match": name.endswith(wanted),
        "full_match": wanted in ("", name),
    }[search_type]
    is_kind = kind in ("", live.domains.kind(name))
    return found and is_kind and status in ("", _status(live, name))


def _row(live: Live, name: str) -> Json:
    return {
        "DomainName": name,
        "LiveDomainType": live.domains.kind(name),
        "LiveDomainStatus": _status(live, name),
        "Cname": _cname(name),
        "RegionName": REGION,
        "GmtCreated": CREATED,
        "GmtModified": CREATED,
    }


def _status(live: Live, name: str) -> str:
    return "offline" if live.domains.is_offline(name) else "online"


def _cname(name: str) -> str:
    return f"{name}.w.alikunlun.example"
