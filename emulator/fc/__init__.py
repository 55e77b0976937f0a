"""Function Compute 3.0 over HTTP, on loopback: what an s.yaml deploys, run in processes."""

from emulator.fc.run import DEFAULT_PORT, FcInThread, Running, run, serve
from emulator.fc.settings import Credentials, Settings
from emulator.fc.template import BadTemplate

__all__ = [
    "DEFAULT_PORT",
    "BadTemplate",
    "Credentials",
    "FcInThread",
    "Running",
    "Settings",
    "run",
    "serve",
]
