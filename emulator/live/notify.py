"""Callback configurations, one for each domain (docs/platform/live.md §2 to §5).

backend.py reads URL and key here; notify_configs.py and the control plane change them.
A changed URL applies at once, a changed key from the next publish on (§3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emulator.live.account import Domain, Notify


@dataclass(frozen=True, slots=True)
class StreamNotify:
    """The ingest callbacks of an ingest domain. `key` signs them if `signs` is True."""

    url: str
    exception_url: str
    switch_url: str
    key: str
    signs: bool

    @property
    def signing_key(self) -> str:
        return self.key if self.signs else ""


@dataclass(frozen=True, slots=True)
class RecordNotify:
    """The recording callbacks of a streaming domain."""

    url: str
    on_demand_url: str
    need_status: bool
    key: str
    signs: bool

    @property
    def signing_key(self) -> str:
        return self.key if self.signs else ""


NO_STREAM = StreamNotify("", "", "", "", signs=False)
NO_RECORD = RecordNotify("", "", need_status=False, key="", signs=False)


class Notifications:
    """All callback configurations, by domain.

    Those of ingest callbacks belong to the ingest domain, or to the streaming domain if no ingest
    domain is bound (docs/platform/live.md §2).
    """

    def __init__(self, domains: Sequence[Domain], notify: Notify) -> None:
        self.stream: dict[str, StreamNotify] = {}
        self.record: dict[str, RecordNotify] = {}
        self._domains = domains
        self.account_notify = notify
        self.change(notify)

    def change(self, notify: Notify) -> None:
        """Set the same configuration for all of the account's domains."""
        self.account_notify = notify
        of_stream, of_record = _of_stream(notify), _of_record(notify)
        for domain in self._domains:
            self.record[domain.streaming] = of_record
            for ingest in domain.ingest or (domain.streaming,):
                self.stream[ingest] = of_stream

    def of_stream(self, ingest: str) -> StreamNotify:
        return self.stream.get(ingest, NO_STREAM)

    def of_record(self, streaming: str) -> RecordNotify:
        return self.record.get(streaming, NO_RECORD)

    def current(self) -> Notify:
        """Return the configuration of the account's first domain, for the control plane."""
        first = self._domains[0]
        stream = self.of_stream((first.ingest or (first.streaming,))[0])
        record = self.of_record(first.streaming)
        return replace(
            self.account_notify,
            stream_url=stream.url,
            exception_url=stream.exception_url,
            switch_url=stream.switch_url,
            stream_key=stream.signing_key,
            record_url=record.url,
            on_demand_url=record.on_demand_url,
            need_status=record.need_status,
            record_key=record.signing_key,
        )


def _of_stream(notify: Notify) -> StreamNotify:
    urls = (notify.stream_url, notify.exception_url, notify.switch_url)
    return StreamNotify(*urls, notify.stream_key, signs=bool(notify.stream_key))


def _of_record(notify: Notify) -> RecordNotify:
    return RecordNotify(
        notify.record_url,
        notify.on_demand_url,
        need_status=notify.need_status,
        key=notify.record_key,
        signs=bool(notify.record_key),
    )
