"""A store that speaks S3, with a faulty proxy in front of it, for what copies files to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Any

from emulator.faulty_proxy import FaultyProxy

BUCKET = "archive-bucket"


@dataclass
class S3Target:
    """A stage gets the address of `proxy`; `client` goes to the store itself."""

    proxy: FaultyProxy
    client: Any

    def names(self) -> list[str]:
        return [
            row["Key"] for row in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        ]

    def read(self, name: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read())

    def uploads(self) -> list[str]:
        """Return the ids of the multipart uploads that are not complete."""
        found = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [row["UploadId"] for row in found]


@contextmanager
def s3_target() -> Iterator[S3Target]:
    """Provide an empty bucket of a store of its own. The SDK is imported here, so that collecting
    the tests does not load it."""
    from botocore.config import Config

    with _moto() as address:
        client = _session().client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="reader",
            aws_secret_access_key="reader-secret",
            config=Config(proxies={}, s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=BUCKET)
        with FaultyProxy(address) as proxy:
            yield S3Target(proxy, client)
        client.close()
        _empty(address)


@contextmanager
def _moto() -> Iterator[str]:
    """Serve moto's S3 as its own thread does, but end at once: that one looks each half second
    whether it shall."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@cache
def _session() -> Any:  # noqa: ANN401 - it ships no types
    """Return the one session, since each new one reads the description of S3 again."""
    import boto3

    return boto3.session.Session()


def _empty(address: str) -> None:
    """Delete all data of the server, which all targets of this process share."""
    import requests

    requests.post(f"{address}/moto-api/reset", timeout=30).raise_for_status()
