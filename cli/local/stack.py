"""The local stack: the deployed functions between the two emulators, each in a process of its own.

The commands dev and demo, the benchmarks, and tests/journeys call running(). All processes end with
the block, even when this process is killed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from cli.errors import Failure, cause_of
from cli.local.no_proxy import reach_directly
from cli.local.redis_server import DURABLE, Engine
from cli.local.reserved_port import ReservedPort
from cli.paths import ROOT, S_YAML, policy_file
from cli.policy_file import packed_policy
from emulator.shutdown import OPTION
from shared.config.path_tokens import KINDS, path_token_of
from shared.store import open_store

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from 3.11 on

FC_PORT, LIVE_PORT = 9000, 9001
TOKEN = "dev-token"  # noqa: S105 - the development account's
WEBHOOK_SECRET = "whsec_ZGV2LXdlYmhvb2stc2VjcmV0LTAwMDAwMDAwMDAwMDA="  # noqa: S105 - as above
PATH_SECRET = "dev-path"  # noqa: S105 - as above
SQLITE, REDIS = "sqlite", "redis"
TIMEOUT_S = 60.0
"""Time limit for an emulator to listen, and to end."""
RUN_S = 3 * TIMEOUT_S
"""Time limit for the run of a timer, which the emulator itself ends sooner."""
IN_USE = " is in use"
"""Part of the message of an emulator whose port is taken."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of the two emulators, and the folder with the store, the clock and the logs.

    `rtmp` is the address to push streams to; it is empty if the emulator of Live was running
    before. `ended` returns the service whose emulator has ended, "" while all run.
    """

    fc: str
    live: str
    rtmp: str
    folder: Path
    pids: tuple[int, ...]
    ended: Callable[[], str]

    def control(self, path: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Call a path of the control plane of the Live emulator, and return the answer. The real
        service has no control plane."""
        answer = self._ask("POST", path, json=body)
        if not answer.ok:
            sentence = _("The emulator refused {path}: {answer}")
            raise Failure(sentence.format(path=path, answer=answer.text))
        answer_body: dict[str, Any] = answer.json()
        return answer_body

    def calls(self) -> dict[str, Any]:
        """Return the Live emulator's log of calls and callbacks."""
        return self.get("calls")

    def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self._ask("GET", path, params=query)
        answer.raise_for_status()
        answer_body: dict[str, Any] = answer.json()
        return answer_body

    def fire_timer(self, function: str) -> None:
        """Fire the timers of a function, and wait for the end of its run."""
        path, body = f"_fc/timer/{function}", {"wait": True}
        self._request(self.fc, "POST", path, json=body, timeout_s=RUN_S)

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401 - JSON
        return self._request(self.live, method, f"_control/{path}", **more)

    def _request(
        self,
        emulator: str,
        method: str,
        path: str,
        *,
        timeout_s: float = TIMEOUT_S,
        **more: Any,  # noqa: ANN401 - as above
    ) -> requests.Response:
        log = self.folder / "functions.log"
        try:
            return requests.request(method, f"{emulator}/{path}", timeout=timeout_s, **more)
        except requests.RequestException as error:
            silent = _("The emulator at {url} does not answer. See {log}.")
            ended = _("The emulator at {url} has ended. See {log}.")
            sentence = silent if isinstance(error, requests.Timeout) else ended
            raise Failure(sentence.format(url=emulator, log=log)) from None


@dataclass(frozen=True, slots=True)
class Deployed:
    """The folders of an unpacked package. `code` is the main code folder, and `python` the
    interpreter that runs the functions. Some functions have packages of their own: `others` holds
    the folder of each such package, by the variable of s.yaml that names it."""

    code: Path
    python: str
    others: Mapping[str, str] = field(default_factory=dict)


def dev_settings(folder: Path, *, fc: str, live: str) -> dict[str, str]:
    """Return the variables of s.yaml for a stage of the development account; `fc` and `live` are
    the addresses of the emulators."""
    return {
        "LIVE_RECORD_STAGE": "dev",
        "LIVE_RECORD_STORE": f"sqlite:///{folder}/records.db",
        "LIVE_RECORD_POLICY": str(folder / "policy.json"),
        "LIVE_RECORD_API_TOKENS": f"dev:read+control+policy+tokens:{TOKEN}",
        "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000",
        "LIVE_RECORD_RECORD_KEYS": "dev-record-key-0000",
        "LIVE_RECORD_PATH_TOKENS": PATH_SECRET,
        "LIVE_RECORD_CALLBACK_HOST": fc.partition("://")[2],
        "LIVE_RECORD_LIVE_ENDPOINT": live,
        "LIVE_RECORD_WAKE_URL": f"{fc}/_fc/http/reconcile/",
        "LIVE_RECORD_WAKE_KEY": secrets.token_hex(16),
        "LIVE_RECORD_RELAY_URL": f"{fc}/_fc/http/relay/",
        "LIVE_RECORD_FORWARD_HOSTS": "127.0.0.1,localhost",
        "LIVE_RECORD_WEBHOOK_HOSTS": "127.0.0.1,localhost",
        "LIVE_RECORD_WEBHOOK_SECRETS": f"dev:{WEBHOOK_SECRET}",
        "LIVE_RECORD_FILES_URL": f"{live}/dev-bucket",
        "LIVE_RECORD_BUCKET": "dev-bucket",
        "LIVE_RECORD_OSS_ENDPOINT": live,
        "LIVE_RECORD_RELAY_KEY": secrets.token_hex(16),
        "LIVE_RECORD_DEV_CLOCK": str(folder / "clock.json"),
        "LIVE_RECORD_CODE": str(ROOT),
        "LIVE_RECORD_FILES_CODE": str(ROOT),
        "LIVE_RECORD_CONSOLE_CODE": str(ROOT),
        "LIVE_RECORD_DELIVER_CODE": str(ROOT),
        "LIVE_RECORD_DELIVER_HOSTS": "127.0.0.1,localhost",
    }


@contextmanager
def running(
    folder: Path,
    *,
    fc_port: int = 0,
    live_port: int = 0,
    rtmp_port: int | None = None,
    live: str = "",
    buckets: Path | None = None,
    policy: Path | None = None,
    template: Path = S_YAML,
    store: str = SQLITE,
    settings: Mapping[str, str] | None = None,
    deployed: Deployed | None = None,
    fc_options: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Run the whole stack until the block ends; port 0 takes a free one.

    `settings` override those of the development account; `live` is the address of an emulator that
    runs already; recordings go to `buckets`, or into the folder; `store` "redis" starts a server;
    with `deployed`, the functions run from its folders instead of this checkout; `fc_options` are
    further options of the emulator of Function Compute; `environ` replaces this process's
    environment for the emulators.
    """
    reach_directly()
    folder, packed = folder.resolve(), packed_policy(policy or policy_file())
    clock = ("--clock-file", str(folder / "clock.json"))
    buckets = _writable(buckets or _writable(folder) / "buckets")
    with (
        _alone_in(folder),
        ReservedPort(fc_port) as fc_reserved,
        _Processes(folder / "functions.log", environ or os.environ) as processes,
        _store(store, folder) as stored,
    ):
        (folder / "policy.json").write_text(packed, encoding="utf-8")
        rtmp = ""
        if not live:
            media = ["--buckets", str(buckets)]
            media += [] if rtmp_port is None else ["--rtmp-port", str(rtmp_port)]
            started = processes.start("live", live_port, *clock, *media)
            live, rtmp = started["address"], started["rtmp"]
        settings_of_dev = dev_settings(folder, fc=f"http://127.0.0.1:{fc_reserved.port}", live=live)
        code = {"LIVE_RECORD_CODE": str(deployed.code), **deployed.others} if deployed else {}
        whole = {**settings_of_dev, **code, **stored, **(settings or {})}
        whole = {**_store_id(folder, whole["LIVE_RECORD_STORE"]), **whole}
        options = _as_options(whole)
        options += ["--python", deployed.python] if deployed else []
        options += fc_options
        started = processes.start(
            "fc", fc_reserved.port, "--template", str(template), *clock, *options
        )
        fc = started["address"]
        stack = Stack(fc, live, rtmp, folder, processes.pids(), processes.ended)
        stack.control("notify", **_callback_urls(fc))
        yield stack


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder: two stacks must not share a store and a clock."""
    with (_writable(folder) / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            sentence = _("Another stack runs in {folder}. End it first (Ctrl-C).")
            raise Failure(sentence.format(folder=folder)) from None
        yield


def _writable(folder: Path) -> Path:
    """Return the folder, created if it did not exist; raise a Failure if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        sentence = _("{folder} cannot be written to: {cause}.")
        raise Failure(sentence.format(folder=folder, cause=cause_of(error))) from None


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """Start the store if it needs a server, and yield its setting."""
    if kind == SQLITE:
        yield {}
        return
    with Engine(folder / "store", options=DURABLE) as engine:
        yield {"LIVE_RECORD_STORE": engine.url}


def _store_id(folder: Path, store: str) -> dict[str, str]:
    """Return the setting with the id of the folder's store. The first time, make the id and put it
    into the store, so that a store that is emptied later is noticed; a deploy does the same."""
    file = folder / "store_id"
    if not file.exists():
        store_id = f"dev.{secrets.token_hex(8)}"
        opened = open_store(store, rate=1, clock=lambda: 0, store_id=store_id)
        opened.accept(replaces=opened.state().store_id or "")
        opened.close()
        file.write_text(store_id, encoding="utf-8")
    return {"LIVE_RECORD_STORE_ID": file.read_text(encoding="utf-8")}


def _callback_urls(fc: str) -> dict[str, str]:
    kinds = {"stream": "stream", "record": "record", "on_demand": "on-demand"}
    kinds |= {"exception": "stream/exception", "switch": "stream/switch"}
    return {f"{kind}_url": f"{fc}/callbacks/{_with_token(path)}" for kind, path in kinds.items()}


def _with_token(path: str) -> str:
    """Return the path with the development account's token for it."""
    kind = next(kind for kind in KINDS if path.startswith(kind))
    return f"{path}/{path_token_of(kind, PATH_SECRET)}"


def _as_options(values: Mapping[str, str]) -> list[str]:
    return [part for name, value in values.items() for part in ("--env", f"{name}={value}")]


class _Processes:
    """The emulators that were started, and their log; all end together."""

    def __init__(self, log: Path, environ: Mapping[str, str]) -> None:
        self._path, self._environ = log, environ
        self._log = log.open("a", encoding="utf-8")
        self._began = self._log.tell()
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            _await_end(process)
        self._log.close()

    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._running.values())

    def ended(self) -> str:
        """Return the service whose emulator has ended; "" while all run."""
        running = self._running.items()
        return next((_NAMES[name] for name, process in running if process.poll() is not None), "")

    def start(self, name: str, port: int, *options: str) -> dict[str, str]:
        """Start an emulator; return the JSON that it prints once it listens."""
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"emulator.{name}",
                "--port",
                str(port),
                *_OUR_OPTIONS,
                *options,
            ],
            stdin=subprocess.PIPE,  # which ends with us, even when we are killed
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env={**self._environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
        self._running[name] = process
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait(TIMEOUT_S)
            raise Failure(self._last_words(name))
        started: dict[str, str] = json.loads(line)
        return started

    def _last_words(self, name: str) -> str:
        self._log.flush()
        with self._path.open(encoding="utf-8") as log:
            log.seek(self._began)
            log_text = log.read().strip()
        if IN_USE in log_text:
            return _ports_in_use(log_text.partition(IN_USE)[0].splitlines()[-1])
        sentence = _("The emulator of {service} did not start. Its log says: {log}")
        return sentence.format(service=_NAMES[name], log=log_text)


def _ports_in_use(message: str) -> str:
    """Return which port is taken, with the options of dev: those of the emulator have other
    names."""
    sentence = _(
        "Port {ports} is in use. Does `make dev` run already? Pass other ports to `live-record"
        " dev`: `--port`, `--live-port` and `--rtmp-port`."
    )
    return sentence.format(ports=" / ".join(re.findall(r"\d+", message)))


_OUR_OPTIONS = ("--json", OPTION)
_NAMES = {"live": "ApsaraVideo Live", "fc": "Function Compute"}


def _await_end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
