"""Sends what Live reports by callback, in Live's words."""

from __future__ import annotations

from datetime import datetime, timezone

from .account import Holdings
from .agenda import Agenda
from .channel import Channel, Session
from .outbox import RETRIES, Event, Outbox
from .switches import Switches
from .terms import File, Interval, Stream


class Reporter:
    """Notes the truth of each recording and sends its callbacks; a task's `Witness`."""

    __slots__ = (
        "_agenda",
        "_events",
        "_holdings",
        "_outbox",
        "_switches",
        "channels",
        "files",
        "intervals",
    )

    def __init__(
        self, agenda: Agenda, outbox: Outbox, holdings: Holdings, switches: Switches
    ) -> None:
        self.channels: dict[Stream, Channel] = {}
        self.intervals: list[Interval] = []
        self.files: list[File] = []
        self._agenda = agenda
        self._outbox = outbox
        self._holdings = holdings
        self._switches = switches
        self._events = 0

    # --- what a task has to say

    def event(self, at: int, stream: Stream, kind: str) -> None:
        """Report a status event if the configuration wants those, and an error always (live.md
        §4)."""
        if kind == "record_error" or self._switches.status_callbacks:
            self._agenda.enter(at + self._switches.settle_ms, self._tell_status, stream, kind, at)

    def began(self, interval: Interval) -> None:
        self.intervals.append(interval)

    def wrote(self, at: int, file: File) -> None:
        """Report a file, by one callback (live.md §4)."""
        self.files.append(file)
        self._agenda.enter(at + self._switches.file_ms, self._tell_file, file)

    # --- what the ingest has to say

    def announce(self, at: int, channel: Channel, session: Session) -> None:
        """Report the publish if the encoder is still connected after 2 s, silent or not (live.md
        §2)."""
        if session.end is None:
            session.announced = True
            moment = at if self._switches.publish_time_is_sending else session.start
            self._tell_ingest(at, channel, session, "publish", moment)

    def done(self, at: int, channel: Channel, session: Session, delay: int) -> None:
        """Report the publish_done of an encoder that left at `at`, `delay` ms later (live.md
        §2)."""
        if session.announced or self._switches.done_without_publish:
            tell = self._tell_ingest
            self._agenda.enter(at + delay, tell, channel, session, "publish_done", at)

    def ask(self, at: int, channel: Channel, session: Session) -> None:
        """Send the on-demand callback: a GET, once, at the start of the ingest (live.md §5)."""
        stream = channel.stream
        fields = {**_named(stream), "vbitrate": "2000", "codec": "h264"}
        self._events += 1

        def settled(then: int, need_record: bool | None) -> None:
            channel.asked(then, session, need_record)

        event = Event(
            number=self._events,
            kind="on_demand",
            stream=stream,
            method="GET",
            fields=fields,
            domain=stream.domain,
            signed_for=self._holdings.host(),
            key=session.record_key if self._switches.on_demand_signed else "",
            made=at,
            retries=RETRIES if self._switches.on_demand_retries else 0,
            settled=settled,
        )
        self._outbox.send(at, event)

    # --- in the wire's words

    def _tell_ingest(
        self, at: int, channel: Channel, session: Session, kind: str, moment: int
    ) -> None:
        """Send a GET signed for the ingest domain, which its `app` names (live.md §2, §3)."""
        stream = channel.stream
        ingest = self._holdings.account.ingest[stream.domain]
        fields = {
            "action": kind,
            "ip": "203.0.113.7",
            "id": stream.name,
            "app": ingest,
            "appname": stream.app,
            "time": str(moment // 1000),
            "usrargs": f"vhost={stream.domain}&auth_key=secret",
            "node": "cdnvideocenter0102.cm3",
        }
        self._events += 1
        key = session.stream_key
        event = Event(self._events, kind, stream, "GET", fields, ingest, ingest, key, at)
        self._outbox.send(at, event)

    def _tell_status(self, at: int, stream: Stream, kind: str, since: int) -> None:
        """Send a POST with JSON. It has `time` only for an error, or with `status_time` (live.md
        §4)."""
        fields = {**_named(stream), "event": kind}
        if kind == "record_error":
            code = self.channels[stream].broken or "AccessDenied"
            fields["error_info"] = {"code": code, "message": code}
        if kind == "record_error" or self._switches.status_time:
            fields["time"] = _instant(since)
        self._post(at, kind, stream, fields)

    def _tell_file(self, at: int, file: File) -> None:
        """Send a POST with JSON without `event`; its times are in s, its duration is a float
        (live.md §4)."""
        fields = {
            **_named(file.stream),
            "uri": file.uri,
            "duration": self._media_ms(file) / 1000,
            "start_time": file.start // 1000,
            "stop_time": file.stop // 1000,
        }
        self._post(at, "file", file.stream, fields)

    def _media_ms(self, file: File) -> int:
        """Return for how many ms Live recorded between the two times of a file: it may have
        paused."""
        ours = (one for one in self.intervals if one.stream == file.stream)
        ends = ((one.start, file.stop if one.end is None else one.end) for one in ours)
        return sum(max(min(end, file.stop) - max(begin, file.start), 0) for begin, end in ends)

    def _post(self, at: int, kind: str, stream: Stream, fields: dict[str, object]) -> None:
        """Send a POST signed for the host of the callback URL, with the key of the last push
        (live.md §3)."""
        latest = self.channels[stream].latest
        key = self._holdings.keys[1] if latest is None else latest.record_key
        self._events += 1
        host = self._holdings.host()
        event = Event(self._events, kind, stream, "POST", fields, stream.domain, host, key, at)
        self._outbox.send(at, event)


def _named(stream: Stream) -> dict[str, object]:
    return {"domain": stream.domain, "app": stream.app, "stream": stream.name}


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
