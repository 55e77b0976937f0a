"""OBS's way of connecting: librtmp, which OBS carries, pushes, and every picture is kept."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cli.local.encoder import clip
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Ingest
from emulator.media.publisher import paced
from tests.support.pushed_recording import Decoded, decode, until

pytestmark = pytest.mark.prove
AUTOMATIC = {"domain": "live.example.com", "app": "app", "on_demand": 0, "formats": ["flv"]}


def library() -> ctypes.CDLL:
    """Return Debian's librtmp1, which `.ci/run` installs."""
    found = ctypes.util.find_library("rtmp") or "librtmp.so.1"
    try:
        rtmp = ctypes.CDLL(found)
    except OSError:
        pytest.fail("There is no librtmp here. Install librtmp1.")
    rtmp.RTMP_Alloc.restype = ctypes.c_void_p
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name in ("Init", "EnableWrite", "Close", "Free"):
        getattr(rtmp, f"RTMP_{name}").argtypes = [handle]
    rtmp.RTMP_SetupURL.argtypes = [handle, text]
    rtmp.RTMP_Connect.argtypes = [handle, handle]
    rtmp.RTMP_ConnectStream.argtypes = [handle, number]
    rtmp.RTMP_Write.argtypes = [handle, text, number]
    return rtmp


@contextmanager
def connected(rtmp: ctypes.CDLL, url: str) -> Iterator[int]:
    """Yield a publishing session of librtmp; the buffer with the URL must outlive the
    connection."""
    session, address = rtmp.RTMP_Alloc(), ctypes.create_string_buffer(url.encode())
    rtmp.RTMP_Init(session)
    try:
        assert rtmp.RTMP_SetupURL(session, address)
        rtmp.RTMP_EnableWrite(session)
        assert rtmp.RTMP_Connect(session, None)
        assert rtmp.RTMP_ConnectStream(session, 0)
        yield session
    finally:
        rtmp.RTMP_Close(session)
        rtmp.RTMP_Free(session)


def test_what_librtmp_pushes_is_recorded_to_the_last_picture(tmp_path: Path) -> None:
    rtmp, account = library(), replace(load_account(), ingest=Ingest(publish_delay_ms=0))
    with LiveInThread(account, buckets=tmp_path) as live:
        control = Remote(live.address)
        control.notify(stream_url="", record_url="")
        control.post("recording", AUTOMATIC)
        with connected(rtmp, f"{live.rtmp}/app/room?vhost=push.example.com") as session:
            for tag in paced(clip(), speed=2.0):
                assert rtmp.RTMP_Write(session, tag.encode(), len(tag.encode())) > 0
        until(lambda: not control.state("room")["live"], "the end")
        control.advance(181)
        (kept,) = control.state("room")["kept"]
    assert decode(kept["path"]) == Decoded(60, "")
