"""Addresses of this machine are reached directly, whatever proxy the environment names."""

from __future__ import annotations

import os

_NAMES = ("no_proxy", "NO_PROXY")
_OURS = ("127.0.0.1", "localhost")


def reach_directly() -> None:
    """For this process and what it starts; what else goes through no proxy still does not."""
    hosts_text = next((os.environ[name] for name in _NAMES if os.environ.get(name)), "")
    if hosts_text != "*":
        hosts = [host.strip() for host in hosts_text.split(",") if host.strip()]
        hosts_text = ",".join(dict.fromkeys([*hosts, *_OURS]))
    os.environ.update(dict.fromkeys(_NAMES, hosts_text))
