"""Findings that a whole stack cannot have at will: each is found, and goes once what it advises is
done. tests/cli/planted_faults and test_doctor_compute.py do so for the others."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from msgspec.structs import replace

from cli.account import account_at
from cli.local.reserved_port import ReservedPort
from cli.main import main
from cli.stage_registry import Target, register
from shared.engine.step_marks import DRAIN, began, ended
from shared.protocol import StreamRecord
from shared.protocol.state.session import Session, SessionState
from shared.store.contract import Save
from tests.cli.test_list_wrong import LIVE, START, WANTED, key_of
from tests.support.http_stage import TOKEN, HttpStage, http_stage, now_ms

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { app = "app" }
on_publish = "record"
"""
BUCKET = ("--bucket", "dev-bucket", "--endpoint", "oss-cn-shanghai.aliyuncs.com")
NOT_OURS = 404
CURES = {
    *("answer.none", "answer.other", "answer.signature", "stage.unreadable", "credentials.none"),
    *("timer.late", "recorded.stage"),
}
"""The findings that this file cures."""


def typed(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, words, obj=lambda _seconds: None)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.stdout if result.exit_code != 1 else result.output


def fixes() -> dict[str, str]:
    """Return the fix of each finding that doctor has, by its code."""
    _code, output = typed("doctor", "--stage", "dev", "--json")
    found = json.loads(output)["findings"]
    return {one["code"]: one["fix"] or "" for one in found if one["severity"] != "ok"}


def execute(command: str) -> None:
    program, *words = shlex.split(command)
    code, output = typed(*words, "--yes")
    assert (program, code) == ("live-record", 0), output


@dataclass
class Gateway:
    """Leads to a stage, as a custom domain does; or answers itself what `leads` does not allow."""

    port: int
    stage: HttpStage
    leads: bool = True
    broken: set[str] = field(default_factory=set)
    """Paths that are answered 500."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        server = HTTPServer(("127.0.0.1", self.port), self._handler())
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, kind, content = gateway.answer(self, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
                """Print nothing."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        path = request.path.partition("?")[0]
        if path in self.broken:
            return 500, "text/html", b"<html>"
        if not self.leads:
            return NOT_OURS, "text/html", b"<html>"
        url, headers = f"{self.stage.url}{request.path}", dict(request.headers.items())
        got = requests.request(request.command, url, data=body, headers=headers, timeout=30)
        return got.status_code, got.headers["Content-Type"], got.content


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStage]:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name, value in (("ID", "dev"), ("SECRET", "dev-secret")):
        monkeypatch.setenv(f"ALIBABA_CLOUD_ACCESS_KEY_{name}", value)
    with http_stage(tmp_path, POLICY) as stage:
        call_nobody(stage)
        register("dev", Target(stage.url, TOKEN, stage.live))
        execute(shlex.join(["live-record", "setup", *BUCKET, "--stage", "dev"]))
        yield stage


def call_nobody(stage: HttpStage) -> None:
    account = account_at(stage.live)
    account.ask("DeleteLiveRecordNotifyConfig", DomainName="live.example.com")
    account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName="push.example.com")


@pytest.fixture
def gateway(stage: HttpStage, tmp_path: Path) -> Iterator[Gateway]:
    """Let Live and people come by the gateway, which does not serve yet."""
    with ReservedPort() as reserved:
        gateway = Gateway(reserved.port, stage)
        call_nobody(stage)
        of_host(stage, f"127.0.0.1:{gateway.port}")
        register("dev", Target(f"http://127.0.0.1:{gateway.port}", TOKEN, stage.live))
        (tmp_path / "setup" / "dev.json").unlink()
        with gateway.serving():
            execute("live-record setup --stage dev")
        yield gateway


def of_host(stage: HttpStage, host: str) -> None:
    """Deploy the stage with this LIVE_RECORD_CALLBACK_HOST."""
    settings = replace(stage.app.settings, callback_hosts=(host,))
    stage.app = replace(stage.app, settings=settings)


# --- addresses ----------------------------------------------------------------------------------


def test_an_address_that_nothing_answers_at_is_well_once_the_domain_leads_to_the_stage(
    gateway: Gateway,
) -> None:
    register("dev", Target(gateway.stage.url, TOKEN, gateway.stage.live))
    assert "answer.none" in fixes()
    gateway.leads = False
    with gateway.serving():
        assert "answer.other" in fixes()
        gateway.leads = True
        assert not {"answer.none", "answer.other"} & fixes().keys()


def test_a_signature_is_accepted_once_the_stage_knows_the_host_of_its_url(
    stage: HttpStage,
) -> None:
    of_host(stage, "other.example.com")
    assert "answer.signature" in fixes()

    of_host(stage, stage.host)
    assert "answer.signature" not in fixes()


def test_what_could_not_be_read_is_read_once_the_stage_answers_again(gateway: Gateway) -> None:
    gateway.broken = {"/v1/policy"}
    with gateway.serving():
        assert "stage.unreadable" in fixes()
        gateway.broken = set()
        assert "stage.unreadable" not in fixes()


def test_credentials_are_found_once_the_environment_has_some(
    stage: HttpStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an address that is no emulator's: that would have credentials for everybody."""
    register("dev", Target(stage.url, TOKEN, "https://127.0.0.1:1"))
    for name in ("ID", "SECRET"):
        monkeypatch.delenv(f"ALIBABA_CLOUD_ACCESS_KEY_{name}")
    assert "credentials.none" in fixes()

    for name in ("ID", "SECRET"):
        monkeypatch.setenv(f"ALIBABA_CLOUD_ACCESS_KEY_{name}", "x")
    assert "credentials.none" not in fixes()


# --- what reconcile does in the end -------------------------------------------------------------


def test_what_is_late_is_no_finding_once_reconcile_has_sent_it(stage: HttpStage) -> None:
    store, key = stage.app.store, key_of("late")
    for mark in (began(DRAIN), ended(DRAIN)):
        store.touch(mark)
    due = replace(START, not_before=now_ms() - 300_000)
    store.save_or_claim(Save(0, StreamRecord(key, intent=WANTED, session=LIVE, pending=due)))
    assert "timer.late" in fixes()

    store.save_or_claim(
        Save(store.load(key).version, StreamRecord(key, intent=WANTED, session=LIVE))
    )
    assert "timer.late" not in fixes()


def test_a_stream_that_only_the_stage_loses_is_no_finding_once_its_session_has_ended(
    stage: HttpStage,
) -> None:
    store, key = stage.app.store, key_of("lost")
    lost = StreamRecord(key, intent=WANTED, session=LIVE, pending=START)
    store.save_or_claim(Save(0, lost))
    assert "recorded.stage" in fixes()

    ended_at = now_ms()
    over = Session(1, ended_at - 60_000, state=SessionState.ENDED, off_since=ended_at)
    store.save_or_claim(
        Save(store.load(key).version, StreamRecord(key, intent=WANTED, session=over))
    )
    assert "recorded.stage" not in fixes()


# --- a stage that only observes -----------------------------------------------------------------


def test_a_configuration_is_made_by_what_doctor_advises_of_a_stage_that_observes(
    stage: HttpStage,
) -> None:
    """Setup alone leaves recording configurations unchanged while the stage observes."""
    assert typed("policy", "mode", "observe", "--stage", "dev")[0] == 0
    account_at(stage.live).ask(
        "DeleteLiveAppRecordConfig", DomainName="live.example.com", AppName="app", StreamName="*"
    )
    advised = fixes()["recording.none"]
    execute(advised.replace("NAME", "dev-bucket").replace("REGION", "cn-shanghai"))

    assert not {"recording.none", "policy.observes"} & fixes().keys()


def test_a_standby_is_not_advised_to_take_the_callbacks_of_the_stage_that_acts(
    stage: HttpStage,
) -> None:
    """Live calls the other stage, by a host that this one names after its own."""
    settings = replace(stage.app.settings, callback_hosts=("b.example.com", stage.host))
    stage.app = replace(stage.app, settings=replace(settings, path_tokens=("another-path",)))
    assert typed("policy", "mode", "observe", "--stage", "dev")[0] == 0
    advised = fixes()

    assert "policy.standby" in advised
    assert {"stream-callback.other_stage", "record-callback.other_stage"} <= advised.keys()
    assert [fix for fix in advised.values() if "--stage dev" in fix] == []
