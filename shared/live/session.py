"""The HTTP session that the SDK is made to use, without the traps of its own (facts/sdk.md B4).

Imported together with the SDK only: it costs as much as `requests` does.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError

XML = "text/xml;charset=utf-8"
"""The only content type that the SDK reads as XML."""


class NotLives(requests.RequestException):
    """Something answered, but not with what Live answers: a redirect, a gateway's page, nothing.

    The SDK would follow the redirect, which turns its POST into a GET, and would lose the status
    of the page.
    """


class Session(requests.Session):
    def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:
        kwargs["allow_redirects"] = False
        kwargs["proxies"] = proxies_for(request.url or "")
        response = super().send(request, **kwargs)
        if not may_be_lives(response):
            raise NotLives(f"status {response.status_code}", response=response)
        return response


def proxies_for(url: str) -> dict[str, str]:
    """The environment's, but for what NO_PROXY names, which the SDK does not read, and for this
    very machine, where the stand-in runs."""
    if urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}:
        return {}
    return get_environ_proxies(url)


def may_be_lives(response: requests.Response) -> bool:
    """Live answers 200 or an error, in JSON or, where its gateway refuses, in XML."""
    if response.status_code != HTTPStatus.OK and response.status_code < HTTPStatus.BAD_REQUEST:
        return False
    is_xml = response.headers.get("content-type") == XML
    return is_xml or response.content.lstrip().startswith(b"{")


def is_never_sent(error: BaseException) -> bool:
    """Whether no byte of the request can have reached Live: no name, no route, no handshake.

    Whatever else goes wrong, a time-out in the middle of the TLS handshake included, leaves it
    open whether the request was read.
    """
    if isinstance(error, requests.exceptions.ProxyError):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, ConnectTimeoutError):  # refused and unknown are kinds of it
        return True
    untrusted = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    return isinstance(untrusted, ssl.SSLCertVerificationError)
