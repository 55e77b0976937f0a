from __future__ import annotations

import re

import pytest

from cli.local.errors_page import PAGE, page
from shared import errors
from shared.errors import Fault, LiveRecordError, Misconfigured
from shared.inbound.function_compute.response import ANSWERS
from shared.inbound.request_errors import (
    BadRequest,
    MalformedCallback,
    MethodNotAllowed,
    RequestError,
    UnverifiedCallback,
)
from shared.outbound.live.error_codes import CODES, Refusal
from shared.protocol import Reason
from shared.protocol.command_errors import LiveError


def kinds(root: type[Exception]) -> set[str]:
    return {kind.__name__ for kind in root.__subclasses__()}.union(
        *(kinds(kind) for kind in root.__subclasses__())
    )


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m cli.local.errors_page"


def test_the_drawn_tree_names_every_error_and_no_other() -> None:
    drawn = set(re.findall(r"[+·] (\w+)", errors.__doc__ or ""))

    assert drawn == kinds(LiveRecordError)


def test_every_error_stands_with_its_own_status() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page().splitlines()}
    own = set(ANSWERS) - {Exception, LiveRecordError, RequestError, LiveError}

    assert [kind for kind in own if f"| {ANSWERS[kind].status} |" not in rows[kind.__name__]] == []


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (400, "4xx"),
        (401, "401 or 403"),
        (403, "401 or 403"),
        (429, "429"),
        (500, "5xx"),
        (503, "503"),
    ],
)
def test_an_undocumented_code_is_read_as_the_page_says(status: int, shown: str) -> None:
    read_as = Refusal("Other", status=status).kind().__name__

    assert f"| any other {shown} | {read_as} |" in page()


def test_every_code_of_live_s_and_every_cause_stands_on_the_page() -> None:
    written = page()

    assert [code for code in CODES if f"`{code}`" not in written] == []
    assert [code for code in Reason if f"| `{code.value}` |" not in written] == []


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("TaskAlreadyStarted", "already | over_unproved | already, then start | over_unproved"),
        ("InternalError", "in_doubt, in doubt for 60 s, again after 0.5 s | in_doubt"),
        ("CodeConfigNotFound", "no_record_config, this session has failed | rejected"),
    ],
)
def test_the_table_of_answers_says_what_is_decided(code: str, row: str) -> None:
    line = next(line for line in page().splitlines() if line.startswith(f"| `{code}`"))

    assert row in line


def test_an_error_tells_its_parts() -> None:
    missing = [Fault("a", "is missing", "MissingParam")]
    wrong = [*missing, Fault("b", "is wrong")]

    assert BadRequest(missing).code == "MissingParam"
    assert BadRequest(wrong).code == "MalformedParam"
    assert str(Misconfigured(wrong)) == "a: is missing; b: is wrong"
    assert (UnverifiedCallback("why").why, MalformedCallback("what").why) == ("why", "what")
    assert MethodNotAllowed("no", allow=["GET", "POST"]).hint == "use GET or POST"
