"""Calls a callback URL as Live would, about a domain that cannot exist, so that nothing happens.

cli.doctor.collect calls this module. The call is signed with the key that Live holds, so one answer
proves the address, the path token, the key, the signed host and the clock. It must call only URLs
of the stage, never those of another receiver.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from cli.doctor.snapshot import Callback, CallbackProbe
from cli.web import PROBLEM, ask, why_unanswered
from shared.inbound.live_callbacks import sign

NO_DOMAIN = "doctor.invalid"
"""A name that no domain can have (RFC 2606)."""
TIMEOUT_S = 5.0
"""The time that Live waits for an answer (docs/platform/live.md §2)."""
RELAYED = {"X-Live-Record-Relayed": "doctor"}
"""Marks the call as forwarded already, so that the stage does not forward it."""
OUR_FIELDS = {"ignored", "NeedRecord"}
"""Fields of a stage's answers to callbacks about domains that its policy does not name."""
_STREAM_FIELDS = {"app": "doctor", "stream": "doctor"}


def probe_stream_callback(callback: Callback, now_ms: int) -> CallbackProbe:
    """Call an ingest callback URL and return the answer; the signature covers the ingest domain."""
    query = {"action": "publish", "app": NO_DOMAIN, "appname": "doctor", "id": "doctor"}
    seconds = str(now_ms // 1000)
    return _probe(
        "GET", callback, _signature(callback, NO_DOMAIN, seconds), params={**query, "time": seconds}
    )


def probe_record_callback(callback: Callback, now_ms: int) -> CallbackProbe:
    """Call a recording callback URL and return the answer; the signature covers the URL's host."""
    body = {"domain": NO_DOMAIN, "event": "record_started", **_STREAM_FIELDS}
    return _probe(
        "POST", callback, _signature(callback, _host(callback.url), str(now_ms // 1000)), json=body
    )


def probe_on_demand_callback(callback: Callback) -> CallbackProbe:
    query = {"domain": NO_DOMAIN, "vbitrate": "2000", "codec": "h264", **_STREAM_FIELDS}
    return _probe("GET", callback, {}, url=callback.on_demand_url, params=query)


def _host(url: str) -> str:
    """Return the host without its port.

    Whether Live signs the port is UNCONFIRMED; the stage accepts both.
    """
    return urlsplit(url).hostname or ""


def _signature(callback: Callback, signed_name: str, seconds: str) -> dict[str, str]:
    if not callback.key:
        return {}
    signature = sign(signed_name, seconds, callback.key)
    return {"ALI-LIVE-TIMESTAMP": seconds, "ALI-LIVE-SIGNATURE": signature}


def _probe(
    method: str,
    callback: Callback,
    signature: dict[str, str],
    *,
    url: str = "",
    params: dict[str, str] | None = None,
    json: dict[str, str] | None = None,
) -> CallbackProbe:
    url = url or callback.url
    headers = {**RELAYED, **signature}
    try:
        answer = ask(method, url, params=params, json=json, headers=headers, timeout=TIMEOUT_S)
    except (requests.RequestException, UnicodeError) as error:
        return CallbackProbe(url, 0, ours=False, signed=bool(signature), why=why_unanswered(error))
    return CallbackProbe(url, answer.status_code, ours=_is_ours(answer), signed=bool(signature))


def _is_ours(answer: requests.Response) -> bool:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return False
    is_problem = answer.headers.get("Content-Type") == PROBLEM
    return isinstance(body, dict) and (is_problem or bool(OUR_FIELDS & set(body)))
