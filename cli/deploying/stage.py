"""A stage as s.yaml and env.yaml define it, and what it still lacks to be deployed.

The commands check, deploy and rollback call this module. It reads only files and the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from gettext import gettext as _
from pathlib import Path
from typing import Any

from cli import texts
from cli.deploying import checks
from cli.errors import Failure
from cli.function_compute import ALIAS
from cli.packaging import PACKAGES, RUNTIMES
from cli.paths import ROOT
from cli.runtimes import DEFAULT_REGION, default_runtime
from emulator.fc.template import BadTemplate, environments, load_template
from shared.config import Settings, example_faults, load_stage_policy, target_faults
from shared.errors import Misconfigured

NEEDED = (
    "STORE",
    "API_TOKENS",
    "STREAM_KEYS",
    "RECORD_KEYS",
    "PATH_TOKENS",
    "CALLBACK_HOST",
    "WAKE_KEY",
    "LOG_PROJECT",
    "LOG_STORE",
)
"""Without these variables a stage would serve nobody, reject every callback, or log nothing."""
_VARIABLE = re.compile(r"\$\{env\(\s*['\"](\w+)")
_EMPTY_BY_DEFAULT = re.compile(r"\$\{env\('(\w+)', ''\)\}")
_ON_FUNCTION_COMPUTE = {"FC_FUNC_CODE_PATH": "/code", "FC_ACCOUNT_ID": "-"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as its s.yaml (`template`) and env.yaml define it. `environment` holds the variables
    that the two files refer to as `${env()}`."""

    name: str
    template: Path
    environment: Mapping[str, str]

    def resources(self) -> dict[str, Any]:
        try:
            return load_template(self.template, self.environment, self.name)
        except BadTemplate as error:
            raise Failure(str(error)) from None

    def functions(self) -> tuple[str, ...]:
        resources = self.resources().items()
        return tuple(key for key, each in resources if each.get("component") == "fc3")

    def needed(self) -> list[str]:
        """Return the names of the required variables."""
        overlays = environments(self.template.with_name("env.yaml"))[self.name].get("overlays")
        names = [f"LIVE_RECORD_{name}" for name in NEEDED]
        return list(dict.fromkeys([*names, *_EMPTY_BY_DEFAULT.findall(str(overlays))]))

    def empty(self) -> list[str]:
        """Return the names of the required variables that are empty."""
        return [name for name in self.needed() if not self.environment.get(name, "").strip()]

    def missing(self) -> Iterator[str]:
        """Yield a sentence for each required variable that is empty. If every one is empty, and the
        file NAME.env exists, yield only one sentence, which says how to load that file."""
        empty = self.empty()
        if empty == self.needed() and Path(f"{self.name}.env").exists():
            sentence = _(
                "The variables of {name}.env are not loaded. Load them: `set -a; . ./{name}.env;"
                " set +a`."
            )
            yield sentence.format(name=self.name)
            return
        for name in empty:
            yield _("{name} is empty. Export it.").format(name=name)

    def variables(self) -> list[str]:
        """Return the names of the variables that s.yaml and env.yaml take from the environment."""
        files = (self.template, self.template.with_name("env.yaml"))
        return sorted(
            {name for file in files for name in _VARIABLE.findall(file.read_text(encoding="utf-8"))}
        )

    def env_files(self) -> Iterator[Path]:
        """Yield the .env files that exist in folders where `s` looks for one. `s` would take
        variables from them, and no check sees these variables."""
        codes = [self.environment.get(each.variable, "") for each in PACKAGES]
        folders = [self.template.parent, *(Path(code) for code in codes if code)]
        yield from (folder / ".env" for folder in folders if (folder / ".env").exists())

    def faults(self, policy: str) -> list[str]:
        """Return a sentence for everything that prevents a deploy. `policy` is the stage's policy
        as JSON."""
        read = replace(self, environment=_with_unread_addresses(self.environment))
        resources = read.resources()
        missing, empty = list(self.missing()), self.empty()
        refused = [
            f"{fault.field} {texts.detail(fault.detail)}"
            for fault in _refusals(_variables(resources), policy)
            if fault.field not in empty
        ]
        unseen = [
            _(
                "Serverless Devs (`s`) would read variables from {file}, but live-record's checks"
                " do not see them. Rename the file, for example to {name}.env, and export its"
                " variables."
            ).format(file=file, name=self.name)
            for file in self.env_files()
        ]
        return [*checks.faults(resources), *missing, *refused, *unseen]


def _with_unread_addresses(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with a placeholder for each address that a deploy reads only later."""
    unread = {
        f"LIVE_RECORD_{name}_URL": "https://unread.example.com/"
        for name in ("WAKE", "RELAY")
        if environment.get(f"LIVE_RECORD_{name}_KEY", "").strip()
    }
    return {**unread, **{name: value for name, value in environment.items() if value.strip()}}


def _variables(resources: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the variables of all functions together; each function has only those that it uses."""
    functions = [each["props"] for each in resources.values() if each.get("component") == "fc3"]
    each_has = [props.get("environmentVariables") or {} for props in functions]
    return {name: value for variables in each_has for name, value in variables.items()}


def _refusals(variables: Mapping[str, str], policy: str) -> Iterator[Any]:
    """Yield the faults for which the deployed functions would refuse to serve."""
    try:
        settings = Settings.from_env({**variables, **_ON_FUNCTION_COMPUTE}, of_stage=True)
        loaded = load_stage_policy(policy, kind="json", settings=settings)
        yield from target_faults(loaded, settings)
        yield from example_faults(loaded)
    except Misconfigured as error:
        yield from error.faults


def stage_named(
    name: str,
    environment: Mapping[str, str],
    *,
    template: Path = ROOT / "s.yaml",
    codes: Mapping[str, Path] | None = None,
) -> Stage:
    """Return the stage. Raise a Failure if env.yaml does not name it, because Serverless Devs would
    deploy dev instead. `codes` sets variables of s.yaml, by name, to the folders with the
    functions' code."""
    known = environments(template.with_name("env.yaml"))
    if not name:
        sentence = _("No stage is named. Pass one of env.yaml: {names}.")
        raise Failure(sentence.format(names=", ".join(known)))
    if name not in known:
        sentence = _("env.yaml has no stage {name!r}. Pass one of these: {names}.")
        raise Failure(sentence.format(name=name, names=", ".join(known)))
    ours = {"LIVE_RECORD_STAGE": name, "LIVE_RECORD_ALIAS": ALIAS}
    ours["LIVE_RECORD_RUNTIME"] = runtime_of(environment)
    ours |= {variable: str(folder) for variable, folder in (codes or {}).items()}
    return Stage(name, template, {**environment, **ours})


def need_own_variables(name: str, environment: Mapping[str, str]) -> list[str]:
    """Raise a Failure if the variables are those of another stage: the deployed stage would work
    with the other's Redis, secrets and domain. They contain the name of their stage as
    LIVE_RECORD_STAGE, if `live-record stage add` has written them. Return a warning if they do not
    contain it, because an earlier release has."""
    loaded = environment.get("LIVE_RECORD_STAGE", "").strip()
    if loaded not in ("", name):
        sentence = _(
            "The variables in the environment are those of the stage {loaded}, not of {name}. Open"
            " a new shell, and load `{name}.env` there: `set -a; . ./{name}.env; set +a`."
        )
        raise Failure(sentence.format(loaded=loaded, name=name))
    sentence = _(
        "the variables in the environment do not say whose they are, so they may be those of"
        " another stage. Add the line `LIVE_RECORD_STAGE={name}` to {name}.env, and load the file"
        " again."
    )
    return [] if loaded else [sentence.format(name=name)]


def runtime_of(environment: Mapping[str, str]) -> str:
    """Return the runtime that the environment names, else the one for its region."""
    region = environment.get("LIVE_RECORD_REGION", "").strip() or DEFAULT_REGION
    runtime = environment.get("LIVE_RECORD_RUNTIME", "").strip() or default_runtime(region)
    if runtime not in RUNTIMES:
        sentence = _("LIVE_RECORD_RUNTIME is {runtime!r}. Set it to one of {names}.")
        raise Failure(sentence.format(runtime=runtime, names=", ".join(RUNTIMES)))
    return runtime


def policy_of(name: str) -> Path:
    """Return the stage's policy file: `policy.STAGE.toml` if there is one, else policy.toml."""
    own = ROOT / f"policy.{name}.toml"
    return own if own.exists() else ROOT / "policy.toml"
