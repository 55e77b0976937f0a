"""Sends requests that contain nothing except what the command means to send.

Every request that the command line makes without an SDK goes through this module, except those to
emulators on this machine. `requests` alone would replace a token by the one that ~/.netrc has for
the host, and follow a redirect to another host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from gettext import gettext as _
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import LocationParseError

from cli.loopback import is_loopback
from shared.retry import Deadline, while_again

BUSY_MS, BUSY_AT_MOST_S = 250, 2.0
"""If Function Compute has no instance for a request: the pause before each retry, and the time for
all retries."""
PROBLEM = "application/problem+json"
"""The type of the stage's own errors."""

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


def ask(
    method: str,
    url: str,
    *,
    token: str = "",
    timeout: float | tuple[float, float],
    **more: Any,  # noqa: ANN401 - as requests has it
) -> requests.Response:
    """Send one request and return the answer, even if that is a redirect. The bearer token is
    `token`; if it is empty, none is sent.

    While Function Compute has no free instance, the request is repeated for BUSY_AT_MOST_S: it has
    reached no function yet.
    """

    def send() -> requests.Response:
        try:
            return requests.request(
                method, url, auth=_bearer(token), timeout=timeout, allow_redirects=False, **more
            )
        except LocationParseError as error:  # requests lets it through if a label is too long
            raise requests.exceptions.InvalidURL(str(error)) from None

    deadline = Deadline.after(BUSY_AT_MOST_S, clock=time.monotonic)
    return while_again(send, lambda answer: BUSY_MS if is_busy(answer) else None, deadline)


def is_busy(answer: requests.Response) -> bool:
    """Return True if Function Compute itself, and not the stage, answered 429
    (docs/platform/function-compute.md §5)."""
    is_ours = answer.headers.get("Content-Type") == PROBLEM
    return answer.status_code == HTTPStatus.TOO_MANY_REQUESTS and not is_ours


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
    return urlsplit(url).scheme == "https" or is_this_machine(url)


def is_this_machine(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def why_unanswered(error: Exception) -> str:
    """Return why a request got no answer, to stand within a sentence. `error` is what `ask` raised:
    its text, and the name of its class, are for programmers."""
    if isinstance(error, requests.Timeout):
        return _("no answer in time")
    if isinstance(error, requests.exceptions.SSLError):
        is_untrusted = "certificate" in str(error).lower()
        return _("its certificate cannot be verified") if is_untrusted else _("it speaks no https")
    if isinstance(error, UnicodeError | requests.exceptions.InvalidURL):
        return _("no host can have this name")
    if "NameResolutionError" in str(error):
        return _("the host name is unknown")
    return _("the connection fails")


def callback_hosts(url: str, settings: Mapping[str, Any]) -> set[str]:
    """Return the hosts that callback URLs of a stage have: that of `url`, the stage's address, and
    those in `settings`, which GET /v1/doctor returns. A stage of release 0.2 returns only one."""
    named = settings.get("callback_hosts") or [settings["callback_host"]]
    return {urlsplit(url).netloc, *map(str, named)} - {""}
