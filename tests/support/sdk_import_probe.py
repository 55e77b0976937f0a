"""Imports the official SDK in one way: `python -m tests.support.sdk_import_probe ENDPOINT
lazy|plain STEPS [names]`.

It calls each of our actions, then the record command STEPS times. It prints as JSON which way it
was, the answers and errors, and what of the SDK was loaded; with `names`, also its models.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any, get_args

from shared.outbound.live import Credentials, LiveClient
from shared.outbound.live.sdk_import import Action, official
from shared.protocol.command_errors import LiveError

CREDENTIALS = Credentials("an-id", "a-secret", "a-token")
STREAM = {"DomainName": "live.example.com", "AppName": "甲 1/+", "StreamName": "a&b"}
TIMES = {"StartTime": "2026-11-22T10:00:00Z", "EndTime": "2026-11-22T11:00:00Z", "Status": "failed"}
ASKED: dict[Action, dict[str, object]] = {
    "RealTimeRecordCommand": {**STREAM, "Command": "start"},
    "DescribeLiveStreamsOnlineList": {**STREAM, "PageNum": 1, "OnlyStream": "yes"},
    "DescribeLiveStreamsNotifyRecords": {"DomainName": "push.example.com", **TIMES},
    "DescribeLiveRecordNotifyRecords": {"DomainName": "live.example.com", **TIMES},
}
HEAVY = ("aiohttp", "cryptography", "apscheduler", "asyncio", "websocket", "charset_normalizer")


def ask(live: LiveClient, action: Action) -> list[Any]:
    try:
        return [dict(live.ask(action, ASKED[action], CREDENTIALS))]
    except LiveError as error:
        rows = (error.code, error.status, error.request_id, str(error))
        return [type(error).__name__, *rows, getattr(error, "retry_after", None)]


def names() -> list[str]:
    """Return every name that the SDK's models have."""
    from alibabacloud_live20161101 import models

    text = Path(str(models.__file__)).read_text(encoding="utf-8")
    lines = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    return [alias.name for node in lines if node.level for alias in node.names]


def models() -> dict[str, str]:
    """Return the module and the qualified name that each model says it has."""
    from alibabacloud_live20161101 import models as module

    found = {name: getattr(module, name) for name in names()}
    return {name: f"{kind.__module__}.{kind.__qualname__}" for name, kind in found.items()}


def main(endpoint: str, lazy_imports: str, steps: str, named: str = "") -> None:
    sdk = official(lazy_imports=lazy_imports == "lazy")
    loaded = sorted(set(HEAVY) & set(sys.modules))
    from alibabacloud_tea_openapi.utils import Utils

    Utils.get_nonce = lambda: "the same"
    Utils.get_timestamp = lambda: "2026-11-22T10:00:00Z"
    live = LiveClient(
        endpoint=endpoint, protocol="http", read_timeout=2_000, lazy_imports=lazy_imports == "lazy"
    )
    live.prepare()
    answers = [ask(live, action) for action in get_args(Action)]
    answers += [ask(live, "RealTimeRecordCommand") for _ in range(int(steps))]
    found = models() if named else {}
    print(json.dumps({"way": sdk.way, "loaded": loaded, "answers": answers, "models": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
