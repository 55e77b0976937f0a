"""Whether fc3's own schema accepts the functions of s.yaml, in every stage.

`python -m tests.repository.fc3_schema SCHEMA [S_YAML]` reads src/schema.json of fc3, which has no
licence to stand in this repository (docs/platform/function-compute.md §6.1). Messages show no
value: an environment has secrets.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs

from cli.deploying.stage import stage_named
from cli.paths import ROOT
from emulator.fc.template import environments

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Print every fault; return 1 if there is one."""
    asked = _parser().parse_args(arguments)
    schema, template = _schema(asked.schema), asked.s_yaml
    if not template.is_file():
        sys.exit(f"{template} is not there: name the s.yaml to check")
    stages = list(environments(template.with_name("env.yaml")))
    functions = {name: _functions(template, name) for name in stages}
    found = [
        f"{stage}: {fault}"
        for stage in stages
        for key, props in functions[stage].items()
        for fault in faults(key, props, schema)
    ]
    numbers = ", ".join(sorted({str(len(each)) for each in functions.values()}))
    accepted = f"The schema accepts all functions ({numbers}) in {', '.join(stages)}."
    print("\n".join(found) or accepted)
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.repository.fc3_schema")
    parser.add_argument("schema", type=Path, help="src/schema.json of fc3")
    parser.add_argument("s_yaml", type=Path, nargs="?", default=ROOT / "s.yaml")
    return parser


def faults(key: str, props: Json, schema: Json) -> Iterator[str]:
    """Yield what the schema refuses, and the properties that it does not know and lets pass."""
    for name in sorted(props.keys() - schema["properties"].keys()):
        yield f"{key}.{name}: the schema has no such property"
    validator = jsonschema_rs.validator_for(schema, mask="the value")
    for error in validator.iter_errors(props):
        yield f"{key}{_dotted(error.instance_path)}: {error.message}"


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)


def _functions(template: Path, stage: str) -> dict[str, Json]:
    """Return the properties of the functions as a deploy of the stage renders them."""
    resources = stage_named(stage, os.environ, template=template).resources()
    found = {key: each["props"] for key, each in resources.items() if each["component"] == "fc3"}
    if not found:
        sys.exit(f"{template} names no function of the component fc3")
    return found


def _schema(file: Path) -> Json:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["properties"] and jsonschema_rs.meta.is_valid(document):
            return dict(document)
    except OSError as error:
        sys.exit(f"{file} cannot be read ({error.strerror}): name the schema that you downloaded")
    except (ValueError, KeyError, TypeError):
        pass
    sys.exit(f"{file} is not the schema of fc3: download it again")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
