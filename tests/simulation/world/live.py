"""ApsaraVideo Live: encoders on one side, the API on the other, callbacks out of the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .channel import NO_CONFIG, NOT_FOUND, STARTED, Channel, Session
from .quota import Quota
from .switches import Excess, SecondPublisher, Switches
from .terms import (
    Account,
    Answer,
    Arrived,
    Callback,
    Config,
    NotifyRecord,
    OnDemand,
    Online,
    Stream,
    Trouble,
)
from .truth import Truth

ANNOUNCED_MS = 2_000
SILENCE_MS = 10_000
TAKEN_OVER_MS = 3_000  # later than the publish of whoever took over (live.md §2, §11)
RETRY_AFTER_MS = 300
STATUSES = {  # live.md §1.3, §1.5; whatever is not here is a 400
    "": 200,
    STARTED: 409,
    NOT_FOUND: 409,
    NO_CONFIG: 400,
    "TaskNotStarted": 409,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "InvalidDomain.NotFound": 404,
    "InvalidSecurityToken.Expired": 403,
}
COMMANDS: dict[str, Callable[[Channel, int, Config | None], str]] = {
    "start": Channel.start,
    "stop": Channel.stop,
    "restart": Channel.restart,
    "cancel_delay": Channel.cancel_delay,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One RealTimeRecordCommand as it arrives."""

    stream: Stream
    command: str
    trouble: Trouble
    nonce: str
    signed_at: int


class Live(Truth):
    """A model of Live; see the package's docstring. Each method with `at` first does what was due
    by then."""

    def __init__(self, switches: Switches, account: Account) -> None:
        super().__init__(switches, account)
        self._quota = Quota(switches.rate, account.calls_per_second)
        self._listed: dict[str, dict[Stream, Channel]] = {domain: {} for domain in account.ingest}

    # --- the encoder's side

    def publish(self, at: int, stream: Stream) -> bool:
        """Connect an encoder; return False if it is refused because the name is in use.

        A dead connection uses the name for 10 s. The publish is sent after 2 s of connection
        (live.md §2).
        """
        self._agenda.advance(at)
        channel = self._channel(stream)
        second = self.switches.second_publisher
        if channel.sessions and second is SecondPublisher.REFUSED:
            return False
        if channel.sessions and second is SecondPublisher.TAKES_OVER:
            self._close(at, channel, channel.sessions[0], TAKEN_OVER_MS)
        self._open(at, channel)
        return True

    def unpublish(self, at: int, stream: Stream, *, clean: bool = True) -> bool:
        """Disconnect the oldest encoder; return False if there is none or it is leaving already.

        Without `clean` it only sends no more data, which the service notices after 10 s (live.md
        §2).
        """
        self._agenda.advance(at)
        channel = self._channel(stream)
        session = next((each for each in channel.sessions if not each.dying), None)
        if session is None:
            return False
        if clean:
            self._close(at, channel, session, 0)
        else:
            session.dying = True
            self._agenda.enter(at + SILENCE_MS, self._close, channel, session, 0)
        return True

    def _open(self, at: int, channel: Channel) -> None:
        session = Session(at, self._holdings.config(channel.stream), *self._holdings.keys)
        channel.latest = session
        channel.sessions.append(session)
        self._sessions.append((channel.stream, session))
        channel.shown.append(session)
        self._listed[channel.stream.domain][channel.stream] = channel
        self._agenda.enter(at + ANNOUNCED_MS, self._reporter.announce, channel, session)
        if self.switches.visible_after_ms:
            self._agenda.enter(at + self.switches.visible_after_ms, channel.appeared, session)
        else:
            channel.appeared(at, session)
        if session.config is not None and session.config.mode is OnDemand.CALLBACK:
            self._reporter.ask(at, channel, session)

    def _close(self, at: int, channel: Channel, session: Session, delay: int) -> None:
        if session.end is not None:
            return
        session.end = at
        channel.sessions.remove(session)
        if not channel.sessions:
            channel.vanished(at)
        self._agenda.enter(at + self.switches.online_lag_ms, self._hide, channel, session)
        self._reporter.done(at, channel, session, delay)

    def _hide(self, _at: int, channel: Channel, session: Session) -> None:
        """Take an ended session off the online list, as late as the list lags (live.md §7)."""
        channel.shown.remove(session)
        if not channel.shown:
            del self._listed[channel.stream.domain][channel.stream]

    def _channel(self, stream: Stream) -> Channel:
        channel = self._channels.get(stream)
        if channel is None:
            channel = Channel(stream, self._agenda, self.switches, self._reporter)
            channel.broken = self._holdings.broken.get(stream.domain, "")
            self._channels[stream] = channel
        return channel

    # --- the API's side

    def command(  # noqa: PLR0913 - a request has these parts
        self,
        at: int,
        stream: Stream,
        command: str,
        *,
        trouble: Trouble = Trouble.NONE,
        nonce: str = "",
        signed_at: int | None = None,
    ) -> Answer | None:
        """Take a RealTimeRecordCommand as it reaches Live; return None if it is dropped and never
        answered. With a `nonce`, a second arrival is refused or acts again; `signed_at` is the
        caller's clock."""
        self._agenda.advance(at)
        signed = at if signed_at is None else signed_at
        if trouble is Trouble.THROTTLED or not self._quota.take(at):
            answer, acted = self._throttled(), False
        else:
            answer, acted = self._served(at, Request(stream, command, trouble, nonce, signed))
        self.arrived.append(Arrived(at, stream, command, answer, acted))
        return answer

    def refusal(self, at: int, *, signed_at: int | None = None) -> Answer | None:
        """Return the error of a caller without valid credentials or clock, None for a valid caller.

        Call it before `online` and `undelivered` (live.md §1.5).
        """
        code = self._holdings.unproved(at, at if signed_at is None else signed_at)
        return self._answer(code) if code else None

    def online(self, at: int, domain: str, *, app: str = "", name: str = "") -> tuple[Online, ...]:
        """Return the rows of DescribeLiveStreamsOnlineList, strict and raw, as old as
        `online_lag_ms`. A stream that two encoders publish is listed once, with the older's time
        (live.md §7)."""
        self._agenda.advance(at)
        listed = self._listed.get(domain, {})
        if app and name:
            channel = listed.get(Stream(domain, app, name))
            listed = {} if channel is None else {channel.stream: channel}
        then = at - self.switches.online_lag_ms
        rows = (
            _row(channel, then) for stream, channel in listed.items() if app in ("", stream.app)
        )
        return tuple(row for row in rows if row is not None)

    def undelivered(self, at: int, domain: str, start: int, end: int) -> tuple[NotifyRecord, ...]:
        """Return the callbacks of which all attempts failed: DescribeLiveStreamsNotifyRecords of an
        ingest domain, DescribeLiveRecordNotifyRecords of a streaming domain, Status=failed (live.md
        §7)."""
        self._agenda.advance(at)
        return self._outbox.failed(at, domain, start, end)

    def _served(self, at: int, request: Request) -> tuple[Answer, bool]:
        code = self._gate(at, request)
        if code:
            return self._answer(code), False
        channel = self._channel(request.stream)
        code = COMMANDS[request.command](channel, at, self._effective(channel))
        hidden = request.trouble is Trouble.ACTED_500
        return self._answer("InternalError" if hidden else code), not code

    def _gate(self, at: int, request: Request) -> str:
        """Return the error code of the checks before the recording is considered (live.md §1.3,
        §1.5)."""
        if request.trouble is Trouble.IDLE_500:
            return "InternalError"
        if request.trouble is Trouble.IDLE_503:
            return "ServiceUnavailable"
        holdings = self._holdings
        code = holdings.unproved(at, request.signed_at) or holdings.repeated(request.nonce)
        if not code and request.stream.domain not in self.account.ingest:
            code = "InvalidDomain.NotFound"
        return code or ("" if request.command in COMMANDS else "MalformedParam")

    def _throttled(self) -> Answer | None:
        """Return the answer to a call over the quota: it is rejected, not queued (live.md §1.5)."""
        switches = self.switches
        if switches.excess is Excess.DROPPED:
            return None
        after = RETRY_AFTER_MS if switches.throttling_header else 0
        return Answer(switches.throttling_status, "Throttling.User", self._request_id(), after)

    def _answer(self, code: str) -> Answer:
        return Answer(STATUSES.get(code, 400), code, self._request_id())

    def _request_id(self) -> str:
        return f"R-{len(self.arrived) + 1}"

    # --- callbacks

    def next_due(self) -> int | None:
        """Return when something next happens by itself: now, while a callback waits to leave."""
        return self._agenda.now if self._outbox.leaving else self._agenda.next_due()

    def callbacks_due(self, at: int) -> list[Callback]:
        """Do what is due, and return the callbacks that leave Live at or before `at`, each once."""
        self._agenda.advance(at)
        leaving, self._outbox.leaving = self._outbox.leaving, []
        return leaving

    def answered(self, at: int, number: int, status: int, *, need_record: bool = False) -> None:
        """Take the receiver's answer to one delivery; need_record counts for `on_demand` only.

        Without an answer Live waits 5 s and retries up to five times, 1 s apart (live.md §2).
        """
        self._agenda.advance(at)
        self._outbox.answered(at, number, status, need_record=need_record)

    # --- the account

    def set_config(
        self, at: int, config: Config, domain: str, *, app: str = "", name: str = ""
    ) -> None:
        """Set a recording configuration; it takes effect from the next publish on (live.md §6)."""
        self._agenda.advance(at)
        self._holdings.configs[domain, app, name] = config

    def delete_config(self, at: int, domain: str, *, app: str = "", name: str = "") -> None:
        """Delete a configuration. Whether that counts at once or from the next publish on is
        UNCONFIRMED (`deletion_acts_at_once`)."""
        self._agenda.advance(at)
        self._holdings.configs.pop((domain, app, name), None)

    def expire_credentials(self, at: int) -> None:
        """Let every call be answered 403 until the credentials are renewed (live.md §1.5)."""
        self._agenda.advance(at)
        self._holdings.expired = True

    def renew_credentials(self, at: int) -> None:
        self._agenda.advance(at)
        self._holdings.expired = False

    def break_bucket(self, at: int, domain: str, code: str = "AccessDenied") -> None:
        """Make recordings that begin from now on fail after their 200; code "" fixes it (live.md
        §4)."""
        self._agenda.advance(at)
        self._holdings.broken.pop(domain, None)
        if code:
            self._holdings.broken[domain] = code
        for stream, channel in self._channels.items():
            if stream.domain == domain:
                channel.broken = code

    def rotate_keys(self, at: int, *, stream_key: str, record_key: str) -> None:
        """Change both signing keys; running streams keep the old ones (live.md §3)."""
        self._agenda.advance(at)
        self._holdings.keys = (stream_key, record_key)

    def spend(self, at: int, calls: int) -> None:
        """Use up some of the quota, which all callers of the account share (live.md §1.5)."""
        self._agenda.advance(at)
        for _ in range(calls):
            self._quota.take(at)


def _row(channel: Channel, then: int) -> Online | None:
    for session in channel.shown:
        if session.start <= then and (session.end is None or session.end > then):
            return Online(channel.stream, session.start // 1000 * 1000)
    return None
