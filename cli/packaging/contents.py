"""Selects the files of a wheel that are deployed: its code, its licences, and of the SDK only the
actions that live-record calls.

cli.packaging.build calls this module. It reads wheels and writes nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from gettext import gettext as _
from pathlib import Path
from zipfile import ZipFile

from packaging.utils import canonicalize_name

from cli.errors import Failure
from cli.packaging import archive
from shared.lazy_imports import ZONES
from shared.outbound.live import sdk_import
from shared.store import redis_connection

NEEDED = frozenset(
    [
        "alibabacloud-credentials",
        "alibabacloud-credentials-api",
        "alibabacloud-live20161101",
        "alibabacloud-tea",
        "alibabacloud-tea-openapi",
        "async-timeout",
        "certifi",
        "darabonba-core",
        "idna",
        "msgspec",
        "python-dateutil",
        "redis",
        "requests",
        "six",
        "standardwebhooks",
        "tenacity",
        "tzdata",
        "urllib3",
    ]
)
"""The packages that a synchronous SDK call with given credentials imports
(docs/platform/sdk.md §A5), and those that we import. All but msgspec are pure Python, so that only
the bytecode differs between runtimes."""

WITHOUT_SDK = frozenset(["async-timeout", "certifi", "msgspec", "redis", "tenacity"])
"""The packages of a function that calls nothing but the store."""

UNUSED = tuple(
    name.replace(".", "/")
    for name in (
        *sdk_import.UNUSED,
        *redis_connection.UNUSED,
        *("alibabacloud_credentials.providers", "urllib3.contrib", "urllib3.http2.connection"),
        *(f"darabonba.{name}" for name in ("date", "decorators", "file", "number", "url")),
        *("dateutil.easter", "dateutil.tz.win", "dateutil.utils", "dateutil.zoneinfo"),
        *("idna.cli", "idna.codec", "idna.compat", "requests.help", "tenacity.tornadoweb"),
        *("darabonba.utils.logger", "darabonba.utils.map", "darabonba.utils.validation"),
        *("Tea.response", "Tea.stream", "alibabacloud_tea_openapi.websocket_utils_models"),
        *("redis._himport_exec", "redis._parsers.helpers", "redis._parsers.response_callbacks"),
        *("redis.auth.idp", "redis.auth.token_manager", "redis.background", "redis.crc"),
        *("redis.data_structure", "redis.http", "redis.lock"),
    )
    if "." in name
)
"""Modules that are not deployed, because stubs replace them or nothing imports them.
dateutil's own time zones are older than those of tzdata."""

BUNDLE = "certifi/cacert.pem"
"""certifi's bundle of root certificates. Only the SDKs of OSS and S3 read it; everything else reads
one file for each certificate."""
ELSEWHERE = (
    BUNDLE,
    *("functions/console", "functions/deliver", "functions/files", "functions/stage_bucket"),
    *("shared/outbound/oss", "shared/outbound/s3"),
    *("shared/verification/flv", "shared/verification/media_playlist", "shared/verification/mp4"),
    *("shared/verification/mpeg_ts", "shared/verification/playlist"),
    *("shared/verification/ranges", "shared/verification/verify"),
)
"""Files that only the functions with packages of their own use."""

LARGE = ("idna/uts46data",)
"""Deployed without bytecode: only a host name beyond ASCII needs this module, and its tables are
large."""
RARE = ("dateutil", "functions/record_command/openapi", "idna", "six")
"""Deployed without bytecode, because no instance imports them at its start. Python compiles them at
their first use: for a schedule, a host name beyond ASCII, or the description of the API."""

CLIENT = "alibabacloud_live20161101/client.py"
OWN_METHODS = ("__init__", "get_endpoint")
ENDS = ("", "_with_options", "_async", "_with_options_async")
METHOD = (ast.FunctionDef, ast.AsyncFunctionDef)
MODELS = "alibabacloud_live20161101/models/"
_LICENCE = re.compile(r"(licen[cs]e|notice|copying|authors)", re.IGNORECASE)
_NOT_CODE = re.compile(
    r"(^|/)(tests?|SelfTest)/|\.pyi$|(^|/)py\.typed$|\.dist-info/|\.data/|^[^/]*\.(txt|md)$"
)
_NAMED = re.compile(r"\bmain_models\.(\w+)")


@dataclass(frozen=True, slots=True)
class Shipped:
    """The deployed part of one distribution. `files` and `licences` hold the contents of files by
    their path in the code folder."""

    name: str
    version: str
    licence: str
    files: Mapping[str, bytes]
    licences: Mapping[str, bytes]


def read_wheel(path: Path) -> Shipped:
    with ZipFile(path) as wheel:
        members = {
            name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")
        }  # fmt: skip
    metadata = _read_metadata(members)
    name, version = canonicalize_name(str(metadata["Name"])), str(metadata["Version"])
    return Shipped(
        name=name,
        version=version,
        licence=_licence(metadata),
        files={path: data for path, data in members.items() if not _NOT_CODE.search(path)},
        licences={
            f"licenses/{name}-{version}/{path.rpartition('/')[2]}": data
            for path, data in members.items()
            if ".dist-info/" in path and _LICENCE.search(path.partition(".dist-info/")[2])
        },
    )


def _read_metadata(members: Mapping[str, bytes]) -> Message:
    text = next(data for name, data in members.items() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(text.decode("utf-8"), headersonly=True)


def _licence(metadata: Message) -> str:
    """Return the licence's name, the first line of a field that may hold the whole text."""
    licence = metadata["License-Expression"] or metadata["License"]
    classified = [
        str(classifier)
        for classifier in metadata.get_all("Classifier", [])
        if "License ::" in str(classifier)
    ]
    licence = licence or (classified[0].rpartition(":: ")[2] if classified else "")
    if not licence:
        sentence = _("{package} does not declare its licence. Check whether it may be deployed.")
        raise Failure(sentence.format(package=metadata["Name"]))
    return str(licence).strip().splitlines()[0]


def of_s3_alone(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of botocore without the models of services other than S3, which are 30 of
    its 32 MB."""
    services = re.compile(r"botocore/data/(?!s3/)[^/]+/")
    return {path: data for path, data in files.items() if not services.match(path)}


def of_used_modules(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files without the modules in UNUSED, which no call imports."""
    return {path: data for path, data in files.items() if not is_of(path, UNUSED)}


def is_of(path: str, names: Iterable[str]) -> bool:
    """Return True if the path is in `names`, or belongs to a module or package in `names`."""
    return any(path in (name, f"{name}.py") or path.startswith(f"{name}/") for name in names)


def packed_zones(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of tzdata as one archive that Python imports from, without the zones as
    text. As 600 small files, tzdata would take three times as many bytes."""
    text = re.compile(r"tzdata/zoneinfo/(leapseconds|[^/]+\.(tab|zi))$")
    zones = {path: data for path, data in files.items() if not text.match(path)}
    return {ZONES.name: archive.packed(zones)}


def trimmed(files: Mapping[str, bytes], actions: Iterable[str]) -> dict[str, bytes]:
    """Return the official SDK reduced from 1,348 files to the models of these actions.

    Files are unchanged except for the client's methods and the imports of `models/__init__.py`.
    Raise Failure if the SDK lacks a model.
    """
    all_statements = _imports(files[f"{MODELS}__init__.py"].decode("utf-8"))
    wanted = [f"{action}{part}" for action in actions for part in ("Request", "Response")]
    needed: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        if name in needed:
            continue
        if name not in all_statements:
            sentence = _("The SDK has no model {name}. Check the pinned version of the SDK.")
            raise Failure(sentence.format(name=name))
        needed[name] = all_statements[name]
        wanted += _NAMED.findall(files[_file_of(needed[name])].decode("utf-8"))
    others = {**_without_models(files), **_models(files, needed)}
    return {**others, CLIENT: _client(files[CLIENT], actions)}


def _client(source: bytes, actions: Iterable[str]) -> bytes:
    """Return the client's source without the methods of other actions.

    About a hundred of 30,000 lines remain.
    """
    calls = {f"{sdk_import.in_snake_case(action)}{end}" for action in actions for end in ENDS}
    lines = source.splitlines(keepends=True)
    (client,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    for node in reversed(client.body):
        if isinstance(node, METHOD) and node.name not in {*OWN_METHODS, *calls}:
            del lines[node.lineno - 1 : node.end_lineno]
    return b"".join(lines)


def _imports(text: str) -> dict[str, str]:
    """Return the import statements of the models, by model name."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                found[alias.name] = f"from .{node.module} import {alias.name}"
    return found


def _file_of(statement: str) -> str:
    return f"{MODELS}{statement.split()[1].removeprefix('.')}.py"


def _without_models(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if not path.startswith(MODELS)}


def _models(files: Mapping[str, bytes], needed: Mapping[str, str]) -> dict[str, bytes]:
    """Return the needed model files and an `__init__.py` that imports their models."""
    listed = "".join(f"{statement}\n" for statement in sorted(set(needed.values())))
    chosen = {path: files[path] for path in sorted(map(_file_of, needed.values()))}
    return {f"{MODELS}__init__.py": listed.encode(), **chosen}
