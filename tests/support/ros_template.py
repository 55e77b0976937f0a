"""Checks a template of Resource Orchestration Service against descriptions of its types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
PSEUDO = ("ALIYUN::Region", "ALIYUN::TenantId", "ALIYUN::StackName", "ALIYUN::NoValue")
_KINDS = {"string": str, "number": int, "boolean": bool, "list": list, "map": dict}


def faults(template: Mapping[str, Any], types: Mapping[str, Json]) -> Iterator[str]:
    """Yield what is wrong in the template's resources and in what refers to them."""
    resources = template["Resources"]
    for name, resource in resources.items():
        if resource["Type"] not in types:
            yield f"{name}: there is no type {resource['Type']}"
            continue
        shape = {"type": "map", "properties": types[resource["Type"]]["properties"]}
        yield from _value_faults(resource.get("Properties", {}), shape, name)
        if resource.get("Condition") not in (None, *template.get("Conditions", ())):
            yield f"{name}: there is no condition {resource['Condition']}"
    yield from _reference_faults(template, types)


def _value_faults(value: Any, shape: Json, where: str) -> Iterator[str]:  # noqa: ANN401 - YAML
    if _is_function(value):
        return
    wanted = _KINDS.get(shape["type"])
    if wanted and not (isinstance(value, wanted) and isinstance(value, bool) is (wanted is bool)):
        yield f"{where}: it has to be a {shape['type']}"
    elif "allowed" in shape and value not in shape["allowed"]:
        yield f"{where}: {value} is none of {shape['allowed']}"
    elif shape["type"] == "list":
        for number, item in enumerate(value):
            yield from _value_faults(item, shape["items"], f"{where}[{number}]")
    elif "properties" in shape:
        yield from _map_faults(value, shape["properties"], where)


def _map_faults(value: Json, properties: Json, where: str) -> Iterator[str]:
    for name in value.keys() - properties.keys():
        yield f"{where}: there is no property {name}"
    for name, shape in properties.items():
        if name in value:
            yield from _value_faults(value[name], shape, f"{where}.{name}")
        elif shape.get("required"):
            yield f"{where}: {name} is missing"


def _is_function(value: Any) -> bool:  # noqa: ANN401 - YAML
    """Return True for what the service computes: {"Ref": …}, {"Fn::Sub": …}."""
    return isinstance(value, dict) and len(value) == 1 and _name_of(value) is not None


def _name_of(value: Json) -> str | None:
    name = next(iter(value))
    return name if name == "Ref" or name.startswith("Fn::") else None


def _reference_faults(template: Mapping[str, Any], types: Mapping[str, Json]) -> Iterator[str]:
    resources = template["Resources"]
    known = {*resources, *template["Parameters"], *PSEUDO}
    for value in _walk(template):
        match _is_function(value) and next(iter(value.items())):
            case "Ref", str(name) if name not in known:
                yield f"Ref: there is no {name}"
            case "Fn::GetAtt", [name, attribute]:
                described = types.get(resources.get(name, {}).get("Type", ""), {"attributes": ()})
                if attribute not in described["attributes"]:
                    yield f"Fn::GetAtt: {name} has no attribute {attribute}"
            case "Fn::Sub", str(text):
                for name in set(re.findall(r"\$\{([\w:]+)\}", text)) - known:
                    yield f"Fn::Sub: there is no {name}"
            case "Fn::If", [name, *_rest] if name not in template["Conditions"]:
                yield f"Fn::If: there is no condition {name}"


def _walk(value: Any) -> Iterator[Any]:  # noqa: ANN401 - YAML
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
