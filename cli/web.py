"""Sends requests that contain nothing except what the command means to send.

cli.api and everything else here that calls an HTTP server use it. `requests` alone would replace a
token by the one that ~/.netrc has for the host, and follow a redirect to another host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from cli.loopback import is_loopback

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


def ask(
    method: str,
    url: str,
    *,
    token: str = "",
    timeout: float | tuple[float, float],
    **more: Any,  # noqa: ANN401 - as requests has it
) -> requests.Response:
    """Send one request with this bearer token, or with none; return the answer, also a redirect."""
    return requests.request(
        method, url, auth=_bearer(token), timeout=timeout, allow_redirects=False, **more
    )


def _bearer(token: str) -> Auth:
    """Return a function that sets the header. Without an `auth`, `requests` would read ~/.netrc."""

    def set_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return set_header


def hides_a_token(url: str) -> bool:
    """Return True if nobody on the way to the address can read what is sent: it is HTTPS, or this
    machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")
