"""The checks of callback configurations: Live calls this stage, with signatures it can verify.

cli.doctor.checks lists them. A finding must not show a key or the end of a callback URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import ASKS, Callback, CallbackProbe, Json, Snapshot, Unread
from cli.doctor.stage import DEPLOY
from cli.web import hides_a_token

SETUP, TAKE_OVER = "setup", "setup --take-over"
STREAM, RECORD, ON_DEMAND = "/callbacks/stream/", "/callbacks/record/", "/callbacks/on-demand/"


def stream_callback(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for name, callback in domain.stream_callbacks.items():
            if callback is None:
                yield fault(
                    f"Live reports to nobody when streams of {name} start and end",
                    snapshot.fix_command(SETUP),
                )
            elif not isinstance(callback, Unread):
                yield from _address_findings(
                    snapshot, callback.url, STREAM, f"the ingest callbacks of {name} go"
                )


def record_callback(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        callback = domain.record_callback
        if callback is None:
            yield fault(
                f"Live reports to nobody how recordings of {domain.name} go",
                snapshot.fix_command(SETUP),
            )
        elif not isinstance(callback, Unread):
            yield from _address_findings(
                snapshot, callback.url, RECORD, f"the recording callbacks of {domain.name} go"
            )


def on_demand_callback(snapshot: Snapshot) -> Findings:
    """Yield a fault for OnDemand 1 without our OnDemandUrl: then Live records nothing
    (docs/platform/live.md §5)."""
    for domain in snapshot.domains:
        callback = domain.record_callback
        asking = [config for config in domain.configurations if config.on_demand == ASKS]
        if isinstance(callback, Unread) or not asking:
            continue
        if callback is None or not callback.on_demand_url:
            yield fault(
                f"{asking[0]} records on demand (OnDemand 1), but there is no OnDemandUrl: nothing"
                " is recorded",
                snapshot.fix_command(SETUP),
            )
        else:
            subject = f"the on-demand callbacks of {domain.name} go"
            yield from _address_findings(snapshot, callback.on_demand_url, ON_DEMAND, subject)


def _address_findings(snapshot: Snapshot, url: str, path: str, subject: str) -> Iterator[Finding]:
    """Yield a fault if the callback URL is not ours or not valid; its end, a secret, is not shown.

    `subject` begins the fault's sentence, such as "the ingest callbacks of DOMAIN go".
    """
    host, path_of_url = urlsplit(url).netloc, urlsplit(url).path
    if host not in _hosts(snapshot):
        yield fault(
            f"{subject} to {host or 'nowhere'}, not to this stage", snapshot.fix_command(TAKE_OVER)
        )
    elif not path_of_url.startswith(path):
        yield fault(f"{subject} to this stage, but not to {path}", snapshot.fix_command(SETUP))
    elif not hides_a_token(url):
        yield fault(
            f"{subject} to this stage over http, so that others on the way can read the path token",
            snapshot.fix_command(SETUP),
        )
    elif snapshot.knows("path_token", path_of_url.rpartition("/")[2]) is False:
        yield fault(
            f"{subject} to this stage with a path token that it does not know",
            snapshot.fix_command(SETUP),
        )


def _hosts(snapshot: Snapshot) -> set[str]:
    host = snapshot.setting("callback_host") or ""
    return {urlsplit(snapshot.stage_ref.url).netloc, host} - {""}


def status(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        callback = domain.record_callback
        if isinstance(callback, Callback) and not callback.status:
            yield fault(
                f"Live does not report when recordings of {domain.name} start, pause and fail"
                " (NeedStatusNotify is false)",
                snapshot.fix_command(SETUP),
            )


def stream_key(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for name, callback in domain.stream_callbacks.items():
            if isinstance(callback, Callback):
                yield from _key_findings(
                    snapshot, callback, "stream_key", f"the ingest callbacks of {name}"
                )


def record_key(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        if isinstance(domain.record_callback, Callback):
            subject = f"the recording callbacks of {domain.name}"
            yield from _key_findings(snapshot, domain.record_callback, "record_key", subject)


def _key_findings(
    snapshot: Snapshot, callback: Callback, kind: str, subject: str
) -> Iterator[Finding]:
    if callback.signs is False:
        yield fault(
            f"Live does not sign {subject}, so they are all rejected", snapshot.fix_command(SETUP)
        )
    elif callback.key and snapshot.knows(kind, callback.key) is False:
        yield fault(
            f"{subject} are signed with a key that the stage does not know",
            snapshot.fix_command(SETUP),
        )


def answers(snapshot: Snapshot) -> Findings:
    """Yield a fault for each URL of the stage that did not answer the call that Live would make."""
    for probe in snapshot.probes.values():
        yield from _answer_findings(snapshot, probe, _redacted_url(probe.url))


def _redacted_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/…"


def _answer_findings(snapshot: Snapshot, probe: CallbackProbe, address: str) -> Iterator[Finding]:
    if probe.status == 0:
        yield fault(f"nothing answers at {address}: {probe.why}")
    elif not probe.ours:
        yield fault(
            f"{address} answers {probe.status}, and not as live-record does", _deploy(snapshot)
        )
    elif probe.signed and probe.status == 401 and _is_known(snapshot, probe):  # noqa: PLR2004 - Unauthorized
        yield fault(
            f"{address} rejects Live's signature, although it knows the key."
            f" LIVE_RECORD_CALLBACK_HOST is {snapshot.setting('callback_host') or 'unset'}; set it"
            " to the host of this URL",
            _deploy(snapshot),
        )


def _is_known(snapshot: Snapshot, probe: CallbackProbe) -> bool:
    """Return True if the stage knows the token and the key; otherwise another check reports it."""
    kind = "stream_key" if STREAM in probe.url else "record_key"
    keys = [
        callback.key
        for callback in _callbacks(snapshot)
        if probe.url in (callback.url, callback.on_demand_url)
    ]
    token = urlsplit(probe.url).path.rpartition("/")[2]
    return bool(snapshot.knows("path_token", token)) and all(
        snapshot.knows(kind, key) for key in keys
    )


def _callbacks(snapshot: Snapshot) -> Iterator[Callback]:
    for domain in snapshot.domains:
        for callback in (domain.record_callback, *domain.stream_callbacks.values()):
            if isinstance(callback, Callback):
                yield callback


def _deploy(snapshot: Snapshot) -> str:
    examined: Json | Unread = snapshot.examined
    return "" if isinstance(examined, Unread) else DEPLOY.format(examined["stage"])


def delivery(snapshot: Snapshot) -> Findings:
    """Yield a warning for each kind of callback whose newest one did not arrive."""
    for domain in snapshot.domains:
        for record in () if isinstance(domain.lost, Unread) else domain.lost:
            yield warning(
                f"the last callback of {domain.name} about {record.kind} did not arrive"
                f" ({record.at} {record.stream}: {record.code or 'no answer'}). The next one that"
                " arrives clears this warning"
            )


_ERROR_FIXES = {
    "BucketNotFound": "the bucket of its recording configuration does not exist. Create it",
    "AccessDenied": "Live may not write to the bucket. Authorise it for the bucket in the console",
    "UserDisable": "Live is not authorised to write to OSS. Authorise it in the console of Live",
    "StreamFormatError": "Live cannot record its codec. Use H.264, HEVC or MPEG-4; AAC or MP3",
    "TsSegmenterFail": "Live could not split the stream. Publish it again",
    "PermissionDenied.ResourceAccess": "Live may not read the file to convert: grant it OSS",
}


def errors(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for record in () if isinstance(domain.broken, Unread) else domain.broken:
            fix = _ERROR_FIXES.get(record.code, "see docs/errors.md")
            yield fault(f"the last recording of {record.stream} failed with {record.code}: {fix}")


CHECKS = (
    Check(
        "stream-callback",
        "ingest callbacks go to this stage",
        stream_callback,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-callback",
        "recording callbacks go to this stage",
        record_callback,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "on-demand-callback",
        "Live asks this stage where OnDemand is 1",
        on_demand_callback,
        ("policy", "examined", "record_callback", "recordings", "vod"),
    ),
    Check(
        "status",
        "Live reports when recordings start, pause and fail",
        status,
        ("policy", "record_callback"),
    ),
    Check(
        "stream-key",
        "ingest callbacks are signed with a key of the stage",
        stream_key,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-key",
        "recording callbacks are signed with a key of the stage",
        record_key,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "answer",
        "callback URLs answer at their public address, and accept Live's signature",
        answers,
        ("policy", "examined", "stream_callbacks", "record_callback"),
    ),
    Check("delivery", "the last callbacks of each kind arrived", delivery, ("policy", "lost")),
    Check("errors", "no stream's last recording failed", errors, ("policy", "broken")),
)
