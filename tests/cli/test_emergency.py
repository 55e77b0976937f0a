"""`live-record emergency`: Live records by itself, and what was there comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.account import account_at
from cli.main import main
from cli.setup.configurations import ConfigTarget, recordings
from emulator.live import LiveInThread, Remote
from tests.support.chinese import HALF_WIDTH, NAMES

DOMAIN, APP = "live.example.com", "live.example.com/app"
BUCKET = {"OssBucket": "dev-bucket", "OssEndpoint": "oss-cn-shanghai.aliyuncs.com"}


class Operator:
    def __init__(self, live: LiveInThread) -> None:
        self.remote, self.account = Remote(live.address), account_at(live.address)
        self.live = live.address

    def types(self, *words: str, answer: str = "") -> Result:
        command = ["emergency", "--live", self.live, *words]
        result = CliRunner().invoke(main, command, input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def does(self, *words: str) -> str:
        result = self.types("--yes", *words)
        assert result.exit_code == 0, result.output
        return result.output

    def sees(self) -> dict[str, Any]:
        return {str(target): value for target, value in recordings(self.account, DOMAIN)}

    def adds(self, app: str, stream: str, **more: object) -> None:
        formats = [{"Format": "flv"}]
        names = ConfigTarget("oss", DOMAIN, app, stream).names
        self.account.ask("AddLiveAppRecordConfig", **names, **BUCKET, RecordFormat=formats, **more)

    def is_recorded(self, stream: str) -> bool:
        return self.remote.state(stream)["recording"] is not None


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID", raising=False)
    with LiveInThread() as live:
        yield Operator(live)


def test_live_records_every_stream_from_its_next_publish_on(operator: Operator) -> None:
    operator.remote.publish("room1")
    operator.does(APP)
    operator.remote.publish("room2")
    assert (operator.is_recorded("room1"), operator.is_recorded("room2")) == (False, True)


def test_a_stream_with_a_manual_configuration_of_its_own_is_recorded_too(
    operator: Operator,
) -> None:
    operator.adds("app", "room1", OnDemand=7)
    operator.does(APP)
    operator.remote.publish("room1")
    assert operator.is_recorded("room1")


def test_a_stream_with_a_manual_configuration_for_every_application_is_recorded_too(
    operator: Operator,
) -> None:
    operator.adds("*", "room1", OnDemand=7)
    before = operator.sees()
    operator.does(APP)
    operator.remote.publish("room1")
    assert operator.is_recorded("room1")
    after = operator.sees()
    assert after[f"recording of {DOMAIN}/*/room1"]["OnDemand"] == 7
    assert after[f"recording of {DOMAIN}/app/room1"]["OnDemand"] == 0
    operator.does(APP, "--undo")
    assert operator.sees() == before


def test_a_manual_configuration_for_every_application_is_left_where_it_does_not_act(
    operator: Operator,
) -> None:
    operator.adds("*", "room1", OnDemand=7)
    operator.adds("app", "room1", OnDemand=0)
    operator.does(APP)
    assert "already records live.example.com/app automatically" in operator.does(APP)


def test_the_command_to_restore_names_the_same_live(operator: Operator) -> None:
    said = operator.does("live.example.com/app")
    words = said.partition("To restore it: live-record ")[2].split()
    assert words[1:3] == ["live.example.com/app", "--undo"]
    assert words[3:] == ["--live", operator.live]


def test_undo_restores_exactly_what_was_there(operator: Operator) -> None:
    operator.adds("app", "room1", OnDemand=1, DelayTime=60)
    before = operator.sees()
    operator.does(APP)
    assert operator.sees() != before
    operator.does(APP, "--undo")
    assert operator.sees() == before
    assert "nothing to restore" in operator.does(APP, "--undo")


def test_what_was_there_is_kept_before_anything_is_changed(
    operator: Operator, tmp_path: Path
) -> None:
    operator.remote.fail(action="UpdateLiveAppRecordConfig", code="InternalError", times=9)
    assert operator.types("--yes", APP).exit_code == 1
    (file,) = (tmp_path / "setup").iterdir()
    assert '"OnDemand": 7' in file.read_text()
    assert (file.stat().st_mode & 0o777) == 0o600


def test_a_second_run_keeps_the_first_backup(operator: Operator) -> None:
    before = operator.sees()
    operator.does(APP)
    assert "already records live.example.com/app automatically" in operator.does(APP)
    operator.does(APP, "--undo")
    assert operator.sees() == before


def test_an_application_without_a_configuration_gets_one_like_the_domain_s(
    operator: Operator,
) -> None:
    operator.adds("*", "*", OnDemand=7)
    before = operator.sees()
    operator.does(f"{DOMAIN}/new")
    new = operator.sees()[f"recording of {DOMAIN}/new/*"]
    assert (new["OnDemand"], new["OssBucket"]) == (0, "dev-bucket")
    operator.does(f"{DOMAIN}/new", "--undo")
    assert operator.sees() == before


def test_where_nobody_can_answer_it_changes_nothing_and_names_the_option(
    operator: Operator,
) -> None:
    before = operator.sees()
    result = operator.types(APP)
    assert (result.exit_code, operator.sees()) == (2, before)
    assert "because nobody confirmed it. To confirm, pass `--yes`." in result.output


def test_with_nothing_to_copy_it_asks_for_a_bucket(operator: Operator) -> None:
    result = operator.types("--yes", f"{DOMAIN}/new")
    assert (result.exit_code, "Pass `--bucket BUCKET" in result.output) == (1, True)
    operator.does(f"{DOMAIN}/new", "--bucket", "dev-bucket", "--endpoint", BUCKET["OssEndpoint"])
    assert f"recording of {DOMAIN}/new/*" in operator.sees()


def test_what_somebody_has_changed_since_is_left(operator: Operator) -> None:
    operator.does(APP)
    operator.account.ask(
        "UpdateLiveAppRecordConfig",
        DomainName=DOMAIN,
        AppName="app",
        StreamName="*",
        OnDemand=1,
        OssEndpoint=BUCKET["OssEndpoint"],
        RecordFormat=[{"Format": "flv"}],
    )
    result = operator.types("--yes", "--undo", APP)
    assert (result.exit_code, "somebody else has changed it" in result.output) == (1, True)
    operator.does(APP, "--undo", "--take-over")


def test_nothing_is_changed_without_a_yes(operator: Operator) -> None:
    before = operator.sees()
    assert operator.types(APP, answer="n\n").exit_code == 1
    assert operator.sees() == before


WRONG_KEY = {"en": "Live does not know this access key", "zh": "视频直播不认识该 AccessKey"}


@pytest.mark.parametrize(("language", "sentence"), [*WRONG_KEY.items()])
def test_a_wrong_access_key_is_told_without_a_backup_that_is_not_there(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, language: str, sentence: str
) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "dev")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    said = operator.types("--yes", "--language", language, APP).output
    assert sentence in said
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in said
    assert [word for word in ("backup", "备份", "Describe") if word in said] == []


def test_a_domain_that_live_does_not_know_is_told_in_our_own_words(operator: Operator) -> None:
    said = operator.types("--yes", "--language", "zh", "nosuch.example.com/app").output
    assert "nosuch.example.com" in said
    assert "does not exist" not in said


def test_what_was_changed_before_an_error_is_in_the_backup_that_is_named(
    operator: Operator,
) -> None:
    operator.adds("*", "room1", OnDemand=7)
    operator.remote.fail(code="Forbidden.RAM", status=403, action="AddLiveAppRecordConfig")
    said = operator.types("--yes", APP).output
    assert "The changes before this error are in the backup" in said
    assert "emergency-live.example.com-app.json" in said
    assert "deploy/ram/operator.json" in said


def test_a_name_that_is_no_application_is_refused(operator: Operator) -> None:
    assert "Name the application as DOMAIN/APP" in operator.types("live.example.com").output


def test_it_speaks_chinese(operator: Operator) -> None:
    """But for what Live itself says, and names that are typed as they are."""
    chinese = ("--language", "zh", APP)
    said = operator.does(*chinese) + operator.does(*chinese) + operator.does(*chinese, "--undo")
    operator.remote.fail(code="ServiceUnavailable", status=503, times=9)
    failed = operator.types("--yes", *chinese).output

    of_ours = [NAMES.sub("", line) for line in said.splitlines()]
    assert [word for line in of_ours for word in re.findall("[A-Za-z]+", line)] == []
    assert [line for line in [*said.splitlines(), failed] if HALF_WIDTH.search(line)] == []
    assert ".。" not in failed
