"""Verifies the signature of Live's callbacks, and parses their fields into typed events.

The callback functions and the replay of undelivered callbacks use this module. Live's field names
and codes appear nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from shared.config.path_tokens import CallbackKind, path_token_of
from shared.inbound.request_errors import MalformedCallback, UnusableName, UnverifiedCallback
from shared.protocol.durations import instant
from shared.protocol.file import PushArgs
from shared.protocol.stored_text import storable
from shared.protocol.stream import name_fault

TIMESTAMP, SIGNATURE = "ALI-LIVE-TIMESTAMP", "ALI-LIVE-SIGNATURE"
_SECONDS = re.compile(r"[0-9]{1,11}")
_NUMBER = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")
_NEVER_S = 10**11  # in seconds; NaN and infinity are not below it either


class StreamAction(str, Enum):
    PUBLISH = "publish"
    PUBLISH_DONE = "publish_done"


class RecordState(str, Enum):
    """A state of a recording that Live reports. Live reports no `record_stopped`; the callback
    about the file marks the end (docs/platform/live.md §4)."""

    STARTED = "record_started"
    PAUSED = "record_paused"
    RESUMED = "record_resumed"


class StreamEvent(Struct, frozen=True):
    action: StreamAction
    ingest_domain: str
    app: str
    stream: str
    time_ms: int


class RecordStatus(Struct, frozen=True):
    domain: str
    app: str
    stream: str
    state: RecordState
    time_ms: int | None


PASSED_ON = "callback_"
"""Live passes on the push URL's arguments that begin with this (docs/platform/live.md §4)."""
MAX_ARGS_ENTRIES, MAX_ARG_CHARS = 8, 128


class FileStored(Struct, frozen=True):
    """A file was stored, either in the bucket, with a `uri`, or in VOD, with a `video_id`. The
    other of these two fields is ""."""

    domain: str
    app: str
    stream: str
    uri: str = ""
    video_id: str = ""
    duration_ms: int | None = None
    start_ms: int | None = None
    stop_ms: int | None = None
    push_args: PushArgs = ()


class RecordFailure(Struct, frozen=True):
    domain: str
    app: str
    stream: str
    event: str
    code: str = ""
    message: str = ""
    uri: str = ""
    time_ms: int | None = None


class UnknownEvent(Struct, frozen=True):
    event: str


class OnDemandAsk(Struct, frozen=True):
    domain: str
    app: str
    stream: str


class Remark(Struct, frozen=True):
    """Live's callback about an exception or a switch of publishers. Which fields it has is
    UNCONFIRMED. `code` is a number or a short word from the callback, which is safe to store; "-"
    if none was found. `fields` are the names of its fields, without their values, which may be
    secrets. `domain`, `app` and `stream` are empty unless the callback names all three."""

    is_exception: bool
    code: str
    fields: Sequence[str]
    domain: str = ""
    app: str = ""
    stream: str = ""


RecordEvent = RecordStatus | FileStored | RecordFailure | UnknownEvent

_ACTIONS = {action.value for action in StreamAction}
_STATES = {state.value for state in RecordState}
_FAILURES = {"record_error", "transformat_error", "record_force_transcode_fail"}
_VOD_COMPLETE = "AddLiveRecordVideoComplete"


def sign(domain: str, timestamp: int | str, key: str) -> str:
    """Return the value of the header ALI-LIVE-SIGNATURE for this domain and time, as Live computes
    it (docs/platform/live.md §3). `timestamp` is in s."""
    content = _bytes(f"{domain}|{timestamp}|{key}")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def resign(
    headers: Mapping[str, str], key: str, now: int
) -> Callable[[str], dict[str, str]] | None:
    """Return a function that returns new signature headers for a host, so that the callback can be
    forwarded to it. They sign the time `now`, in ms, with `key`. Return None if the callback is not
    signed, or if `key` is ""."""
    if not key or not is_signed(headers):
        return None
    second = str(now // 1000)
    return lambda host: {TIMESTAMP: second, SIGNATURE: sign(host, second, key)}


_PORT = re.compile(r":\d+$")


def signing_hosts(callback_hosts: Iterable[str]) -> tuple[str, ...]:
    """Return the host names that Live may have signed in a recording callback, in every form.
    UNCONFIRMED: whether Live includes the port, keeps the brackets of an IPv6 address, and writes
    the host in lower case."""
    forms = [form for host in callback_hosts for form in _forms_of(host)]
    lower = (form.lower() for form in forms)
    return tuple(host for host in dict.fromkeys((*forms, *lower)) if host)


def _forms_of(host: str) -> tuple[str, ...]:
    bare = _PORT.sub("", host)
    return (host, bare, bare.strip("[]"))


WINDOW_MS = 300_000
"""ms after its timestamp for which a signature is valid, by Live's documentation."""
AHEAD_S = 60
"""s by which the clocks within Live may differ; the real difference is far smaller."""


def verify(
    headers: Mapping[str, str],
    *,
    domains: Sequence[str],
    keys: Sequence[str],
    now: int,
    window_ms: int = WINDOW_MS,
) -> None:
    """Raise UnverifiedCallback unless the headers hold a valid signature: one of the keys has
    signed one of the domains, at most `window_ms` before or after `now`, in ms. Raise no other
    error.

    The signature covers neither query nor body (docs/platform/live.md §3).
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    timestamp = lowered.get("ali-live-timestamp", "")
    if not _SECONDS.fullmatch(timestamp):
        raise UnverifiedCallback("no readable timestamp")
    if abs(now - int(timestamp) * 1000) > window_ms:
        raise UnverifiedCallback(
            "the signature's timestamp is further from the present than"
            " LIVE_RECORD_SIGNATURE_WINDOW allows"
        )
    expected = [sign(domain, timestamp, key) for domain in domains for key in keys if key]
    if not _is_one_of(lowered.get("ali-live-signature", "").lower(), expected):
        raise UnverifiedCallback(
            "the signature fits none of the stage's keys"
            if expected
            else "the stage has no key with which it could check the signature"
        )


def verify_not_ahead(headers: Mapping[str, str], time_ms: int) -> None:
    """Raise UnverifiedCallback if the event's time `time_ms` is more than AHEAD_S later than the
    time of its signature. Somebody has then replayed a captured signature with a forged time, which
    would make every real event up to that time look late.

    Call this after `verify`, which has checked the timestamp.
    """
    if time_ms > _latest_ms(headers):
        raise UnverifiedCallback(
            f"the time of the event is more than {AHEAD_S} s later than its signature's timestamp"
        )


def without_future(headers: Mapping[str, str], event: RecordEvent) -> RecordEvent:
    """Return the event with None in place of each time that is more than AHEAD_S later than its
    signature. Otherwise a file that claims to begin in the year 9999 would be the newest for ever.

    Call this after `verify`, which has checked the timestamp.
    """
    latest = _latest_ms(headers)
    times = {name: getattr(event, name, None) for name in ("time_ms", "start_ms", "stop_ms")}
    forged = {name: None for name, time in times.items() if time is not None and time > latest}
    return replace(event, **forged) if forged else event


def _latest_ms(headers: Mapping[str, str]) -> int:
    return (signed_at_s(headers) + AHEAD_S) * 1000


def signed_at_s(headers: Mapping[str, str]) -> int:
    """Return the time at which the callback was signed, in s. Call this after `verify`."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return int(lowered["ali-live-timestamp"])


def is_signed(headers: Mapping[str, str]) -> bool:
    """Return True if the callback has a signature, even an invalid one. Live may not sign some
    kinds."""
    lowered = {name.lower() for name in headers}
    return bool(lowered & {"ali-live-timestamp", "ali-live-signature"})


def verify_path_token(path: str, secrets: Sequence[str], kind: CallbackKind) -> None:
    """Raise UnverifiedCallback unless the last part of the path is a valid token: the token that
    one of the secrets gives for this kind of callback, or a secret itself, as in the URLs of
    release 0.2."""
    known = [secret for secret in secrets if secret]
    # The secrets themselves end the URLs that release 0.2 has set, until `setup` replaces them.
    tokens = [*known, *(path_token_of(kind, secret) for secret in known)]
    if not _is_one_of(path.rstrip("/").rpartition("/")[2], tokens):
        raise UnverifiedCallback("the path does not end with any of the stage's path tokens")


def _is_one_of(claimed: str, expected: Sequence[str]) -> bool:
    ours = [hmac.compare_digest(_bytes(claimed), _bytes(one)) for one in expected]
    return any(ours)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _PayloadReader:
    """Reads fields from Live's payload and collects every fault."""

    def __init__(self, source: Mapping[str, object]) -> None:
        self._source = source
        self._faults: list[str] = []
        self._is_unusable = False

    def name(self, *fields: str) -> str:
        """Return the first of these fields that is present, if it may be part of a stream's key;
        else ""."""
        value = next((self._source[field] for field in fields if field in self._source), "")
        if not isinstance(value, str):
            self._faults.append(f"{fields[0]} is no text")
            return ""
        fault = name_fault(value)
        if fault:
            self._faults.append(f"{fields[0]}: {fault}")
            self._is_unusable = self._is_unusable or value != ""
        return "" if fault else value

    def action(self) -> StreamAction:
        value = self._source.get("action")
        if value not in _ACTIONS:
            self._faults.append("`action` is neither `publish` nor `publish_done`")
            return StreamAction.PUBLISH
        return StreamAction(value)

    def seconds(self, field: str) -> int:
        value = self._source.get(field)
        if not isinstance(value, str) or not _SECONDS.fullmatch(value):
            self._faults.append(f"{field} is missing or not in Unix seconds")
            return 0
        return int(value) * 1000

    @property
    def is_whole(self) -> bool:
        return not self._faults

    def done(self) -> None:
        if self._faults:
            error = UnusableName if self._is_unusable else MalformedCallback
            raise error("; ".join(self._faults))


def parse_stream_event(query: Mapping[str, str]) -> StreamEvent:
    """Return the event of an ingest callback, or raise MalformedCallback. In Live's query, `app` is
    the ingest domain, `appname` the application and `id` the stream (docs/platform/live.md §2)."""
    read = _PayloadReader(query)
    event = StreamEvent(
        action=read.action(),
        ingest_domain=read.name("app"),
        app=read.name("appname"),
        stream=read.name("id"),
        time_ms=read.seconds("time"),
    )
    read.done()
    return event


def parse_on_demand(query: Mapping[str, str]) -> OnDemandAsk:
    """Return the stream that Live asks about, or raise MalformedCallback. In this query, `domain`,
    `app` and `stream` mean what their names say (docs/platform/live.md §5)."""
    return OnDemandAsk(*_names(query))


def parse_record_event(body: bytes) -> RecordEvent:
    """Return the event of a recording callback, or raise MalformedCallback. A callback about a file
    has no `event`; it has a `uri` or, for a file in VOD, a `VideoId` (docs/platform/live.md §4)."""
    payload = _object(body)
    if _text(payload, "uri", 1):
        return _file(payload)
    if _text(payload, "VideoId", 1):
        return _vod(payload)
    event = payload.get("event")
    if not isinstance(event, str):
        raise MalformedCallback("there is neither an `event` nor a `uri` nor a `VideoId`")
    if event in _STATES:
        return RecordStatus(*_names(payload), RecordState(event), _moment(payload.get("time")))
    if event in _FAILURES:
        return _failure(event, payload)
    return UnknownEvent(event[:64])


_CODE = re.compile(r"[0-9]{1,8}|[A-Za-z][A-Za-z_.:-]{0,39}")
"""A number or a word, which is not a secret: it goes into the log and the history."""
_FIELD_NAME = re.compile(r"[A-Za-z_]{1,32}")
_CODE_FIELDS = ("code", "errorcode", "exceptioncode", "event", "type", "action", "status")
_INGEST_FIELDS = (("app",), ("appname",), ("id",))
_STREAM_FIELDS = (("domain", "domainname"), ("app", "appname"), ("stream", "streamname"))


def parse_remark(body: bytes, *, is_exception: bool) -> Remark:
    """Return what can be found in a callback about an exception or a switch of publishers. It is
    not certain which fields such a callback has (docs/platform/live.md §2.1). Raise
    MalformedCallback if the body is not a JSON object."""
    payload = _object(body)
    plain = {name.lower().replace("_", ""): value for name, value in payload.items()}
    codes = [str(plain[name]) for name in _CODE_FIELDS if name in plain]
    code = next((code for code in codes if _CODE.fullmatch(code)), "-")
    of_ingest = all(names[0] in plain for names in _INGEST_FIELDS)
    fields = _INGEST_FIELDS if of_ingest else _STREAM_FIELDS
    read = _PayloadReader(plain)
    names = [read.name(*one) for one in fields]
    others = tuple(sorted(name for name in payload if _FIELD_NAME.fullmatch(name)))[:20]
    return Remark(is_exception, code, others, *(names if read.is_whole else ("", "", "")))


def _object(body: bytes) -> dict[str, object]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedCallback("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise MalformedCallback("the body is not a JSON object")
    return payload


def _names(payload: Mapping[str, object]) -> tuple[str, str, str]:
    read = _PayloadReader(payload)
    names = (
        read.name("domain", "DomainName"),
        read.name("app", "AppName"),
        read.name("stream", "StreamName"),
    )
    read.done()
    return names


def _file(payload: Mapping[str, object]) -> FileStored:
    return FileStored(
        *_names(payload),
        uri=_text(payload, "uri", 1024),
        duration_ms=_milliseconds(payload.get("duration")),
        start_ms=_moment(payload.get("start_time")),
        stop_ms=_moment(payload.get("stop_time")),
        push_args=_push_args(payload.get("push_args")),
    )


def _push_args(value: object) -> PushArgs:
    """Return the push URL's arguments that Live passes on. Other arguments, and too much text, are
    left out."""
    if not isinstance(value, Mapping):
        return ()
    passed = [name for name in value if isinstance(name, str) and name.startswith(PASSED_ON)]
    named = ((name, _text(value, name, MAX_ARG_CHARS)) for name in passed[:MAX_ARGS_ENTRIES])
    return tuple((storable(name[:MAX_ARG_CHARS]), text) for name, text in named if text)


def _vod(payload: Mapping[str, object]) -> RecordEvent:
    event = _text(payload, "EventType", 64) or _VOD_COMPLETE
    if event != _VOD_COMPLETE:
        return UnknownEvent(event)
    if payload.get("Status") == "fail":
        return RecordFailure(*_names(payload), event=event, code="fail")
    return FileStored(
        *_names(payload),
        video_id=_text(payload, "VideoId", 256),
        start_ms=_moment(payload.get("RecordStartTime")),
        stop_ms=_moment(payload.get("RecordEndTime")),
    )


def _failure(event: str, payload: Mapping[str, object]) -> RecordFailure:
    why, file = payload.get("error_info"), payload.get("file_info")
    return RecordFailure(
        *_names(payload),
        event=event,
        code=_text(why, "code", 64),
        message=_text(why, "message", 300),
        uri=_text(file, "uri", 1024),
        time_ms=_moment(payload.get("time")),
    )


def _text(payload: object, field: str, longest: int) -> str:
    value = payload.get(field) if isinstance(payload, Mapping) else None
    return storable(value[:longest]) if isinstance(value, str) else ""


def _moment(value: object) -> int | None:
    """Convert seconds or an RFC 3339 time to ms. Return None for anything else, because the event
    is used even without a time. A 0 is no time: nothing was recorded in 1970."""
    try:
        return _milliseconds(value) or instant(value)
    except ValueError:
        return None


def _milliseconds(value: object) -> int | None:
    """Convert seconds, as a number or as text, to ms. Return None for anything else."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _NEVER_S:
        return round(value * 1000)
    return None
