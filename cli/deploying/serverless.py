"""Runs `s` of Serverless Devs for one stage.

The deploy and rollback commands use this module through the protocol Commands of
cli.deploying.deployed. No secret may leave this module: `s` prints the stage's secrets in clear,
and logs its output.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from gettext import gettext as _
from pathlib import Path
from typing import Any

from cli.deploying.redaction import Redactor
from cli.deploying.stage import Stage
from cli.errors import Failure

_LAST_CHARS = 2_000
"""How many characters of the output a Failure repeats."""
_ERROR = re.compile(r"Error Message:\s*(.*?)\s*(?:A complete log of this run|\Z)", re.DOTALL)
"""Matches the error at the end of the output of `s`. Before the error, the component prints all
that it deploys."""
_ACCESS = "LIVE_RECORD_ACCESS"
_BEFORE_ACCESS = (
    "AccountID",
    "AccessKeyID",
    "AccessKeySecret",
    "serverless_devs_access_cicd_alias_name",
)
"""Variables that `s` prefers to any --access (docs/platform/function-compute.md §7)."""
_COMPONENTS = "core_load_serverless_devs_component"
"""The variable makes `s` load a component in the version that it names. A version in s.yaml itself
would silently detach the overlays of env.yaml (docs/platform/function-compute.md §6.2)."""
_PINNED = "fc3@0.1.22"
_VAULT = "DOTENV_KEY"
"""With this variable, `s` would read an encrypted file of variables, which no check sees."""
_NO_ACCESS = "Not found access"


def _access_hint() -> str:
    sentence = _(
        "Set {access} to a name that `s config get` lists, or export AccountID, AccessKeyID and"
        " AccessKeySecret."
    )
    return sentence.format(access=_ACCESS)


class Serverless:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._program = shutil.which("s", path=stage.environment.get("PATH"))
        if self._program is None:
            raise Failure(
                _("Serverless Devs is not installed. Run `npm install -g @serverless-devs/s`.")
            )
        access = stage.environment.get(_ACCESS, "").strip()
        self._options = ["-t", str(stage.template), "--env", stage.name]
        self._options += ["--access", access] if access else []
        self._folder = stage.template.parent
        self._environment = _environment(stage, chosen=bool(access))
        self._redact = Redactor(stage.environment)

    def run(self, *words: str) -> str:
        """Run `s` with these words, and return its output without secrets. If `s` fails, raise a
        Failure with the error that it printed."""
        return self._redact(self._run(*words))

    def ask(self, *words: str) -> list[dict[str, Any]]:
        """Run `s` with these words, and return every mapping in the JSON that it prints, however
        deep: the shape of its output is undocumented.

        With `-o json`, `s` ends with the exit code 0 even if it failed, and prints no result. So if
        there is no result, `s` is run again without `-o json`, and its failure raises a Failure
        (docs/platform/function-compute.md §6.2).
        """
        values = list(_values(self._run(*words, "-o", "json")))
        if not values:
            self._run(*words)
        return [found for value in values for found in _mappings(value)]

    def _run(self, *words: str) -> str:
        """Return the output as it is, with secrets; leave no log behind."""
        trace = f"live-record-{secrets.token_hex(8)}"
        try:
            ended = subprocess.run(
                [str(self._program), *words, *self._options],
                env={**self._environment, "serverless_devs_traceid": trace},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        finally:
            for home in _homes(self._environment):
                shutil.rmtree(home / "logs" / trace, ignore_errors=True)
        if ended.returncode != 0:
            raise self._failure(words, ended.returncode, ended.stdout)
        return ended.stdout

    def _failure(self, words: tuple[str, ...], code: int, printed: str) -> Failure:
        """Return the failure with the end of the output. Redact first: half of a secret would not
        be recognized."""
        clean = self._redact(printed)
        errors = _ERROR.findall(clean)
        end = ("\n".join(errors) or clean.strip())[-_LAST_CHARS:]
        hint = f"\n{_access_hint()}" if _NO_ACCESS in end else ""
        return Failure(
            _("`s {names}` ended with {code}: {end}{hint}").format(
                names=" ".join(words), code=code, end=end, hint=hint
            )
        )


def _environment(stage: Stage, *, chosen: bool) -> dict[str, str]:
    """Return the environment of `s`, without other credentials if the access was chosen.

    It has every variable of s.yaml, even the empty ones: `s` takes a variable from a file only if
    the environment lacks it.
    """
    left_out = (*(_BEFORE_ACCESS if chosen else ()), _VAULT)
    ours = {name: value for name, value in stage.environment.items() if name not in left_out}
    return {_COMPONENTS: _PINNED, **dict.fromkeys(stage.variables(), ""), **ours}


def _homes(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders in which `s` may keep its logs."""
    config = environment.get("serverless_devs_config_home") or environment.get("HOME")
    base = Path(config) if config else Path.home()
    yield from (base / ".s", base / ".cache" / ".s")
    with suppress(OSError, ValueError, TypeError, KeyError):
        own = json.loads((base / ".s" / "config" / "s.json").read_text(encoding="utf-8"))
        yield Path(str(own["workspace"]).replace("~", str(base), 1))


def _values(printed: str) -> Iterator[object]:
    """Yield the JSON values between log lines, some of which begin with a bracket as well."""
    for found in re.finditer(r"^[\[{]", printed, re.MULTILINE):
        with suppress(json.JSONDecodeError):
            yield json.JSONDecoder().raw_decode(printed, found.start())[0]


def _mappings(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _mappings(inner)
