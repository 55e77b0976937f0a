"""ApsaraVideo Live without HTTP: publishers, commands, rules and callbacks.

The API, the control plane and the RTMP port all act on one Live object.
It must not know signatures of requests or how a body is parsed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from emulator.live.account import ASK, PUSH_URL, Account, Bucket, Domain, Rule
from emulator.live.api_errors import ApiError
from emulator.live.callbacks import FORGOTTEN, Callback, Courier, Receipt, host_of
from emulator.live.calls import Calls
from emulator.live.clock import Clock, Timeline
from emulator.live.domains import STREAMING, Domains
from emulator.live.faults import Plan
from emulator.live.fields import Unfit
from emulator.live.notify import Notifications
from emulator.live.notify_records import VOD_EVENT
from emulator.live.objects import Objects
from emulator.live.rate import Limiter, Limiters
from emulator.live.recorded_files import RecordedFiles
from emulator.live.recordings import Recordings
from emulator.live.signatures import Gate
from emulator.live.streams import Session, Stream, StreamKey, Streams
from emulator.live.switches import Switches

HOW_TO_END = "its encoder has to end first, or POST /_control/unpublish where it was only said"

PUBLISHER = {"ip": "203.0.113.7", "node": "cdnvideocenter0102.cm3"}
PICTURE = {"height": 720, "width": 1280}
INTERVAL_S = range(5, 21_601)
STATUS_EVENTS = ("record_started", "record_paused", "record_resumed")
OK = 200


class Live:
    def __init__(self, account: Account, clock: Clock, objects: Objects | None = None) -> None:
        self.account = account
        self.clock = clock
        self.timeline = Timeline(clock)
        self.switches = Switches()
        self.plan = Plan()
        self.calls = Calls()
        self.streams = Streams()
        self.recorded_files = RecordedFiles(objects, clock)
        self.courier = Courier(self.timeline, self.switches, self.plan, self.calls, account.manners)
        self._receipts: set[asyncio.Future[Receipt]] = set()
        self._set_up()

    def _set_up(self) -> None:
        self.skew_ms = 0
        self.domains = Domains(self.account.domains)
        self.notify = Notifications(self.account.domains, self.account.notify)
        self.rules: tuple[Rule, ...] = self.account.rules
        self.buckets: dict[str, Bucket] = {bucket.name: bucket for bucket in self.account.buckets}
        self.gate = Gate(self.account)
        self.limiter = Limiter(self.account.commands_per_second, self.switches)
        self.limiters = Limiters(self.switches)
        self.recordings = Recordings(
            self.timeline,
            self.switches,
            self.post_record_callback,
            self.recording_error,
            self.recorded_files,
        )

    async def reset(self) -> None:
        """Restore the initial state, except the clock, which other processes share."""
        await self.forget_callbacks()
        self.timeline.clear()
        self.discard_recordings()
        for part in (self.plan, self.calls, self.streams, self.recorded_files.faults):
            part.clear()
        self.switches.reset()
        self._set_up()

    def discard_recordings(self) -> None:
        for stream in self.streams:
            for flv in stream.flv_recordings():
                flv.close()
                flv.path.unlink(missing_ok=True)

    def close_recordings(self) -> None:
        """Close the files being recorded. They stay complete but become no objects."""
        for stream in self.streams:
            for flv in stream.flv_recordings():
                flv.close()

    async def forget_callbacks(self) -> None:
        """Drop every callback that is due or on its way, and end every wait for one."""
        await self.courier.forget()
        for receipt in self._receipts:
            if not receipt.done():
                receipt.set_result(FORGOTTEN)

    def key(self, domain: str, app: str, stream: str) -> StreamKey:
        """Return the key of a stream, by its streaming or ingest domain; raise Unfit."""
        found = self.domain(domain)
        if found is None:
            known = ", ".join(self.domains)
            raise Unfit([f"domain {domain!r} is unknown or bound to none, there are {known}"])
        return StreamKey(found.streaming, app, stream)

    def domain(self, name: str) -> Domain | None:
        """Find a domain by its streaming name or by an ingest name bound to it."""
        return self.domains.find(name)

    def need_streaming(self, name: str) -> None:
        """Raise unless the name is a main streaming domain (docs/platform/live.md §1.1)."""
        if self.domains.kind(name) != STREAMING:
            raise ApiError("InvalidDomain.NotFound")

    def recording_error(self, rule: Rule) -> tuple[str, str] | None:
        """Return the code and message with which a recording by this rule fails at once; None if it
        can be recorded (docs/platform/live.md §4)."""
        if rule.storage == "oss" and rule.bucket not in self.buckets:
            return "BucketNotFound", "Bucket not found"
        return None

    def ingest_of(self, domain: str) -> str:
        """Return the ingest domain, or the streaming domain if none is bound (docs/platform/live.md
        §2)."""
        found = self.domain(domain)
        if found is None or domain in found.ingest or not found.ingest:
            return domain
        return found.ingest[0]

    def rule_for(self, key: StreamKey) -> Rule | None:
        now_ms = self.clock.now_ms()
        fitting = [rule for rule in self.rules if rule.covers(*key) and rule.is_in_force(now_ms)]
        return max(fitting, key=Rule.rank, default=None)

    def set_rule(self, rule: Rule) -> None:
        """Set a rule; it applies from the next publish on (docs/platform/live.md §6)."""
        previous = self.rule_at(rule.place, rule.storage)
        self.rules = (*(other for other in self.rules if other is not previous), rule)

    def rule_at(self, place: tuple[str, str, str], storage: str) -> Rule | None:
        rules = [rule for rule in self.rules if (rule.place, rule.storage) == (place, storage)]
        return rules[0] if rules else None

    def drop_rule(self, rule: Rule) -> None:
        self.rules = tuple(other for other in self.rules if other is not rule)

    def command(self, command: str, key: StreamKey, at: int) -> None:
        stream = self.streams.find(key) or Stream(key)
        session = stream.live
        if (session.rule if session else self.rule_for(key)) is None:
            raise ApiError("CodeConfigNotFound")
        self.recordings.command(command, stream, at)

    def publish(
        self,
        key: StreamKey,
        *,
        ingest: str,
        time: int | None = None,
        arguments: Mapping[str, str],
        sends_callback: bool = True,
    ) -> tuple[Session, asyncio.Future[Receipt]]:
        """Simulate a publisher; the receipt reports the delivery of the publish callback."""
        second = self.clock.now_ms() // 1000 if time is None else time
        stream, session = self._open_session(key, ingest, second, arguments, is_pushed=False)
        wait_ms = self.account.manners.publish_delay_ms
        return session, self._announce_later(
            stream, session, wait_ms, sends_callback=sends_callback
        )

    def push(
        self, key: StreamKey, *, ingest: str, arguments: Mapping[str, str]
    ) -> tuple[Stream, Session]:
        """Begin the session of an RTMP publisher."""
        second = self.clock.now_ms() // 1000
        stream, session = self._open_session(key, ingest, second, arguments, is_pushed=True)
        wait_ms = self.account.ingest.publish_delay_ms
        self._announce_later(stream, session, wait_ms, sends_callback=True)
        return stream, session

    def _open_session(
        self,
        key: StreamKey,
        ingest: str,
        second: int,
        arguments: Mapping[str, str],
        *,
        is_pushed: bool,
    ) -> tuple[Stream, Session]:
        stream = self.streams.of(key)
        if stream.live is not None:
            raise Unfit([f"{'/'.join(key)} is being published already: {HOW_TO_END}"])
        if stopped := [name for name in (ingest, key.domain) if self.domains.is_offline(name)]:
            raise Unfit([f"the domain {name} is offline" for name in stopped])
        at = self.clock.now_ms()
        session = stream.open_session(ingest, second, at, self.rule_for(key), arguments)
        session.is_pushed = is_pushed
        session.stream_key = self.notify.of_stream(ingest).signing_key
        session.record_key = self.notify.of_record(key.domain).signing_key
        self.recordings.on_stream_started(stream, session, at)
        self._follow_push_url(stream, session, at)
        self._ask_on_demand(stream, session)
        return stream, session

    def unpublish(
        self, key: StreamKey, *, time: int | None = None, sends_callback: bool = True
    ) -> tuple[Session, asyncio.Future[Receipt]]:
        stream = self.streams.of(key)
        session = stream.live
        if session is None:
            raise Unfit([f"{'/'.join(key)} is not being published"])
        at = self.clock.now_ms()
        second = at // 1000 if time is None else time
        session.ended_ms = at
        self.recordings.on_stream_ended(stream, at)
        receipt = self._receipt()
        if session.announced and sends_callback:
            self._post_ingest("publish_done", stream, session, second, receipt)
        else:
            receipt.set_result(Receipt("withheld"))
        return session, receipt

    def break_recording(self, key: StreamKey, code: str, message: str) -> bool:
        """Post record_error (docs/platform/live.md §4); return True if a recording was broken."""
        broke = self.recordings.fail(self.streams.of(key), self.clock.now_ms())
        error = {"code": code, "message": message}
        self.post_record_callback(
            key, "record_error", {"event": "record_error", "error_info": error}
        )
        return broke

    def _receipt(self) -> asyncio.Future[Receipt]:
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._receipts.add(receipt)
        receipt.add_done_callback(self._receipts.discard)
        return receipt

    def _follow_push_url(self, stream: Stream, session: Session, at: int) -> None:
        """Record if the push URL has `record_config={"NeedRecord":true}` (docs/platform/live.md
        §5)."""
        record_config = session.arguments.get("record_config", "").encode()
        if session.rule and session.rule.on_demand == PUSH_URL and _needs_record(record_config):
            self.recordings.begin(stream, session, at)

    def _announce_later(
        self, stream: Stream, session: Session, wait_ms: int, *, sends_callback: bool
    ) -> asyncio.Future[Receipt]:
        receipt = self._receipt()
        if wait_ms == 0:
            self._announce(stream, session, receipt, sends_callback=sends_callback)
        else:
            self.timeline.after(
                wait_ms,
                lambda _: self._announce(stream, session, receipt, sends_callback=sends_callback),
            )
        return receipt

    def _announce(
        self,
        stream: Stream,
        session: Session,
        receipt: asyncio.Future[Receipt],
        *,
        sends_callback: bool,
    ) -> None:
        """Post the publish callback if the publisher is still there (docs/platform/live.md §2
        Timing)."""
        session.announced = session.ended_ms is None
        if session.announced and sends_callback:
            self._post_ingest("publish", stream, session, session.time, receipt)
        else:
            receipt.set_result(Receipt("withheld"))

    def _post_ingest(
        self,
        action: str,
        stream: Stream,
        session: Session,
        time: int,
        receipt: asyncio.Future[Receipt],
    ) -> None:
        """Post an ingest callback (docs/platform/live.md §2). Its field `app` holds the ingest
        domain; `appname` holds the application."""
        _, app, name = stream.key
        query = {
            "action": action,
            "app": session.ingest,
            "appname": app,
            "id": name,
            "time": time,
            **PUBLISHER,
            "usrargs": urlencode({"vhost": stream.key.domain, **session.arguments}),
            **(PICTURE if action == "publish" else {}),
        }
        url, key = self.notify.of_stream(session.ingest).url, session.stream_key
        self.courier.post(
            Callback(action, stream.key, url, session.ingest, key, query, receipts=[receipt])
        )

    def switch(self, key: StreamKey) -> tuple[Session, asyncio.Future[Receipt]]:
        """Let one of two publishers leave; the stream stays live (docs/platform/live.md §2.1)."""
        stream = self.streams.of(key)
        session = stream.live
        if session is None:
            raise Unfit([f"{'/'.join(key)} is not being published"])
        receipt = self._receipt()
        self._post_ingest("publish_done", stream, session, self.clock.now_ms() // 1000, receipt)
        self.post_incident("switch", session.ingest, key, 0, "backup took over")
        return session, receipt

    def post_incident(
        self, kind: str, domain: str, key: StreamKey, code: int, message: str
    ) -> None:
        """Post an exception or switch callback (docs/platform/live.md §2.1; fields UNCONFIRMED)."""
        ingest = self.ingest_of(domain)
        notify = self.notify.of_stream(ingest)
        url = notify.switch_url if kind == "switch" else notify.exception_url
        place = {"app": ingest, "appname": key.app, "id": key.stream}
        body = {**place, "code": code, "message": message, "time": self.clock.now_ms() // 1000}
        signing = notify.signing_key if self.switches.remarks_carry_signature else ""
        self.courier.post(Callback(kind, key, url, ingest, signing, body=body))

    def post_record_callback(self, key: StreamKey, event: str, body: Mapping[str, object]) -> None:
        """Post a recording callback (docs/platform/live.md §4).

        Status events are posted only if NeedStatusNotify is set.
        """
        if event == VOD_EVENT:
            vod = self.account.notify
            self.courier.post(Callback(event, key, vod.vod_url, "", vod.vod_key, body=body))
            return
        notify = self.notify.of_record(key.domain)
        if event in STATUS_EVENTS and not notify.need_status:
            return
        url, signing_key = notify.url, self._record_key(key)
        named = {"domain": key.domain, "app": key.app, "stream": key.stream, **body}
        self.courier.post(
            Callback(event, key, url, self._record_host(url), signing_key, body=named)
        )

    def _record_key(self, key: StreamKey) -> str:
        """Return the signing key; a live stream keeps the key with which it began
        (docs/platform/live.md §3)."""
        stream = self.streams.find(key)
        if stream is not None and stream.sessions:
            return stream.sessions[-1].record_key
        return self.notify.of_record(key.domain).signing_key

    def _record_host(self, url: str) -> str:
        with_port = self.switches.record_signature_host == "host_with_port"
        return host_of(url, with_port=with_port)

    def _ask_on_demand(self, stream: Stream, session: Session) -> None:
        """Post the on-demand query, once, when the stream begins (docs/platform/live.md §5,
        OnDemand 1)."""
        url = self.notify.of_record(stream.key.domain).on_demand_url
        if not url or session.rule is None or session.rule.on_demand != ASK:
            return
        domain, app, name = stream.key
        query = {"app": app, "domain": domain, "stream": name, "vbitrate": 2000, "codec": "h264"}
        signs = self.switches.on_demand_carries_signature
        key = session.record_key if signs else ""
        receipt = self._receipt()
        receipt.add_done_callback(
            lambda done: self._on_demand_answered(stream, session, done.result())
        )
        self.courier.post(
            Callback(
                "on_demand", stream.key, url, self._record_host(url), key, query, receipts=[receipt]
            )
        )

    def _on_demand_answered(self, stream: Stream, session: Session, answer: Receipt) -> None:
        if answer is FORGOTTEN or stream.live is not session or session.rule is None:
            return
        if answer.status != OK:
            rule = session.rule if self.switches.on_demand_failure_records else None
        else:
            rule = _requested_rule(session.rule, answer.body)
        if rule is not None and stream.recording is None:
            session.rule = rule
            self.recordings.begin(stream, session, self.clock.now_ms())


def _needs_record(answer: bytes) -> bool:
    document = _json_object(answer)
    return document.get("NeedRecord") is True


def _requested_rule(rule: Rule, answer: bytes) -> Rule | None:
    """Return the rule that the answer asks for (docs/platform/live.md §5); None to record nothing.

    Format is intersected with the rule's formats; Interval overrides its cycle.
    """
    document = _json_object(answer)
    if document.get("NeedRecord") is not True:
        return None
    requested, formats = document.get("Format"), rule.formats
    if isinstance(requested, list):
        formats = tuple(container for container in rule.formats if container in requested)
    if not formats:
        return None
    return replace(
        rule, formats=formats, cycle_ms=_cycle_ms(document.get("Interval"), formats, rule)
    )


def _cycle_ms(intervals: object, formats: tuple[str, ...], rule: Rule) -> int:
    """Return the shortest valid interval; the emulator splits all formats at once."""
    if not isinstance(intervals, dict):
        return rule.cycle_ms
    requested_s = [v for k, v in intervals.items() if k.lower() in formats and type(v) is int]
    valid = [seconds * 1000 for seconds in requested_s if seconds in INTERVAL_S]
    return min(valid, default=rule.cycle_ms)


def _json_object(text: bytes) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
