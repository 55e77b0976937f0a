"""The experiments that need a callback receiver of probe's own.

cli.probe.run runs them with --receive. While they run, all callbacks of the domain go to that
receiver, so they must not run while another stream is live on the domain.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from cli.account import Declined, rows_at
from cli.probe.experiments import Answer, Experiment, by_name
from cli.probe.publisher import EmulatorPublisher
from cli.probe.receiver import NO_ANSWER_S, Receiver
from cli.probe.test_stream import TestStream, Unanswered
from cli.setup.backup import Backup
from cli.setup.configurations import ConfigTarget, Value, read, write
from cli.texts import N_

ASKS = 1
RETRY_INTERVAL_S = 1.5
"""Longer than Live waits between two deliveries of a callback (docs/platform/live.md §2)."""


@dataclass(slots=True)
class ObservedStream:
    """The test stream, the receiver of its callbacks, and the keys that sign them."""

    test_stream: TestStream
    receiver: Receiver
    stream_key: str
    record_key: str
    recording_target: ConfigTarget
    backup: Backup

    def put(self, target: ConfigTarget, wanted: Value | None) -> None:
        """Store the present configuration in the backup, then write the wanted one. So the present
        one can be restored even if this process is killed."""
        now = read(self.test_stream.account, target)
        self.backup.before(target, now, wanted)
        write(self.test_stream.account, target, now, wanted)

    def url(self, kind: str) -> str:
        return f"{self.receiver.url}/{kind}"

    def configure_recording(self, **changes: object) -> None:
        """Change the test stream's own configuration; it applies from the next publish on."""
        now = read(self.test_stream.account, self.recording_target)
        self.put(self.recording_target, {**(now or {}), **changes})


@contextmanager
def observing(
    test_stream: TestStream, receiver: Receiver, recording_target: ConfigTarget, backup: Backup
) -> Iterator[ObservedStream]:
    """Point the domain's callbacks to the receiver. Raise Unanswered if another stream is live on
    the domain.

    The caller restores the callback configurations from the backup.
    """
    _require_no_other_stream(test_stream)
    keys = secrets.token_hex(16), secrets.token_hex(16)
    observed = ObservedStream(test_stream, receiver, *keys, recording_target, backup)
    observed.put(ConfigTarget("stream", test_stream.ingest), _stream(observed))
    observed.put(ConfigTarget("record", test_stream.domain), _record(observed))
    yield observed


def _require_no_other_stream(test_stream: TestStream) -> None:
    answer = test_stream.account.ask("DescribeLiveStreamsOnlineList", DomainName=test_stream.domain)
    others = {
        str(row.get("StreamName"))
        for row in rows_at(answer, "OnlineInfo", "LiveStreamOnlineInfo")
        if (row.get("AppName"), row.get("StreamName")) != (test_stream.app, test_stream.stream)
        and str(row.get("Transcoded", "no")) != "yes"
    }
    if others:
        sentence = N_(
            "other streams are live on the domain ({count}), and `probe` would take their"
            " callbacks. Run `probe` when no other stream is live"
        )
        raise Unanswered(sentence, count=len(others))


def _stream(observed: ObservedStream) -> Value:
    return {
        "NotifyUrl": observed.url("stream"),
        "ExceptionNotifyUrl": observed.url("exception"),
        "NotifyReqAuth": "yes",
        "NotifyAuthKey": observed.stream_key,
    }


def _record(observed: ObservedStream) -> Value:
    return {
        "NotifyUrl": observed.url("record"),
        "OnDemandUrl": observed.url("on-demand"),
        "NeedStatusNotify": True,
        "NotifyReqAuth": True,
        "NotifyAuthKey": observed.record_key,
    }


def absent_notify_config(observed: ObservedStream) -> Answer:
    """Delete the configuration of recording callbacks, read it, and restore it at once. Return how
    Live answered the read: "empty" or "refused"."""
    target = ConfigTarget("record", observed.test_stream.domain)
    observed.put(target, None)
    try:
        observed.test_stream.account.ask("DescribeLiveRecordNotifyConfig", **target.names)
        outcome = "empty"
    except Declined as declined:
        outcome = "refused"
        return outcome, f"DescribeLiveRecordNotifyConfig of none: {declined.code}"
    finally:
        observed.put(target, _record(observed))
    return outcome, "DescribeLiveRecordNotifyConfig of none: 200, with nothing in it"


def callback_retry_on_5xx(observed: ObservedStream) -> Answer:
    _publish_observed(observed, answers={"publish": [500]})
    again = _is_true_in_time(
        observed, lambda: len(observed.receiver.callbacks_of("stream", "publish")) > 1
    )
    return again, f"a publish callback answered 500 was {'retried' if again else 'not retried'}"


def callback_resigns(observed: ObservedStream) -> Answer:
    """Return whether Live signs a callback anew when it retries it. The first delivery gets no
    answer, because nothing else makes Live retry for certain."""
    _publish_observed(observed, answers={"publish": [0]})
    if not _is_true_in_time(
        observed, lambda: len(observed.receiver.callbacks_of("stream", "publish")) > 1, NO_ANSWER_S
    ):
        raise Unanswered(
            N_(
                "Live did not send a publish callback again that got no answer, so there were no"
                " two signatures to compare"
            )
        )
    first, second = observed.receiver.callbacks_of("stream", "publish")[:2]
    anew = first.timestamp != second.timestamp
    return anew, f"the second delivery's timestamp is {'another' if anew else 'the same'}"


def record_signature_host(observed: ObservedStream) -> Answer:
    parts = urlsplit(observed.receiver.url)
    if parts.port is None:
        raise Unanswered(
            N_("the receiver's URL has no port. Pass a URL with a port as `--receive`")
        )
    _publish_observed(observed)
    observed.test_stream.require("start")
    _require_callback(observed, "record")
    callback = observed.receiver.callbacks_of("record")[0]
    for name, host in (("host", parts.hostname), ("host_with_port", parts.netloc)):
        signed = f"{host}|{callback.timestamp}|{observed.record_key}"
        if hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest() == callback.signature:
            return name, f"the signature of {callback.event or 'a file'} is over the {name}"
    raise Unanswered(N_("the signature fits neither the host nor the host with its port"))


def on_demand_carries_signature(observed: ObservedStream) -> Answer:
    _publish_on_demand(observed, 200)
    _require_callback(observed, "on-demand")
    callback = observed.receiver.callbacks_of("on-demand")[0]
    signed = bool(callback.signature)
    return signed, f"the on-demand callback has {'an' if signed else 'no'} ALI-LIVE-SIGNATURE"


def on_demand_failure_records(observed: ObservedStream) -> Answer:
    before = observed.test_stream.recording_events()
    _publish_on_demand(observed, 500)
    _let_settle(observed, "on-demand")
    records = bool(observed.test_stream.wait_for(("record_started",), before))
    outcome = "recorded" if records else "not recorded"
    return records, f"the on-demand callback was answered 500: {outcome}"


def remarks_carry_signature(observed: ObservedStream) -> Answer:
    """Return whether an exception callback (a remark) is signed. Only an emulator can be made to
    send one, so raise Unanswered for Live itself."""
    publisher = observed.test_stream.publisher
    if not isinstance(publisher, EmulatorPublisher):
        raise Unanswered(
            N_(
                "`probe` cannot make Live send an exception callback. If Live has sent you one,"
                " check whether it has the header ALI-LIVE-SIGNATURE"
            )
        )
    _publish_observed(observed)
    publisher.control.exception(observed.test_stream.stream)
    _require_callback(observed, "exception")
    signed = bool(observed.receiver.callbacks_of("exception")[0].signature)
    return signed, f"the exception callback has {'an' if signed else 'no'} ALI-LIVE-SIGNATURE"


def _publish_observed(
    observed: ObservedStream, answers: Mapping[str, list[int]] | None = None
) -> None:
    observed.test_stream.reset()
    observed.receiver.clear()
    observed.receiver.answers.update(answers or {})
    observed.test_stream.publish()
    _require_callback(observed, "stream")


def _publish_on_demand(observed: ObservedStream, status: int) -> None:
    """Publish with OnDemand 1 for the test stream alone, and answer with `status`."""
    observed.test_stream.reset()
    observed.configure_recording(OnDemand=ASKS)
    try:
        observed.receiver.clear()
        observed.receiver.answers["on-demand"] = [status] * 10
        observed.test_stream.publish()
        _require_callback(observed, "on-demand")
    finally:
        observed.configure_recording(OnDemand=7)


def _require_callback(observed: ObservedStream, kind: str) -> None:
    if not _is_true_in_time(observed, lambda: bool(observed.receiver.callbacks_of(kind))):
        sentence = N_(
            "no {kind} callback reached the receiver. Check that Live can reach the receiver"
        )
        raise Unanswered(sentence, kind=kind)


def _let_settle(observed: ObservedStream, kind: str) -> None:
    """Wait until no more callbacks arrive: Live may decide only after its last attempt."""
    count = 0
    while len(observed.receiver.callbacks_of(kind)) > count:
        count = len(observed.receiver.callbacks_of(kind))
        time.sleep(RETRY_INTERVAL_S)


def _is_true_in_time(
    observed: ObservedStream, is_so: Callable[[], bool], longer: float = 0.0
) -> bool:
    """Return True if `is_so` becomes true within the patience and Live's pause between retries."""
    test_stream = observed.test_stream
    try:
        test_stream.wait_until(is_so, RETRY_INTERVAL_S + longer + test_stream.patience, "")
    except Unanswered:
        return False
    return True


OBSERVATIONS = by_name(
    Experiment("§2", "Does Live retry a callback that was answered 500?", callback_retry_on_5xx),
    Experiment("§3", "Does Live sign a retried callback again?", callback_resigns),
    Experiment("§3", "Does the host in the signed text include the port?", record_signature_host),
    Experiment("§5", "Is the on-demand callback signed?", on_demand_carries_signature),
    Experiment(
        "§5", "Does Live record after a failed on-demand callback?", on_demand_failure_records
    ),
    Experiment(
        "§7",
        "How does Live answer a query for callback settings that do not exist?",
        absent_notify_config,
    ),
    Experiment("§2.1", "Are exception callbacks signed?", remarks_carry_signature),
)
