"""Calls a callback URL as Live would, about a domain that nobody has, so that nothing comes of it.

Signed with the key that Live holds, one answer proves at once that the public address, the path
token, the key, the host that is signed over and the clock are right.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from cli.doctor.snapshot import Callback, Knock
from shared.inbound.live_callbacks import sign

NOBODY = "doctor.invalid"
"""No domain can be called that (RFC 2606)."""
PATIENCE = 5.0
"""s that Live itself waits (facts/live.md 2)."""
RELAYED = {"X-Live-Record-Relayed": "doctor"}
"""So that nobody who had the callback before is told of it."""
OURS = {"ignored", "NeedRecord"}
"""Fields of our answers to what is about no domain of ours."""
PROBLEM = "application/problem+json"
_MARKS = {"app": "doctor", "stream": "doctor"}


def at_stream(told: Callback, now: int) -> Knock:
    """Ingest callbacks are signed over the ingest domain that they name. `now` in ms."""
    query = {"action": "publish", "app": NOBODY, "appname": "doctor", "id": "doctor"}
    seconds = str(now // 1000)
    return _knock("GET", told, _signature(told, NOBODY, seconds), params={**query, "time": seconds})


def at_record(told: Callback, now: int) -> Knock:
    """Recording callbacks are signed over the host of their URL."""
    body = {"domain": NOBODY, "event": "record_started", **_MARKS}
    return _knock("POST", told, _signature(told, _host(told.url), str(now // 1000)), json=body)


def at_on_demand(told: Callback) -> Knock:
    query = {"domain": NOBODY, "vbitrate": "2000", "codec": "h264", **_MARKS}
    return _knock("GET", told, {}, url=told.on_demand_url, params=query)


def _host(url: str) -> str:
    """Whether Live signs the port too is UNCONFIRMED; the stage takes both."""
    return urlsplit(url).hostname or ""


def _signature(told: Callback, over: str, seconds: str) -> dict[str, str]:
    if not told.key:
        return {}
    signature = sign(over, seconds, told.key)
    return {"ALI-LIVE-TIMESTAMP": seconds, "ALI-LIVE-SIGNATURE": signature}


def _knock(
    method: str,
    told: Callback,
    signature: dict[str, str],
    *,
    url: str = "",
    params: dict[str, str] | None = None,
    json: dict[str, str] | None = None,
) -> Knock:
    url = url or told.url
    headers = {**RELAYED, **signature}
    try:
        answer = requests.request(
            method, url, params=params, json=json, headers=headers, timeout=PATIENCE,
            allow_redirects=False,
        )  # fmt: skip
    except (requests.RequestException, UnicodeError) as error:
        return Knock(url, 0, ours=False, signed=bool(signature), why=type(error).__name__)
    return Knock(url, answer.status_code, ours=_is_ours(answer), signed=bool(signature))


def _is_ours(answer: requests.Response) -> bool:
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return False
    is_problem = answer.headers.get("Content-Type") == PROBLEM
    return isinstance(told, dict) and (is_problem or bool(OURS & set(told)))
