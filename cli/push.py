"""`live-record push`: publishes an FLV file as a live stream, in real time.

cli.main adds the command. It speaks RTMP through emulator.media and must not call a stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import gettext as _
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import click

from cli import stage_registry
from cli.errors import Failure
from cli.local.encoder import CLIP
from cli.option_rules import refuse_without_effect
from cli.rtmp_errors import why_not_taken
from cli.stream_names import Stream
from cli.texts import N_
from emulator.media.flv import Tag, read
from emulator.media.malformed import Malformed
from emulator.media.publisher import NotTaken, Publisher, looped, paced
from shared.protocol import StreamKey

RTMP = "rtmp://"
ROOM = "live.example.com/app/room1"
FAULTS = (N_("this is no FLV file"), N_("the file ends within a tag"))
"""What emulator.media.flv finds wrong with a file, in English; translated where it is printed."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=CLIP)
@click.argument("to", required=False)
@click.option(
    "--stage",
    default=stage_registry.DEV,
    show_default=True,
    help="name of the stage whose RTMP port to use",
)
@click.option("--loop", is_flag=True, help="repeat FILE until Ctrl-C")
def push(file: Path, to: str | None, stage: str, loop: bool) -> None:
    """Push an FLV file in real time over RTMP.

    FILE is the FLV file; without it, a test picture of 4 s is pushed. TO is an rtmp:// URL, or a
    stream (`domain/app/stream`) of a stage on this machine; without it, the stream is
    `live.example.com/app/room1`. If the only argument is not a file, it is TO.
    """
    file, to = _resolve_arguments(file, to)
    if to.startswith(RTMP):
        refuse_without_effect("TO", "--stage")
    url = to if to.startswith(RTMP) else _stage_url(stage, to)
    shown = url.partition("?")[0]
    try:
        with file.open("rb") as opened:
            tags = _tags(opened)
            with Publisher(url) as publisher:
                click.echo(_("pushing {file} to {url}").format(file=file.name, url=shown))
                sent = _send(publisher, looped(tags) if loop else tags)
    except Malformed as error:
        sentence = _(
            "{file} cannot be pushed: {error}. Name an FLV file. If you name no file, the test"
            " picture is pushed."
        )
        raise Failure(sentence.format(file=file, error=_(str(error)))) from None
    except NotTaken as refused:
        sentence = _("The stream cannot be pushed to {url}: {error}")
        raise Failure(sentence.format(url=shown, error=why_not_taken(refused))) from None
    click.echo(_("FLV tags sent: {count}").format(count=sent))


def _resolve_arguments(file: Path, to: str | None) -> tuple[Path, str]:
    """Return file and destination; a single argument that is no file is the destination."""
    if file.exists():
        return file, to or ROOM
    word = re.sub(":/+", "://", str(file), count=1)
    if to is None and (word.startswith(RTMP) or word.count("/") == 2):  # noqa: PLR2004 - its names
        return CLIP, word
    sentence = _(
        "File {file!r} does not exist. Name an FLV file, an rtmp:// URL, or a stream as"
        " `domain/app/stream`."
    )
    raise click.UsageError(sentence.format(file=str(file)))


def _tags(file: BinaryIO) -> Iterator[Tag]:
    """Return the tags; raise Malformed at once, before any connection, if this is no FLV file."""
    tags = read(file)
    return chain([tag for tag in (next(tags, None),) if tag], tags)


def _send(publisher: Publisher, tags: Iterator[Tag]) -> int:
    sent = 0
    try:
        for tag in paced(tags):
            publisher.send(tag)
            sent += 1
    except KeyboardInterrupt:
        click.echo()
    return sent


def _stage_url(stage: str, stream: str) -> str:
    rtmp = stage_registry.target_of(stage, None).rtmp
    if not rtmp:
        sentence = _(
            "The stage {stage} has no RTMP port on this machine. "
            "Pass an `rtmp://` URL as the argument `TO`."
        )
        raise Failure(sentence.format(stage=stage))
    key = StreamKey.parse(Stream().convert(stream, None, None))
    return f"{rtmp}/{key.app}/{key.stream}?vhost={key.domain}"
