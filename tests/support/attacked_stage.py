"""A whole running stage that journeys attack: its store is a server, and one of its tokens may only
control. Nothing in it is stored or live yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import redis
import requests
from click.testing import CliRunner, Result

from cli.local.redis_server import Engine
from cli.local.stack import TOKEN, running
from cli.main import main
from cli.paths import S_YAML
from emulator.live import LiveInThread, Remote
from emulator.live.account import load_account
from shared.inbound.live_callbacks import sign
from tests.support.journey import DOMAIN, PATIENCE, Json, Stage

BRANDS_ARE_RECORDED = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[domain]]
streaming = "tv.example.com"
[[rule]]
match = { domain = "live.example.com", app = "brand-*", stream = "class*" }
on_publish = "record"
"""
CONTROL = "ctl-token-0000000"


@dataclass(frozen=True)
class Attacked(Stage):
    """`bound` is a token for the streams of brand-a alone, made with the command line."""

    engine: str
    bucket: Path
    bound: str = ""

    def get(self, path: str, token: str = TOKEN, **headers: str) -> requests.Response:
        return self.send("GET", path, token, None, **headers)

    def send(
        self, method: str, path: str, token: str = TOKEN, body: Json | None = None, **headers: str
    ) -> requests.Response:
        own = {"Authorization": f"Bearer {token}"} if token else {}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method,
            self.stack.fc + path,
            json=body,
            headers=own,
            timeout=PATIENCE,
            allow_redirects=False,
        )

    def as_sent(self, method: str, target: str, *headers: tuple[str, str]) -> int:
        """Send a target and headers unchanged, a header also twice; return the status."""
        connection = HTTPConnection(urlsplit(self.stack.fc).netloc, timeout=PATIENCE)
        connection.putrequest(method, target)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    def keys(self) -> set[bytes]:
        """Return the names of all keys in the store."""
        with redis.Redis.from_url(self.engine) as client:
            return set(client.scan_iter(count=1_000))

    def pair(self, host: str = "", key: str = "dev-record-key-0000") -> Mapping[str, str]:
        second = str(self.now_s())
        host = host or urlsplit(self.stack.fc).netloc
        return {"ALI-LIVE-TIMESTAMP": second, "ALI-LIVE-SIGNATURE": sign(host, second, key)}

    def report(
        self, place: str, *, proof: Mapping[str, str] | None = None, **fields: str | int
    ) -> int:
        """Send a recording callback about `app/stream`, by default with a valid signature."""
        app, stream = place.split("/")
        body: Json = {"domain": DOMAIN, "app": app, "stream": stream, **fields}
        headers = self.pair() if proof is None else proof
        url = f"{self.stack.fc}/callbacks/record/dev-path"
        return requests.post(url, json=body, headers=headers, timeout=PATIENCE).status_code

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--url", self.stack.fc, "--token", TOKEN])

    def policy(self) -> Json:
        policy: Json = self.get("/v1/policy").json()
        return policy

    def apply(self, token: str = TOKEN, **parts: object) -> requests.Response:
        now = self.policy()
        body = {"policy": {**now["policy"], **parts}, "replaces": now["newest"]}
        return self.send("POST", "/v1/policy/apply", token, body)


@contextmanager
def attacked_stage(
    folder: Path, engine: Engine, settings: Mapping[str, str], *, template: Path = S_YAML
) -> Iterator[Attacked]:
    """Run the stage with the store of a running engine. `settings` replace its own."""
    policy, buckets = folder / "policy.toml", folder / "buckets"
    policy.write_text(BRANDS_ARE_RECORDED)
    account = load_account()
    rules = tuple(replace(rule, app="*") for rule in account.rules)
    tokens = f"dev:read+control+policy+tokens:{TOKEN},ctl:read+control:{CONTROL}"
    with (
        LiveInThread(
            replace(account, rules=rules), clock_file=folder / "clock.json", buckets=buckets
        ) as live,
        running(
            folder,
            live=live.address,
            policy=policy,
            template=template,
            settings={
                "LIVE_RECORD_API_TOKENS": tokens,
                "LIVE_RECORD_STORE": engine.url,
                **settings,
            },
        ) as stack,
    ):
        yield Attacked(stack, Remote(stack.live), engine.url, buckets / "dev-bucket")
