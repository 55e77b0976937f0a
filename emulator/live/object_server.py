"""The objects of the buckets over HTTP, byte ranges included.

server.py adds its routes; players and the OSS client read from it, and the client deletes.
It must not write objects.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import crcmod
from aiohttp import web

from emulator.live.account import Bucket
from emulator.live.backend import Live
from emulator.live.objects import Outside
from emulator.live.oss import Denied, admit, error_reply
from emulator.live.presigned import check

ADDRESS = "/{bucket:[a-z0-9][a-z0-9-]*}/{key:.+}"
CRC64_POLYNOMIAL = 0x142F0E1EBA9EA3693
"""The polynomial of ECMA-182, with which OSS computes the CRC-64 of each object."""
BLOCK_BYTES = 1_000_000
ACTION_VERBS = {"GET": "Get", "HEAD": "Head", "DELETE": "Delete"}
CONTENT_TYPES = {
    ".flv": "video/x-flv",
    ".mp4": "video/mp4",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
}


def _cross_origin(request: web.Request, bucket: Bucket) -> dict[str, str]:
    """Return the headers that let a page of another origin read the object, if the bucket allows
    that."""
    origin = request.headers.get("Origin")
    if not origin or not bucket.lets_read(origin):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _content_of(path: Path) -> tuple[str, int, int]:
    """Return a key that changes with the content of a file."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


def _crc64(path: Path) -> str:
    found = crcmod.Crc(CRC64_POLYNOMIAL, initCrc=0, rev=True, xorOut=2**64 - 1)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return str(found.crcValue)


class ObjectServer:
    """Serves every bucket as public. A signed URL must have a valid signature."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._crc64: dict[tuple[str, int, int], asyncio.Future[str]] = {}

    def add_routes(self, application: web.Application) -> None:
        application.router.add_get(ADDRESS, self._serve)
        application.router.add_delete(ADDRESS, self._delete)

    def _admit(self, request: web.Request) -> None:
        """Check the signature and log the request as a call of the OSS API; raise Denied."""
        call = self._live.calls.add_call(self._live.clock.now_ms())
        call.action = f"{ACTION_VERBS[request.method]}Object"
        admit(self._live, request, request.raw_path.partition("?")[0])
        fault = self._live.plan.fault_for(call.action, None, "")
        if fault is not None:
            raise Denied(fault.code or "AccessDenied", fault.status)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            if "Authorization" in request.headers:
                self._admit(request)
            check(self._live.account, request.method, request.raw_path, self._live.clock)
            path = self._find(request.match_info["bucket"], request.match_info["key"])
        except Denied as denied:
            return error_reply(denied, request)
        bucket = self._live.buckets[request.match_info["bucket"]]
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        headers = {"Content-Type": content_type, **_cross_origin(request, bucket)}
        headers["x-oss-hash-crc64ecma"] = await self._crc64_of(path)
        return web.FileResponse(path, headers=headers)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        """Delete an object. As OSS does, answer 204 also where there is none."""
        try:
            self._admit(request)
            self._path(**request.match_info).unlink(missing_ok=True)
        except Denied as denied:
            return error_reply(denied, request)
        return web.Response(status=204)

    async def _crc64_of(self, path: Path) -> str:
        """Return the CRC-64 of an object. It is computed once for each content, in a thread: a
        large object takes seconds. If a client gives up, the computation goes on for its retry."""
        content = _content_of(path)
        if content not in self._crc64:
            self._crc64[content] = asyncio.ensure_future(asyncio.to_thread(_crc64, path))
        try:
            return await asyncio.shield(self._crc64[content])
        except OSError as gone:
            self._crc64.pop(content, None)
            raise web.HTTPNotFound from gone

    def _find(self, bucket: str, key: str) -> Path:
        """Return the file of an object that is served; raise Denied."""
        path, faults = self._path(bucket, key), self._live.recorded_files.faults
        if not path.is_file() or faults.is_hidden(bucket, key, self._live.clock.now_ms()):
            raise Denied("NoSuchKey")
        return path

    def _path(self, bucket: str, key: str) -> Path:
        """Return where an object is or would be; raise Denied."""
        objects, faults = self._live.recorded_files.objects, self._live.recorded_files.faults
        if objects is None or bucket not in self._live.buckets:
            raise Denied("NoSuchBucket")
        try:
            path = objects.path(bucket, key)
        except Outside as outside:
            raise Denied("NoSuchKey") from outside
        if faults.is_denied(bucket, key):
            raise Denied("AccessDenied")
        return path
