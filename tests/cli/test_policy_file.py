"""Whoever reads a policy file tells all of its mistakes, and nobody a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.errors import Failure
from cli.local.stack import running
from cli.main import main
from cli.packaging import RUNTIMES, build

WRONG = '[[domain]]\nstreaming = "live.example.com"\ncolour = 1\n[[rule]]\nx = 2\n'
NAMED = "policy.toml:3: domain #1 colour: is not known"
STREAM = "live.example.com/app/room1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(WRONG)
    return tmp_path / "policy.toml"


def runs(file: Path) -> None:
    with running(file.parent / "stack", policy=file):
        pytest.fail("it runs with that policy")


def packs(file: Path) -> None:
    build(RUNTIMES[0], policy=file, into=file.parent, warn=pytest.fail)


@pytest.mark.parametrize("read", [runs, packs])
def test_all_mistakes_are_told_with_their_lines(read: object, file: Path) -> None:
    assert callable(read)
    with pytest.raises(Failure) as raised:
        read(file)

    first, second = raised.value.message.splitlines()
    assert NAMED in first
    assert "policy.toml:5: rule #1 x: " in second


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, file: Path) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    for read in (runs, packs):
        with pytest.raises(Failure, match=r"policy\.toml cannot be read: "):
            read(file)


def test_the_commands_that_are_about_the_file_say_the_same(file: Path) -> None:
    result = CliRunner().invoke(main, ["policy", "test", STREAM, "--file", str(file)])
    assert NAMED in result.output

    file.unlink()
    result = CliRunner().invoke(main, ["policy", "test", STREAM, "--file", str(file)])
    assert "it does not exist" in result.output
