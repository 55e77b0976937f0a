"""A Live that records no stream of one application: the benchmarks of notify run with it."""

from __future__ import annotations

from shared.protocol import Command, StreamKey
from shared.protocol.command_errors import Unavailable

LOST = "lost"
"""The application whose streams it refuses."""


class RefusingLive:
    """A Live that refuses every start of the application `lost`, and accepts every other."""

    connect_timeout, read_timeout, lease = 800, 1_500, 7_300

    def prepare(self) -> None:
        """Do nothing."""

    def send(self, _command: Command, key: StreamKey, **_credentials: object) -> str:
        if key.app == LOST:
            raise Unavailable("ServiceUnavailable")
        return "9F8E7D6C-5B4A-4392-8170-A1B2C3D4E5F6"
