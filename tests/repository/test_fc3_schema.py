"""The command that holds s.yaml against the schema of fc3 names each fault.

The schema here is of our own writing; docs/platform/function-compute.md §6.1 has the run on fc3's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.paths import ROOT
from emulator.fc.template import load_template
from tests.repository.fc3_schema import main

PROPERTIES: dict[str, Any] = {
    "functionName": {"type": "string"},
    "region": {"enum": ["cn-shanghai", "cn-beijing"]},
    "runtime": {"enum": ["python3.10", "python3.12"]},
    "handler": {"type": "string"},
    "timeout": {"type": "integer", "minimum": 1},
    "environmentVariables": {"additionalProperties": {"type": "string"}},
    "triggers": {"items": {"$ref": "#/definitions/Trigger"}},
}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {"Trigger": {"required": ["triggerName", "triggerType"]}},
    "properties": PROPERTIES,
    "required": ["functionName", "region", "runtime"],
    "if": {"properties": {"runtime": {"pattern": "^custom"}}},
    "else": {"required": ["handler"]},
}
PROPS: dict[str, Any] = {
    "functionName": "answer-${vars.stage}",
    "region": "cn-shanghai",
    "runtime": "${env('LIVE_RECORD_RUNTIME', 'python3.10')}",
    "handler": "index.answer",
    "timeout": 5,
    "environmentVariables": {"SECRET": "hush"},
    "triggers": [{"triggerName": "wake", "triggerType": "http", "triggerConfig": {}}],
}


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    return written(tmp_path / "schema.json", SCHEMA)


def written(file: Path, document: object) -> Path:
    file.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML as well
    return file


def template(folder: Path, **changed: object) -> Path:
    """Return an s.yaml of one function and a domain, which is not of the component fc3."""
    props = {name: value for name, value in {**PROPS, **changed}.items() if value is not None}
    domain = {"component": "fc3-domain", "props": {"domainName": "auto"}}
    function = {"component": "fc3", "props": props}
    written(folder / "env.yaml", environments())
    resources = {"answer": function, "domain": domain}
    return written(folder / "s.yaml", {"vars": {"stage": "dev"}, "resources": resources})


def environments() -> object:
    longer = {"resources": {"answer": {"timeout": 900}}}
    stages = [{"name": "dev"}, {"name": "prod", "overlays": longer}]
    return {"environments": stages}


def test_a_template_that_fits_is_accepted_in_every_stage(
    schema: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(schema), str(template(tmp_path))]) == 0
    assert capsys.readouterr().out == "The schema accepts all functions (1) in dev, prod.\n"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt property": (
        {"timeout": None, "timout": 5},
        "prod: answer.timout: the schema has no such property\n",
    ),
    "a number as a string": (
        {"environmentVariables": {"RATE": 45}},
        "dev: answer.environmentVariables.RATE: ",
    ),
    "a region that it does not know": ({"region": "cn-shanhai"}, "dev: answer.region: "),
    "a handler left out": ({"handler": None}, 'dev: answer: "handler" is a required property'),
    "a fault in a list": (
        {"triggers": [*PROPS["triggers"], {"triggerName": "second"}]},
        'prod: answer.triggers[1]: "triggerType" is a required property',
    ),
    "a value that is shown nowhere": ({"timeout": "hush"}, "dev: answer.timeout: the value is not"),
}


@pytest.mark.parametrize(("changed", "line"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_refused_and_named_with_its_stage_function_and_path(
    schema: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, Any],
    line: str,
) -> None:
    assert main([str(schema), str(template(tmp_path, **changed))]) == 1
    printed = capsys.readouterr().out
    assert line in printed
    assert "hush" not in printed


def test_a_fault_that_only_an_overlay_has_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {**PROPERTIES, "timeout": {"maximum": 60}}
    schema = written(tmp_path / "schema.json", {**SCHEMA, "properties": short})

    assert main([str(schema), str(template(tmp_path))]) == 1
    assert capsys.readouterr().out.startswith("prod: answer.timeout: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"none\.json cannot be read"):
        main([str(tmp_path / "none.json")])


@pytest.mark.parametrize("document", [[], {}, {"properties": {"timeout": {"type": "numbr"}}}])
def test_a_file_that_is_no_schema_of_properties_accepts_nothing(
    tmp_path: Path, document: object
) -> None:
    file = written(tmp_path / "page.json", document)

    with pytest.raises(SystemExit, match=r"page\.json is not the schema of fc3"):
        main([str(file), str(template(tmp_path))])


def test_a_template_without_functions_is_not_accepted(schema: Path, tmp_path: Path) -> None:
    file = template(tmp_path)
    file.write_text(file.read_text().replace('"fc3"', '"fc3@0.1.22"'))

    with pytest.raises(SystemExit, match="names no function of the component fc3"):
        main([str(schema), str(file)])


def test_our_own_s_yaml_is_rendered_as_a_deploy_renders_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """test_s_yaml.py holds the rendering against that of the real Serverless Devs."""
    functions = [each["props"] for each in load_template(ROOT / "s.yaml", {}, "prod").values()]
    properties: dict[str, Any] = {name: {} for props in functions for name in props}
    deployed = {**properties, "runtime": {"const": "python3.12"}}
    schema = written(tmp_path / "schema.json", {"properties": deployed})
    shutil.copy(ROOT / "env.yaml", tmp_path)
    copied = tmp_path / "s.yaml"
    text = (ROOT / "s.yaml").read_text()

    copied.write_text(text)
    assert main([str(schema), str(copied)]) == 0
    copied.write_text(text.replace("asyncInvokeConfig:", "asyncInvokeConfg:"))
    assert main([str(schema), str(copied)]) == 1
    fault = "staging: relay.asyncInvokeConfg: the schema has no such property"
    assert fault in capsys.readouterr().out
