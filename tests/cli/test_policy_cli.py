"""What a person asks about the policy, and how a new one comes into force."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.confirmation import confirm
from cli.exit_codes import WRONG_USAGE
from cli.local.stack import TOKEN
from cli.main import main
from cli.policy import policy_changes
from shared.config import load_policy
from shared.config.lines import json_lines, line_of, toml_lines
from shared.config.policy_dump import policy_document
from shared.errors import Misconfigured
from shared.store import open_store
from tests.conftest import Clock
from tests.support.http_stage import RELAY, HttpStage, http_stage
from tests.support.journey import Stage, stage
from tests.support.raw_server import Wire, json_reply

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]

[[rule]]
match = { domain = "live.example.com", app = "classroom" }
on_publish = "record"
on_interruption = "finalize"
max_duration = "4h"
max_concurrent = 200
priority = 3
coverage_target = 99.9
max_gap = "30s"

[[rule]]
match = { app = "other" }
"""
WRONG = '''# a policy
mode = "watch"
[[domain]]
ingest = [
    "push.example.com",
    "*",
]

[[rule]]
match = { app = "a/b" }
max_duration = """
long
"""
[[rule]]
priority = true
[rule.match]
stream = ""
[forward_to]
stream = "ftp://there"
"relay" = "https://there"
'''


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["policy", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path / "policy.toml"


# --- the file -----------------------------------------------------------------------------------


def faults(text: str, ours: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(Misconfigured) as raised:
        load_policy(text, kind="toml", ours=ours)
    return [f"{fault.line} {fault.field}" for fault in raised.value.faults]


def test_every_fault_is_told_at_once_with_its_line() -> None:
    assert faults(WRONG) == [
        "3 policy: domain #1 streaming",
        "4 policy: domain #1 ingest",
        "10 policy: rule #1 match.app",
        "11 policy: rule #1 max_duration",
        "17 policy: rule #2 match.stream",
        "15 policy: rule #2 priority",
        "2 policy: mode",
        "19 policy: forward_to.stream",
        "20 policy: forward_to.relay",
    ]


@pytest.mark.parametrize("target", ["-1", "100.1", "true", '"99"', "nan"])
def test_a_coverage_target_is_a_percentage(target: str) -> None:
    assert faults(f"{POLICY}coverage_target = {target}\n") == [
        f"{len(POLICY.splitlines()) + 1} policy: rule #2 coverage_target"
    ]


def test_a_file_that_is_no_toml_says_on_which_line() -> None:
    assert faults("\n[[domain]\n") == ["2 policy"]


def test_in_json_the_lines_are_as_true() -> None:
    text = json.dumps({"domain": [{"streaming": "a b"}], "rule": [{"priority": "1"}]}, indent=1)
    with pytest.raises(Misconfigured) as raised:
        load_policy(text, kind="json")

    lines = [fault.line for fault in raised.value.faults]
    assert [text.splitlines()[line - 1].strip() for line in lines] == [
        '"streaming": "a b"',
        '"priority": "1"',
    ]


def test_what_only_shows_between_the_parts_is_told_beside_what_is_wrong_in_them() -> None:
    text = POLICY + '[[rule]]\nmatch = { app = "classroom" }\npriority = "high"\n' + POLICY

    assert faults(text) == [
        "20 policy: rule #3 priority",
        "22 policy: domain #2",
        "22 policy: domain #2",
        "27 policy: rule #4 match",
        "37 policy: rule #5 match",
    ]


@pytest.mark.parametrize(
    "target",
    ["https://fc.example.com/x", "http://fc.example.com:8443/x", "https://FC.example.com/"],
)
def test_a_target_that_leads_back_to_this_stage_is_refused(target: str) -> None:
    text = f'{POLICY}[forward_to]\nrecord = "{target}"\n'
    ours = ("fc.example.com", "fc.example.com:8443")

    assert faults(text, ours=ours) == ["19 policy: forward_to.record"]


@pytest.mark.parametrize("target", ["ftp://a/", "https://", "https://u:p@a/", "https://a:x/", "a"])
def test_a_target_is_an_address_of_the_web_without_a_password(target: str) -> None:
    assert faults(f'{POLICY}[forward_to]\nrecord = "{target}"\n') == [
        "19 policy: forward_to.record"
    ]


BUCKETS = """
[[domain.bucket]]
app = "vip*"
name = "vip-recordings"
endpoint = "oss-cn-beijing.aliyuncs.com"

[[domain.bucket]]
name = "rest-recordings"
endpoint = "oss-cn-hangzhou.aliyuncs.com"

[[rule]]"""


def test_a_policy_that_is_written_out_is_read_back_as_the_same() -> None:
    named = POLICY.replace("[[domain]]", '[[domain]]\nobject_prefix = ["a/{AppName}/{StartTime}"]')
    named = named.replace("[[rule]]", BUCKETS, 1)
    suspended = '[suspended]\nuntil = "2026-11-30T03:00:00Z"\nwho = "ops"\nnote = "a \\"b\\""\n'
    targets = '[forward_to]\nstream = "https://a/b?c=d"\n'
    policy = load_policy(f"{named}{targets}{suspended}", kind="toml")

    assert load_policy(json.dumps(policy_document(policy)), kind="json") == policy


@pytest.mark.parametrize("value", ['"a/"', "[]", '["{StartTime}/a"]', '["/a"]', '["a"]', "[1]"])
def test_an_object_name_begins_with_a_folder_that_is_known(value: str) -> None:
    text = f'[[domain]]\nstreaming = "live.example.com"\nobject_prefix = {value}\n'

    assert faults(text) == ["3 policy: domain #1 object_prefix"]


def test_a_part_that_is_not_there_stands_where_its_table_begins() -> None:
    assert line_of(("rule", 1, "match", "app"), toml_lines("\n[[rule]]\n")) == 2
    assert line_of(("nothing",), json_lines("{}")) == 0


# --- policy test --------------------------------------------------------------------------------


def test_it_says_which_rule_holds_and_what_recording_on_publish_loses(file: Path) -> None:
    result = run("test", "push.example.com/classroom/lesson", "--file", file)

    assert result.exit_code == 0
    assert "rule #1 (live.example.com/classroom/*)" in result.output
    assert "first seconds are not recorded" in result.output
    assert "for at most 4h, or LIVE_RECORD_MAX_DURATION if that is shorter," in result.output


def test_it_says_that_no_rule_matches(file: Path) -> None:
    effect = json.loads(run("test", "live.example.com/app/a", "--file", file, "--json").output)

    assert (effect["rule"], effect["records"]) == ("no rule matches", False)


def test_a_domain_that_the_policy_does_not_name_is_told(file: Path) -> None:
    result = run("test", "else.example.com/app/a", "--file", file)

    assert (result.exit_code, "one of these domains: live.example.com." in result.output) == (
        1,
        True,
    )


def test_a_wrong_file_is_told_as_a_compiler_would(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(WRONG)
    result = run("test", "live.example.com/app/a", "--file", tmp_path / "p.toml")

    assert result.exit_code == 1
    assert f"{tmp_path}/p.toml:11: rule #1 max_duration: write a duration like" in result.output


def test_a_diff_names_each_stream_whose_rule_would_be_another() -> None:
    old = load_policy(POLICY, kind="toml")
    new = load_policy('mode = "observe"' + POLICY.replace('"4h"', '"2h"'), kind="toml")
    streams = ["live.example.com/classroom/a", "live.example.com/app/b"]

    changes = {change["what"]: change["after"] for change in policy_changes(old, new, streams)}
    assert changes == {
        "mode": "observe",
        "[[rule]] live.example.com/classroom/* max_duration": '"2h"',
        "live.example.com/classroom/a": (
            "record, finalize, at most 2h, 200 at a time, priority 3, coverage target: at least"
            " 99.9 %, longest allowed gap: 30s"
        ),
    }


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def types(wire: Wire, *words: str | Path) -> Result:
    return run(*words, "--url", f"http://{wire.endpoint}", "--token", "t")


def stage_says(wire: Wire, *rows: tuple[str, str]) -> None:
    """Script a stage whose policy is POLICY, with these streams and phases."""
    policy = policy_document(load_policy(POLICY, kind="toml"))
    recordings = [{"stream": stream, "phase": phase} for stream, phase in rows]
    listed: Mapping[str, object] = {
        "recordings": recordings,
        "next": None,
        "phases": {},
        "unreadable": [],
    }
    applied = {"version": 2, "policy": policy}
    wire.script(*map(json_reply, ({"version": 1, "policy": policy}, listed, applied)))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere.toml").write_text('[[domain]]\nstreaming = "other.example.com"\n')
    return tmp_path / "elsewhere.toml"


def test_an_apply_shows_the_streams_it_touches_and_is_refused_where_nobody_can_be_asked(
    wire: Wire, elsewhere: Path
) -> None:
    recording, waiting = "live.example.com/app/b", "live.example.com/app/c"
    stage_says(
        wire,
        (recording, "recording"),
        (waiting, "waiting"),
        ("live.example.com/classroom/a", "idle"),
    )
    refused = types(wire, "apply", elsewhere)

    assert refused.exit_code == WRONG_USAGE
    assert "live.example.com/app/b: ignore, resume -> its domain is not in" in refused.output
    assert "(recording)" in refused.output
    assert "2 of the streams that are live or set to record would get" in refused.output
    assert "Further streams that would get another rule: 1" in refused.output
    assert "pass `--yes`" in refused.output
    assert [seen.method for seen in wire.seen] == ["GET", "GET"]


def test_an_apply_that_is_confirmed_asks_nobody(wire: Wire, elsewhere: Path) -> None:
    stage_says(wire, ("live.example.com/app/b", "recording"))
    applied = types(wire, "apply", elsewhere, "--yes")

    assert (applied.exit_code, "Version 2" in applied.output) == (0, True)


HOOKS = {"LIVE_RECORD_WEBHOOK_HOSTS": "crm.example.com"}
HOOK = """
[[webhook]]
name = "crm"
url = "https://crm.example.com/hook"
"""
TALK = """
[[notify]]
sink = "ops"
"""
COPY = """
[[deliver]]
match = { app = "classroom" }
target = "s3://archive/live"
endpoint = "https://oss.example.com"
credentials = "archive"
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[HttpStage]:
    (folder := tmp_path / "stage").mkdir()
    with http_stage(folder, POLICY, HOOKS) as stage:
        yield stage


def address(stage: HttpStage) -> tuple[str, ...]:
    return ("--url", stage.url, "--token", TOKEN)


def test_a_policy_that_is_in_force_already_makes_no_new_version(
    running: HttpStage, file: Path
) -> None:
    applied = run("apply", file, *address(running))

    assert applied.exit_code == 0
    assert "is in force already" in applied.output
    document = json.loads(run("apply", file, "--json", *address(running)).stdout)
    assert (document["version"], document["changes"]) == (0, [])
    assert json.loads(run("show", "--json", *address(running)).stdout)["version"] == 0


@pytest.mark.parametrize("added", [HOOK, TALK, '[[rule]]\nmatch = { app = "more" }\n'])
def test_a_policy_that_touches_no_known_stream_is_confirmed_too(
    running: HttpStage, file: Path, added: str
) -> None:
    file.write_text(POLICY + added)
    refused = run("apply", file, *address(running))

    assert (refused.exit_code, "pass `--yes`" in refused.output) == (WRONG_USAGE, True)
    assert "is added: " in refused.output
    assert "No stream that the stage knows gets another rule." in refused.output
    assert run("apply", file, "--json", *address(running)).exit_code == WRONG_USAGE
    assert json.loads(run("show", "--json", *address(running)).stdout)["version"] == 0
    assert run("apply", file, "--yes", *address(running)).exit_code == 0


def test_a_policy_of_which_the_stage_does_not_use_all_is_stored_again(
    running: HttpStage, file: Path
) -> None:
    """Release 0.2 stored durations without a unit."""
    stored = policy_document(load_policy(POLICY, kind="toml"))
    stored["rule"][0]["max_duration"] = 4 * 3600
    running.app.store.put_policy(json.dumps(stored), replaces=0)

    assert run("apply", file, *address(running)).exit_code == WRONG_USAGE
    assert "Version 2" in run("apply", file, "--yes", *address(running)).output


def rows_between(old: str, new: str) -> list[tuple[str, str, str]]:
    before, after = (load_policy(text, kind="toml") for text in (old, new))
    changes = policy_changes(before, after, [])
    return [(change["what"], change["before"], change["after"]) for change in changes]


@pytest.mark.parametrize(
    ("table", "what", "shown"),
    [
        (HOOK, "[[webhook]] crm", 'name = "crm", url = "https://crm.example.com/hook"'),
        (TALK, "[[notify]] ops", 'sink = "ops"'),
        (
            COPY,
            "[[deliver]] s3://archive/live",
            (
                'match = {app = "classroom"}, target = "s3://archive/live",'
                ' endpoint = "https://oss.example.com", credentials = "archive"'
            ),
        ),
        (
            '[[rule]]\nmatch = { app = "more" }\n',
            "[[rule]] */more/*",
            'match = {app = "more"}, on_publish = "ignore"',
        ),
        (
            '[[domain]]\nstreaming = "two.example.com"\n',
            "[[domain]] two.example.com",
            'streaming = "two.example.com"',
        ),
    ],
)
def test_a_diff_names_each_table_that_comes_or_goes(table: str, what: str, shown: str) -> None:
    assert rows_between(POLICY, POLICY + table) == [(what, "-", shown)]
    assert rows_between(POLICY + table, POLICY) == [(what, shown, "-")]


def test_a_diff_names_each_field_of_a_table_that_changes() -> None:
    changed = POLICY.replace('"4h"', '"2h"').replace("priority = 3\n", "")
    changed = changed.replace('["push.', '["push2.example.com", "push.')
    events = HOOK + 'events = ["file.*"]\n'

    assert rows_between(POLICY + HOOK, changed + events) == [
        (
            "[[domain]] live.example.com ingest",
            '["push.example.com"]',
            '["push2.example.com", "push.example.com"]',
        ),
        ("[[rule]] live.example.com/classroom/* max_duration", '"4h"', '"2h"'),
        ("[[rule]] live.example.com/classroom/* priority", "3", "-"),
        ("[[webhook]] crm events", "-", '["file.*"]'),
    ]


def test_a_diff_says_if_only_the_order_of_the_rules_changes() -> None:
    start, first, second = POLICY.split("[[rule]]")
    other = f"{start}[[rule]]{second}[[rule]]{first}"

    assert rows_between(POLICY, other) == [
        (
            "[[rule]]",
            '["live.example.com/classroom/*", "*/other/*"]',
            '["*/other/*", "live.example.com/classroom/*"]',
        )
    ]


def test_a_diff_prints_a_plain_line_for_each_table(running: HttpStage, file: Path) -> None:
    file.write_text(POLICY.replace("priority = 3\n", "") + TALK)

    assert run("diff", file, *address(running)).output.splitlines()[1:] == [
        "[[rule]] live.example.com/classroom/* priority is removed: 3",
        '[[notify]] ops is added: sink = "ops"',
        "Changes: 2; streams that the stage knows: 0.",
    ]
    rows = json.loads(run("diff", file, "--json", *address(running)).stdout)["changes"]
    assert rows[1] == {"what": "[[notify]] ops", "before": "-", "after": 'sink = "ops"'}


def test_a_person_at_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    person, terminal = os.openpty()
    with open(terminal, encoding="utf-8") as stdin:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(person, b"y\nn\n")
        confirm("Go on?", is_sure=False)
        with pytest.raises(click.Abort):
            confirm("Go on?", is_sure=False)
    os.close(person)


# --- the stage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_store_keeps_the_newest_version_and_refuses_one_made_from_another(
    tmp_path: Path, clock: Clock, engine: str
) -> None:
    store = open_store(f"{engine}:///{tmp_path}/records.db", rate=50, clock=clock)
    assert store.get_policy() is None

    first = store.put_policy("one", replaces=0)
    assert first is not None
    assert store.put_policy("lost", replaces=0) is None
    assert store.put_policy("two", replaces=first.version) is not None
    newest = store.get_policy()
    assert newest is not None
    assert (newest.version, newest.text) == (2, "two")
    store.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.mark.slow
def test_a_policy_that_is_applied_holds_within_ten_seconds_and_without_a_deploy(
    here: Stage, file: Path
) -> None:
    here.live.post("recording", {"domain": "live.example.com", "app": "*", "on_demand": 7})
    file.write_text(POLICY + '[[rule]]\nmatch = { app = "app" }\non_publish = "record"\n')
    here.publish("before")
    at = ("--url", here.stack.fc, "--token", TOKEN)

    assert "live.example.com/app/before: ignore" in run("diff", file, *at).output
    refused = run("apply", file, *at)
    assert (refused.exit_code, "pass `--yes`" in refused.output) == (2, True)
    applied = run("apply", file, "--yes", *at)
    assert (applied.exit_code, "Version 1" in applied.output) == (0, True)
    here.live.advance(10)
    here.publish("after")
    here.until(lambda: here.sent("after") == ["start"])
    assert json.loads(run("show", *at, "--json").output)["version"] == 1


def test_a_file_without_targets_keeps_those_that_a_take_over_has_put_there(
    tmp_path: Path, file: Path
) -> None:
    targets = '[forward_to]\nstream = "https://old.example.com/live"\n'
    folder = tmp_path / "stage"
    folder.mkdir()
    with http_stage(folder, POLICY + targets, RELAY) as running:
        at = ("--url", running.url, "--token", TOKEN)
        assert "\nChanges: 0;" in run("diff", file, *at).output
        assert (
            "has no `[forward_to]`, so the stage's forwarding"
            in run("apply", file, "--yes", *at).output
        )
        assert "https://old.example.com/live" in run("show", *at).output
        file.write_text(f"{POLICY}[forward_to]\n")
        assert "forward_to.stream" in run("diff", file, *at).output


def test_a_shown_policy_is_json_and_its_version_is_beside_it(tmp_path: Path, file: Path) -> None:
    (folder := tmp_path / "stage").mkdir()
    with http_stage(folder, POLICY) as running:
        at = ("--url", running.url, "--token", TOKEN)
        file.write_text(POLICY.replace("priority = 3", "priority = 4"))
        run("apply", file, "--yes", *at)
        shown = run("show", *at)
        assert json.loads(shown.stdout)["rule"][0]["priority"] == 4
        assert shown.stderr.splitlines() == [f"stage {running.url}", "version 1"]
        (copy := tmp_path / "policy.json").write_text(shown.stdout)
        assert "Changes: 0;" in run("diff", copy, *at).output


def test_a_policy_stays_suspended_until_it_is_resumed(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    with http_stage(folder, POLICY) as running:
        at = ("--url", running.url, "--token", TOKEN)
        suspended = run("suspend", "--for", "2h", "--note", "rehearsal", *at)
        assert (suspended.exit_code, "no rule starts" in suspended.output) == (0, True)
        assert "stays suspended" in run("apply", file, "--yes", *at).output
        shown = json.loads(run("show", *at, "--json").output)["policy"]["suspended"]
        assert (shown["who"], shown["note"]) == ("dev", "rehearsal")
        assert "start recordings again" in run("resume", *at).output
        assert "suspended" not in json.loads(run("show", *at, "--json").output)["policy"]
        assert "was not suspended" in run("resume", *at).output
        before = json.loads(run("resume", *at, "--json").output)["version"]
        assert json.loads(run("resume", *at, "--json").output)["version"] == before
        assert run("suspend", "--for", "8d", *at).exit_code == 1


@pytest.mark.slow
def test_a_policy_that_was_made_from_an_older_one_is_refused(here: Stage) -> None:
    policy = {"domain": [{"streaming": "live.example.com"}]}
    url = f"{here.stack.fc}/v1/policy/apply"
    answer = here.call("POST", url, json={"policy": policy, "replaces": 99})

    assert (answer.status_code, answer.json()["code"]) == (409, "WrongState")


@pytest.mark.slow
def test_a_wrong_policy_is_refused_with_every_fault(here: Stage) -> None:
    url = f"{here.stack.fc}/v1/policy/apply"
    answer = here.call("POST", url, json={"policy": {"rule": 1, "mode": 2}, "replaces": 0})

    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 3


@pytest.mark.slow
def test_the_policy_is_for_those_who_may_control(here: Stage) -> None:
    headers = {"Authorization": "Bearer nobody-s-token"}

    assert here.call("GET", f"{here.stack.fc}/v1/policy", headers=headers).status_code == 401


def test_a_mode_that_is_in_force_already_is_called_so(tmp_path: Path) -> None:
    with http_stage(tmp_path, POLICY) as running:
        at = ("--url", running.url, "--token", TOKEN)
        assert "The mode is `act` already." in run("mode", "act", *at).output
        assert "The mode will be `observe` within 10 s." in run("mode", "observe", *at).output
        assert "The mode is `observe` already." in run("mode", "observe", *at).output
