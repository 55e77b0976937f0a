"""Computes the digest of a version's content: its code and its configuration.

cli.deploying.release compares it with the digest in the description of the newest version, and
publishes no version of an unchanged function.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

BESIDE: Final = (
    "region",
    "code",
    "triggers",
    "asyncInvokeConfig",
    "vpcBinding",
    "customDomain",
    "provisionConfig",
    "scalingConfig",
    "concurrencyConfig",
)
"""Properties that fc3 does not deploy with the function itself. `code` is a path, which differs by
machine."""
_CHARS: Final = 12


def content_of(props: Mapping[str, Any], tree: str) -> str:
    """Return the digest of a function: of its properties in s.yaml, and of `tree`, the hash of its
    package."""
    configuration = {name: value for name, value in props.items() if name not in BESIDE}
    text = json.dumps([tree, configuration], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARS]
