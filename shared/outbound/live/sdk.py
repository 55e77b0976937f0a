"""Calls the official SDK, and interprets its answers and exceptions.

`client.py` uses this module. The SDK is imported at the first call. The SDK's own retries stay off,
as they are by default, because live-record must save each attempt, and take a slot of the rate
limit for it, before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from types import MappingProxyType

from msgspec import Struct

from shared.outbound.live.error_codes import Refusal
from shared.outbound.live.sdk_import import Action, Official, official, rehearse
from shared.protocol.command_errors import InDoubt, LiveError, NeverSent, OperatorActionNeeded

CONNECT_MS = 800
READ_MS = 1_500
MAX_MESSAGE_CHARS = 300


class Credentials(Struct, frozen=True):
    """The credentials of one invocation. They are temporary and change while the process runs."""

    access_key_id: str
    access_key_secret: str
    security_token: str = ""

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Credentials({self.access_key_id!r}, …)"

    def are_missing(self) -> bool:
        return not (self.access_key_id and self.access_key_secret)

    def hide(self, text: str) -> str:
        """Return the text with our secrets replaced by `***`. Live's answer SignatureDoesNotMatch,
        for example, quotes the text that was signed, which contains the security token."""
        for secret in filter(None, (self.access_key_secret, self.security_token)):
            text = text.replace(secret, "***")
        return text


class LiveEndpoint(Struct, frozen=True, kw_only=True):
    """Live's address, and our time-outs in ms. With the defaults, a callback can be answered within
    3 s. `connections` is how many connections stay open between calls: as many as threads send at
    once. 0 stands for the SDK's default. The protocol is http only for the emulator.
    `lazy_imports`: leave out the parts of the SDK that are not used."""

    endpoint: str = "live.aliyuncs.com"
    protocol: str = "https"
    region: str = "cn-shanghai"
    connect_timeout: int = CONNECT_MS
    read_timeout: int = READ_MS
    connections: int = 0
    lazy_imports: bool = True

    def prepare(self) -> None:
        """Import the SDK and make its HTTP session. Call this before a slot of the rate limit is
        taken, so that the command is sent at its slot, and before there are threads: each of them
        would make a session of its own (docs/platform/sdk.md §B2)."""
        sdk = official(lazy_imports=self.lazy_imports)
        with suppress(Exception):  # without a session, the first call makes one: 25 ms
            _open_session(sdk, self)

    def ask(
        self, action: Action, parameters: Mapping[str, object], credentials: Credentials
    ) -> Mapping[str, object]:
        """Return Live's answer to one request, or raise a LiveError.

        The SDK's exception is dropped, even as a cause, because its text may hold credentials.
        """
        if credentials.are_missing():
            raise OperatorActionNeeded(
                "InvalidCredentials", "there are no credentials to call Live with"
            )
        try:
            answer = self._call(action, parameters, credentials)
        except Exception as error:  # noqa: BLE001 - whatever it is, Live may have read the request
            raise understand(error, credentials) from None
        return _body(answer)

    def _call(
        self, action: Action, parameters: Mapping[str, object], credentials: Credentials
    ) -> Mapping[str, object]:
        sdk = official(lazy_imports=self.lazy_imports)
        config = _config(sdk, self, credentials)
        return sdk.call(config, action, parameters, _runtime(sdk, self))


def _config(sdk: Official, line: LiveEndpoint, credentials: Credentials) -> object:
    """Return the configuration of a client. A client for each call costs 7 us, and all clients
    share their connections (docs/platform/sdk.md §B1)."""
    return sdk.Config(
        access_key_id=credentials.access_key_id,
        access_key_secret=credentials.access_key_secret,
        security_token=credentials.security_token,
        endpoint=line.endpoint,
        protocol=line.protocol,
        region_id=line.region,
    )


def _runtime(sdk: Official, line: LiveEndpoint) -> object:
    return sdk.RuntimeOptions(
        connect_timeout=line.connect_timeout,
        read_timeout=line.read_timeout,
        max_idle_conns=line.connections or None,
    )


@cache
def _open_session(sdk: Official, line: LiveEndpoint) -> None:
    rehearse(sdk, line.protocol, line.endpoint, _runtime(sdk, line))


def _body(answer: Mapping[str, object]) -> Mapping[str, object]:
    """Return the body. Raise InDoubt for `{}`, a list or a status other than 200: Live's answers
    have a RequestId, and an answer without one proves nothing."""
    body = answer.get("body")
    status = answer.get("statusCode")
    if status == HTTPStatus.OK and isinstance(body, dict) and body.get("RequestId"):
        return body
    raise InDoubt("", "no RequestId", status=status if isinstance(status, int) else 0)


def understand(error: Exception, credentials: Credentials) -> LiveError:
    for kind in type(error).__mro__:
        if kind.__name__ in READINGS:
            return READINGS[kind.__name__](error, credentials)
    return InDoubt("", type(error).__name__)


def _answered(error: Exception, credentials: Credentials) -> LiveError:
    data = getattr(error, "data", None) or {}
    message = str(data.get("Message") or data.get("message") or "")
    return Refusal(
        code=_text(error, "code"),
        message=credentials.hide(message)[:MAX_MESSAGE_CHARS],
        status=getattr(error, "status_code", None) or 0,
        request_id=_text(error, "request_id"),
        retry_after=getattr(error, "retry_after", None) or 0,
    ).error()


def _text(error: Exception, name: str) -> str:
    """Return the attribute as text; "" for 'None', which the SDK writes if Live sent nothing."""
    text = str(getattr(error, name, None))
    return "" if text == "None" else text


def _unanswered(error: Exception, credentials: Credentials) -> LiveError:
    """Return the error for a request without an answer. The SDK wraps the cause, and wraps it twice
    if `requests` raised it while sending."""
    from requests import RequestException

    from shared.outbound.live.connection import is_never_sent

    inner = getattr(error, "inner_exception", None) or error
    if isinstance(inner, RequestException | UnicodeEncodeError) or _is_unfit(inner):
        return _unfit(inner, credentials)
    cause = inner.__context__ or inner
    if is_never_sent(cause):
        return NeverSent("", type(cause).__name__)
    response = getattr(cause, "response", None)
    return InDoubt("", type(cause).__name__, status=getattr(response, "status_code", 0))


def _unfit(error: Exception, _credentials: Credentials) -> LiveError:
    """Return the error for an impossible request: a line break in a key, an invalid endpoint."""
    return OperatorActionNeeded(
        "", f"credentials or endpoint are unfit to send: {type(error).__name__}"
    )


def _is_unfit(error: Exception) -> bool:
    return any(READINGS.get(kind.__name__) is _unfit for kind in type(error).__mro__)


READINGS: Mapping[str, Callable[[Exception, Credentials], LiveError]] = MappingProxyType(
    {
        "ResponseException": _answered,
        "AlibabaCloudException": _answered,
        "ClientException": _answered,
        "ServerException": _answered,
        "ThrottlingException": _answered,
        "UnretryableException": _unanswered,
        "RetryError": _unanswered,
        "ValidateException": _unfit,
        "RequiredArgumentException": _unfit,
        "CredentialException": _unfit,
        "DaraException": _unanswered,
        "TeaException": _unanswered,
    }
)
"""Every exception class of the SDK (docs/platform/sdk.md §B4), by name, because using the class
itself would import it."""
