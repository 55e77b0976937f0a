"""Parses the name of a stream: domain/app/stream, or the URL it is published to or played from.

Every command with a STREAM argument uses this module. Everything else in a URL may be secret: this
module drops it and must not repeat it in an error.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher
from gettext import gettext as _
from urllib.parse import parse_qsl, unquote, urlsplit

import click

from cli import texts
from cli.loopback import is_loopback
from shared.protocol import StreamKey

_PUSHED = ("rtmp", "rtmps")
_PLAYED = ("http", "https")
_PLAYLISTS = ("m3u8", "flv")
EMULATOR_INGEST = "push.example.com"
"""The ingest domain of the development account (emulator/live)."""
_MIN_LIKENESS_RATIO = 0.75


class Stream(click.ParamType[str]):
    """The type of a STREAM argument; its value is domain/app/stream, as StreamKey writes it."""

    name = "stream"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return stream_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _usage() -> str:
    return _(
        "Name the stream as `domain/app/stream`, or paste its rtmp://, .m3u8 or .flv URL."
        " Percent-encode each / (%2F), ? (%3F) and # (%23) in a name."
    )


def stream_of(text: str) -> str:
    """Return the stream that a name or a URL means, as `domain/app/stream`. Raise a ValueError
    whose text explains how to write a stream."""
    scheme, divided, _rest = text.partition("://")
    if divided and scheme.lower() not in (*_PUSHED, *_PLAYED):
        raise ValueError(_("This kind of URL does not name a stream.") + f" {_usage()}")
    domain, path = _parts(text) if divided else _bare(text)
    names = [domain, *(unquote(part) for part in path.strip("/").split("/"))]
    if divided and scheme.lower() in _PLAYED:
        names[-1] = _played(names[-1])
    if len(names) != 3 or not all(names):  # noqa: PLR2004 - domain, app and stream
        raise ValueError(_("A stream is named by three parts.") + f" {_usage()}")
    key = StreamKey(*names)
    if key.fault:
        sentence = _("This is not the name of a stream: its second or third part {fault}.")
        raise ValueError(sentence.format(fault=texts.detail(key.fault)))
    return str(key)


def _parts(url: str) -> tuple[str, str]:
    """Return host and path, without user, password, port, query and fragment. In a push URL,
    `vhost` in the query replaces the host, as for Live, and the emulator's own address stands for
    its ingest domain."""
    try:
        address = urlsplit(url)
    except ValueError:
        raise ValueError(_("This is no URL.") + f" {_usage()}") from None
    host = address.hostname or ""
    if address.scheme.lower() not in _PUSHED:
        return host, address.path
    virtual = dict(parse_qsl(address.query)).get("vhost")
    return virtual or (EMULATOR_INGEST if is_loopback(host) else host), address.path


def _bare(text: str) -> tuple[str, str]:
    """Return host and path of a name without a scheme, without its parameters."""
    plain = text.partition("?")[0].partition("#")[0]
    domain, _slash, path = plain.strip("/").partition("/")
    return domain.rpartition("@")[2].partition(":")[0], path


def _played(name: str) -> str:
    stem, _dot, suffix = name.rpartition(".")
    if suffix not in _PLAYLISTS:
        raise ValueError(_("This URL ends with neither .m3u8 nor .flv.") + f" {_usage()}")
    return stem


def nearest(stream: str, known: Collection[str]) -> str | None:
    """Return the most similar of the known streams, None if none is similar enough."""
    others = ((_likeness(stream, name), name) for name in known if name != stream)
    return max(
        ((ratio, name) for ratio, name in others if ratio >= _MIN_LIKENESS_RATIO),
        default=(0.0, None),
    )[1]


def _likeness(first: str, second: str) -> float:
    """Return the similarity, 0 to 1, of the least similar part.

    Every part counts, because long domains are always similar.
    """
    parts = zip(first.split("/"), second.split("/"), strict=True)
    return min(SequenceMatcher(None, *both).ratio() for both in parts)
