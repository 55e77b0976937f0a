"""The reader of Serverless Devs 3 templates: resolves variables, templates and overlays.

deployment.py and the deploy commands of the CLI call this module (docs/platform/function-compute.md
§7). It must not know which properties a function has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{([^}]*)\}")
_ENV = re.compile(r"""env\(\s*['"](\w+)['"]\s*(?:,\s*(?:'([^']*)'|"([^"]*)")\s*)?\)""")
_PATH = re.compile(r"""path\(\s*['"]([^'"]*)['"]\s*\)""")
_NAMES = re.compile(r"(?:vars|resources)(?:\.\w[\w-]*)+")


class BadTemplate(Exception):
    """An s.yaml is wrong; `faults` lists everything that is."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(f"{path}: " + "; ".join(faults))
        self.faults = faults


class Unresolved(Exception):
    """An expression has no value."""


def load_template(path: Path, env: Mapping[str, str], environment: str = "") -> dict[str, Any]:
    """Return the resolved resources (docs/platform/function-compute.md §7).

    With an `environment`, apply its overlays from the env.yaml in the same folder.
    """
    overlays = _overlays(path.with_name("env.yaml"), environment) if environment else {}
    resolver = _Resolver(_read(path), path.parent, env, overlays)
    resources = resolver.resources()
    if resolver.faults:
        raise BadTemplate(path, resolver.faults)
    return resources


def _parse(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the parsed YAML file. The value is cached, so nobody may change it."""
    return _parsed(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=4)
def _parsed(text: str) -> Any:  # noqa: ANN401 - as above
    """Return the parsed text; cache it, because a deploy reads its template for each step. Use
    libyaml if it is installed: it is several times as fast."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, loader)  # noqa: S506 - both are safe


def _read(path: Path) -> dict[str, Any]:
    try:
        document = _parse(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadTemplate(path, [f"cannot be read: {error}"]) from error
    if not isinstance(document, dict) or not isinstance(document.get("resources"), dict):
        raise BadTemplate(path, ["has no resources"])
    return document


def environments(path: Path) -> dict[str, Any]:
    """Return the environments of an env.yaml by name."""
    try:
        document = _parse(path)
        return {str(each["name"]): each for each in document["environments"]}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise BadTemplate(path, [f"cannot be read: {error}"]) from error


def _overlays(path: Path, environment: str) -> dict[str, Any]:
    """Return an environment's overlays. Raise BadTemplate if there is no such environment.

    Serverless Devs would only warn.
    """
    known = environments(path)
    if environment not in known:
        raise BadTemplate(path, [f"has no {environment!r}, only {', '.join(known)}"])
    found: dict[str, Any] = known[environment].get("overlays") or {}
    return found


class _Resolver:
    def __init__(
        self,
        document: dict[str, Any],
        folder: Path,
        env: Mapping[str, str],
        overlays: Mapping[str, Any],
    ) -> None:
        self.faults: list[str] = []
        self._overlays = overlays
        self._document = document
        self._folder = folder
        self._env = env
        self._resolving: list[str] = []

    def resources(self) -> dict[str, Any]:
        merged = {
            str(key): self._overlay(str(key), self._extend(str(key), value))
            for key, value in self._document["resources"].items()
        }
        self._document = {**self._document, "resources": merged}
        return {key: self._resolve(value, f"resources.{key}") for key, value in merged.items()}

    def _extend(self, key: str, resource: object) -> dict[str, Any]:
        if not isinstance(resource, dict):
            self.faults.append(f"resources.{key} is not a mapping")
            return {}
        extend = resource.get("extend")
        if extend is None:
            return resource
        template = self._template(key, extend)
        return {**resource, "props": _merge(template, resource.get("props") or {})}

    def _overlay(self, key: str, resource: dict[str, Any]) -> dict[str, Any]:
        """Apply the overlays of the component, then those of the resource."""
        of_components = self._overlays.get("components") or {}
        of_resources = self._overlays.get("resources") or {}
        over = _merge(
            of_components.get(resource.get("component")) or {}, of_resources.get(key) or {}
        )
        return (
            {**resource, "props": _merge(resource.get("props") or {}, over)} if over else resource
        )

    def _template(self, key: str, extend: object) -> dict[str, Any]:
        name = extend.get("name") if isinstance(extend, dict) else None
        template = (self._document.get("template") or {}).get(name)
        if not isinstance(extend, dict) or not isinstance(template, dict):
            self.faults.append(f"resources.{key} extends {name!r}, which no template is called")
            return {}
        ignored = extend.get("ignore") or []
        return {name: value for name, value in template.items() if name not in ignored}

    def _resolve(self, node: object, where: str) -> Any:  # noqa: ANN401 -- YAML is what it is
        if isinstance(node, dict):
            return {key: self._resolve(value, f"{where}.{key}") for key, value in node.items()}
        if isinstance(node, list):
            return [self._resolve(value, f"{where}[{i}]") for i, value in enumerate(node)]
        if isinstance(node, str) and "${" in node:
            return self._resolve_text(node, where)
        return node

    def _resolve_text(self, text: str, where: str) -> Any:  # noqa: ANN401 -- as above
        try:
            whole = _EXPRESSION.fullmatch(text)
            if whole:
                return self._evaluate(whole[1].strip())
            return _EXPRESSION.sub(lambda match: str(self._evaluate(match[1].strip())), text)
        except Unresolved as error:
            self.faults.append(f"{where}: {error}")
            return ""

    def _evaluate(self, expression: str) -> Any:  # noqa: ANN401 -- as above
        if match := _ENV.fullmatch(expression):
            return self._env_value(match)
        if match := _PATH.fullmatch(expression):
            return str((self._folder / match[1]).resolve())
        if _NAMES.fullmatch(expression):
            return self._resolve_name(expression)
        raise Unresolved(f"${{{expression}}} is none of env(), path(), vars. and resources.")

    def _env_value(self, match: re.Match[str]) -> str:
        """Return the variable, or its default if it is empty, as Serverless Devs does."""
        default = match[2] if match[2] is not None else match[3]
        value = self._env.get(match[1]) or default
        if value is None:
            raise Unresolved(f"the environment has no {match[1]}, and no default is given")
        return value

    def _resolve_name(self, expression: str) -> Any:  # noqa: ANN401 -- as above
        if expression in self._resolving:
            raise Unresolved(f"${{{expression}}} refers to itself")
        self._resolving.append(expression)
        try:
            return self._resolve(self._lookup(expression), expression)
        finally:
            self._resolving.pop()

    def _lookup(self, expression: str) -> object:
        node: object = self._document
        for name in expression.split("."):
            if not isinstance(node, dict) or name not in node:
                raise Unresolved(f"there is no {expression}")
            node = node[name]
        return node


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge mappings; replace everything else."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    return merged
