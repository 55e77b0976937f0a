"""What the tests of the Function Compute emulator share: a folder to deploy from, and HTTP."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from emulator.fc import FcInThread, Settings

ROOT = Path(__file__).parents[2]
HANDLERS = Path(__file__).parents[1] / "fixtures" / "fc"
HTTP_TRIGGER = {
    "triggerName": "http",
    "triggerType": "http",
    "triggerConfig": {"authType": "anonymous", "methods": ["GET", "POST"]},
}
Json: TypeAlias = Any
TIMER = {
    "triggerName": "minutely",
    "triggerType": "timer",
    "triggerConfig": {"cronExpression": "@every 1m", "enable": True, "payload": '{"job":"x"}'},
}


@dataclass
class Got:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)


def ask(
    fc: FcInThread | str,
    method: str,
    path: str,
    body: bytes | dict[str, Any] = b"",
    headers: list[tuple[str, str]] | None = None,
) -> Got:
    address = fc if isinstance(fc, str) else fc.address
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers or []:
        connection.putheader(name, value)
    if content:
        connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content or None)
    response = connection.getresponse()
    got = Got(response.status, response.headers, response.read())
    connection.close()
    return got


def invoke(fc: FcInThread, function: str, payload: bytes = b"") -> Got:
    return ask(fc, "POST", f"/2023-03-30/functions/{function}/invocations", payload)


def start_later(fc: FcInThread, function: str) -> Got:
    return ask(
        fc, "GET", f"/_fc/http/{function}", headers=[("X-Fc-Invocation-Type", "Async")]
    )  # fmt: skip


def eventually(what: Callable[[], Json]) -> Json:
    """Return the first result of `what` that is not empty. A hang ends before pytest's own limit,
    and a slow machine does not fail."""
    deadline = time.monotonic() + 600
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


@dataclass
class Stage:
    """A folder with an s.yaml of the functions that a test names."""

    folder: Path

    @property
    def s_yaml(self) -> Path:
        return self.folder / "s.yaml"

    def marks(self) -> list[str]:
        marks = self.folder / "marks"
        return marks.read_text().split("\n")[:-1] if marks.exists() else []

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def deploys(self, *functions: dict[str, Any], routes: list[Any] | None = None) -> Path:
        resources = {props["functionName"]: _resource("fc3", props) for props in functions}
        if routes is not None:
            domain = {"region": "cn-shanghai", "domainName": "auto", "protocol": "HTTP"}
            resources["domain"] = _resource(
                "fc3-domain", {**domain, "routeConfig": {"routes": routes}}
            )
        self.s_yaml.write_text(json.dumps({"edition": "3.0.0", "resources": resources}))
        return self.s_yaml

    def function(self, name: str, **props: object) -> dict[str, Any]:
        return {
            "functionName": name.replace("_", "-"),
            "region": "cn-shanghai",
            "runtime": "python3.10",
            "code": str(HANDLERS),
            "handler": f"handlers.{name}",
            "timeout": 10,
            "triggers": [HTTP_TRIGGER],
            "environmentVariables": {"MARKS": str(self.folder)},
            **props,
        }

    def run(self, *functions: dict[str, Any], **settings: Json) -> FcInThread:
        s_yaml = self.deploys(*functions)
        return FcInThread(s_yaml, env={}, settings=Settings(retry_seconds=0.01, **settings))


def _resource(component: str, props: dict[str, Any]) -> dict[str, Any]:
    return {"component": component, "props": props}


def settled(fc: FcInThread, function: str) -> Json:
    state = ask(fc, "GET", "/_fc/state").json["functions"][function]
    return state if state["invocations"] and not state["asyncPending"] else None


def is_dead(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or ") Z " in stat.read_text()
