"""Forges the callbacks of strangers: of every kind, with some proof or none, and with a time and a
name of the stranger's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.config.path_tokens import CallbackKind, path_token_of
from shared.inbound import live_callbacks
from shared.protocol import StreamKey
from tests.simulation.plan import ELSEWHERE, INGEST, Deed, Do, Forgery, Kind
from tests.simulation.requests import REPLAYED, TOKEN, Request, body_of
from tests.simulation.world import Callback, Stream

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

LONG_AGO_S = 600
"""s; older than the window of a signature, however wrong the clock of an instance is."""
_REMARKS = (Kind.EXCEPTION, Kind.SWITCH)
_INGEST = (Kind.PUBLISH, Kind.PUBLISH_DONE)
_FUNCTIONS: Mapping[CallbackKind, str] = {
    "stream": "stream_events",
    "record": "record_events",
    "on-demand": "on_demand",
}
_OTHER: Mapping[CallbackKind, CallbackKind] = {
    "stream": "record",
    "record": "on-demand",
    "on-demand": "stream",
}
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a stranger sends as proof: the headers, and the path token."""

    headers: Headers
    token: str


class Forger:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._overheard: dict[CallbackKind, Headers] = {}
        """The headers of the last genuine callback of each kind, which a stranger may have
        captured."""
        self.named: set[StreamKey] = set()
        """The streams that replays have named."""

    def overhears(self, callback: Callback) -> None:
        self._overheard["stream" if "action" in callback.fields else "record"] = callback.headers

    def pair(self, kind: CallbackKind) -> Headers:
        """Return captured signature headers that are valid for this kind, or none."""
        return self._overheard.get("stream" if kind == "stream" else "record", {})

    def send(self, deed: Deed) -> None:
        """Send the stranger's callback; without captured headers, nothing can be replayed."""
        forgery, kind = deed.forgery, path_kind(deed.forgery.kind)
        if deed.do is Do.REPLAY and not self.pair(kind):
            return
        sim, stream = self._sim, self._named(deed)
        sim.lots.counts[forgery.kind.value] += 1
        sim.tell("a stranger", f"{deed.do.value}: {forgery.kind.value}", stream.name, forgery.at)
        proof = self._proof(deed.do, kind)
        if deed.do is Do.REPLAY:
            self.named.add(StreamKey(*stream))
        sim.invoke(self._request(deed, kind, stream, proof), None)

    def _named(self, deed: Deed) -> Stream:
        stream, name = self._sim.plan.streams[deed.stream], deed.forgery.name
        domain = ELSEWHERE if name == ELSEWHERE else stream.domain
        return Stream(domain, stream.app, name or stream.name)

    def _proof(self, do: Do, kind: CallbackKind) -> Proof:
        right, pair = path_token_of(kind, TOKEN), self.pair(kind)
        second = self._sim.clock.now // 1000
        return {
            Do.UNSIGNED: Proof({}, right),
            Do.FORGE: Proof(headers(second, "0" * 32), right),
            Do.EXPIRED: Proof(self._signed(kind, second - LONG_AGO_S), right),
            Do.OTHER_KEY: Proof(
                self._signed("record" if kind == "stream" else "stream", second), right
            ),
            Do.WRONG_PATH: Proof(pair, "guessed"),
            Do.OTHER_PATH: Proof(pair, path_token_of(_OTHER[kind], TOKEN)),
            Do.REPLAY: Proof(pair, right),
        }[do]

    def _signed(self, kind: CallbackKind, second: int) -> Headers:
        """Return headers as Live signs this kind."""
        account = self._sim.live.account
        of_stream, of_record = (INGEST, account.stream_key), (account.host, account.record_key)
        domain, key = of_stream if kind == "stream" else of_record
        return headers(second, live_callbacks.sign(domain, second, key))

    def _request(self, deed: Deed, kind: CallbackKind, stream: Stream, proof: Proof) -> Request:
        forgery = deed.forgery
        fields = _payload(forgery, stream, self._sim.clock.now // 1000)
        posted = kind == "record" or forgery.kind in _REMARKS
        switch = "/switch" if forgery.kind is Kind.SWITCH else ""
        return Request(
            _FUNCTIONS[kind],
            path=f"/callbacks/{kind}{switch}/{proof.token}",
            headers=proof.headers,
            fields={} if posted else fields,
            body=body_of(fields) if posted else b"",
            genuine=REPLAYED if deed.do is Do.REPLAY else deed.do.value,
            expected=_expected(deed.do, kind, forgery.kind),
        )


def headers(second: int, signature: str) -> Headers:
    return {live_callbacks.TIMESTAMP: str(second), live_callbacks.SIGNATURE: signature}


def path_kind(kind: Kind) -> CallbackKind:
    """Return the kind of URL that such a callback goes to."""
    if kind is Kind.ON_DEMAND:
        return "on-demand"
    return "stream" if kind in (*_INGEST, *_REMARKS) else "record"


def _expected(do: Do, kind: CallbackKind, what: Kind) -> int | None:
    """Return the status that the answer must have; None if several are right."""
    if do is Do.REPLAY:
        return None
    if do in (Do.WRONG_PATH, Do.OTHER_PATH):
        return 401
    noted = what in _REMARKS and do is Do.UNSIGNED  # that Live signs it is UNCONFIRMED
    return 200 if kind == "on-demand" or noted else 401


def _payload(forgery: Forgery, stream: Stream, now_s: int) -> dict[str, object]:
    kind, at = forgery.kind, now_s + forgery.at
    named: dict[str, object] = {"domain": stream.domain, "app": stream.app, "stream": stream.name}
    if kind in _INGEST:
        domain = ELSEWHERE if stream.domain == ELSEWHERE else INGEST
        names = {"app": domain, "appname": stream.app, "id": stream.name}
        return {"action": kind.value, **names, "time": str(at)}
    if kind in _REMARKS:
        return {**named, "code": "made_up", "time": at}
    if kind is Kind.ON_DEMAND:
        return named
    if kind is Kind.FILE:
        seconds = {"start_time": at - 9, "stop_time": at, "duration": 9.0}
        return {**named, "uri": f"record/{stream.name}/made-up.mp4", **seconds}
    if kind is Kind.VOD_FILE:
        seconds = {"RecordStartTime": at - 9, "RecordEndTime": at}
        return {**named, "EventType": kind.value, "VideoId": "made-up", "Status": "s", **seconds}
    return {**named, "event": kind.value, "time": at, **_about(kind)}


def _about(kind: Kind) -> dict[str, object]:
    if kind in (Kind.RECORD_ERROR, Kind.FILE_FAILED, Kind.TRANSCODE_FAILED):
        why = {"code": "AccessDenied", "message": "-"}
        return {"error_info": why, "file_info": {"uri": "record/made-up.mp4"}}
    return {}
