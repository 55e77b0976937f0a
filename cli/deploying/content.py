"""The digest of what a version of a function consists of: its code and its configuration.

cli.deploying.release compares it with the one in the description of the newest version, and
publishes no version of what did not change.
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
"""What fc3 does not deploy with the function itself. `code` is a path, which differs by machine."""
_CHARS: Final = 12


def content_of(props: Mapping[str, Any], tree: str) -> str:
    """Return the digest. `tree` is the hash of the package that the function runs from."""
    configuration = {name: value for name, value in props.items() if name not in BESIDE}
    text = json.dumps([tree, configuration], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARS]
