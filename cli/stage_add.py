"""`live-record stage add`: turns the outputs of the account's ROS stack into a stage's environment.

cli.main adds the group. The command writes NAME.env, which the deployer's shell reads, and the
stages file. Both hold secrets: only their owner may be able to read them, and nothing here prints
one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping
from gettext import gettext as _
from pathlib import Path

import click

from cli import stage_registry
from cli.errors import Failure
from shared.config import values

PASSWORD = "STORE_PASSWORD"  # noqa: S105 - the name of a variable
OUTPUTS = {
    "LIVE_RECORD_REGION": "Region",
    "LIVE_RECORD_LOG_PROJECT": "LogProject",
    "LIVE_RECORD_LOG_STORE": "LogStore",
    "LIVE_RECORD_VPC": "Vpc",
    "LIVE_RECORD_VSWITCH": "VSwitch",
    "LIVE_RECORD_SECURITY_GROUP": "SecurityGroup",
    "LIVE_RECORD_FAILURES": "Failures",
    "LIVE_RECORD_BUCKET": "Bucket",
    "LIVE_RECORD_OSS_ENDPOINT": "OssEndpoint",
}
"""For each variable, the output of deploy/account.ros.yaml that holds its value."""
SECRETS = ("STREAM_KEYS", "RECORD_KEYS", "PATH_TOKENS", "WAKE_KEY", "RELAY_KEY")
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_LINE = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)


@click.group()
def stage() -> None:
    """Register the stages that this machine deploys and calls."""


@stage.command("add")
@click.argument("name")
@click.option(
    "--from-stack",
    "outputs",
    required=True,
    type=_FILE,
    help="file with the JSON of the stack that `aliyun ros GetStack` prints",
)
@click.option("--domain", required=True, help="domain of the stage, such as record.example.com")
@click.option(
    "--certificate",
    required=True,
    type=_FILE,
    help="PEM file of the domain's certificate, with the chain",
)
@click.option("--key", required=True, type=_FILE, help="PEM file of the certificate's private key")
@click.option(
    "--access", default="", help="name of the access in `s config` (Serverless Devs) to deploy with"
)
def add(
    *, name: str, outputs: Path, domain: str, certificate: Path, key: Path, access: str
) -> None:
    """Write NAME.env and register the stage NAME.

    NAME.env holds the settings and secrets that a deploy of the stage needs. The environment
    variable STORE_PASSWORD must hold the password of the store. A second run takes the
    newest values from the file of the stack (`--from-stack`), and keeps every secret in NAME.env.
    """
    _check(name, domain)
    _check_certificate(certificate, key, domain)
    file = Path(f"{name}.env")
    found = dict(_LINE.findall(file.read_text(encoding="utf-8"))) if file.exists() else {}
    before = {variable: _unquoted(value) for variable, value in found.items()}
    stack = _outputs(outputs)
    variables = {
        **before,
        **{variable: stack[output] for variable, output in OUTPUTS.items()},
        **_named(name, domain, access),
        **_kept_or_new(before),
        "LIVE_RECORD_STORE": _store(stack, before),
    }
    token = before.get(_token_variable(name)) or secrets.token_hex(24)
    variables[_token_variable(name)] = token
    variables["LIVE_RECORD_API_TOKENS"] = before.get(
        "LIVE_RECORD_API_TOKENS", f"ops:read+control+policy+tokens:{token}"
    )
    _write(file, variables, certificate, key)
    stage_registry.register(name, stage_registry.Target(f"https://{domain}", token))
    for line in _next(name, domain, stack):
        click.echo(line)


def _check(name: str, domain: str) -> None:
    try:
        values.stage(name)
    except ValueError as error:
        sentence = _("{name} is not a stage's name: {error}.")
        raise click.UsageError(sentence.format(name=name, error=error)) from None
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        raise click.UsageError(
            _("`--domain` takes a host such as record.example.com, in lower case.")
        )


def _check_certificate(certificate: Path, key: Path, domain: str) -> None:
    # Not at the top: `--help` of any command of this group would load the library.
    from cli.certificates import certificate_faults

    if found := certificate_faults(certificate, key, domain):
        listed = "".join(f"\n  {fault}" for fault in found)
        sentence = _("{domain} cannot be served with these files:{listed}")
        raise Failure(sentence.format(domain=domain, listed=listed))


def _outputs(file: Path) -> Mapping[str, str]:
    """Return the outputs by name; raise a Failure that names those that are missing."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        rows = document["Outputs"] if isinstance(document, dict) else document
        found = {str(row["OutputKey"]): _text(row.get("OutputValue")) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError):
        sentence = _("{file} is not the JSON that `aliyun ros GetStack` prints.")
        raise Failure(sentence.format(file=file)) from None
    status = document.get("Status", "") if isinstance(document, dict) else ""
    if status and not status.endswith("_COMPLETE"):
        sentence = _(
            "The stack is {status}. Wait until it is CREATE_COMPLETE, then run `aliyun ros"
            " GetStack` again."
        )
        raise Failure(sentence.format(status=status))
    needed = (*OUTPUTS.values(), "StoreHost", "StorePort", "Account")
    if missing := [name for name in needed if not found.get(name)]:
        sentence = _(
            "{file} lacks {names}. Is it a stack of deploy/account.ros.yaml of this release?"
        )
        raise Failure(sentence.format(file=file, names=", ".join(missing)))
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _named(name: str, domain: str, access: str) -> Mapping[str, str]:
    named = {"LIVE_RECORD_STAGE": name}  # by this, a deploy of another stage refuses the file
    chosen = {"LIVE_RECORD_ACCESS": access} if access else {}
    return {**named, "LIVE_RECORD_DOMAIN": domain, "LIVE_RECORD_CALLBACK_HOST": domain, **chosen}


def _kept_or_new(before: Mapping[str, str]) -> Mapping[str, str]:
    names = [f"LIVE_RECORD_{name}" for name in SECRETS]
    return {name: before.get(name) or secrets.token_hex(16) for name in names}


def _store(stack: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return the store's URL; its password comes from the environment, or from the earlier
    NAME.env."""
    had = re.match(r"redis://:([^@]*)@", before.get("LIVE_RECORD_STORE", ""))
    password = os.environ.get(PASSWORD) or (had[1] if had else "")
    if not re.fullmatch(r"[A-Za-z0-9]{8,32}", password):
        sentence = _(
            "{name} is unset, or is not a password that the template accepts. Export the password"
            " with which the stack was made: 8 to 32 letters and digits."
        )
        raise Failure(sentence.format(name=PASSWORD))
    return f"redis://:{password}@{stack['StoreHost']}:{stack['StorePort']}/0"


def _token_variable(name: str) -> str:
    return f"TOKEN_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"


def _unquoted(value: str) -> str:
    parts = shlex.split(value)
    return parts[0] if parts else ""


def _write(file: Path, variables: Mapping[str, str], certificate: Path, key: Path) -> None:
    """Write the file for a shell, readable only by its owner. The certificate stays in its own
    files, so that a renewed one is deployed without another run."""
    pems = {"LIVE_RECORD_CERTIFICATE": certificate, "LIVE_RECORD_CERTIFICATE_KEY": key}
    lines = [f"{name}={shlex.quote(text)}" for name, text in variables.items() if name not in pems]
    lines += [f'{name}="$(cat {shlex.quote(str(pem.resolve()))})"' for name, pem in pems.items()]
    draft = file.with_name(f"{file.name}.draft")
    with open(draft, "w", encoding="utf-8", opener=_private) as out:
        out.write("\n".join([*lines, ""]))
    draft.replace(file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _next(name: str, domain: str, stack: Mapping[str, str]) -> Iterator[str]:
    host, _dot, parent = domain.partition(".")
    yield _("{name}.env is written, and the stage {name} is registered.").format(name=name)
    yield _("Point the domain to Function Compute, and deploy:")
    target = f"{stack['Account']}.{stack['Region']}.fc.aliyuncs.com"
    yield (
        f"  aliyun alidns AddDomainRecord --DomainName {parent} --RR {host} --Type CNAME"
        f" --Value {target}"
    )
    yield f"  set -a; . ./{name}.env; set +a"
    yield f"  make deploy STAGE={name}"
