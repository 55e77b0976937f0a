"""What a person or a deploy writes: policy, settings, stages.toml, state files, arguments."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner
from hypothesis import strategies as st

from cli import stage_registry
from cli.errors import Failure
from cli.main import main
from shared.config import Settings, load_policy
from shared.config import settings as settings_module
from shared.config.policy_dump import policy_document
from shared.errors import Fault, Misconfigured
from tests.fuzz.answers import MAX_ANSWER_BYTES
from tests.fuzz.corpus import Case, numbers, texts, values
from tests.fuzz.function_edges import Check

NOWHERE = "http://127.0.0.1:9"
"""An address at which nobody answers, at once."""
TOKEN = "unguessable-token-1"

# --- settings -----------------------------------------------------------------------------------

_BAD_SETTINGS = {
    "STAGE": "Prod!",
    "RATE": "51",
    "MODE": "watch",
    "MAX_DURATION": "long",
    "HOLD": "0",
    "KEEP": "6d",
    "MERGE_DELAY": "10s",
    "SIGNATURE_WINDOW": "6m",
    "MAX_CONCURRENT": "-1",
    "WAKE_URL": "nowhere",
    "BUCKET": "A",
    "LAZY_IMPORTS": "maybe",
    "STREEM_KEYS": "x",
}
"""Each without its prefix, with a value that is refused: all of them have to be named."""
_names = st.sampled_from(sorted(settings_module.names())) | texts.map("LIVE_RECORD_".__add__)
setting_cases = st.fixed_dictionaries(
    {
        "env": st.dictionaries(_names, texts, max_size=8),
        "faults": st.lists(st.sampled_from(sorted(_BAD_SETTINGS)), unique=True, max_size=5),
    }
)


def check_settings(case: Case) -> None:
    for of_stage in (True, False):
        with suppress(Misconfigured):
            Settings.from_env(case["env"], of_stage=of_stage)
    bad = {f"LIVE_RECORD_{name}": _BAD_SETTINGS[name] for name in case["faults"]}
    found = _faults(lambda: Settings.from_env({**case["env"], **bad}))
    assert set(bad) <= {fault.field for fault in found}, found


def _faults(load: Callable[[], object]) -> tuple[Fault, ...]:
    found = _found(load)
    assert all(fault.field and fault.detail for fault in found), found
    assert sum(len(str(fault)) for fault in found) <= MAX_ANSWER_BYTES
    return found


def _found(load: Callable[[], object]) -> tuple[Fault, ...]:
    try:
        load()
    except Misconfigured as error:
        return tuple(error.faults)
    return ()


# --- the policy ---------------------------------------------------------------------------------

_BAD_RULE: Mapping[str, object] = {
    "on_publish": "perhaps",
    "on_interruption": 7,
    "max_duration": "4",
    "max_concurrent": 0,
    "priority": "high",
    "coverage_target": 101,
    "max_gap": 30,
    "made_up": True,
}
_rule = st.fixed_dictionaries(
    {},
    optional={
        "match": st.fixed_dictionaries(
            {}, optional={"domain": texts, "app": texts, "stream": texts}
        )
        | values,
        "on_publish": st.sampled_from(["record", "ignore"]) | values,
        "on_interruption": st.sampled_from(["resume", "stop", "finalize"]) | values,
        "max_duration": st.sampled_from(["4h", "PT4H"]) | values,
        "max_concurrent": numbers | values,
        "priority": numbers | values,
        "coverage_target": st.floats() | values,
        "max_gap": st.sampled_from(["30s", "PT1M"]) | values,
    },
)
_domain = st.fixed_dictionaries(
    {},
    optional={
        "streaming": st.just("live.example.com") | values,
        "ingest": st.just(["push.example.com"]) | values,
        "sub": values,
        "object_prefix": st.just(["record/{AppName}/{StreamName}/"]) | values,
    },
)
_document = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["act", "observe"]) | values,
        "domain": st.lists(_domain, max_size=3) | values,
        "rule": st.lists(_rule, max_size=3) | values,
        "forward_to": st.fixed_dictionaries(
            {}, optional={"stream": texts, "record": values, "on_demand": texts}
        )
        | values,
    },
)
policy_cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["json", "toml"]),
        "text": _document.map(json.dumps) | values.map(json.dumps) | texts,
        "faults": st.lists(st.sampled_from(sorted(_BAD_RULE)), unique=True, max_size=6),
    }
)


def check_policy(case: Case) -> None:
    text, kind = case["text"], case["kind"]
    found = _faults(lambda: load_policy(text, kind=kind))
    if not found:
        policy = load_policy(text, kind=kind)
        assert load_policy(json.dumps(policy_document(policy)), kind="json") == policy
    rule = {name: _BAD_RULE[name] for name in case["faults"]}
    whole = {"domain": [{"streaming": "live.example.com"}], "rule": [rule]}
    named = {fault.field for fault in _faults(lambda: load_policy(json.dumps(whole), kind="json"))}
    assert named == {f"policy: rule #1 {name}" for name in rule}, named


# --- stages.toml, state files, arguments --------------------------------------------------------

_stage = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("url", "token", "token_env", "live", "rtmp", "made_up"), texts),
)
stage_cases = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(["dev", "prod"]) | texts,
        "token": st.none() | texts,
        "text": st.dictionaries(st.sampled_from(["dev", "prod"]), _stage, max_size=2).map(
            lambda tables: "\n".join(
                f"[{name}]\n"
                + "\n".join(f"{key} = {json.dumps(text)}" for key, text in table.items())
                for name, table in tables.items()
            )
        )
        | texts,
    }
)
state_cases = st.fixed_dictionaries(
    {
        "text": st.fixed_dictionaries(
            {},
            optional={
                "format": st.just(1) | values,
                "policy": _document | values,
                "streams": st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional=dict.fromkeys(("domain", "app", "stream", "intent"), values),
                    ),
                    max_size=3,
                )
                | values,
            },
        ).map(json.dumps)
        | texts
    }
)
_commands = (
    *("start", "stop", "extend", "restart", "cancel-delay", "status", "history", "files"),
    *("list", "why", "play", "policy test", "policy show", "policy diff", "policy apply"),
    *("state import", "store accept", "check"),
)
_words = st.sampled_from(
    [
        *("live.example.com/app/room1", "live.example.com/app", "--json", "--help", "--limit", "7"),
        *("--for", "2h", "--until", "--note", "--max-duration", "--finalize", "--hold", "--phase"),
        *("--language", "zh", "--file", "policy.toml", "--", "-", "-x"),
    ]
)


def _is_argument(text: str) -> bool:
    """Return True if the system can hand it over: as bytes, none of which is NUL."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


argument_cases = st.fixed_dictionaries(
    {
        "command": st.sampled_from(_commands),
        "args": st.lists(_words | texts.filter(_is_argument), max_size=5),
    }
)


def _run(*words: str) -> None:
    """Run a command at a stage that nobody answers for: it ends with a sentence and a status."""
    result = CliRunner().invoke(main, [*words])
    ended = result.exception is None or isinstance(result.exception, SystemExit)
    assert ended, result.exception
    assert len(result.output.encode("utf-8", "replace")) <= MAX_ANSWER_BYTES
    assert "Traceback" not in result.output


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """Run in an empty folder that has a stages file of its own, and know no key of an account."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        env = {
            "LIVE_RECORD_STAGES": str(folder / "stages.toml"),
            "LIVE_RECORD_STATE": name,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "",
        }
        with mock.patch.dict("os.environ", env):
            yield folder


@contextmanager
def stages() -> Iterator[Check]:
    with _elsewhere() as folder:

        def check(case: Case) -> None:
            data = case["text"].encode("utf-8", "surrogatepass")
            (folder / "stages.toml").write_bytes(data)
            with suppress(click.ClickException, Failure):
                token = case["token"] if isinstance(case["token"], str) else None
                stage_registry.resolve_target(case["stage"], None, token, changes=True)

        yield check


@contextmanager
def states() -> Iterator[Check]:
    with _elsewhere() as folder:

        def check(case: Case) -> None:
            file = folder / "state.json"
            file.write_bytes(case["text"].encode("utf-8", "surrogatepass"))
            _run("state", "import", str(file), "--url", NOWHERE, "--token", TOKEN)

        yield check


@contextmanager
def arguments() -> Iterator[Check]:
    with _elsewhere():
        yield lambda case: _run(
            *case["command"].split(), *case["args"], "--url", NOWHERE, "--token", TOKEN
        )
