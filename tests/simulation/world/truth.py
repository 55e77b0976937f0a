"""What is really so, for whoever judges promises."""

from __future__ import annotations

from .account import Holdings
from .agenda import Agenda
from .channel import Channel, Session
from .outbox import Outbox
from .reporter import Reporter
from .switches import Switches
from .task import PENDING, State
from .terms import Account, Arrived, Config, File, Interval, OnDemand, Stream


class Truth:
    """Queries about the truth at the last `at` that Live was given; they change nothing."""

    def __init__(self, switches: Switches, account: Account) -> None:
        self.switches = switches
        self.account = account
        self.arrived: list[Arrived] = []
        self._agenda = Agenda()
        self._outbox = Outbox(self._agenda, switches)
        self._holdings = Holdings(account, switches)
        self._reporter = Reporter(self._agenda, self._outbox, self._holdings, switches)
        self._channels = self._reporter.channels
        self._sessions: list[tuple[Stream, Session]] = []

    @property
    def intervals(self) -> list[Interval]:
        """Return every span that was recorded, in the order of their beginnings."""
        return self._reporter.intervals

    @property
    def connections(self) -> list[Interval]:
        """Return every connection of an encoder, in the order of their beginnings."""
        return [
            Interval(stream, session.start, automatic=False, end=session.end)
            for stream, session in self._sessions
        ]

    @property
    def files(self) -> list[File]:
        return self._reporter.files

    def is_live(self, stream: Stream) -> bool:
        """Return True if Live sees a connection, which a dead encoder keeps for 10 s (live.md
        §2)."""
        channel = self._channels.get(stream)
        return channel is not None and bool(channel.sessions)

    def is_dying(self, stream: Stream) -> bool:
        """Return True if there are connections, but no encoder behind them sends any more."""
        return self.is_live(stream) and all(each.dying for each in self._channels[stream].sessions)

    def is_visible(self, stream: Stream) -> bool:
        """Return True if the stream is live and the recorder knows it: a start finds the stream
        (live.md §11)."""
        channel = self._channels.get(stream)
        return channel is not None and channel.seen is not None

    def live_since(self, stream: Stream) -> int | None:
        """Return when the listed encoder connected; None while the stream is offline."""
        return self._channels[stream].sessions[0].start if self.is_live(stream) else None

    def is_recording(self, stream: Stream) -> bool:
        return self._state(stream) is State.RECORDING

    def is_paused(self, stream: Stream) -> bool:
        """Return True if the stream is not recorded and its merge delay still runs."""
        return self._state(stream) in PENDING

    def is_automatic(self, stream: Stream) -> bool:
        """Return True if Live itself began the present recording."""
        return self.is_recording(stream) and self._channels[stream].task.automatic

    def is_commandable(self, stream: Stream) -> bool:
        """Return True if a start would find an effective configuration and a bucket that works."""
        channel = self._channels.get(stream)
        if channel is None or stream.domain in self._holdings.broken:
            return False
        config = self._effective(channel)
        if config is None:
            return False
        return config.mode is not OnDemand.CALLBACK or self.switches.on_demand_commands

    def _state(self, stream: Stream) -> State:
        channel = self._channels.get(stream)
        return State.NONE if channel is None else channel.task.state

    def _effective(self, channel: Channel) -> Config | None:
        """Return the configuration of the push (live.md §6), unless a deletion acts at once."""
        present = self._holdings.config(channel.stream)
        if not channel.sessions:
            return present
        if present is None and self.switches.deletion_acts_at_once:
            return None
        return channel.sessions[0].config
