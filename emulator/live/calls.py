"""The log of API calls received and callback attempts sent.

api.py, oss.py, object_server.py and callbacks.py write it; tests read it to see which commands were
sent.
It must not influence any answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from emulator.live.notify_records import NotifyRecords
from emulator.live.streams import Session, Stream


@dataclass(slots=True)
class Call:
    """One API call. `code` is Live's error; `acted` is True if Live carried the call out;
    `connection` is the caller's port, which differs between its connections."""

    n: int
    at_ms: int
    connection: int = 0
    action: str = ""
    command: str | None = None
    domain: str = ""
    app: str = ""
    stream: str = ""
    access_key: str = ""
    scheme: str = ""
    session: int | None = None
    status: int | None = None
    code: str | None = None
    acted: bool = False
    fault: str | None = None
    landed_at_ms: int | None = None
    landed_code: str | None = None


@dataclass(slots=True)
class Delivery:
    """One attempt to deliver a callback; `status` is None if no answer came."""

    n: int
    at_ms: int
    event: str
    domain: str
    app: str
    stream: str
    url: str
    attempt: int
    status: int | None = None
    trouble: str | None = None
    took_ms: int | None = None


class Calls:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.deliveries: list[Delivery] = []
        self.duplicates: list[dict[str, object]] = []
        self.counters: Counter[str] = Counter()
        self.records = NotifyRecords()

    def add_call(self, at_ms: int) -> Call:
        call = Call(len(self.calls) + 1, at_ms)
        self.calls.append(call)
        return call

    def add_delivery(
        self, at_ms: int, event: str, key: tuple[str, str, str], url: str, n: int
    ) -> Delivery:
        delivery = Delivery(len(self.deliveries) + 1, at_ms, event, *key, url, n)
        self.deliveries.append(delivery)
        return delivery

    def note_command(self, call: Call, stream: Stream, session: Session | None) -> None:
        """Record a duplicate: two starts without a stop between, or two stops without a start.

        Call it for commands that Live accepted or whose effect existed already.
        """
        match call.command:
            case "start":
                self._note_start(call, stream, session)
            case "stop":
                self._note_stop(call, stream, session)
            case "restart":
                stream.stop_call = None
            case _:
                pass

    def _note_start(self, call: Call, stream: Stream, session: Session | None) -> None:
        stream.stop_call = None
        if session is None:
            return
        if session.start_call is not None:
            self._note_duplicate(call, session.start_call)
        session.start_call = call.n

    def _note_stop(self, call: Call, stream: Stream, session: Session | None) -> None:
        if session is not None:
            session.start_call = None
        if stream.stop_call is not None:
            self._note_duplicate(call, stream.stop_call)
        stream.stop_call = call.n

    def _note_duplicate(self, call: Call, first: int) -> None:
        self.duplicates.append(
            {
                "n": call.n,
                "first": first,
                "first_fault": self.calls[first - 1].fault,
                "command": call.command,
                "domain": call.domain,
                "app": call.app,
                "stream": call.stream,
                "session": call.session,
                "code": call.code,
            }
        )

    def as_json(self, since: int, since_callback: int) -> dict[str, object]:
        return {
            "calls": [_entry_json(call) for call in self.calls[since:]],
            "callbacks": [_entry_json(delivery) for delivery in self.deliveries[since_callback:]],
            "duplicates": self.duplicates,
            "next": len(self.calls),
            "next_callback": len(self.deliveries),
        }

    def clear(self) -> None:
        self.calls.clear()
        self.deliveries.clear()
        self.duplicates.clear()
        self.counters.clear()
        self.records.clear()


NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (Call, Delivery)}


def _entry_json(entry: Call | Delivery) -> dict[str, object]:
    return {name: getattr(entry, name) for name in NAMES[type(entry)]}
