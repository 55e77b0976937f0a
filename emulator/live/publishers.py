"""The host of the RTMP port: admits publishers, feeds their recordings, logs why each ended.

emulator.media calls this module through the Host and Feed protocols. It must not know RTMP itself.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import sys
from collections import defaultdict, deque
from dataclasses import dataclass
from urllib.parse import unquote

from emulator.live.account import BACKUP, TAKES_OVER
from emulator.live.backend import Live
from emulator.live.fields import Unfit
from emulator.live.streams import Session, Stream, StreamKey
from emulator.media.flv import Tag
from emulator.media.flv_recording import Source
from emulator.media.push import PublishRejected, Push

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
INVALID_CHARS = 1001
"""The code of the exception callback for a push URL with invalid characters (docs/platform/live.md
§2.1)."""
SWITCHED = 1
"""The code of the switch callback; the service's own is UNCONFIRMED."""
MAX_ENDED = 1_000
MAX_LINE_CHARS = 1_000
LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class EndedConnection:
    """An RTMP connection that has ended, and why."""

    at_ms: int
    peer: str
    stream: str
    reason: str


class Publishers:
    """The host of the RTMP port."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._backups: dict[StreamKey, list[BackupFeed]] = defaultdict(list)
        self.ended_connections: deque[EndedConnection] = deque(maxlen=MAX_ENDED)

    def admit(self, push: Push) -> PublisherFeed | BackupFeed:
        ingest, key = self._locate(push)
        self._check_auth_key(push)
        found = self._live.streams.find(key)
        second = self._live.account.ingest.second_publisher
        if found and found.live and second == BACKUP:
            return BackupFeed(self._backups[key])
        if found and found.live and second == TAKES_OVER:
            self._live.unpublish(key)
        arguments = {name: value for name, value in push.arguments.items() if name != "vhost"}
        try:
            stream, session = self._live.push(key, ingest=ingest, arguments=arguments)
        except Unfit as unfit:
            raise PublishRejected(str(unfit)) from unfit
        return PublisherFeed(self._live, stream, session, self._backups[key])

    def connection_ended(self, push: Push | None, peer: str, reason: str) -> None:
        stream = f"{push.app}/{push.stream}" if push else ""
        self.ended_connections.append(
            EndedConnection(self._live.clock.now_ms(), peer, stream, reason)
        )
        line = f"rtmp {peer} {stream or '-'}: {reason}"[:MAX_LINE_CHARS]
        print(line.encode("unicode_escape").decode("ascii"), file=sys.stderr, flush=True)

    def _locate(self, push: Push) -> tuple[str, StreamKey]:
        """Return ingest domain and stream; `vhost` overrides the URL's host (docs/platform/live.md
        §2)."""
        name = push.arguments.get("vhost") or self._by_host(push.host)
        domain = self._live.domain(name)
        if domain is None:
            known = ", ".join(self._live.domains)
            raise PublishRejected(
                f"the domain {name!r} is not known: push to one of {known}, or say ?vhost="
            )
        key = StreamKey(domain.streaming, push.app, push.stream)
        if not (NAME.fullmatch(push.app) and NAME.fullmatch(push.stream)):
            self._live.post_incident("exception", name, key, INVALID_CHARS, "invalid chars in URL")
            raise PublishRejected(
                "the names of application and stream take letters, digits, - _ and ."
            )
        return self._live.ingest_of(name), key

    def _by_host(self, host: str) -> str:
        """Return the host, or the first ingest domain if it is an IP address or localhost."""
        if not _is_address(host):
            return host
        first = next(iter(self._live.account.domains))
        return first.ingest[0] if first.ingest else first.streaming

    def _check_auth_key(self, push: Push) -> None:
        secret = self._live.account.ingest.auth_key
        if not secret:
            return
        path = f"/{push.app}/{push.stream}"
        now = self._live.clock.now_ms() // 1000
        valid_s = self._live.account.ingest.auth_valid_s
        if not is_signed(unquote(push.arguments.get("auth_key", "")), path, secret, now - valid_s):
            raise PublishRejected("auth_key is missing, wrong or expired")


def is_signed(auth_key: str, path: str, secret: str, earliest: int) -> bool:
    """Return True for a valid signature of type A whose timestamp, in s, is `earliest` or later.

    Its form is `timestamp-rand-uid-md5(path-timestamp-rand-uid-secret)`.
    """
    signed, _, digest = auth_key.rpartition("-")
    timestamp = signed.partition("-")[0]
    wanted = hashlib.md5(f"{path}-{signed}-{secret}".encode()).hexdigest()
    is_right = hmac.compare_digest(wanted.encode(), digest.encode())
    return is_right and timestamp.isascii() and timestamp.isdigit() and int(timestamp) >= earliest


class PublisherFeed:
    """One publisher's session; its tags go to whatever records its stream."""

    def __init__(
        self, live: Live, stream: Stream, session: Session, backups: list[BackupFeed]
    ) -> None:
        self._live, self._stream, self._session = live, stream, session
        self._backups = backups
        self._source = Source()

    def take(self, tag: Tag) -> None:
        if not self._is_live():
            raise PublishRejected("the service ended the stream")
        self._source.learn(tag)
        try:
            self._stream.take(tag, self._source, self._live.clock.now_ms())
        except OSError as error:
            message = f"the recording could not be written: {error.strerror}"
            self._live.break_recording(self._stream.key, "AccessDenied", message)
            raise PublishRejected(message) from error

    def publisher_left(self) -> None:
        if not self._is_live():
            return
        if not self._backups:
            self._live.unpublish(self._stream.key)
            return
        self._backups.pop(0).take_over(self)
        key, ingest = self._stream.key, self._session.ingest
        self._live.post_incident("switch", ingest, key, SWITCHED, "the backup stream took over")

    def _is_live(self) -> bool:
        return (
            self._session.ended_ms is None
            and self._live.streams.find(self._stream.key) is self._stream
        )


class BackupFeed:
    """The backup publisher of dual-stream ingest. Its tags are dropped until the main publisher
    leaves; then the session goes on with them (docs/platform/live.md §2.1)."""

    def __init__(self, waiting: list[BackupFeed]) -> None:
        self._waiting = waiting
        self._main: PublisherFeed | None = None
        waiting.append(self)

    def take_over(self, main: PublisherFeed) -> None:
        self._main = main

    def take(self, tag: Tag) -> None:
        if self._main is not None:
            self._main.take(tag)

    def publisher_left(self) -> None:
        if self._main is not None:
            self._main.publisher_left()
        elif self in self._waiting:
            self._waiting.remove(self)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == LOCAL
    return True
