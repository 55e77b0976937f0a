"""Serves the files of the page, with headers that limit what a browser may do with them.

The files are in the folder `page` next to this module. Only names found there are served, so no
path can lead elsewhere.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from shared.inbound.function_compute import Request, Response
from shared.invocation.app import App

FOLDER = Path(__file__).with_name("page")
INDEX = "index.html"
_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Headers of every file, besides its content security policy."""


class PageFile(Struct, frozen=True):
    """One file of the page: its media type (`kind`), its content, compressed with gzip, and an ETag
    of the content."""

    kind: str
    data: bytes
    tag: str


def file_named(name: str) -> PageFile | None:
    """Return the file of the page with this name; for "", index.html. Return None if there is no
    such file."""
    return _file(name or INDEX) if (name or INDEX) in _names() else None


@cache
def _names() -> frozenset[str]:
    served = (path for path in FOLDER.rglob("*") if path.suffix in (".html", ".css", *_KINDS))
    return frozenset(path.relative_to(FOLDER).as_posix() for path in served)


@cache
def _file(name: str) -> PageFile:
    data = (FOLDER / name).read_bytes()
    suffix = Path(name).suffix
    kind = _KINDS.get(suffix) or mimetypes.types_map[suffix]
    compressed = gzip.compress(data, 9, mtime=0)
    return PageFile(f"{kind}; charset=utf-8", compressed, hashlib.sha256(data).hexdigest()[:16])


def answer(file: PageFile, request: Request, app: App) -> Response:
    """Return the file, or 304 if the browser has it already."""
    headers = {
        **HEADERS,
        "Content-Type": file.kind,
        "Content-Security-Policy": policy_of(app),
        "ETag": f'"{file.tag}"',
    }
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(304, "", headers)
    return Response(200, file.data, {**headers, "Content-Encoding": "gzip"})


def policy_of(app: App) -> str:
    """Return the content security policy: it allows this stage, and the addresses that recordings
    are played from."""
    origins = " ".join(dict.fromkeys(_origins(app)))
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {origins}",
        "media-src": f"'self' blob: {origins}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in directives.items())


def _origins(app: App) -> Iterator[str]:
    """Yield the addresses that files and streams of this stage are played from."""
    settings = app.settings
    if settings.files_url:
        url = urlsplit(settings.files_url)
        yield f"{url.scheme}://{url.netloc}"
    if settings.bucket:
        yield f"{settings.oss_protocol}://{settings.bucket}.{settings.oss_endpoint}"
        if settings.is_emulated:
            yield f"{settings.oss_protocol}://{settings.oss_endpoint}"
    for domain in app.policy.domains:
        yield f"https://{domain.streaming}"
        yield from (f"https://{bucket.name}.{bucket.endpoint}" for bucket in domain.bucket)
