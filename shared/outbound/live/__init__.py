"""The client of the Live API: one method for each kind of request. The class of an error tells what
the caller can do about it."""

from __future__ import annotations

from shared.outbound.live.client import LEASE_MS, LiveClient, Online, UndeliveredCallback
from shared.outbound.live.sdk import CONNECT_MS, READ_MS, Credentials

__all__ = [
    "CONNECT_MS",
    "LEASE_MS",
    "READ_MS",
    "Credentials",
    "LiveClient",
    "Online",
    "UndeliveredCallback",
]
