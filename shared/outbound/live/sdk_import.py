"""The official SDK, imported in the quickest way that works.

The documented import takes half a second and 70 MB: 1,348 files of models, aiohttp and what it
imports, and code for every kind of credentials (docs/platform/sdk.md §A1). A synchronous call with
given credentials uses none of it. Only `sdk.py` calls this module.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from typing import Any, Literal

from msgspec import Struct

from shared.lazy_imports import StubUsedTooEarly, first_working, stub_imports, without_collector

Action = Literal[
    "RealTimeRecordCommand",
    "DescribeLiveStreamsOnlineList",
    "DescribeLiveStreamsNotifyRecords",
    "DescribeLiveRecordNotifyRecords",
]
Way = Literal["lazy", "plain"]
"""`lazy` leaves out what our calls never use; `plain` imports everything."""

PACKAGES = (
    "Tea",
    "alibabacloud_credentials",
    "alibabacloud_credentials_api",
    "alibabacloud_gateway_spi",
    "alibabacloud_live20161101",
    "alibabacloud_tea_openapi",
    "darabonba",
)
MODELS = "alibabacloud_live20161101.models"
_PROVIDERS = (
    *("cli_profile", "cloud_sso", "default", "ecs_ram_role", "env", "external"),
    *("oauth", "oidc", "profile", "ram_role_arn", "rsa_key_pair", "uri"),
)
UNUSED = (
    *("aiofiles", "aiohttp", "apscheduler", "cryptography", "websocket"),
    *("chardet", "charset_normalizer"),  # imported by requests
    *("Tea.core", "darabonba.websocket", "alibabacloud_tea_openapi.websocket_utils"),
    *("alibabacloud_credentials.credentials", "alibabacloud_credentials.http"),
    *("alibabacloud_gateway_spi", "alibabacloud_tea_openapi.models"),
    *("alibabacloud_tea_openapi.sm3", "darabonba.event"),
    *(f"alibabacloud_credentials.provider.{name}" for name in _PROVIDERS),
)
LATER = (
    *("asyncio", "calendar", "idna", "importlib.metadata", "ipaddress", "subprocess"),
    *("email._encoded_words", "email.charset", "email.header", "http.cookies", "uu", "quopri"),
    *("bz2", "lzma", "mimetypes", "xml", "zipfile"),
    *("darabonba.utils.form", "darabonba.utils.xml"),
    *("requests.auth", "requests.packages", "urllib3.fields", "urllib3.filepost"),
    *("urllib3.http2", "urllib3.util.ssltransport"),
)
"""Modules that only rare cases use, and that are imported then."""


class Official(Struct, frozen=True):
    """The imported SDK. `call(config, action, parameters, runtime)` returns `headers`,
    `statusCode` and `body`."""

    way: Way
    Config: Callable[..., Any]
    RuntimeOptions: Callable[..., Any]
    call: Callable[[Any, Action, Mapping[str, object], Any], Mapping[str, Any]]


_LOADING = Lock()


def official(*, lazy_imports: bool) -> Official:
    """Return the SDK; it is the same object for the whole process."""
    with _LOADING:
        return _load(lazy_imports=lazy_imports)


@cache
def _load(*, lazy_imports: bool) -> Official:
    """Import the SDK. If the first way fails, use the other one: the SDK's release may be unknown,
    or the package may lack what the plain import needs."""
    lazy, plain = (lambda: _rehearsed(_lazy())), (lambda: _rehearsed(_plain()))
    return first_working([lazy, plain] if lazy_imports else [plain, lazy], PACKAGES)


def _lazy() -> Official:
    with without_collector(), stub_imports([*UNUSED, *LATER], [MODELS]):
        return _product("lazy")


def _plain() -> Official:
    return _product("plain")


def _product(way: Way) -> Official:
    from alibabacloud_live20161101 import models
    from alibabacloud_live20161101.client import Client

    def call(
        config: object, action: Action, parameters: Mapping[str, object], runtime: object
    ) -> Mapping[str, Any]:
        request = getattr(models, f"{action}Request")().from_map(parameters)
        method = getattr(Client(config), f"{in_snake_case(action)}_with_options")
        answer: Mapping[str, Any] = method(request, runtime).to_map()
        return answer

    return _ready(way, call)


def _ready(way: Way, call: Callable[..., Mapping[str, Any]]) -> Official:
    from alibabacloud_tea_openapi.utils_models import Config
    from darabonba import core
    from darabonba.runtime import RuntimeOptions

    from shared.outbound.live.connection import DirectSession, adapter

    core.Session = DirectSession
    core.DaraCore.get_adapter = adapter
    _quieten()
    return Official(way, Config, RuntimeOptions, call)


def _quieten() -> None:
    """Silence the SDK. Its import adds handlers to these loggers, which print lines twice. With
    DEBUG=sdk in the environment, the first two print each request with its Authorization."""
    for name in ("darabonba-core", "alibabacloud-tea"):
        logging.getLogger(name).disabled = True
    for name in ("darabonba-core", "alibabacloud-tea", "credentials"):
        logging.getLogger(name).handlers.clear()


def _rehearsed(sdk: Official) -> Official:
    """Return the SDK after one call that is not sent. The call fails here if a new release has
    changed something, and it does the work that only the first call of a process has to do."""
    from shared.outbound.live.connection import REHEARSED

    answer = rehearse(sdk, "http", "rehearsal.invalid", sdk.RuntimeOptions())
    if answer["body"] != {"RequestId": REHEARSED} or answer["statusCode"] != 200:  # noqa: PLR2004 - as the session has it
        raise StubUsedTooEarly(f"the rehearsal was answered {answer}")
    return sdk


def rehearse(sdk: Official, protocol: str, endpoint: str, runtime: object) -> Mapping[str, Any]:
    """Make a call that is not sent, and return its answer. After that, the SDK has its session for
    this endpoint, so no later call waits for one. No public function of the SDK makes a session."""
    from shared.outbound.live.connection import rehearsal

    keys = {"access_key_id": "id", "access_key_secret": "secret", "security_token": "token"}
    config = sdk.Config(**keys, endpoint=endpoint, protocol=protocol, region_id="cn-shanghai")
    with rehearsal():
        return sdk.call(config, "RealTimeRecordCommand", {"AppName": "a"}, runtime)


@cache
def in_snake_case(action: str) -> str:
    """Return the action's name in snake case; the SDK's method for the action begins with it."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", action).lower()
