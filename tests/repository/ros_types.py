"""What Alibaba's own package of each product says about the types of deploy/account.ros.yaml.

`python -m tests.repository.ros_types FOLDER` reads the wheels of requirements/ros.txt in FOLDER and
writes tests/fixtures/ros_types.json. The wheels are read and not imported: that would start Node.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from cli.paths import ROOT

FILE = ROOT / "tests" / "fixtures" / "ros_types.json"
TYPES = (
    "ALIYUN::ECS::SecurityGroup",
    "ALIYUN::ECS::VPC",
    "ALIYUN::ECS::VSwitch",
    "ALIYUN::MNS::Queue",
    "ALIYUN::OSS::Bucket",
    "ALIYUN::RAM::ManagedPolicy",
    "ALIYUN::RAM::Role",
    "ALIYUN::REDIS::Instance",
    "ALIYUN::REDIS::Whitelist",
    "ALIYUN::SLS::Alert",
    "ALIYUN::SLS::Index",
    "ALIYUN::SLS::Logstore",
    "ALIYUN::SLS::Project",
)
Json = dict[str, Any]

_CONVERTED = re.compile(r"'(\w+)': (.+?)\(properties\.(\w+)\)")
_PLAIN = {"string": "string", "number": "number", "boolean": "boolean", "object": "any"}


def described(wheels: Sequence[Path]) -> Json:
    """Return the description of every type in TYPES, and where it comes from."""
    sources: dict[str, Json] = {}
    types: dict[str, Json] = {}
    for wheel in sorted(wheels):
        code, manifest = _assembly(wheel)
        found = {name: _Code(code).resource(name) for name in TYPES if f'"{name}"' in code}
        types |= found
        sources[manifest["name"]] = {
            "version": manifest["version"],
            "license": manifest["license"],
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        }
    return {"sources": sources, "types": dict(sorted(types.items()))}


def _assembly(wheel: Path) -> tuple[str, Json]:
    """Return the generated code of the resources, and the manifest of the package."""
    with zipfile.ZipFile(wheel) as archive:
        (inner,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        packed = BytesIO(archive.read(inner))
    with tarfile.open(fileobj=packed) as package:
        files = {member.name: member for member in package.getmembers()}
        (code,) = (name for name in files if re.fullmatch(r"package/lib/\w+\.generated\.js", name))
        return _text(package, files[code]), json.loads(_text(package, files["package/.jsii"]))


def _text(package: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = package.extractfile(member)
    assert file is not None
    return file.read().decode()


class _Code:
    """The generated code, which has for each type a class, a validator and a converter."""

    def __init__(self, code: str) -> None:
        self._code = code

    def resource(self, name: str) -> Json:
        """Return the properties and the attributes of a type."""
        match = re.search(rf'(\w+)\.ROS_RESOURCE_TYPE_NAME = "{re.escape(name)}"', self._code)
        assert match is not None, name
        kind = match[1]
        of_class = self._between(f"class {kind} extends", f"exports.{kind} =")
        converter = f"{kind[0].lower()}{kind[1:]}PropsToRosTemplate"
        return {
            "properties": self._properties(converter, f"{kind}PropsValidator"),
            "attributes": sorted(re.findall(r"this\.getAtt\('([\w.]+)'\)", of_class)),
        }

    def _between(self, begin: str, end: str) -> str:
        start = self._code.index(begin)
        return self._code[start : self._code.index(end, start)]

    def _properties(self, converter: str, validator: str) -> Json:
        rendered = self._between(f"function {converter}(", "\n}\n")
        checks = self._between(f"function {validator}(", "\n}\n")
        return {
            name: self._property(how, checks, field)
            for name, how, field in sorted(_CONVERTED.findall(rendered))
        }

    def _property(self, how: str, checks: str, field: str) -> Json:
        required = f"'{field}', ros.requiredValidator" in checks
        listed = rf"'{field}', ros\.validateAllowedValues\)\({{.*?allowedValues: (\[.*?\])"
        allowed = re.search(listed, checks, re.DOTALL)
        return {
            **self._shape(how),
            **({"required": True} if required else {}),
            **({"allowed": json.loads(allowed[1])} if allowed else {}),
        }

    def _shape(self, how: str) -> Json:
        """Return the shape of a value by the function that converts it."""
        if listed := re.fullmatch(r"ros\.listMapper\((.+)\)", how):
            return {"type": "list", "items": self._shape(listed[1])}
        if re.fullmatch(r"ros\.hashMapper\(.+\)|ros\.anyDictToRosTemplate", how):
            return {"type": "map"}
        if plain := re.fullmatch(r"ros\.(\w+)ToRosTemplate", how):
            return {"type": _PLAIN.get(plain[1], "any")}
        nested = re.fullmatch(r"ros(\w+)ToRosTemplate", how)
        assert nested is not None, how
        return {"type": "map", "properties": self._properties(how, self._validator_of(nested[1]))}

    def _validator_of(self, name: str) -> str:
        """Return the validator of a nested property: its name divides that of its type."""
        for match in re.finditer(r"function (Ros(\w+?)_(\w+?)Validator)\(", self._code):
            if match[2] + match[3] == name:
                return match[1]
        raise AssertionError(name)


def written(document: Json) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(described(list(Path(sys.argv[1]).glob("*.whl")))), encoding="utf-8")
    print(f"{FILE}: {FILE.stat().st_size} bytes")
