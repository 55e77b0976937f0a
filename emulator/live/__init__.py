"""An emulator of ApsaraVideo Live over HTTP on loopback, for laptops and tests only.

The command line, the benchmarks and the tests import it from here.
It implements the service that docs/platform/live.md describes, and must not know live-record.
"""

from emulator.live.account import Account, load_account
from emulator.live.fields import Unfit
from emulator.live.remote import Remote
from emulator.live.server import Running, run, serve
from emulator.live.thread import LiveInThread

__all__ = ["Account", "LiveInThread", "Remote", "Running", "Unfit", "load_account", "run", "serve"]
