"""The checks of callback configurations: Live calls this stage, with signatures it can verify.

cli.doctor.checks lists them. A finding must not show a key or the end of a callback URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from gettext import gettext as _
from urllib.parse import urlsplit

from cli.doctor.finding import Check, Finding, Findings, Kind, Severity, fault, nothing, warning
from cli.doctor.snapshot import (
    ASKS,
    Callback,
    CallbackProbe,
    CallbackRecord,
    Snapshot,
    Unread,
)
from cli.doctor.stage import clock, unwritable
from cli.texts import N_
from cli.web import callback_hosts, hides_a_token

TAKE_OVER = "--take-over"
STREAM, RECORD, ON_DEMAND = "/callbacks/stream/", "/callbacks/record/", "/callbacks/on-demand/"
UNAUTHORIZED = 401

NO_STREAM_CALLBACK = fault(
    "stream-callback.none",
    N_(
        "{domain} has no ingest callback URL, so Live does not report when its streams start and"
        " end"
    ),
)
NO_RECORD_CALLBACK = fault(
    "record-callback.none",
    N_("{domain} has no recording callback URL, so Live does not report how its recordings go"),
)
NO_ON_DEMAND = fault(
    "on-demand-callback.none",
    N_("{config} records on demand (OnDemand 1), but there is no OnDemandUrl: nothing is recorded"),
)
NOBODY_ASKS = nothing("on-demand-callback.nothing", N_("no recording configuration has OnDemand 1"))
ADDRESS_CHECKS = ("stream-callback", "record-callback", "on-demand-callback")
ELSEWHERE, WRONG_PATH, OPEN_TOKEN, WRONG_TOKEN = (
    {check: fault(f"{check}.{name}", text) for check in ADDRESS_CHECKS}
    for name, text in (
        (
            "elsewhere",
            N_(
                "{callbacks} go to {host}, not to this stage. Of two stages that act for one"
                " domain, each undoes what the other does: if a stage that acts is there, let this"
                " one only observe (`live-record policy mode observe`). Otherwise, take the"
                " callbacks over"
            ),
        ),
        (
            "path",
            N_(
                "{callbacks} go to this stage, but to a wrong path: the path must begin with {path}"
            ),
        ),
        (
            "http",
            N_(
                "{callbacks} go to this stage over http, so others on the way can read the path"
                " token"
            ),
        ),
        (
            "token",
            N_(
                "{callbacks} go to this stage with a path token that it does not know, so the stage"
                " rejects them"
            ),
        ),
    )
)
NO_STATUS = fault(
    "status.none",
    N_(
        "Live does not report when recordings of {domain} start, pause and fail (NeedStatusNotify"
        " is false)"
    ),
)
OLD_TOKEN, OTHER_TOKEN = (
    {check: fault(f"{check}.{name}", text) for check in ADDRESS_CHECKS}
    for name, text in (
        (
            "old_token",
            N_(
                "{callbacks} go to a URL of release 0.2, which ends with the secret itself: anybody"
                " who learns this URL can send every kind of callback. Change the URL, then replace"
                " the secret"
            ),
        ),
        (
            "other_token",
            N_(
                "{callbacks} have the path token of another kind of callback, so the stage rejects"
                " them"
            ),
        ),
    )
)
KEY_CHECKS = ("stream-key", "record-key")
UNSIGNED, WRONG_KEY = (
    {check: fault(f"{check}.{name}", text) for check in KEY_CHECKS}
    for name, text in (
        ("unsigned", N_("Live does not sign {callbacks}, so they are all rejected")),
        (
            "unknown",
            N_(
                "{callbacks} are signed with a key that the stage does not know, so the stage"
                " rejects them"
            ),
        ),
    )
)
AT_OTHER_STAGE = {
    check: nothing(
        f"{check}.other_stage",
        N_(
            "{callbacks} still go to {host}, the stage that this stage is to replace, as they"
            " should"
        ),
    )
    for check in ADDRESS_CHECKS
}
ASKS_OTHER_STAGE = nothing(
    "answer.other_stage",
    N_("Live still calls the stage that this stage is to replace, as it should"),
)
OTHER_KEY = {
    check: fault(
        f"{check}.other_stage",
        N_(
            "{callbacks} are signed with a key that the stage does not know. Copy {variable} from"
            " the stage that this stage is to replace, and deploy"
        ),
    )
    for check in KEY_CHECKS
}
NOT_TOLD = {
    check: nothing(
        f"{check}.not_told",
        N_("Live does not return the key of {callbacks}, so `doctor` cannot compare it"),
    )
    for check in KEY_CHECKS
}
NO_CALLBACKS = {
    check: nothing(f"{check}.nothing", N_("no callback is configured"))
    for check in ("status", *KEY_CHECKS, "answer")
}
NO_ANSWER = fault(
    "answer.none",
    N_(
        "nothing answers at {url} ({why}). Check that the custom domain leads to this stage, and"
        " that its certificate is valid"
    ),
)
NOT_OURS = fault(
    "answer.other", N_("something other than live-record answers at {url} (status {status})")
)
REJECTS = fault(
    "answer.signature",
    N_(
        "the stage has the right key, but rejects Live's signature of {url}."
        " LIVE_RECORD_CALLBACK_HOST is {host}; set it to the host of this URL"
    ),
)
LOST = warning(
    "delivery.lost",
    N_(
        "the last callbacks of {domain} about {kinds} did not arrive. The newest was about"
        " {stream}, at {time}: {code}. This warning ends once a callback of each kind has arrived"
    ),
)
BROKEN = fault("errors.broken", N_("the last recording of {stream} failed with {code}: {advice}"))


def stream_callback(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        for name, callback in domain.stream_callbacks.items():
            if callback is None:
                yield NO_STREAM_CALLBACK.found(snapshot.setup_command(), domain=name)
            elif not isinstance(callback, Unread):
                ours = _("the ingest callbacks of {domain}").format(domain=name)
                yield from _address(snapshot, "stream-callback", callback.url, STREAM, ours)


def record_callback(snapshot: Snapshot) -> Findings:
    for domain in snapshot.domains:
        callback = domain.record_callback
        if callback is None:
            yield NO_RECORD_CALLBACK.found(snapshot.setup_command(), domain=domain.name)
        elif not isinstance(callback, Unread):
            ours = _("the recording callbacks of {domain}").format(domain=domain.name)
            yield from _address(snapshot, "record-callback", callback.url, RECORD, ours)


def on_demand_callback(snapshot: Snapshot) -> Findings:
    """Yield a fault for each domain that has a configuration with OnDemand 1, but whose OnDemandUrl
    is missing or does not lead to this stage. Without an OnDemandUrl, Live records nothing
    (docs/platform/live.md §5)."""
    asking = {
        domain.name: (domain, next(c for c in domain.configurations if c.on_demand == ASKS))
        for domain in snapshot.domains
        if any(config.on_demand == ASKS for config in domain.configurations)
    }
    if not asking:
        yield NOBODY_ASKS.found()
    for name, (domain, config) in asking.items():
        callback = domain.record_callback
        if isinstance(callback, Unread):
            continue
        if callback is None or not callback.on_demand_url:
            yield NO_ON_DEMAND.found(snapshot.setup_command(), config=config)
        else:
            ours = _("the on-demand callbacks of {domain}").format(domain=name)
            url = callback.on_demand_url
            yield from _address(snapshot, "on-demand-callback", url, ON_DEMAND, ours)


def _address(
    snapshot: Snapshot, check: str, url: str, path: str, callbacks: str
) -> Iterator[Finding]:
    """Yield a fault if the callback URL is not ours or not valid; its end, a secret, is not
    shown."""
    host, path_of_url = urlsplit(url).netloc, urlsplit(url).path
    if _is_of_other_stage(snapshot, url):
        yield AT_OTHER_STAGE[check].found(callbacks=callbacks, host=host)
    elif host not in _hosts(snapshot):
        fix = snapshot.setup_command(TAKE_OVER)
        yield ELSEWHERE[check].found(fix, callbacks=callbacks, host=host or "-")
    elif kind := _wrong(snapshot, check, url, path, path_of_url):
        has_none = kind is WRONG_TOKEN[check] and snapshot.setting("path_tokens") == 0
        because, fix = ("secrets", "") if has_none else ("", snapshot.fix_command("setup"))
        yield kind.found(fix, because=because, callbacks=callbacks, path=path)


def _is_of_other_stage(snapshot: Snapshot, url: str) -> bool:
    """Return True if Live calls the stage from which this one is to take over. That is right, and
    what is wrong with its URL is for doctor to find of that stage."""
    return snapshot.is_standby and urlsplit(url).netloc in snapshot.other_hosts


def _wrong(snapshot: Snapshot, check: str, url: str, path: str, path_of_url: str) -> Kind | None:
    if not path_of_url.startswith(path):
        return WRONG_PATH[check]
    if not hides_a_token(url):
        return OPEN_TOKEN[check]
    token = path_of_url.rpartition("/")[2]
    if snapshot.knows("path_token", token) is False:
        return WRONG_TOKEN[check]
    kind = snapshot.path_kinds.get(token)
    if kind == "all":
        return OLD_TOKEN[check]
    return OTHER_TOKEN[check] if kind and not path.endswith(f"/{kind}/") else None


def _hosts(snapshot: Snapshot) -> set[str]:
    names = ("callback_hosts", "callback_host")
    settings = {name: snapshot.setting(name) or "" for name in names}
    return callback_hosts(snapshot.stage_ref.url, settings)


def status(snapshot: Snapshot) -> Findings:
    found = [domain.record_callback for domain in snapshot.domains]
    callbacks = [callback for callback in found if isinstance(callback, Callback)]
    if not callbacks:
        yield NO_CALLBACKS["status"].found()
    for callback in callbacks:
        if not callback.status:
            yield NO_STATUS.found(snapshot.setup_command(), domain=callback.domain)


def stream_key(snapshot: Snapshot) -> Findings:
    named = {
        _("the ingest callbacks of {domain}").format(domain=name): callback
        for domain in snapshot.domains
        for name, callback in domain.stream_callbacks.items()
        if isinstance(callback, Callback)
    }
    yield from _keys(snapshot, "stream-key", named)


def record_key(snapshot: Snapshot) -> Findings:
    named = {
        _("the recording callbacks of {domain}").format(domain=domain.name): domain.record_callback
        for domain in snapshot.domains
        if isinstance(domain.record_callback, Callback)
    }
    yield from _keys(snapshot, "record-key", named)


def _keys(snapshot: Snapshot, check: str, named: dict[str, Callback]) -> Iterator[Finding]:
    """Yield what is wrong with the key of each callback configuration in `named`."""
    if not named:
        yield NO_CALLBACKS[check].found()
    kind_of_secret, fix = check.replace("-", "_"), snapshot.setup_command()
    for callbacks, callback in named.items():
        if callback.signs is False:
            yield UNSIGNED[check].found(fix, callbacks=callbacks)
        elif not callback.key:
            yield NOT_TOLD[check].found(callbacks=callbacks)
        elif snapshot.setting(f"{kind_of_secret}s") == 0:
            yield WRONG_KEY[check].found(because="secrets", callbacks=callbacks)
        elif snapshot.knows(kind_of_secret, callback.key) is False:
            yield _wrong_key(snapshot, check, callbacks)


def _wrong_key(snapshot: Snapshot, check: str, callbacks: str) -> Finding:
    """Return the fault for a key that the stage does not know. A standby gets the key of the stage
    that acts, because Live signs with that key before the take-over and after it."""
    if not snapshot.is_standby:
        return WRONG_KEY[check].found(snapshot.setup_command(), callbacks=callbacks)
    variable = f"LIVE_RECORD_{check.replace('-', '_').upper()}S"
    return OTHER_KEY[check].found(snapshot.deploy_command(), callbacks=callbacks, variable=variable)


def answers(snapshot: Snapshot) -> Findings:
    """Yield a fault for each callback URL of the stage that does not answer, answers like another
    program, or rejects Live's signature."""
    if not snapshot.probes:
        yield NO_CALLBACKS["answer"].found()
    own = [one for one in snapshot.probes.values() if not _is_of_other_stage(snapshot, one.url)]
    if len(own) < len(snapshot.probes):
        yield ASKS_OTHER_STAGE.found()
    for probe in own:
        yield from _answer_findings(snapshot, probe, _redacted_url(probe.url))


def _address_fault(snapshot: Snapshot, probe: CallbackProbe) -> str:
    """Return the check that finds the URL itself wrong, which explains its answer; "" if none
    does."""
    path = urlsplit(probe.url).path
    found = (
        check
        for check, wanted, url in _urls(snapshot)
        if url == probe.url and _wrong(snapshot, check, url, wanted, path)
    )
    return next(found, "")


def _urls(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """Yield the check, the path and the URL of each callback that Live makes."""
    for domain in snapshot.domains:
        for callback in domain.stream_callbacks.values():
            if isinstance(callback, Callback):
                yield "stream-callback", STREAM, callback.url
        record = domain.record_callback
        if isinstance(record, Callback):
            yield "record-callback", RECORD, record.url
            yield "on-demand-callback", ON_DEMAND, record.on_demand_url


def _redacted_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/…"


def _answer_findings(snapshot: Snapshot, probe: CallbackProbe, address: str) -> Iterator[Finding]:
    because = _address_fault(snapshot, probe)
    if probe.status == 0:
        yield NO_ANSWER.found(url=address, why=probe.why)
    elif not probe.ours:
        fix = "" if because else snapshot.deploy_command()
        yield NOT_OURS.found(fix, because=because, url=address, status=probe.status)
    elif because:
        return
    elif probe.signed and probe.status == UNAUTHORIZED and _is_known(snapshot, probe):
        host = snapshot.setting("callback_host") or _("unset")
        yield REJECTS.found(snapshot.deploy_command(), url=address, host=host)


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


def delivery(snapshot: Snapshot) -> Findings:
    """Yield warnings about the kinds of callback, such as those at the beginning of a publish,
    whose newest callback did not arrive. For each domain, one warning names all kinds that have the
    same cause."""
    for domain in snapshot.domains:
        lost: dict[str, list[CallbackRecord]] = {}
        for record in () if isinstance(domain.lost, Unread) else domain.lost:
            cause = _cause_of_loss(replace(snapshot, domains=[domain]), record.kind)
            lost.setdefault(cause, []).append(record)
        for cause, records in lost.items():
            newest = max(records, key=lambda record: record.at)
            yield LOST.found(
                because=cause,
                domain=domain.name,
                kinds=", ".join(record.kind for record in records),
                stream=newest.stream,
                time=newest.at,
                code=newest.code or _("no answer"),
            )


def _cause_of_loss(snapshot: Snapshot, kind: str) -> str:
    """Return the check that finds why callbacks of this kind do not reach the stage, or are not
    accepted; "" if none does, and for a standby, since Live calls another stage."""
    if snapshot.is_standby:
        return ""
    if any(found.severity is Severity.FAULT for found in clock(snapshot)):
        return "clock"
    if cause := unwritable(snapshot):
        return cause
    of_kind = (stream_callback, stream_key) if kind in OF_STREAMS else (record_callback, record_key)
    for examine in (*of_kind, answers):
        for found in examine(snapshot):
            if found.severity is Severity.FAULT:
                return found.because or found.check
    return ""


OF_STREAMS = ("publish", "publish_done", "exception", "switch")
"""Types of the records of ingest callbacks; all others are of recording callbacks."""


def _error_fix(code: str) -> str:
    """Return what to do about Live's code of a failed recording."""
    fixes = {
        "BucketNotFound": _(
            "the bucket of the stream's recording configuration does not exist. Create it"
        ),
        "AccessDenied": _(
            "Live may not write to the bucket. Authorize Live for the bucket in the console"
        ),
        "UserDisable": _("Live is not authorized to write to OSS. Authorize Live in its console"),
        "StreamFormatError": _(
            "Live cannot record the stream's codec. Use H.264, HEVC or MPEG-4 for video, and AAC"
            " or MP3 for audio"
        ),
        "TsSegmenterFail": _("Live could not split the stream. Publish it again"),
        "PermissionDenied.ResourceAccess": _(
            "Live may not read the file that it converts. Grant Live access to OSS"
        ),
    }
    return fixes.get(code, _("see docs/errors.md"))


RECORDING = "recording"
_SECONDS = len("2026-01-06T19:00:00")


def errors(snapshot: Snapshot) -> Findings:
    listed = () if isinstance(snapshot.listed, Unread) else snapshot.listed
    rows = [row for row in listed if row["phase"] == RECORDING]
    recording = {row["stream"]: row.get("confirmed_at") for row in rows}
    for domain in snapshot.domains:
        for record in () if isinstance(domain.broken, Unread) else domain.broken:
            if (recording.get(record.stream) or "")[:_SECONDS] >= record.at[:_SECONDS]:
                continue  # it is recorded again since then; Live's records have whole seconds
            yield BROKEN.found(
                stream=record.stream, code=record.code, advice=_error_fix(record.code)
            )


CHECKS = (
    Check(
        "stream-callback",
        N_("ingest callbacks go to this stage"),
        stream_callback,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-callback",
        N_("recording callbacks go to this stage"),
        record_callback,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "on-demand-callback",
        N_("for each configuration with OnDemand 1, Live asks this stage"),
        on_demand_callback,
        ("policy", "examined", "record_callback", "recordings", "vod"),
    ),
    Check(
        "status",
        N_("Live reports when recordings start, pause and fail"),
        status,
        ("policy", "record_callback"),
    ),
    Check(
        "stream-key",
        N_("ingest callbacks are signed with a key of the stage"),
        stream_key,
        ("policy", "examined", "stream_callbacks"),
    ),
    Check(
        "record-key",
        N_("recording callbacks are signed with a key of the stage"),
        record_key,
        ("policy", "examined", "record_callback"),
    ),
    Check(
        "answer",
        N_("callback URLs answer at their public address, and accept Live's signature"),
        answers,
        ("policy", "examined", "stream_callbacks", "record_callback"),
    ),
    Check(
        "delivery", N_("the last callback of each kind has arrived"), delivery, ("policy", "lost")
    ),
    Check("errors", N_("no stream's last recording failed"), errors, ("policy", "broken")),
)
