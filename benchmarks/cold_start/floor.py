"""A program that sends the start by `requests` alone, signed by hand (ACS3-HMAC-SHA256).

benchmarks.cold_start runs it as `floor.py CODE`. It must not import the SDK.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
import time
import uuid
from urllib.parse import quote

sys.path[:1] = sys.argv[1:2]

import requests  # noqa: E402 - from the whole package

host = os.environ["LIVE_RECORD_LIVE_ENDPOINT"].partition("://")[2]
params = {
    "AppName": "app",
    "Command": "start",
    "DomainName": "live.example.com",
    "StreamName": "room",
}
query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(params.items()))
payload = hashlib.sha256(b"").hexdigest()
headers = {
    "host": host,
    "x-acs-action": "RealTimeRecordCommand",
    "x-acs-content-sha256": payload,
    "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "x-acs-security-token": os.environ["ALIBABA_CLOUD_SECURITY_TOKEN"],
    "x-acs-signature-nonce": uuid.uuid4().hex,
    "x-acs-version": "2016-11-01",
}
signed = ";".join(sorted(headers))
lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
canonical = f"POST\n/\n{query}\n{lines}\n{signed}\n{payload}"
text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
secret = os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"].encode()
signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
key = os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"]
headers["authorization"] = (
    f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={signed},Signature={signature}"
)
answer = requests.post(f"https://{host}/?{query}", headers=headers, timeout=10)
if answer.status_code != 200 or not answer.json()["RequestId"]:
    sys.exit(f"the start was answered {answer}")

import resource  # noqa: E402 - after what is measured
from pathlib import Path  # noqa: E402 - as above

used = resource.getrusage(resource.RUSAGE_SELF)
cpu = (used.ru_utime + used.ru_stime) * 1000
status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
(peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(f'{{"rss_mb": {peak / 1024:.1f}, "cpu_ms": {cpu:.1f}}}', flush=True)
