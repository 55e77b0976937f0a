"""A client of the Alibaba Cloud account, with the operator's own credentials.

Commands that read or change Live itself call this module. The deployed functions must not import
it: their roles allow only the few actions that shared.outbound.live calls.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from gettext import gettext as _
from typing import Any

import requests

from cli.errors import Failure
from cli.loopback import is_loopback
from cli.web import ask
from shared.config import values
from shared.outbound.live import Credentials
from shared.outbound.live.sdk import understand
from shared.protocol.command_errors import LiveError, Retryable

LIVE_URL = "https://live.aliyuncs.com"
STS_URL = "https://sts.aliyuncs.com"
RAM_URL = "https://ram.aliyuncs.com"
REVOKED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken")
"""Codes of keys that are wrong, deleted or disabled begin with one of these."""
NO_SUCH_ROLE = "EntityNotExist"
WHO_AM_I = "GetCallerIdentity"
CONNECT_MS, READ_MS = 5_000, 10_000
DEVELOPMENT = Credentials("dev", "dev-secret")

Json = dict[str, Any]


def has_no_code(error: LiveError) -> bool:
    """Return True if there was no answer, or none with an error code of Alibaba Cloud."""
    return error.code == type(error).__name__


def words_of(error: LiveError) -> str:
    """Return a clause about the error, to be put into a sentence: its code and text. Without a
    code, its text is often only the name of a class; the clause then says that there was no answer,
    or none of Alibaba Cloud."""
    if not has_no_code(error):
        return f"{error.code}: {error}".rstrip(". ")
    if not str(error).isidentifier():
        return str(error).rstrip(". ")
    if error.status:
        return _("an answer without an error code of Alibaba Cloud (HTTP {status})").format(
            status=error.status
        )
    return _("no answer")


class Declined(Exception):
    """The account refused an action or did not answer. `code` is Alibaba Cloud's error code; if
    `has_no_code`, it is the name of a class instead. `status` is the HTTP status, 0 without an
    answer. `retry_after` is how many ms to wait before a retry, 0 if that is unknown."""

    def __init__(self, action: str, error: LiveError) -> None:
        super().__init__(f"{action}: {words_of(error)}")
        self.action = action
        self.code = error.code
        self.status = error.status
        self.has_no_code = has_no_code(error)
        self.retry_after = error.retry_after if isinstance(error, Retryable) else 0

    @property
    def is_forbidden(self) -> bool:
        return self.code.startswith(("Forbidden", "NoPermission", "AccessDenied"))

    @property
    def is_unanswered(self) -> bool:
        return not self.status


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the account; `live` is the address of ApsaraVideo Live, `sts` and `ram` those of
    STS and RAM."""

    credentials: Credentials
    live: str = LIVE_URL
    sts: str = STS_URL
    ram: str = RAM_URL

    @property
    def live_option(self) -> str:
        """Return the option --live with this account's address of Live, for a command that is shown
        to the user. Return "" for the real service, which needs no option."""
        return "" if self.live == LIVE_URL else f" --live {self.live}"

    def ask(self, action: str, **params: object) -> Json:
        """Call `action` of Live and return its answer. The names in `params` are those of Live's
        API, such as DomainName. Raise Declined if Live refuses or does not answer."""
        models, client = _client(self.live, self.credentials)
        request = getattr(models, f"{action}Request")().from_map(params)
        if unknown := params.keys() - request.to_map().keys():
            raise TypeError(f"{action} takes no {', '.join(sorted(unknown))}")
        call = getattr(client, f"{_snake(action)}_with_options")
        return self.call(action, lambda: call(request, _runtime()).to_map())

    def caller_identity(self) -> Json:
        """Return the answer of STS to GetCallerIdentity. Its IdentityType is Account if the access
        key is the account's root key."""
        return self._rpc(self.sts, WHO_AM_I, "2015-04-01")

    def has_role(self, name: str) -> bool:
        """Return True if the account has a RAM role of this name."""
        try:
            self._rpc(self.ram, "GetRole", "2015-05-01", RoleName=name)
        except Declined as error:
            if error.code.startswith(NO_SUCH_ROLE):
                return False
            raise
        return True

    def _rpc(self, address: str, action: str, version: str, **query: str) -> Json:
        """Call an action of a service for which this project has no client."""
        from alibabacloud_tea_openapi.client import Client
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params

        params = Params(
            action=action,
            version=version,
            protocol=address.partition("://")[0].upper(),
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        client = Client(_config(address, self.credentials))
        request = OpenApiRequest(query=query)
        return self.call(action, lambda: client.call_api(params, request, _runtime()))

    def clock(self) -> datetime | None:
        """Return the time of Live's clock, to the second; None if Live does not answer. The request
        is not signed."""
        try:
            answer = ask("GET", self.live, timeout=(CONNECT_MS / 1000, READ_MS / 1000))
            return parsedate_to_datetime(answer.headers["Date"])
        except (requests.RequestException, KeyError, ValueError):
            return None

    def call(self, action: str, call: Any) -> Json:  # noqa: ANN401 - the SDK is untyped
        try:
            body = call()["body"]
        except Exception as error:  # noqa: BLE001 - the SDK's errors end here: they hold secrets
            raise Declined(action, understand(error, self.credentials)) from None
        return body if isinstance(body, dict) else {}


def account_at(live: str) -> Account:
    """Return a client of the account whose credentials are in the environment. `live` is the
    address of ApsaraVideo Live; "" means the real service.

    Raise Failure if `live` is no address, or if credentials are missing.
    """
    if not live:
        return Account(_own_credentials())
    try:
        protocol, host = values.endpoint(live)
    except ValueError as error:
        sentence = _("The address of ApsaraVideo Live is invalid: {error}")
        raise Failure(sentence.format(error=error)) from None
    address = f"{protocol}://{host}"
    if "://" not in live and is_loopback(host.partition(":")[0]):
        sentence = _("The address of an emulator needs its scheme. Write it as http://{host}.")
        raise Failure(sentence.format(host=host))
    if protocol == "http":  # only an emulator, which emulates STS too
        return Account(_own_credentials(DEVELOPMENT), address, address)
    return Account(_own_credentials(), address)


def _own_credentials(otherwise: Credentials | None = None) -> Credentials:
    """Return the credentials of Alibaba Cloud's usual environment variables, else `otherwise`.

    Raise Failure if there are neither.
    """
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    found = Credentials(*(os.environ.get(f"ALIBABA_CLOUD_{name}", "") for name in names))
    if not found.are_missing():
        return found
    if otherwise is None:
        raise Failure(
            _(
                "There are no credentials. Set ALIBABA_CLOUD_ACCESS_KEY_ID and"
                " ALIBABA_CLOUD_ACCESS_KEY_SECRET of a RAM user, and ALIBABA_CLOUD_SECURITY_TOKEN"
                " if they are temporary."
            )
        )
    return otherwise


def _client(address: str, credentials: Credentials) -> tuple[Any, Any]:
    from alibabacloud_live20161101 import models
    from alibabacloud_live20161101.client import Client

    return models, Client(_config(address, credentials))


def _config(address: str, credentials: Credentials) -> object:
    from alibabacloud_tea_openapi.utils_models import Config

    protocol, _, host = address.partition("://")
    return Config(
        access_key_id=credentials.access_key_id,
        access_key_secret=credentials.access_key_secret,
        security_token=credentials.security_token or None,
        endpoint=host,
        protocol=protocol,
        region_id="cn-shanghai",
    )


def _runtime() -> object:
    from darabonba.runtime import RuntimeOptions

    return RuntimeOptions(connect_timeout=CONNECT_MS, read_timeout=READ_MS)


def _snake(action: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower()


def sdk_call(account: Account, client: Any, address: str, action: str, *parameters: object) -> Json:  # noqa: ANN401 - the SDK is untyped
    """Call `action` and return its answer. `client` is the client class of an official SDK,
    `address` that of its service, and `parameters` are those of the SDK's method. Raise Declined if
    the service refuses or does not answer."""
    method = getattr(
        client(_config(address, account.credentials)), f"{_snake(action)}_with_options"
    )
    return account.call(action, lambda: method(*parameters, _runtime()).to_map())


def rows_at(document: Mapping[str, object], *path: str) -> list[Json]:
    """Return the list at `path` of an RPC answer; it is empty if Live omits any part of `path`."""
    found: object = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
