"""A program that sends the start by the official SDK, imported as its documentation shows.

benchmarks.cold_start runs it as `stock.py CODE`. It must not import our code.
"""

from __future__ import annotations

import os
import sys

sys.path[:1] = sys.argv[1:2]

from alibabacloud_live20161101 import models  # noqa: E402 - from the whole package
from alibabacloud_live20161101.client import Client  # noqa: E402 - as above
from alibabacloud_tea_openapi import utils_models  # noqa: E402 - as above
from darabonba.runtime import RuntimeOptions  # noqa: E402 - as above

config = utils_models.Config(
    access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
    access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    security_token=os.environ["ALIBABA_CLOUD_SECURITY_TOKEN"],
    endpoint=os.environ["LIVE_RECORD_LIVE_ENDPOINT"].partition("://")[2],
)
request = models.RealTimeRecordCommandRequest(
    domain_name="live.example.com", app_name="app", stream_name="room", command="start"
)
answer = Client(config).real_time_record_command_with_options(request, RuntimeOptions())
if answer.status_code != 200:
    sys.exit(f"the start was answered {answer}")

import resource  # noqa: E402 - after what is measured
from pathlib import Path  # noqa: E402 - as above

used = resource.getrusage(resource.RUSAGE_SELF)
cpu = (used.ru_utime + used.ru_stime) * 1000
status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
(peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(f'{{"rss_mb": {peak / 1024:.1f}, "cpu_ms": {cpu:.1f}}}', flush=True)
