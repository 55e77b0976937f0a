"""Answers questions about one stream or all streams. This module changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from functions.file_view import PLAYLIST_QUERY, PUSH_ARG, files_of
from functions.record_command import representations, stream_views
from functions.record_command.answers import (
    FilesView,
    HistoryView,
    RecordingsView,
    UnreadableView,
    UnusableView,
)
from functions.record_command.cursors import NO_CURSOR, cursor_field, cursor_of, place_of
from functions.record_command.routes import SIGNED, ApiRequest
from shared.engine.unusable_names import noted
from shared.errors import Fault
from shared.inbound.authorization import (
    require_all_streams,
    require_domain,
    streaming_domain_of,
)
from shared.inbound.catalogue.details import detail_in
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import BadRequest, NotFound
from shared.inbound.request_fields import (
    DEFAULT_ROWS,
    LIMIT,
    Field,
    choice,
    stream_name,
    switch,
    text,
)
from shared.inbound.sealed_text import is_sealed, seal, unseal
from shared.protocol import Phase, StreamKey, StreamRecord, phase
from shared.protocol.derived.wrong import wrong_since
from shared.protocol.durations import rfc3339
from shared.store.contract import Filter, WrongRow
from shared.store.store_errors import Unreadable


def status(request: ApiRequest) -> Response:
    loaded = request.invocation.app.store.load(request.stream)
    shown = representations.shown_at(request, loaded.now, loaded.continuity)
    return Response(200, stream_views.whole(loaded.record, shown))


LIMIT_ONLY: tuple[Field, ...] = (LIMIT,)
FILES: tuple[Field, ...] = (LIMIT, PUSH_ARG)


def history(request: ApiRequest) -> Response:
    lines = request.invocation.app.store.history(
        request.stream, request.query.get("limit", DEFAULT_ROWS)
    )
    shown = [stream_views.entry(line, request.language) for line in lines]
    return Response(200, HistoryView(str(request.stream), shown))


def files(request: ApiRequest) -> Response:
    app = request.invocation.app
    found = files_of(app.store, request.stream, request.query)
    url, language = app.settings.files_url, request.language
    shown = [stream_views.linked_file(file, url, language) for file in found]
    key = request.stream
    named = app.settings.bucket or app.policy.bucket_of(key.domain, key.app)
    has_bucket = named or any(file.place for file in found)
    signed = f"{SIGNED}/{key.url_path}" if has_bucket else None
    return Response(200, FilesView(str(request.stream), shown, signed))


def _as_sent(field: Field) -> Field:
    """Return the field without conversion of its value; the value is still checked."""

    def read(value: object) -> object:
        field.read(value)
        return value

    return replace(field, read=read)


PLAYLIST: tuple[Field, ...] = tuple(map(_as_sent, PLAYLIST_QUERY))


def playlist(request: ApiRequest) -> Response:
    """Redirect to the function `files`, which serves the playlist at another path, below /v1/files.
    Whether a route of a custom domain may have a wildcard in the middle is UNCONFIRMED
    (docs/platform/function-compute.md §2.1)."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    target = f"{SIGNED}/{request.stream.url_path}/playlist.m3u8{query}"
    return Response(307, "", {"Content-Type": "text/plain", "Location": target})


def misrouted(_ask: ApiRequest) -> Response:
    """Refuse a request for a path of the function `files`. The stage's custom domain would have
    sent it to `files`, so the request was sent to another address."""
    raise NotFound(
        "this request is for the function `files`, but it reached `record_command`",
        hint="send the request to the stage's own domain",
    )


class Cursor(Struct, frozen=True):
    """The last stream of the page before, `key`. In a list of streams that are wanted and live but
    not recorded, `since` is the time from which on this stream was not recorded, in ms."""

    key: StreamKey
    since: int | None = None


def _cursor(value: object) -> Cursor | str:
    """Return where the page before ended; a sealed cursor is returned as it is."""
    if isinstance(value, str) and is_sealed(value):
        return value
    return place_of(value, _parsed)


def _parsed(place: Any) -> Cursor:  # noqa: ANN401 - whatever JSON holds
    since, names = (place[0], place[1:]) if isinstance(place[0], int) else (None, place)
    domain, app, stream = (part.encode().decode() for part in names)  # text that can be stored
    if "\0" in domain + app + stream:  # NUL separates the names in an index
        raise ValueError(NO_CURSOR)
    if since is not None and not 0 <= since < _MAX_TIME_MS:
        raise ValueError(NO_CURSOR)
    return Cursor(StreamKey(domain, app, stream), since)


_MAX_TIME_MS = 2**53


def cursor_after(key: StreamKey, since: int | None = None) -> str:
    names = [key.domain, key.app, key.stream]
    return cursor_of(names if since is None else [since, *names])


CURSOR = cursor_field(_cursor, cursor_after(StreamKey("live.example.com", "app", "room1")))
LIST: tuple[Field, ...] = (
    choice("phase", Phase, "only streams in this phase"),
    text("domain", "only streams of this domain", example="live.example.com"),
    stream_name("app", "only streams of this application", example="app"),
    switch(
        "wrong",
        "`true`: only streams that are wanted and live but not recorded, in the order in"
        " which their recordings were lost",
    ),
    LIMIT,
    CURSOR,
)


def listed(request: ApiRequest) -> Response:
    """Return a page of the streams, in the order of their names: no stream is on two pages, and no
    stream that existed all the time is missing. With `wrong`, return only the streams that should
    be recorded and are not. Those for which this has lasted longest come first. So a stream that is
    recorded again and then lost again moves to a later page."""
    invocation = request.invocation
    shown, following = (_wrong_page if request.query.get("wrong") else _page)(request)
    now, continuity = invocation.app.clock(), invocation.app.store.continuity()
    about = representations.shown_at(request, now, continuity)
    rows = [representations.standing(one, about) for one in shown if isinstance(one, StreamRecord)]
    unreadable = [
        UnreadableView(str(one.key), one.reason) for one in shown if isinstance(one, Unreadable)
    ]
    phases = stream_views.phase_counts(_phases(request, shown))
    unusable = list(_unusable(request))
    return Response(200, RecordingsView(rows, unusable, unreadable, following, phases))


def _unusable(request: ApiRequest) -> Iterator[UnusableView]:
    """Yield the live streams that the token may see, and that cannot be recorded because of their
    names. They are in no phase, and on the first page only."""
    app, query = request.invocation.app, request.query
    if query.get("cursor") is not None or query.get("phase") is not None:
        return
    domains = [domain_to_list(request)]
    if domains == [None]:
        domains = [each.streaming for each in app.policy.domains]
    for found in noted(app.store, filter(None, domains), app.store.ages()):
        for key in map(StreamKey.parse, found.streams):
            if query.get("app") in (None, key.app) and request.caller.may_reach(key):
                fault = detail_in(request.language, key.fault)
                yield UnusableView(str(key), fault, rfc3339(found.since))


SCAN_ROWS = 200
"""Rows read at once when a filter passes only some of them."""
_Row = StreamRecord | Unreadable


def _page(request: ApiRequest) -> tuple[Sequence[_Row], str | None]:
    """Return the matching streams of this page that the token may see, and the cursor of the next
    page."""
    store, query = request.invocation.app.store, request.query
    domain, app = domain_to_list(request), query.get("app")
    # The store finds an application only within a domain.
    wanted = Filter(query.get("phase"), domain, app if domain is not None else None)
    limit, after = query.get("limit", DEFAULT_ROWS), page_after(request)
    is_whole = app == wanted.app and not request.caller.only
    size = limit + 1 if is_whole else max(limit + 1, SCAN_ROWS)
    found, last = rows_of_page(
        request,
        lambda last: store.listed(wanted, after=last.key if last else after, limit=size),
        lambda row: app in (None, row.key.app) and request.caller.may_reach(row.key),
        size=size,
        limit=limit,
    )
    return found, cursor_for(request, last.key) if last else None


AnyRow = TypeVar("AnyRow")


def rows_of_page(
    request: ApiRequest,
    read: Callable[[AnyRow | None], Sequence[AnyRow]],
    fits: Callable[[AnyRow], bool],
    *,
    size: int,
    limit: int,
) -> tuple[list[AnyRow], AnyRow | None]:
    """Return the first `limit` rows for which `fits` returns True, and the row after which the next
    page begins. Instead of this row, return None if no more rows fit. The page may have fewer rows
    if the invocation has not enough time to read on. `read` returns up to `size` rows that follow
    the given row; for None, the first rows."""
    found: list[AnyRow] = []
    last: AnyRow | None = None
    while True:
        rows = read(last)
        for row in filter(fits, rows):
            if len(found) == limit:
                return found, found[-1]
            found.append(row)
        if len(rows) < size:
            return found, None
        last = rows[-1]
        if not request.invocation.has_time():
            return found, last


def page_after(request: ApiRequest) -> StreamKey | None:
    """Return the last stream of the page before; None for the first page. Raise BadRequest if the
    cursor is sealed (encrypted), but not with this stage's key."""
    cursor = _cursor_of(request)
    return cursor.key if cursor else None


def _cursor_of(request: ApiRequest) -> Cursor | None:
    cursor: Cursor | str | None = request.query.get("cursor")
    if not isinstance(cursor, str):
        return cursor
    try:
        found = _cursor(unseal(cursor, request.invocation.app.settings.sealing_key))
    except ValueError:
        found = cursor
    if isinstance(found, str):
        raise BadRequest([Fault("cursor", NO_CURSOR)])
    return found


def cursor_for(request: ApiRequest, key: StreamKey, since: int | None = None) -> str:
    """Return the cursor for the page after this stream. The cursor contains the stream's name, and
    is sealed (encrypted) if the caller's token does not reach the stream."""
    cursor = cursor_after(key, since)
    if request.caller.may_reach(key):
        return cursor
    return seal(cursor, request.invocation.app.settings.sealing_key)


def _wrong_page(request: ApiRequest) -> tuple[Sequence[_Row], str | None]:
    """Return the streams of this page that are wanted, live and not recorded, longest first, and
    the cursor of the next page."""
    store, domain = request.invocation.app.store, domain_to_list(request)
    until, cursor = store.now(), _cursor_of(request)
    behind = None if cursor is None or cursor.since is None else (cursor.since, cursor.key)
    found, last = rows_of_page(
        request,
        lambda last: store.wrong(
            until, after=(last.since, last.key) if last else behind, limit=SCAN_ROWS
        ),
        lambda row: _is_asked_for(row, request, domain),
        size=SCAN_ROWS,
        limit=request.query.get("limit", DEFAULT_ROWS),
    )
    following = cursor_for(request, last.key, last.since) if last else None
    return [row.record for row in found], following


def _is_asked_for(row: WrongRow, request: ApiRequest, domain: str | None) -> bool:
    """Return True if the row matches the query, and the stream is not recorded according to its
    record, too: the index may have wrong rows of an earlier release."""
    record, query = row.record, request.query
    if domain not in (None, row.key.domain) or query.get("app") not in (None, row.key.app):
        return False
    if not request.caller.may_reach(row.key):
        return False
    if isinstance(record, Unreadable):
        return True
    fits = query.get("phase") in (None, phase(record))
    return fits and wrong_since(record) is not None


def domain_to_list(request: ApiRequest) -> str | None:
    """Return the main streaming domain that the query asks for; None for all domains. Raise
    NotFound if neither the policy nor a stored stream has the domain.

    For a token that is bound to streams, raise Forbidden if the domain is unknown, and also if none
    of these streams can be in it. So the answer does not reveal which domains the stage has.
    """
    domain = request.query.get("domain")
    if domain is None:
        return None
    found = _known_domain(request, domain)
    require_domain(request.caller, found)
    return found


def _known_domain(request: ApiRequest, domain: str) -> str:
    try:
        return streaming_domain_of(request.invocation.app.policy, domain)
    except NotFound:
        if request.invocation.app.store.listed(Filter(domain=domain), after=None, limit=1):
            return domain
        require_all_streams(request.caller)
        raise


def _phases(request: ApiRequest, shown: Sequence[_Row]) -> Mapping[Phase, int]:
    """Return the number of streams by phase: of the whole stage, or of this page if the token may
    see no more."""
    if not request.caller.only:
        return request.invocation.app.store.phases()
    return Counter(phase(row) for row in shown if isinstance(row, StreamRecord))
