"""The s.yaml it reads (docs/platform/function-compute.md §6.1, §7), and the program."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emulator.fc import BadTemplate
from emulator.fc.deployment import load_deployment
from tests.support.compute_emulator import ROOT, Stage, ask, eventually, is_dead


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_template_is_merged_and_its_variables_resolved(stage: Stage) -> None:
    stage.s_yaml.write_text("""
vars: {stage: "${env('STAGE', 'dev')}", seconds: 7}
template:
  function: {region: r, runtime: python3.10, code: ./, memorySize: 256, timeout: 9,
             environmentVariables: {STAGE: "${vars.stage}", BOTH: below}}
resources:
  one:
    component: fc3
    extend: {name: function, ignore: [memorySize]}
    props: {functionName: "one-${vars.stage}", handler: a.b, timeout: "${vars.seconds}",
            environmentVariables: {BOTH: above, OTHER: "${resources.one.props.functionName}"}}
""")
    function = load_deployment(stage.s_yaml, {"STAGE": "test"}).functions["one"]

    assert (function.name, function.timeout, function.memory) == ("one-test", 7, 512)
    assert function.environment == {"STAGE": "test", "BOTH": "above", "OTHER": "one-test"}


def test_a_wrong_s_yaml_names_every_fault(stage: Stage) -> None:
    trigger = {"triggerName": "t", "triggerType": "timer", "triggerConfig": {"cronExpression": "x"}}
    wrong = {"runtime": "java11", "handler": "handler", "timeout": "3", "memory": 1}
    variables = {"FC_X": "1", "BIG": "x" * 5000}
    routes = [{"path": "v1", "functionName": "nobody", "methods": ["FOO"]}]
    function = stage.function("f", **wrong, environmentVariables=variables, triggers=[trigger])
    with pytest.raises(BadTemplate) as caught:
        load_deployment(stage.deploys(function, routes=routes), {})

    parts = ("memory", "java11", "file.function", "timeout", "5008 bytes", "FC_X", "cronExpression",
             "enable", "'v1'", "FOO", "nobody")  # fmt: skip
    assert [part for part in parts if part not in str(caught.value)] == []
    assert len(caught.value.faults) == len(parts)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "cannot be read"),
        ("a: 1", "no resources"),
        ("resources: {a: 1}", "resources.a is not a mapping"),
        ("resources: {a: {component: oss}}", "component 'oss'"),
        ("resources: {a: {component: fc3, extend: {name: x}}}", "extends 'x'"),
        ("resources: {a: {component: fc3, props: {role: '${vars.x}'}}}", "there is no vars.x"),
        ("resources: {a: {component: fc3, props: {role: \"${env('X')}\"}}}", "has no X"),
        ("resources: {a: {component: fc3, props: {role: '${what}'}}}", "none of env()"),
        ("vars: {a: '${vars.a}'}\nresources: {a: {component: '${vars.a}'}}", "refers to itself"),
    ],
)
def test_a_fault_of_the_template_is_said(stage: Stage, text: str, fault: str) -> None:
    stage.s_yaml.write_text(text)
    with pytest.raises(BadTemplate, match=re.escape(fault)):
        load_deployment(stage.s_yaml, {})


# --- the program


def start(s_yaml: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "emulator.fc", "--template", s_yaml, "--json", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def address_of(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return str(json.loads(program.stdout.readline())["address"])


def end(program: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """To the whole group, as Ctrl-C in a terminal does."""
    os.killpg(program.pid, number)
    return program.communicate(timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_listens_and_ends_when_told(
    stage: Stage, number: signal.Signals
) -> None:
    program = start(stage.deploys(stage.function("waits")), "--port", "0")
    address = address_of(program)
    ask(address, "GET", "/_fc/http/waits", headers=[("X-Fc-Invocation-Type", "Async")])
    [instance] = eventually(lambda: stage.marks() and _instances(address))
    out, err = end(program, number)

    assert (program.returncode, out, err) == (0, "", "")
    assert eventually(lambda: is_dead(instance["pid"]))


@pytest.mark.slow
def test_no_instance_outlives_a_killed_program(stage: Stage) -> None:
    program = start(stage.deploys(stage.function("waits"), stage.function("pid")), "--port", "0")
    address = address_of(program)
    ask(address, "GET", "/_fc/http/waits", headers=[("X-Fc-Invocation-Type", "Async")])
    ask(address, "GET", "/_fc/http/pid")
    eventually(stage.marks)
    pids = [instance["pid"] for instance in _instances(address)]
    end(program, signal.SIGKILL)

    assert len(pids) == 2
    assert eventually(lambda: all(map(is_dead, pids)))


def _instances(address: str) -> list[dict[str, Any]]:
    functions = ask(address, "GET", "/_fc/state").json["functions"].values()
    return [instance for function in functions for instance in function["instances"]]


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start(stage.deploys(stage.function("pid")), "--port", str(port))
        out, err = program.communicate(timeout=120)

    assert (program.returncode, out) == (1, "")
    assert err == f"Port {port} is in use; choose another with --port, or end what listens there.\n"


def test_a_wrong_s_yaml_ends_the_program_with_its_faults(stage: Stage) -> None:
    program = start(stage.deploys(stage.function("pid", timeout=0, memory=1)))
    _, err = program.communicate(timeout=120)

    assert program.returncode == 1
    assert "timeout" in err
    assert "memory" in err
    assert "Traceback" not in err
