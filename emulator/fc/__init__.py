"""An emulator of Function Compute 3.0: serves over HTTP on loopback what an s.yaml deploys.

The command line and the tests import it from here; each function runs in its own process.
It must not know live-record, only s.yaml and the handlers that it names.
"""

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
