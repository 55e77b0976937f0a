"""Gives the official SDK an HTTP session of ours, which avoids the pitfalls of the SDK's own
session (docs/platform/sdk.md §A4, B4).

`sdk_import` installs it. Import this module only together with the SDK: the import takes as long as
that of `requests`.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError

from shared.outbound import tls

XML = "text/xml;charset=utf-8"
"""The only content type that the SDK reads as XML."""


class UnexpectedResponse(requests.RequestException):
    """An answer that cannot come from Live: a redirect, a gateway's page, or an empty body.

    The SDK would follow the redirect, which turns its POST into a GET, and would lose the status of
    the page.
    """


class Adapter(HTTPAdapter):
    """An adapter whose connections share the process's TLS context. Without it, the SDK would read
    two sets of root certificates for its first connection, and `requests` would read one for every
    connection."""

    def init_poolmanager(self, *sizes: Any, **named: Any) -> None:  # noqa: ANN401 - passed on
        super().init_poolmanager(*sizes, ssl_context=tls.context(), **named)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:  # noqa: ANN401 - as above
        return super().proxy_manager_for(proxy, ssl_context=tls.context(), **named)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 - as above
        if verify is not True or cert:
            super().cert_verify(conn, url, verify, cert)

    def send(self, *request: Any, **named: Any) -> requests.Response:  # noqa: ANN401 - as above
        """Send the request. If none of the root certificates read so far confirms the server, read
        all root certificates and send the request again."""
        try:
            return super().send(*request, **named)
        except requests.exceptions.SSLError as error:
            if not is_untrusted(error):
                raise
        tls.trust_all_roots()
        return super().send(*request, **named)


DEFAULT_CONNECTIONS = 40
"""The SDK's own default, used if the number of senders is not given."""


def adapter(protocol: str, _tls: object = None, pool_size: int | None = None) -> HTTPAdapter:
    """Return the adapter that replaces the SDK's own."""
    size = pool_size or DEFAULT_CONNECTIONS
    kind = Adapter if protocol.upper() == "HTTPS" else HTTPAdapter
    return kind(pool_maxsize=size)


REHEARSED = "rehearsed"
_calls = threading.local()


@contextmanager
def rehearsal() -> Iterator[None]:
    """Send nothing while the block runs: answer the calls of this thread as Live would, with the
    RequestId REHEARSED."""
    _calls.are_rehearsed = True
    try:
        yield
    finally:
        _calls.are_rehearsed = False


class DirectSession(requests.Session):
    def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:
        if getattr(_calls, "are_rehearsed", False):
            return _rehearsed(request)
        kwargs["allow_redirects"] = False
        kwargs["proxies"] = proxies_for(request.url or "")
        response = super().send(request, **kwargs)
        if not may_be_lives(response):
            raise UnexpectedResponse(f"status {response.status_code}", response=response)
        return response


def _rehearsed(request: requests.PreparedRequest) -> requests.Response:
    """Return the answer that Live would give."""
    response = requests.Response()
    response.status_code = HTTPStatus.OK
    response.request = request
    response.headers["content-type"] = "application/json"
    response.raw = BytesIO(f'{{"RequestId": "{REHEARSED}"}}'.encode())
    return response


def proxies_for(url: str) -> dict[str, str]:
    """Return the environment's proxies for this URL. None are used for hosts in NO_PROXY, which the
    SDK does not read, nor for this machine, where the emulator runs."""
    if urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}:
        return {}
    return get_environ_proxies(url)


def may_be_lives(response: requests.Response) -> bool:
    """Return True if the answer may come from Live. Its status is then 200 or that of an error, and
    its body is JSON, or XML from Live's gateway."""
    if response.status_code != HTTPStatus.OK and response.status_code < HTTPStatus.BAD_REQUEST:
        return False
    is_xml = response.headers.get("content-type") == XML
    return is_xml or response.content.lstrip().startswith(b"{")


def is_never_sent(error: BaseException) -> bool:
    """Return True if no byte of the request can have reached Live: a proxy or name resolution
    failed, no connection was made, or the server's certificate was not trusted.

    After any other failure, such as another failure of the TLS handshake, return False: Live may
    have read the request.
    """
    if isinstance(error, requests.exceptions.ProxyError):
        return True
    if isinstance(_reason(error), ConnectTimeoutError):  # refused, unknown: subclasses
        return True
    return is_untrusted(error)


def is_untrusted(error: BaseException) -> bool:
    """Return True if the error says that none of our root certificates confirms the server."""
    reason = _reason(error)
    untrusted = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    return isinstance(untrusted, ssl.SSLCertVerificationError)


def _reason(error: BaseException) -> object:
    return getattr(error.args[0], "reason", None) if error.args else None
