"""Exempts this machine's addresses from whatever HTTP proxy the environment names.

The command line calls this module at its start, and the local stack for the processes it starts.
"""

from __future__ import annotations

import os

_NAMES = ("no_proxy", "NO_PROXY")
_OURS = ("127.0.0.1", "localhost")


def reach_directly() -> None:
    """Add this machine's addresses to `no_proxy` of this process and of those that it starts.
    Addresses that are there already stay."""
    hosts_text = next((os.environ[name] for name in _NAMES if os.environ.get(name)), "")
    if hosts_text != "*":
        hosts = [host.strip() for host in hosts_text.split(",") if host.strip()]
        hosts_text = ",".join(dict.fromkeys([*hosts, *_OURS]))
    os.environ.update(dict.fromkeys(_NAMES, hosts_text))
