"""What only a callback receiver of one's own can tell. For as long as it is asked, the callbacks of
the domain come to the receiver, so no other stream may be live there."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli.account import Declined, told
from cli.probe.experiments import Found, Question
from cli.probe.publisher import OnStandIn
from cli.probe.receiver import HOLD, Receiver
from cli.probe.test_stream import Scene, Unanswered
from cli.setup.backup import Kept
from cli.setup.configurations import Place, Value, read, write

ASKS = 1
ROUND = 1.5
"""s: more than Live leaves between two deliveries (facts/live.md 2)."""


@dataclass(slots=True)
class Hearing:
    """A scene whose callbacks come to a receiver, with the keys that sign them."""

    scene: Scene
    receiver: Receiver
    stream_key: str
    record_key: str
    test: Place
    kept: Kept

    def put(self, place: Place, wanted: Value | None) -> None:
        """Written down first, so that it is put back even after a kill."""
        now = read(self.scene.account, place)
        self.kept.before(place, now, wanted)
        write(self.scene.account, place, now, wanted)

    def url(self, kind: str) -> str:
        return f"{self.receiver.url}/{kind}"

    def recording(self, **changes: object) -> None:
        """The test stream's own configuration, another way for what is published next."""
        now = read(self.scene.account, self.test)
        self.put(self.test, {**(now or {}), **changes})


@contextmanager
def hearing(scene: Scene, receiver: Receiver, test: Place, kept: Kept) -> Iterator[Hearing]:
    """Unanswered when another stream is live on the domain."""
    _need_quiet(scene)
    keys = secrets.token_hex(16), secrets.token_hex(16)
    found = Hearing(scene, receiver, *keys, test, kept)
    found.put(Place("stream", scene.ingest), _stream(found))
    found.put(Place("record", scene.domain), _record(found))
    yield found


def _need_quiet(scene: Scene) -> None:
    answer = scene.account.ask("DescribeLiveStreamsOnlineList", DomainName=scene.domain)
    others = {
        str(row.get("StreamName"))
        for row in told(answer, "OnlineInfo", "LiveStreamOnlineInfo")
        if (row.get("AppName"), row.get("StreamName")) != (scene.app, scene.stream)
        and str(row.get("Transcoded", "no")) != "yes"
    }
    if others:
        raise Unanswered(
            f"{len(others)} other streams are live on the domain, and their callbacks would come to"
            " probe: ask this when none is"
        )


def _stream(found: Hearing) -> Value:
    return {
        "NotifyUrl": found.url("stream"),
        "ExceptionNotifyUrl": found.url("exception"),
        "NotifyReqAuth": "yes",
        "NotifyAuthKey": found.stream_key,
    }


def _record(found: Hearing) -> Value:
    return {
        "NotifyUrl": found.url("record"),
        "OnDemandUrl": found.url("on-demand"),
        "NeedStatusNotify": True,
        "NotifyReqAuth": True,
        "NotifyAuthKey": found.record_key,
    }


def absent_notify_config(here: Hearing) -> Found:
    """The one moment at which there is none: it is put there again at once."""
    place = Place("record", here.scene.domain)
    here.put(place, None)
    try:
        here.scene.account.ask("DescribeLiveRecordNotifyConfig", **place.names)
        said = "empty"
    except Declined as declined:
        said = "refused"
        return said, f"DescribeLiveRecordNotifyConfig of none: {declined.code}"
    finally:
        here.put(place, _record(here))
    return said, "DescribeLiveRecordNotifyConfig of none: 200, with nothing in it"


def callback_retry_on_5xx(here: Hearing) -> Found:
    _begin(here, answers={"publish": [500]})
    again = _comes(here, lambda: len(here.receiver.of("stream", "publish")) > 1)
    return again, f"a publish callback answered 500 came {'again' if again else 'once'}"


def callback_resigns(here: Hearing) -> Found:
    """Only of what was not answered is it known that it comes again."""
    _begin(here, answers={"publish": [0]})
    if not _comes(here, lambda: len(here.receiver.of("stream", "publish")) > 1, HOLD):
        raise Unanswered("a publish callback without an answer came only once")
    first, second = here.receiver.of("stream", "publish")[:2]
    anew = first.timestamp != second.timestamp
    return anew, f"the second delivery's timestamp is {'another' if anew else 'the same'}"


def record_signature_host(here: Hearing) -> Found:
    parts = urlsplit(here.receiver.url)
    if parts.port is None:
        raise Unanswered("the receiver's URL names no port: give --receive one that does")
    _begin(here)
    here.scene.must("start")
    _need(here, "record")
    one = here.receiver.of("record")[0]
    for name, host in (("host", parts.hostname), ("host_with_port", parts.netloc)):
        signed = f"{host}|{one.timestamp}|{here.record_key}"
        if hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest() == one.signature:
            return name, f"the signature of {one.event or 'a file'} is over the {name}"
    raise Unanswered("the signature is over neither the host nor the host with its port")


def on_demand_carries_signature(here: Hearing) -> Found:
    _ask(here, 200)
    _need(here, "on-demand")
    one = here.receiver.of("on-demand")[0]
    signed = bool(one.signature)
    return signed, f"ALI-LIVE-SIGNATURE {'came' if signed else 'did not come'} with the question"


def on_demand_failure_records(here: Hearing) -> Found:
    before = here.scene.heard()
    _ask(here, 500)
    _let_settle(here, "on-demand")
    records = bool(here.scene.wait_for(("record_started",), before))
    return records, f"asked and answered 500: {'recorded' if records else 'not recorded'}"


def remarks_carry_signature(here: Hearing) -> Found:
    """Nobody can make the service itself raise an exception: only the stand-in does, when asked."""
    publisher = here.scene.publisher
    if not isinstance(publisher, OnStandIn):
        raise Unanswered("an exception callback cannot be brought about: read one that happened")
    _begin(here)
    publisher.control.exception(here.scene.stream)
    _need(here, "exception")
    signed = bool(here.receiver.of("exception")[0].signature)
    return signed, f"ALI-LIVE-SIGNATURE {'came' if signed else 'did not come'} with an exception"


def _begin(here: Hearing, answers: Mapping[str, list[int]] | None = None) -> None:
    here.scene.fresh()
    here.receiver.clear()
    here.receiver.answers.update(answers or {})
    here.scene.come()
    _need(here, "stream")


def _ask(here: Hearing, status: int) -> None:
    """OnDemand 1 for the test stream alone, for as long as it takes."""
    here.scene.fresh()
    here.recording(OnDemand=ASKS)
    try:
        here.receiver.clear()
        here.receiver.answers["on-demand"] = [status] * 10
        here.scene.come()
        _need(here, "on-demand")
    finally:
        here.recording(OnDemand=7)


def _need(here: Hearing, kind: str) -> None:
    if not _comes(here, lambda: bool(here.receiver.of(kind))):
        raise Unanswered(f"no {kind} callback came to the receiver: can Live reach it?")


def _let_settle(here: Hearing, kind: str) -> None:
    """Until it comes no more: only after the last delivery does Live take it for failed."""
    seen = 0
    while len(here.receiver.of(kind)) > seen:
        seen = len(here.receiver.of(kind))
        time.sleep(ROUND)


def _comes(here: Hearing, is_so: Callable[[], bool], longer: float = 0.0) -> bool:
    """The service's own second between two deliveries passes while it is waited."""
    scene = here.scene
    try:
        scene.until(is_so, ROUND + longer + scene.patience, "")
    except Unanswered:
        return False
    return True


RECEIVED: Mapping[str, Question] = {
    "callback_retry_on_5xx": Question(
        "§2", "whether a callback answered 500 comes again", callback_retry_on_5xx, "receiver"
    ),
    "callback_resigns": Question(
        "§3", "whether a repeated callback is signed anew", callback_resigns, "receiver"
    ),
    "record_signature_host": Question(
        "§3", "whether the port is part of the signed host", record_signature_host, "receiver"
    ),
    "on_demand_carries_signature": Question(
        "§5", "whether the on-demand callback is signed", on_demand_carries_signature, "receiver"
    ),
    "on_demand_failure_records": Question(
        "§5", "what becomes of a failed on-demand callback", on_demand_failure_records, "receiver"
    ),
    "absent_notify_config": Question(
        "§7", "how a callback configuration is told that is none", absent_notify_config, "receiver"
    ),
    "remarks_carry_signature": Question(
        "§2.1", "whether exception callbacks are signed", remarks_carry_signature, "receiver"
    ),
}
