"""Instances: how many, how long, their environment, hooks, context and log
(docs/platform/function-compute.md §1.3-6, §5)."""

import asyncio
import re
import threading
from pathlib import Path

import pytest

from emulator.fc import FcInThread, Settings
from emulator.fc.deployment import load_deployment
from emulator.fc.process import Instance
from tests.support.compute_emulator import (
    HANDLERS,
    Got,
    Json,
    Stage,
    ask,
    eventually,
    invoke,
    is_dead,
    start_later,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_an_instance_is_kept_for_the_next_request(stage: Stage) -> None:
    with stage.run(stage.function("pid")) as fc:
        assert len({invoke(fc, "pid").body for _ in range(3)}) == 1


def test_an_instance_serves_one_request_at_a_time(stage: Stage) -> None:
    got: list[Got] = []
    with stage.run(stage.function("waits")) as fc:
        callers = [
            threading.Thread(target=lambda: got.append(invoke(fc, "waits"))) for _ in range(3)
        ]
        for caller in callers:
            caller.start()
        eventually(lambda: len(stage.marks()) == 3)
        stage.let_go()
        for caller in callers:
            caller.join()

    assert len({each.body for each in got}) == 3


def test_beyond_the_quota_the_caller_gets_429(stage: Stage) -> None:
    with stage.run(stage.function("waits"), stage.function("pid"), quota=1) as fc:
        start_later(fc, "waits")
        eventually(stage.marks)
        got = ask(fc, "GET", "/_fc/http/pid")
        stage.let_go()

    assert (got.status, got.headers["X-Fc-Error-Type"]) == (429, "FcCommonError")
    assert got.json["errorCode"] == "ResourceExhausted"


def test_an_idle_instance_makes_room_for_another_function(stage: Stage) -> None:
    with stage.run(stage.function("text"), stage.function("pid"), quota=1) as fc:
        assert [invoke(fc, "text").status, invoke(fc, "pid").status] == [200, 200]
        assert ask(fc, "GET", "/_fc/state").json["instances"] == 1


def test_a_reservation_limits_one_function_alone(stage: Stage) -> None:
    none = {"concurrencyConfig": {"reservedConcurrency": 0}}
    with stage.run(stage.function("text", **none), stage.function("pid")) as fc:
        assert [invoke(fc, "text").status, invoke(fc, "pid").status] == [429, 200]
        assert ask(fc, "GET", "/_fc/state").json["functions"]["text"]["throttled"] == 1


def test_an_idle_instance_is_recycled_after_its_pre_stop_hook(stage: Stage) -> None:
    hook = {"preStop": {"handler": "handlers.pre_stop", "timeout": 3}}
    function = stage.function("pid", instanceLifecycleConfig=hook)
    with stage.run(function, idle_seconds=0.1) as fc:
        invoke(fc, "pid")
        eventually(lambda: ask(fc, "GET", "/_fc/state").json["instances"] == 0)
        eventually(lambda: stage.marks() == ["stopped"])


def test_a_killed_instance_fails_its_caller_and_is_replaced(stage: Stage) -> None:
    got: list[Got] = []
    with stage.run(stage.function("waits")) as fc:
        caller = threading.Thread(target=lambda: got.append(invoke(fc, "waits")))
        caller.start()
        eventually(stage.marks)
        killed = ask(fc, "POST", "/_fc/kill", {"function": "waits", "which": "busy"}).json
        caller.join()
        stage.let_go()
        replaced = invoke(fc, "waits")

    assert len(killed["killed"]) == 1
    assert "exited unexpectedly" in got[0].json["errorMessage"]
    assert replaced.status == 200


def test_a_killed_idle_instance_is_not_used_again(stage: Stage) -> None:
    with stage.run(stage.function("pid")) as fc:
        first = invoke(fc, "pid").body
        ask(fc, "POST", "/_fc/kill", {"function": "pid"})

        assert invoke(fc, "pid").body != first


def test_a_child_sees_the_declared_environment_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_DECLARED", "x")
    declared = {"MINE": "1"}
    with stage.run(
        stage.function("environment", environmentVariables=declared, role="r", memorySize=256)
    ) as fc:
        environment = invoke(fc, "environment").json

    assert environment["MINE"] == "1"
    assert environment["FC_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["FC_EMULATOR"] == "1"
    assert environment["ALIBABA_CLOUD_ACCESS_KEY_ID"] == "dev"
    ours = {n for n in environment if not n.startswith(("FC_", "ALIBABA_CLOUD_"))}
    assert ours - {"LC_CTYPE"} == {"MINE", "PATH", "LANG", "PYTHONIOENCODING"}


def test_it_starts_in_the_folder_of_its_code_or_in_another(stage: Stage, tmp_path: Path) -> None:
    for directory, expected in ((None, HANDLERS), (tmp_path, tmp_path)):
        with stage.run(stage.function("where"), working_directory=directory) as fc:
            assert invoke(fc, "where").body.decode() == str(expected)


def test_a_function_without_a_role_has_no_credentials(stage: Stage) -> None:
    with stage.run(stage.function("environment")) as fc:
        environment = invoke(fc, "environment").json

    assert not [name for name in environment if name.startswith("ALIBABA_CLOUD_")]


def test_the_initializer_runs_once_before_the_first_request(stage: Stage) -> None:
    hook = {"initializer": {"handler": "handlers.initialize", "timeout": 3}}
    with stage.run(stage.function("counts", instanceLifecycleConfig=hook)) as fc:
        invoke(fc, "counts")

        assert invoke(fc, "counts").json == {"initialized": 1, "calls": 2}


def test_an_initializer_that_fails_fails_the_call_and_the_instance(stage: Stage) -> None:
    hook = {"initializer": {"handler": "handlers.initialize_badly", "timeout": 3}}
    with stage.run(stage.function("counts", instanceLifecycleConfig=hook)) as fc:
        got = [invoke(fc, "counts") for _ in range(2)]
        state = ask(fc, "GET", "/_fc/state").json["functions"]["counts"]
        eventually(lambda: all(is_dead(int(pid)) for pid in stage.marks()))

    assert {each.headers["X-Fc-Error-Type"] for each in got} == {"InitializationError"}
    assert got[0].json["errorMessage"] == "no database"
    assert (state["coldStarts"], state["instances"]) == (2, [])


def test_the_context_of_python310_has_credentials_service_and_tracing(stage: Stage) -> None:
    with stage.run(stage.function("shape")) as fc:
        shape = invoke(fc, "shape").json

    assert {"request_id", "region", "account_id", "logger", "retry_count"} < set(shape["context"])
    assert shape["credentials"] == ["access_key_id", "access_key_secret", "security_token"]
    assert shape["function"] == ["handler", "memory", "name", "timeout"]
    assert shape["service"] == ["log_project", "log_store", "name", "qualifier", "version_id"]
    assert shape["tracing"] == ["jaeger_endpoint", "span_baggages", "span_context"]


def test_the_context_of_python312_has_no_credentials(stage: Stage) -> None:
    with stage.run(stage.function("shape", runtime="python3.12")) as fc:
        shape = invoke(fc, "shape").json

    assert shape["context"] == [
        "account_id", "function", "log_project", "log_store", "logger", "region", "request_id"
    ]  # fmt: skip
    assert shape["function"] == ["handler", "memory", "name", "qualifier", "timeout", "version_id"]


def test_the_credentials_are_those_of_the_role(stage: Stage) -> None:
    with stage.run(stage.function("credentials", role="r")) as fc:
        assert invoke(fc, "credentials").json["access_key_secret"] == "dev-secret"


def test_the_log_has_what_is_logged_and_what_is_printed(stage: Stage) -> None:
    with stage.run(stage.function("logs")) as fc:
        request_id = invoke(fc, "logs").body.decode()
        logged, printed = eventually(lambda: _two_lines(fc))

    time_part = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(f"{time_part} {request_id} \\[INFO\\] said by logging", logged["line"])
    assert printed == {"function": "logs", "line": "said by print"}


def _two_lines(fc: FcInThread) -> Json:
    lines = ask(fc, "GET", "/_fc/logs?function=logs").json["lines"]
    return lines if len(lines) == 2 else None


@pytest.mark.slow
def test_a_signal_to_a_process_that_has_just_ended_leaves_its_end_to_asyncio(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the emulator said on its way out "Unknown child process pid", now and then."""
    [function] = load_deployment(stage.deploys(stage.function("pid")), {}).functions.values()

    async def end_all() -> None:
        ended = [Instance(function, lambda *_line: None, lambda _one: None) for _ in range(12)]
        await asyncio.gather(*(instance.start(Settings()) for instance in ended))
        for instance in ended:
            instance.kill()
        for instance in ended * 50:
            instance.thaw()
        await asyncio.gather(*(instance.exited() for instance in ended))

    for _ in range(2):
        asyncio.run(end_all())
    assert caplog.messages == []
