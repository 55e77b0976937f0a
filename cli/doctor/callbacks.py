"""Callback configurations: whether Live tells this stage, in a way that it can believe."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from cli.doctor.finding import Check, Finding, Findings, fault, warning
from cli.doctor.snapshot import ASKS, Callback, Json, Knock, Seen, Unread
from cli.doctor.stage import DEPLOY

SETUP, TAKE_OVER = "setup", "setup --take-over"
STREAM, RECORD, ON_DEMAND = "/callbacks/stream/", "/callbacks/record/", "/callbacks/on-demand/"


def stream_callback(seen: Seen) -> Findings:
    for domain in seen.domains:
        for name, told in domain.stream_callbacks.items():
            if told is None:
                yield fault(
                    f"Live tells nobody when streams of {name} come and go", seen.mend(SETUP)
                )
            elif not isinstance(told, Unread):
                yield from _ours(seen, told.url, STREAM, f"the ingest callbacks of {name} go")


def record_callback(seen: Seen) -> Findings:
    for domain in seen.domains:
        told = domain.record_callback
        if told is None:
            yield fault(
                f"Live tells nobody what becomes of recordings of {domain.name}", seen.mend(SETUP)
            )
        elif not isinstance(told, Unread):
            yield from _ours(seen, told.url, RECORD, f"the recording callbacks of {domain.name} go")


def on_demand_callback(seen: Seen) -> Findings:
    """facts/live.md 5: with OnDemand 1 and no OnDemandUrl nothing is recorded."""
    for domain in seen.domains:
        told = domain.record_callback
        asking = [one for one in domain.configurations if one.on_demand == ASKS]
        if isinstance(told, Unread) or not asking:
            continue
        if told is None or not told.on_demand_url:
            yield fault(
                f"{asking[0]} asks before it records (OnDemand 1), and there is no OnDemandUrl to"
                " ask: nothing is recorded",
                seen.mend(SETUP),
            )
        else:
            what = f"whether to record streams of {domain.name} is asked"
            yield from _ours(seen, told.on_demand_url, ON_DEMAND, what)


def _ours(seen: Seen, url: str, path: str, what: str) -> Iterator[Finding]:
    """No URL is shown whole: its end is secret."""
    host, ends = urlsplit(url).netloc, urlsplit(url).path
    if host not in _hosts(seen):
        yield fault(f"{what} to {host or 'nowhere'}, not to this stage", seen.mend(TAKE_OVER))
    elif not ends.startswith(path):
        yield fault(f"{what} to this stage, but not to {path}", seen.mend(SETUP))
    elif seen.knows("path_token", ends.rpartition("/")[2]) is False:
        yield fault(
            f"{what} to this stage with a path token that it does not know", seen.mend(SETUP)
        )


def _hosts(seen: Seen) -> set[str]:
    host = seen.setting("callback_host") or ""
    return {urlsplit(seen.where.url).netloc, host} - {""}


def status(seen: Seen) -> Findings:
    for domain in seen.domains:
        told = domain.record_callback
        if isinstance(told, Callback) and not told.status:
            yield fault(
                f"Live does not say when recordings of {domain.name} start, pause and fail"
                " (NeedStatusNotify is false)",
                seen.mend(SETUP),
            )


def stream_key(seen: Seen) -> Findings:
    for domain in seen.domains:
        for name, told in domain.stream_callbacks.items():
            if isinstance(told, Callback):
                yield from _key(seen, told, "stream_key", f"the ingest callbacks of {name}")


def record_key(seen: Seen) -> Findings:
    for domain in seen.domains:
        if isinstance(domain.record_callback, Callback):
            what = f"the recording callbacks of {domain.name}"
            yield from _key(seen, domain.record_callback, "record_key", what)


def _key(seen: Seen, told: Callback, kind: str, what: str) -> Iterator[Finding]:
    if told.signs is False:
        yield fault(f"Live does not sign {what}, so they are all refused", seen.mend(SETUP))
    elif told.key and seen.knows(kind, told.key) is False:
        yield fault(f"{what} are signed with a key that the stage does not know", seen.mend(SETUP))


def answers(seen: Seen) -> Findings:
    """Each URL that leads to us was knocked at, from here, as Live would."""
    for knock in seen.knocks.values():
        yield from _answer(seen, knock, _place(knock.url))


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/…"


def _answer(seen: Seen, knock: Knock, place: str) -> Iterator[Finding]:
    if knock.status == 0:
        yield fault(f"nothing answers at {place}: {knock.why}")
    elif not knock.ours:
        yield fault(f"{place} answers {knock.status}, and not as live-record does", _deploy(seen))
    elif knock.signed and knock.status == 401 and _is_known(seen, knock):  # noqa: PLR2004 - Unauthorized
        yield fault(
            f"{place} refuses what Live signs, although it knows the key: LIVE_RECORD_CALLBACK_HOST"
            f" is {seen.setting('callback_host') or 'unset'}, and is to be the host of this URL",
            _deploy(seen),
        )


def _is_known(seen: Seen, knock: Knock) -> bool:
    """Otherwise another check says what is wrong."""
    kind = "stream_key" if STREAM in knock.url else "record_key"
    keys = [told.key for told in _told(seen) if knock.url in (told.url, told.on_demand_url)]
    token = urlsplit(knock.url).path.rpartition("/")[2]
    return bool(seen.knows("path_token", token)) and all(seen.knows(kind, key) for key in keys)


def _told(seen: Seen) -> Iterator[Callback]:
    for domain in seen.domains:
        for told in (domain.record_callback, *domain.stream_callbacks.values()):
            if isinstance(told, Callback):
                yield told


def _deploy(seen: Seen) -> str:
    examined: Json | Unread = seen.examined
    return "" if isinstance(examined, Unread) else DEPLOY.format(examined["stage"])


def delivery(seen: Seen) -> Findings:
    """Only what nothing has arrived after."""
    for domain in seen.domains:
        for one in () if isinstance(domain.lost, Unread) else domain.lost:
            yield warning(
                f"the last callback of {domain.name} about {one.kind} did not arrive ({one.at}"
                f" {one.stream}: {one.code or 'no answer'}); the next that does clears this"
            )


_MENDS = {
    "BucketNotFound": "the bucket of its recording configuration does not exist",
    "AccessDenied": "Live may not write to the bucket: authorise it for the bucket in the console",
    "UserDisable": "Live is not authorised to write to OSS: grant it in the console of Live",
    "StreamFormatError": "the stream's codec cannot be recorded: H.264, HEVC or MPEG-4, AAC or MP3",
    "TsSegmenterFail": "Live could not cut the stream: publish it anew",
    "PermissionDenied.ResourceAccess": "Live may not read what it is to convert: grant it OSS",
}


def errors(seen: Seen) -> Findings:
    for domain in seen.domains:
        for one in () if isinstance(domain.broken, Unread) else domain.broken:
            why = _MENDS.get(one.code, "see docs/errors.md")
            yield fault(f"the last recording of {one.stream} broke with {one.code}: {why}")


CHECKS = (
    Check(
        "stream-callback",
        "ingest callbacks come to this stage",
        stream_callback,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-callback",
        "recording callbacks come to this stage",
        record_callback,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "on-demand-callback",
        "Live asks this stage where it is to ask",
        on_demand_callback,
        ("policy", "examined", "record_callback", "recordings", "vod"),
    ),
    Check(
        "status",
        "Live says when recordings start, pause and fail",
        status,
        ("policy", "record_callback"),
    ),
    Check(
        "stream-key",
        "ingest callbacks are signed with a key of ours",
        stream_key,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-key",
        "recording callbacks are signed with a key of ours",
        record_key,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "answer",
        "callback URLs answer at their public address, and believe Live",
        answers,
        ("policy", "examined", "stream_callbacks", "record_callback"),
    ),
    Check("delivery", "the last callbacks of each kind arrived", delivery, ("policy", "lost")),
    Check("errors", "no stream's last recording broke", errors, ("policy", "broken")),
)
