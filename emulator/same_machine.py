"""Decides whether a request comes from a program of this machine, or from a web page elsewhere.

Both emulators ask it first. They listen on the loopback interface, which any page in a browser can
call too: by a form or an image, or under a domain name that resolves to 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

_NO_NAMES: Collection[str] = ()


def refusal_of(headers: Mapping[str, str], served: Collection[str] = _NO_NAMES) -> str:
    """Return why the request is refused, "" if it is not. `headers` ignore case; `served` are the
    domains that the emulator serves."""
    host = _hostname(f"//{headers.get('Host', '')}")
    if not (_is_here(host) or host in served):
        return "its Host is not this machine"
    origin = headers.get("Origin")
    if origin is not None and not _is_here(_hostname(origin)):
        return "its Origin is a page of elsewhere"
    if headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        return "a page of elsewhere made it"
    return ""


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
