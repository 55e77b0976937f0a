"""A program that handles the first start of a new instance by the real handler.

benchmarks.cold_start runs it as `ours.py CODE STREAM`. It must import from the archive only.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

CODE, STREAM = sys.argv[1:]
sys.path[:1] = [CODE]

import index  # noqa: E402 - from the archive

EVENT = (
    '{"rawPath": "/v1/recordings/live.example.com/app/%s/start", "headers":'
    ' {"Authorization": "Bearer dev-token"}, "queryParameters": {}, "body": "",'
    ' "isBase64Encoded": false, "requestContext": {"http": {"method": "POST"}}}'
)
CONTEXT = SimpleNamespace(
    request_id="1", function=SimpleNamespace(name="f", handler="index.record_command")
)

index.initialize(CONTEXT)
answer = index.record_command((EVENT % STREAM).encode(), CONTEXT)
if answer["statusCode"] != 200 or '"accepted"' not in str(answer["body"]):
    sys.exit(f"the start was answered {answer}")

import resource  # noqa: E402 - after what is measured
from pathlib import Path  # noqa: E402 - as above

used = resource.getrusage(resource.RUSAGE_SELF)
cpu = (used.ru_utime + used.ru_stime) * 1000
status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
(peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(f'{{"rss_mb": {peak / 1024:.1f}, "cpu_ms": {cpu:.1f}}}', flush=True)
