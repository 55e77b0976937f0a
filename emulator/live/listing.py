"""The API actions that list live streams.

actions.py calls them.
They must not change anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emulator.live.api_errors import ApiError
from emulator.live.backend import PICTURE, PUBLISHER, Live
from emulator.live.parameters import number, word
from emulator.live.streams import Session, Stream, StreamKey, utc

Json = dict[str, object]


def online_list(live: Live, params: Mapping[str, str]) -> Json:
    """Answer DescribeLiveStreamsOnlineList (docs/platform/live.md §7).

    By default, StreamName matches any part of a name, and transcoded streams are listed, too.
    """
    page, size = number(params, "PageNum", 1, 10**6), number(params, "PageSize", 2000, 3000)
    rows = list(_rows(live, params))
    shown = rows[(page - 1) * size : page * size]
    return {
        "PageNum": page,
        "PageSize": size,
        "TotalNum": len(rows),
        "TotalPage": -(-len(rows) // size),
        "OnlineInfo": {"LiveStreamOnlineInfo": _describe(live, shown, params)},
    }


def stream_state(live: Live, params: Mapping[str, str]) -> Json:
    domain = live.domain(params["DomainName"])
    if domain is None:
        raise ApiError("InvalidDomain.NotFound")
    stream = live.streams.find(StreamKey(domain.streaming, params["AppName"], params["StreamName"]))
    if stream is None or stream.live is None:
        return {"StreamState": "offline"}
    return {"StreamState": "online", "Type": "push"}


Row = tuple[Stream, Session, str, bool]


def _rows(live: Live, params: Mapping[str, str]) -> Iterator[Row]:
    kind = word(params, "StreamType", ("all", "raw", "trans"))
    is_strict = word(params, "QueryType", ("fuzzy", "strict")) == "strict"
    name_filter = params.get("StreamName", "")
    domain = live.domain(params["DomainName"])
    suffixes = domain.transcodings if domain and kind != "raw" else ()
    for stream, session in _live_streams(live, params):
        names = [(stream.key.stream, False)] if kind != "trans" else []
        names += [(f"{stream.key.stream}_{suffix}", True) for suffix in suffixes]
        for name, transcoded in names:
            if not name_filter or (name_filter == name if is_strict else name_filter in name):
                yield stream, session, name, transcoded


def _live_streams(live: Live, params: Mapping[str, str]) -> Iterator[tuple[Stream, Session]]:
    at = live.clock.now_ms() - live.switches.online_list_lag_ms
    app = params.get("AppName")
    for stream in live.streams:
        if stream.key.domain == params["DomainName"] and app in (None, "", stream.key.app):
            session = stream.live_at(at)
            if session is not None:
                yield stream, session


def _describe(live: Live, rows: list[Row], params: Mapping[str, str]) -> list[Json]:
    is_brief = word(params, "OnlyStream", ("no", "yes")) == "yes"
    offset_ms = live.switches.publish_time_offset_ms
    return [_summary(row, offset_ms) | ({} if is_brief else _details(row)) for row in rows]


def _summary(row: Row, offset_ms: int) -> Json:
    stream, session, name, _ = row
    return {
        "DomainName": stream.key.domain,
        "AppName": stream.key.app,
        "StreamName": name,
        "PublishTime": utc(session.time * 1000 + offset_ms),
    }


def _details(row: Row) -> Json:
    stream, session, name, transcoded = row
    return {
        "PublishDomain": session.ingest,
        "PublishType": "edge",
        "PublishUrl": f"rtmp://{session.ingest}/{stream.key.app}/{name}",
        "ClientIp": PUBLISHER["ip"],
        "ServerIp": "198.51.100.9",
        "Transcoded": "yes" if transcoded else "no",
        "Width": PICTURE["width"],
        "Height": PICTURE["height"],
        "FrameRate": 25,
        "VideoDataRate": 2000,
        "AudioDataRate": 128,
        "VideoCodecId": 7,
        "AudioCodecId": 10,
    }
