"""Measures the memory, time and longest step of the function `deliver` for one large file.

`python -m benchmarks.delivery --json` makes a file, serves it as OSS does, and runs the function in
a process of its own against a store that speaks S3 and keeps only a digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from emulator.live import LiveInThread
from shared.outbox.deliver_file import PART_BYTES, deliver_next
from shared.outbox.settlement import settlement
from shared.outbox.task import NewTask, TaskKind
from shared.protocol import StreamKey, StreamRecord
from shared.protocol.file import File, FileVerdict
from shared.store import Store, open_store
from shared.store.contract import Save

KEY = StreamKey("live.example.com", "app", "room1")
NAME = "record/app/room1/long.mp4"
BLOCK_BYTES = 1_000_000
_XML = '<?xml version="1.0"?><{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'


class Sink:
    """A store that speaks as much of S3 as copies need. It keeps the size of each object that comes
    whole, by path, and a digest of the one object that comes in parts."""

    def __init__(self) -> None:
        self.objects: dict[str, int] = {}
        self.parts: dict[int, tuple[int, str]] = {}
        self.digest = hashlib.sha256()
        self.size = 0
        self.at: list[float] = []

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: bytes) -> str:
        """Return the body of the answer or, for a part, the ETag of the part."""
        self.at.append(time.monotonic())
        if method == "PUT" and not query:
            self.objects[path] = len(body)
            return ""
        if "partNumber" in query:
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            self.parts[int(query["partNumber"][0])] = (len(body), etag)
            self.digest.update(body)
            return etag
        if method == "POST" and "uploads" in query:
            return _XML.format("InitiateMultipartUploadResult", "<UploadId>one</UploadId>")
        if method == "POST":
            self.size = sum(size for size, _ in self.parts.values())
            return _XML.format("CompleteMultipartUploadResult", "<ETag>whole</ETag>")
        if "uploadId" in query:
            return self._page(int(query.get("part-number-marker", ["0"])[0]))
        return _XML.format("ListMultipartUploadsResult", "")

    def _page(self, after: int) -> str:
        numbers = [number for number in sorted(self.parts) if number > after]
        page, more = numbers[:1_000], numbers[1_000:]
        rows = "".join(
            f"<Part><PartNumber>{n}</PartNumber><Size>{self.parts[n][0]}</Size>"
            f"<ETag>{self.parts[n][1]}</ETag></Part>"
            for n in page
        )
        last = page[-1] if page else after
        ends = f"<NextPartNumberMarker>{last}</NextPartNumberMarker>"
        return _XML.format(
            "ListPartsResult", f"{ends}<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{rows}"
        )


@contextmanager
def sink() -> Iterator[tuple[Sink, str]]:
    """Provide a sink, and its address."""
    kept = Sink()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = parse_qs(url.query, keep_blank_values=True)
            is_head = self.command == "HEAD"
            text = "" if is_head else kept.answer(self.command, url.path, query, body)
            is_part = "partNumber" in query
            self.send_response_only(200)
            if is_part:
                self.send_header("ETag", f'"{text}"')
            data = b"" if is_part else text.encode()
            size = kept.objects.get(url.path, kept.size) if is_head else len(data)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - http.server's

        def log_message(self, *_args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="sink", daemon=True).start()
    try:
        yield kept, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def measured(size_mb: int) -> dict[str, Any]:
    """Copy a file of that size; return the figures."""
    with tempfile.TemporaryDirectory() as name, sink() as (kept, address):
        folder = Path(name)
        digest = _write(folder / "buckets" / "dev-bucket" / NAME, size_mb)
        with LiveInThread(buckets=folder / "buckets") as live:
            # OSS has the checksum of an object; the emulator works it out when it is first asked.
            requests.head(f"{live.address}/dev-bucket/{NAME}", timeout=600).raise_for_status()
            settings = _settings(folder, live.address, address)
            _add_task(settings["LIVE_RECORD_STORE"])
            began = time.monotonic()
            child = _run_function(settings)
            took_s = time.monotonic() - began
    pauses = [after - before for before, after in zip(kept.at, kept.at[1:], strict=False)]
    return {
        "file_mb": size_mb,
        "parts": len(kept.parts),
        "part_mib": PART_BYTES / 2**20,
        "is_whole": kept.digest.hexdigest() == digest and kept.size == size_mb * BLOCK_BYTES,
        "peak_mb": child["peak_mb"],
        "peak_before_mb": child["before_mb"],
        "runs": child["runs"],
        "took_s": round(took_s, 1),
        "longest_step_s": round(max(pauses), 2),
    }


def _write(path: Path, size_mb: int) -> str:
    """Write a file whose blocks all differ; return its digest."""
    path.parent.mkdir(parents=True)
    found, block = hashlib.sha256(), bytearray(os.urandom(BLOCK_BYTES))
    with path.open("wb") as file:
        for number in range(size_mb):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
            found.update(block)
    return found.hexdigest()


def _settings(folder: Path, oss: str, target: str) -> dict[str, str]:
    rule = {"target": "s3://archive/tv", "endpoint": target, "credentials": "archive"}
    policy = {
        "domain": [{"streaming": KEY.domain}],
        "deliver": [{**rule, "path_style": True}],
    }
    (folder / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    return {
        "FC_EMULATOR": "1",
        "LIVE_RECORD_STORE": f"sqlite:///{folder}/records.db",
        "LIVE_RECORD_POLICY": str(folder / "policy.json"),
        "LIVE_RECORD_BUCKET": "dev-bucket",
        "LIVE_RECORD_OSS_ENDPOINT": oss,
        "LIVE_RECORD_DELIVER_HOSTS": "127.0.0.1",
        "LIVE_RECORD_DELIVER_CREDENTIALS": "archive:key-id:key-secret",
    }


def _add_task(url: str) -> None:
    """Store the file as verified, with the task to copy it."""
    now = int(time.time() * 1000)
    with closing(open_store(url, rate=1, clock=lambda: now)) as store:
        _store_task(store, now)


def _store_task(store: Store, now: int) -> None:
    file = File(NAME, now - 1_000, now, 1_000)
    task = NewTask("one", TaskKind.VERIFY_FILE, "{}")
    store.save_or_claim(Save(0, StreamRecord(KEY, changed_at=now), files=(file,), tasks=(task,)))
    (taken,) = store.take_tasks("verify_file", limit=1, lease_ms=1_000)
    verdict = FileVerdict("verified", now)
    outcome = deliver_next(NAME, "s3://archive/tv", f"tv/{NAME}", verdict)
    store.settle_tasks([(taken, settlement(taken, outcome, 0.0))])


def _run_function(settings: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.delivery", "--function"]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_function() -> None:
    """Run as one instance of the function: initialize it, and serve timer events until no task is
    open."""
    import index

    index.initialize_deliver(None)
    credentials = SimpleNamespace(
        access_key_id="dev",
        access_key_secret="dev-secret",  # noqa: S106 - the emulator's
        security_token="",
    )
    context = SimpleNamespace(request_id="1-1", credentials=credentials)
    event = b'{"triggerTime":"2026-11-29T12:00:00Z","triggerName":"every-minute","payload":""}'
    before_mb, runs, done = _peak_mb(), 0, 0
    while not done:
        answer: Any = index.deliver(event, context)
        runs, done = runs + 1, json.loads(answer["body"])["done"]
    print(json.dumps({"peak_mb": _peak_mb(), "before_mb": before_mb, "runs": runs}))


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in status if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--function", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.function:
        run_function()
        return
    figures = measured(options.mb)
    print(json.dumps(figures, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
