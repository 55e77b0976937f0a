"""What is deployed answers by itself, on Function Compute's Pythons, from its archive alone."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest

from cli.errors import Failure
from cli.local.stack import Deployed, running
from cli.packaging import DELIVER, FILES, MAIN, PACKAGES, RUNTIMES, Package, Packaged, build
from cli.paths import ROOT
from emulator.live import Remote
from shared.inbound.live_callbacks import sign
from shared.outbound.live import sdk_import
from shared.outbound.tls import ROOTS
from shared.store import redis_connection
from tests.support.journey import Stage
from tests.support.programs import RUNTIME_PARAMS, python_of
from tests.support.reconciling import TIMER
from tests.support.redis_answers import certificate

pytestmark = [pytest.mark.slow, pytest.mark.long]
ASK = """
import sys
sys.path[:0] = [sys.argv[1]]
import index
answer = index.record_command(b"{}", None)
print(answer["statusCode"], answer["body"])
"""
HOUR = """
import sys
sys.path[:0] = [sys.argv[1]]
from shared.protocol.durations import duration
print(duration("1h"))
"""
ANNOTATED = """
import sys
sys.path[:0] = [sys.argv[1]]
from shared.protocol.durations import duration
from shared.protocol.stream import StreamKey
print(duration.__annotations__, *StreamKey.__annotations__)
"""
WAY = """
import sys
sys.path[:0] = [sys.argv[1]]
from shared.outbound.live.sdk_import import official
print(official(lazy_imports=True).way)
"""
SIGN = """
import json
import sys
sys.path[:0] = [sys.argv[1]]
import index
index.initialize_files(None)
http = {"method": "GET", "path": "/"}
event = {"version": "v1", "rawPath": "/", "requestContext": {"http": http}}
answer = index.files(json.dumps(event).encode(), None)
print(answer["statusCode"], answer["body"])
from shared.outbound.oss import Bucket
place = ("a-bucket", "oss-cn-shanghai.aliyuncs.com", "https")
print(Bucket(*place, "id", "secret", "token").open().signed("a.flv", 3600000))
"""
COPY = """
import sys
sys.path[:0] = [sys.argv[1]]
import index
index.initialize_deliver(None)
from shared.outbound import s3
place = s3.StoreAddress("a-bucket", "http://127.0.0.1:9", "", True, ("127.0.0.1",))
bucket = s3.S3Bucket(place, ("id", "secret", ""), lambda address: True)
try:
    bucket.put("a.flv", b"FLV")
except s3.StoreRefuses as why:
    print(why)
"""
CALENDAR = """
import sys
import zoneinfo
sys.path[:0] = [sys.argv[1]]
zoneinfo.reset_tzpath(())
from shared.schedule.schedule import Schedule
from shared.schedule.recurrence import occurrences
times = ("2026-01-06T19:00:00", "2026-01-06T21:00:00", "Asia/Shanghai")
rule = "FREQ=MONTHLY;BYDAY=1TU;UNTIL=20260303T110000Z"
schedule = Schedule("quiz", ("live.example.com/app/room1",), *times, rrule=rule)
print(*(each.starts_at for each in occurrences(schedule, ends_after=0, limit=9)))
"""
IMPORT_ALL = """
import sys
from importlib import import_module
from pathlib import Path
code = Path(sys.argv[1])
sys.path[:0] = [str(code)]
files = [*code.glob("functions/**/*.py"), *code.glob("shared/**/*.py")]
names = [".".join(file.relative_to(code).with_suffix("").parts) for file in files]
for name in sorted(name.removesuffix(".__init__") for name in names):
    if name != "shared.outbound.live.connection":  # it comes with the SDK
        import_module(name)
print(len(names))
"""
COLD = """
import sys
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace
code, name, event = sys.argv[1:]
sys.path[:0] = [code]
import index
context = SimpleNamespace(request_id="1", function=SimpleNamespace(handler=f"index.{name}"))
index.initialize(context)
try:
    print(getattr(index, name)(event.encode(), context))
except Exception as error:  # of Live, which is away
    print(error)
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
ours = [file for file in files if file.startswith(code) and file.endswith(".py")]
print(len(ours), [file for file in ours if not Path(cache_from_source(file)).exists()])
"""
Build = Callable[..., Packaged]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("package")
    return cache(
        lambda runtime, package=MAIN: build(runtime, package, into=folder, warn=pytest.fail)
    )


@pytest.fixture(params=PACKAGES, ids=["main", "files", "console", "deliver"])
def package(request: pytest.FixtureRequest, built: Build, runtime: str) -> Packaged:
    """Either of them."""
    which: Package = request.param
    return built(runtime, which)


@pytest.fixture(params=RUNTIME_PARAMS)
def runtime(request: pytest.FixtureRequest) -> str:
    python_of(request.param)
    return str(request.param)


def unpacked(package: Packaged, folder: Path) -> Path:
    with ZipFile(package.archive) as opened:
        opened.extractall(folder)
    return folder


def output_of(
    runtime: str, program: str, code: Path, env: Mapping[str, str] | None = None, *more: str
) -> str:
    """By that Python, which has no package but those of the folder."""
    ended = subprocess.run(
        [str(python_of(runtime)), "-I", "-S", "-B", "-c", program, str(code), *more],
        capture_output=True,
        text=True,
        check=False,
        env=env or {},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def names(package: Packaged) -> list[str]:
    with ZipFile(package.archive) as opened:
        return opened.namelist()


def test_the_package_answers_with_nothing_else_installed(
    built: Build, runtime: str, tmp_path: Path
) -> None:
    answer = output_of(runtime, ASK, unpacked(built(runtime), tmp_path)).splitlines()[-1]

    assert answer.startswith("503 {")
    assert "LIVE_RECORD_STORE" in answer


def test_the_package_of_files_signs_with_nothing_else_installed(
    built: Build, runtime: str, tmp_path: Path
) -> None:
    code = unpacked(built(runtime, FILES), tmp_path)
    refused, url = output_of(runtime, SIGN, code).splitlines()[-2:]

    assert refused.startswith("503 {")
    assert url.startswith("https://a-bucket.oss-cn-shanghai.aliyuncs.com/a.flv?")
    assert "x-oss-security-token=token" in url


def test_the_package_of_deliver_begins_a_client_with_nothing_else_installed(
    built: Build, runtime: str, tmp_path: Path
) -> None:
    code = unpacked(built(runtime, DELIVER), tmp_path)
    assert output_of(runtime, COPY, code) == "the target does not answer (ConnectionClosedError)"


def test_the_package_reads_a_calendar_with_no_time_zones_of_the_machine(
    built: Build, runtime: str
) -> None:
    times = output_of(runtime, CALENDAR, built(runtime).folder).split()

    assert times == ["1767697200000", "1770116400000", "1772535600000"]


def test_each_package_carries_the_sdk_of_its_own_functions_alone(
    built: Build, runtime: str
) -> None:
    def sdks(package: Package) -> set[str]:
        roots = {name.split("/")[0] for name in names(built(runtime, package))}
        return roots & {"alibabacloud_live20161101", "alibabacloud_oss_v2", "Crypto", "boto3"}

    assert sdks(MAIN) == {"alibabacloud_live20161101"}
    assert sdks(FILES) == {"alibabacloud_oss_v2", "Crypto"}
    assert sdks(DELIVER) == {"alibabacloud_oss_v2", "Crypto", "boto3"}


@pytest.mark.parametrize("lazy_imports", ["true", "false"])
def test_a_stream_is_recorded_by_the_archive_alone(
    built: Build, runtime: str, lazy_imports: str, tmp_path: Path
) -> None:
    """Also with the lazy import switched off: what the plain one needs is not there."""
    code = unpacked(built(runtime), tmp_path / "code")
    deployed = Deployed(code, str(python_of(runtime)))
    settings = {"LIVE_RECORD_LAZY_IMPORTS": lazy_imports}
    with running(tmp_path / "stage", deployed=deployed, settings=settings) as stack:
        stage = Stage(stack, Remote(stack.live))
        stage.publish("room1")
        stage.ask("room1", "start")
        stage.until(lambda: stage.records("room1"))

        assert stage.sent("room1") == ["start"]


def test_redis_is_spoken_to_from_the_archive_alone(
    built: Build, runtime: str, engines: Callable[[str], str]
) -> None:
    program = (
        "import sys; sys.path[:0] = [sys.argv[1]]; "
        f"from shared.store import open_store; store = open_store('{engines('valkey')}', rate=45,"
        " clock=lambda: 0); store.touch('here'); print(store.age_ms('here') is not None)"
    )

    assert output_of(runtime, program, built(runtime).folder) == "True"


DEPLOYED = {
    "FC_FUNC_CODE_PATH": "/code",
    "FC_ACCOUNT_ID": "1234567890123456",
    "LIVE_RECORD_STAGE": "prod",
    "LIVE_RECORD_STORE": "rediss://store.example.com:6380/0",
    "LIVE_RECORD_API_TOKENS": "ops:read+control:s3cr3t-s3cr3t-s3cr3t",
    "LIVE_RECORD_PATH_TOKENS": "unguessable-path-1",
}
UNKNOWN_REJECTION = {
    "a development secret": ("LIVE_RECORD_PATH_TOKENS", "dev-path", "is a development secret"),
    "a development token": ("LIVE_RECORD_API_TOKENS", "a:read:dev-token", "a development secret"),
    "SQLite": ("LIVE_RECORD_STORE", "sqlite:///tmp/records.db", "SQLite is for one machine"),
}


@pytest.mark.parametrize("case", UNKNOWN_REJECTION)
def test_a_deployed_stage_that_is_unfit_refuses_to_serve_and_says_why(
    built: Build, runtime: str, case: str
) -> None:
    """Why is in the log, which is the first line; the answer names the setting alone."""
    name, value, why = UNKNOWN_REJECTION[case]
    log, answer = output_of(
        runtime, ASK, built(runtime).folder, {**DEPLOYED, name: value}
    ).splitlines()

    assert json.loads(log)["event"] == "settings.refused"
    assert name in log
    assert why in log
    assert answer.startswith("503 {")
    assert name in answer
    assert value not in answer or not value


def test_the_bytecode_is_what_runs_wherever_it_was_unpacked(
    built: Build, runtime: str, tmp_path: Path
) -> None:
    code = unpacked(built(runtime), tmp_path)
    (code / "shared/protocol/durations.py").write_text("raise SystemExit('compiled anew')")

    assert output_of(runtime, HOUR, code) == "3600000"


def test_the_archive_has_no_more_than_2_7_mb(built: Build, runtime: str) -> None:
    assert built(runtime).archive.stat().st_size <= 2_700_000


def test_our_source_keeps_its_lines_without_docstrings(package: Packaged) -> None:
    for file in package.folder.glob("shared/**/*.py"):
        ours = (ROOT / file.relative_to(package.folder)).read_bytes().split(b"\n")
        lines = file.read_bytes().split(b"\n")
        assert all(line in (b"", own) for line, own in zip(lines, ours, strict=True))
        assert ast.get_docstring(ast.parse(b"\n".join(lines))) is None


def test_our_functions_have_no_annotations_in_it_and_our_classes_have(
    built: Build, runtime: str
) -> None:
    assert output_of(runtime, ANNOTATED, built(runtime).folder) == "{} domain app stream"


def test_what_a_package_has_of_our_code_can_be_imported(built: Build, runtime: str) -> None:
    assert int(output_of(runtime, IMPORT_ALL, built(runtime).folder)) > 100


def test_only_the_package_of_a_function_has_its_code(built: Build, runtime: str) -> None:
    def functions(package: Package) -> set[str]:
        parts = [name.split("/") for name in names(built(runtime, package))]
        return {part[1] for part in parts if part[0] == "functions" and len(part) > 2}

    assert not functions(MAIN) & {"console", "deliver", "files"}
    assert "files" in functions(FILES)
    assert "deliver" in functions(DELIVER)


def http_event(method: str, path: str, headers: Mapping[str, str], **query: str) -> str:
    http = {"method": method, "path": path}
    event = {"version": "v1", "rawPath": path, "requestContext": {"http": http}, "body": ""}
    return json.dumps({**event, "headers": headers, "queryParameters": query})


def publish_event() -> str:
    second = str(int(time.time()))
    signature = sign("push.example.com", second, "dev-stream-key-0000")
    headers = {"ALI-LIVE-TIMESTAMP": second, "ALI-LIVE-SIGNATURE": signature}
    query = {"action": "publish", "app": "push.example.com", "appname": "classroom", "id": "room1"}
    return http_event("GET", "/callbacks/stream/dev-path", headers, **query, time=second)


START = "/v1/recordings/live.example.com/app/room1/start"
EVENTS: Mapping[str, Callable[[], str]] = {
    "stream_events": publish_event,
    "record_events": lambda: http_event("POST", "/callbacks/record/dev-path", {}),
    "on_demand": lambda: http_event("GET", "/callbacks/on-demand/dev-path", {}),
    "record_command": lambda: http_event("POST", START, {"Authorization": "Bearer dev-token"}),
    "reconcile": lambda: json.dumps(TIMER),
}


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, engines: Callable[[str], str]) -> str:
    """Return the URL of one that answers: without it a reconcile tries again for as long as it
    may."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.db"
    return f"{engines('valkey')}?stage={uuid4().hex}"


@pytest.mark.parametrize("function", EVENTS)
def test_all_that_a_cold_start_loads_is_compiled(
    built: Build, runtime: str, function: str, store: str
) -> None:
    env = {
        "FC_EMULATOR": "1",  # the secrets are those of development
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "dev",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "dev-secret",
        "LIVE_RECORD_STORE": store,
        "LIVE_RECORD_POLICY": "policy.json",
        "LIVE_RECORD_API_TOKENS": "dev:read+control:dev-token",
        "LIVE_RECORD_PATH_TOKENS": "dev-path",
        "LIVE_RECORD_STREAM_KEYS": "dev-stream-key-0000",
        "LIVE_RECORD_LIVE_ENDPOINT": "http://127.0.0.1:1",
    }
    output = output_of(runtime, COLD, built(runtime).folder, env, function, EVENTS[function]())
    count, uncompiled = output.splitlines()[-1].split(" ", 1)

    assert int(count) > 140
    assert uncompiled == "[]"


def test_the_quick_way_is_the_one_taken_from_the_archive(built: Build, runtime: str) -> None:
    assert output_of(runtime, WAY, built(runtime).folder) == "lazy"


@pytest.mark.parametrize("runtime", RUNTIME_PARAMS[:1], indirect=True)
def test_a_clone_elsewhere_makes_the_same_bytes(built: Build, runtime: str, tmp_path: Path) -> None:
    archives = [built(runtime, package).archive for package in PACKAGES]
    ours = {archive.name: hash_of(archive) for archive in archives}

    assert packaged_in(clone_at(tmp_path / "deeper" / "clone"), runtime) == ours


def clone_at(folder: Path) -> Path:
    for tree in ("cli", "emulator", "functions", "shared", "requirements"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / tree, folder / tree, ignore=ignored)
    for file in ("index.py", "policy.toml"):
        shutil.copyfile(ROOT / file, folder / file)
    (folder / ".live-record").symlink_to(ROOT / ".live-record")
    return folder


def packaged_in(clone: Path, runtime: str) -> dict[str, str]:
    command = [sys.executable, "-m", "cli.main", "package", "--runtime", runtime]
    subprocess.run(command, cwd=clone, env={"PYTHONPATH": str(clone)}, check=True)
    return {file.name: hash_of(file) for file in (clone / "dist").glob("*.zip")}


def hash_of(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def test_no_emulator_and_no_test_is_deployed(package: Packaged) -> None:
    roots = {name.split("/")[0] for name in names(package)}

    assert {"index.py", "policy.json", "functions", "shared", "manifest.json"} <= roots
    assert not roots & {"emulator", "tests", "cli", "benchmarks"}
    assert [name for name in names(package) if "/tests/" in name or "/SelfTest/" in name] == []


def test_no_module_that_a_stub_replaces_is_deployed(package: Packaged) -> None:
    stubs = [name.replace(".", "/") for name in (*sdk_import.UNUSED, *redis_connection.UNUSED)]
    modules = [name for name in names(package) if "charset_normalizer" not in name]

    assert [name for name in modules if name.removesuffix(".py") in stubs] == []
    assert [name for name in modules if name.startswith(tuple(f"{stub}/" for stub in stubs))] == []


def test_every_script_and_every_text_of_ours_is_deployed(package: Packaged) -> None:
    data = [path for kind in ("*.lua", "*.json") for path in (ROOT / "shared").rglob(kind)]

    assert len(data) > 10
    assert {path.relative_to(ROOT).as_posix() for path in data} <= set(names(package))


def test_an_authority_of_one_s_own_is_packaged_with_the_policy(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    shutil.copyfile(ROOT / "policy.toml", policy)
    authority = certificate(tmp_path).rename(tmp_path / "store-ca.pem")
    made = build(RUNTIMES[0], policy=policy, into=tmp_path, warn=lambda _text: None)

    assert (made.folder / "store-ca.pem").read_bytes() == authority.read_bytes()


def test_a_private_key_is_not_packaged(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "policy.toml", tmp_path / "policy.toml")
    authority = certificate(tmp_path).rename(tmp_path / "store-ca.pem")
    authority.write_bytes(authority.read_bytes() + (tmp_path / "key.pem").read_bytes())

    with pytest.raises(Failure, match="nothing but certificates in PEM form"):
        build(RUNTIMES[0], policy=tmp_path / "policy.toml", into=tmp_path, warn=pytest.fail)


def test_every_root_of_certifi_is_a_file_of_its_own(built: Build, runtime: str) -> None:
    certifi = built(runtime).folder / "certifi"
    bundle = (built(runtime, FILES).folder / "certifi/cacert.pem").read_text(encoding="ascii")
    roots = [file.read_text(encoding="ascii") for file in (certifi / ROOTS).iterdir()]

    assert len(roots) == bundle.count("-----BEGIN") > 100
    assert all(root in bundle for root in roots)


def test_every_package_comes_with_its_licence(package: Packaged) -> None:
    manifest = json.loads((package.folder / "manifest.json").read_text(encoding="utf-8"))
    listed = [file for each in manifest["packages"] for file in each["license_files"]]

    assert all(each["license"] for each in manifest["packages"])
    assert sorted(listed) == [name for name in names(package) if name.startswith("licenses/")]


def test_nothing_of_this_machine_is_in_the_package(package: Packaged) -> None:
    files = (path for path in package.folder.rglob("*") if path.is_file())
    ours = [str(ROOT).encode(), str(package.folder).encode()]

    assert [file for file in files if any(path in file.read_bytes() for path in ours)] == []
