"""Tokens from the command line: made here, shown once, listed without a secret, revoked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.config.tokens import digest_of
from tests.support.http_stage import TOKEN, HttpStage, http_stage
from tests.support.time_zone import in_zone

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
"""
ROOM = "live.example.com/app/room1"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY) as stage:
        yield stage


def run(stage: HttpStage, *command: str, token: str = TOKEN) -> Result:
    return CliRunner().invoke(main, [*command, "--url", stage.url, "--token", token])


def added(stage: HttpStage, *options: str) -> str:
    result = run(stage, "token", "add", "tv", *options)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_token_is_printed_once_and_works(stage: HttpStage) -> None:
    token = added(stage, "--scope", "read")

    assert len(token) >= 43
    assert run(stage, "status", ROOM, token=token).exit_code == 0
    assert "Forbidden" in run(stage, "start", ROOM, token=token).output


def test_only_its_digest_leaves_this_machine(stage: HttpStage) -> None:
    token = added(stage, "--scope", "read")
    (document,) = stage.app.store.tokens().values()

    assert digest_of(token).hex() in document
    assert token not in document
    assert token not in run(stage, "token", "list").output


def test_the_list_says_who_may_do_what_and_who_added_it(stage: HttpStage) -> None:
    bounds = ("--streams", "live.example.com/app/*", "--until", "2099-01-31T00:00:00Z")
    added(stage, "--scope", "read", "--scope", "control", *bounds)
    with in_zone("Asia/Shanghai"):
        heading, *lines = run(stage, "token", "list").output.splitlines()

    assert heading == f"stage {stage.url}"
    assert lines[0] == "dev: read, control, policy, tokens; all streams; in an environment variable"
    assert lines[1].startswith(
        "tv: read, control; live.example.com/app/* (until 2099-01-31 08:00:00+08:00);"
        " added by dev, "
    )


def test_as_json_the_token_stands_beside_what_the_stage_answered(stage: HttpStage) -> None:
    result = run(stage, "token", "add", "tv", "--scope", "read", "--json")
    answer = json.loads(result.stdout)

    assert (answer["name"], answer["scopes"]) == ("tv", ["read"])
    assert run(stage, "status", ROOM, token=answer["token"]).exit_code == 0


def test_a_revoked_token_is_refused(stage: HttpStage) -> None:
    token = added(stage, "--scope", "read")
    revoked = run(stage, "token", "revoke", "tv")

    assert "no instance accepts it" in revoked.output
    assert "Unauthorized" in run(stage, "status", ROOM, token=token).output
    assert run(stage, "token", "revoke", "tv").exit_code == 1


def test_a_name_that_is_none_is_a_refusal_and_no_crash(stage: HttpStage) -> None:
    assert "NotFound" in run(stage, "token", "revoke", "../policy").output
    assert "name" in run(stage, "token", "add", "a b", "--scope", "read").output
