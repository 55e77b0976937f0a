"""The objects of the buckets over HTTP, byte ranges included.

server.py adds its routes; players and the OSS client read from it.
It must not write objects.
"""

from __future__ import annotations

from aiohttp import web

from emulator.live.backend import Live
from emulator.live.objects import Outside
from emulator.live.oss import Denied, admit
from emulator.live.presigned import check

ADDRESS = "/{bucket:[a-z0-9][a-z0-9-]*}/{key:.+}"
CONTENT_TYPES = {".flv": "video/x-flv"}


class ObjectServer:
    """Serves every bucket as public. A signed URL must have a valid signature."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def add_routes(self, application: web.Application) -> None:
        application.router.add_get(ADDRESS, self._serve)

    def _admit(self, request: web.Request) -> None:
        """Check the signature and log the request as a call of the OSS API."""
        call = self._live.calls.add_call(self._live.clock.now_ms())
        call.action = "HeadObject" if request.method == "HEAD" else "GetObject"
        admit(self._live, request, request.raw_path.partition("?")[0])

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        bucket, key = request.match_info["bucket"], request.match_info["key"]
        try:
            if "Authorization" in request.headers:
                self._admit(request)
            check(self._live.account, request.method, request.raw_path, self._live.clock)
        except Denied as denied:
            raise web.HTTPForbidden(reason=str(denied)) from denied
        objects = self._live.recorded_files.objects
        if objects is None or bucket not in self._live.buckets:
            raise web.HTTPNotFound(reason="NoSuchBucket")
        try:
            path = objects.path(bucket, key)
        except Outside as outside:
            raise web.HTTPNotFound(reason="NoSuchKey") from outside
        if not path.is_file():
            raise web.HTTPNotFound(reason="NoSuchKey")
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        return web.FileResponse(path, headers={"Content-Type": content_type})
