"""Careless input to the command line: the answer is one clear sentence in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.support.chinese import HALF_WIDTH, english_words

STAGES = '[dev]\nurl = "http://127.0.0.1:9"\ntoken = "t"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    stages = tmp_path / "stages.toml"
    stages.write_text(STAGES)
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(stages))
    return tmp_path


def run(*words: str, language: str = "en") -> Result:
    result = CliRunner().invoke(main, [*words, "--lang", language])
    assert result.exit_code not in (0, None), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def fault(*words: str, language: str = "en") -> str:
    return run(*words, language=language).stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("word", "meant"), [("strat", "'start'"), ("polic", "'policy'"), ("shedule", "'schedule'")]
)
def test_a_mistyped_command_is_suggested(word: str, meant: str) -> None:
    assert f"Did you mean {meant}" in fault(word).replace("one of: ", "")


def test_an_unknown_command_leads_to_the_list_of_all() -> None:
    assert fault("qqq") == "Error: No such command 'qqq'. `live-record --help` lists all commands."
    assert (
        fault("qqq", language="zh") == "错误：没有命令 'qqq'。`live-record --help` 会列出所有命令。"
    )


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        (["history", "a/b/c", "--limit", "many"], "'many' is not a valid whole number.", "整数"),
        (["report", "--target", "all"], "'all' is not a valid number.", "数字"),
    ],
)
def test_a_word_in_place_of_a_number_is_refused_in_words(
    folder: Path, words: list[str], english: str, chinese: str
) -> None:
    assert fault(*words).endswith(english)
    assert fault(*words, language="zh").endswith(f"不是有效的{chinese}。")


@pytest.mark.parametrize(
    "words",
    [
        ["start"],
        ["stage", "add"],
        ["policy", "suspend", "--stage", "dev"],
        ["start", "a/b"],
        ["start", "a/b/c", "--url", "x", "--tokn", "y"],
    ],
)
def test_a_refusal_in_chinese_has_chinese_punctuation(folder: Path, words: list[str]) -> None:
    text = fault(*words, language="zh")
    assert not HALF_WIDTH.search(text)
    assert not text.endswith(".")
    assert "。 " not in text


MISSING = [
    ["policy", "diff", "FILE", "--stage", "dev"],
    ["schedule", "diff", "FILE", "--stage", "dev"],
    ["schedule", "import", "FILE", "--stage", "dev"],
    ["state", "import", "FILE", "--stage", "dev"],
]


@pytest.mark.parametrize("words", MISSING, ids=" ".join)
def test_a_file_that_does_not_exist_is_named_in_the_reader_s_language(
    folder: Path, words: list[str]
) -> None:
    named = [word.replace("FILE", "none.toml") for word in words]
    assert fault(*named) == "Error: none.toml cannot be read: it does not exist."
    assert fault(*named, language="zh") == "错误：无法读取 none.toml：该文件不存在。"


@pytest.mark.parametrize("words", MISSING[:2], ids=" ".join)
def test_a_file_that_is_no_text_is_refused_as_such(folder: Path, words: list[str]) -> None:
    (folder / "odd.toml").write_bytes(b"\xff\xfe\x00")
    named = [word.replace("FILE", "odd.toml") for word in words]
    assert fault(*named) == "Error: odd.toml cannot be read: it is not UTF-8."
    assert fault(*named, language="zh") == "错误：无法读取 odd.toml：它不是 UTF-8 编码。"


def test_stages_that_cannot_be_read_are_refused_without_words_of_python(folder: Path) -> None:
    stages = folder / "stages.toml"
    stages.write_bytes(b"\xff")
    assert fault("list") == f"Error: {stages} cannot be read: it is not UTF-8."
    stages.unlink()
    stages.mkdir()
    assert fault("list") == f"Error: {stages} cannot be read: it is a folder."
    assert fault("list", language="zh") == f"错误：无法读取 {stages}：它是文件夹。"


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n"])
def test_what_is_no_calendar_is_refused_with_what_one_is(folder: Path, content: bytes) -> None:
    (folder / "show.ics").write_bytes(content)
    words = ["schedule", "import", "show.ics", "--stage", "dev"]
    assert fault(*words) == (
        "Error: show.ics is not a calendar. Export it as iCalendar (.ics): such a file begins with"
        " BEGIN:VCALENDAR and ends with END:VCALENDAR."
    )
    words_left = english_words(fault(*words, language="zh").replace("show.ics", ""))
    assert {*words_left} <= {"BEGIN", "VCALENDAR", "END", "iCalendar"}


@pytest.mark.parametrize(
    ("table", "lacks"),
    [
        (
            'url = "http://127.0.0.1:9"',
            "`token`, or `token_env` with the name of a variable that is set",
        ),
        ('token = "t"', "url"),
        ("url = 5", "url; `token`, or `token_env` with the name of a variable that is set"),
    ],
)
def test_a_stage_that_is_incomplete_is_refused_with_what_it_lacks(
    folder: Path, table: str, lacks: str
) -> None:
    stages = folder / "stages.toml"
    stages.write_text(f"[dev]\n{table}\n")
    text = f"The stage dev in {stages} lacks: {lacks}. Write what is missing below `[dev]`."
    assert fault("list") == f"Error: {text}"


def test_what_is_no_flv_file_is_not_pushed(folder: Path) -> None:
    (folder / "show.txt").write_text("text")
    words = ["push", "show.txt", "rtmp://127.0.0.1:9/app/room1"]
    assert fault(*words) == (
        "Error: show.txt cannot be pushed: this is no FLV file. Name an FLV file. If you name no"
        " file, the test picture is pushed."
    )
    assert "不是 FLV 文件" in fault(*words, language="zh")


@pytest.mark.parametrize(
    ("period", "chinese"),
    [
        ("24", "请写明单位：`24s`、`24m` 或 `24h`"),
        ("soon", "请写成"),
        ("0s", "`0s`"),
        ("900d", "最长有效 7 天"),
    ],
)
def test_a_duration_is_refused_in_chinese(folder: Path, period: str, chinese: str) -> None:
    said = fault("play", "a/b/c", "--stage", "dev", "--for", period, language="zh")
    assert said.startswith("错误：'--for' 的值无效：")
    assert chinese in said
    assert not english_words(said.partition("'--for'")[2])


@pytest.mark.parametrize(
    "options",
    [
        "--act --observe",
        "--undo --act",
        "--undo --observe",
        "--callback-urls --undo",
        "--callback-urls --act",
    ],
)
def test_setup_refuses_options_that_contradict_each_other(folder: Path, options: str) -> None:
    words = ("setup", "--stage", "dev", *options.split())
    result = run(*words)
    assert result.exit_code == 2
    names = set(re.findall(r"--[a-z-]+", result.stderr.splitlines()[-1]))
    assert names == set(options.split())
    assert "只能使用其中之一" in fault(*words, language="zh")


@pytest.mark.parametrize(
    ("command", "with_option", "others"),
    [
        ("setup --stage dev", "--undo", "--manual --bucket=b --endpoint=e --format=mp4"),
        ("setup --stage dev", "--callback-urls", "--manual --format=mp4 --take-over"),
        ("emergency live.example.com/app", "--undo", "--bucket=b --endpoint=e"),
        ("play --stage dev a/b/c", "--all", "--limit=3"),
        ("play --stage dev a/b/c", "--occurrence=x", "--limit=3"),
        ("report --stage dev a/b/c", "STREAM", "--domain=d --app=a"),
        ("try --domain d.example --stream a/b", "--stop", "--bucket=b --endpoint=e --every=3"),
        ("try --domain d.example --stream a/b", "--stop", "--keep-recording --max-concurrent=9"),
        ("watch --stage dev", "--once", "--every=3"),
    ],
)
def test_options_that_another_would_leave_without_effect_are_refused(
    folder: Path, command: str, with_option: str, others: str
) -> None:
    options = [*others.split(), *([with_option] if with_option.startswith("--") else [])]
    words = (*command.split(), *options)
    result = run(*words)
    assert result.exit_code == 2
    option = with_option.partition("=")[0]
    names = ", ".join(f"`{other.partition('=')[0]}`" for other in others.split())
    assert result.stderr.splitlines()[-1] == (
        f"Error: With `{option}`, these have no effect: {names}. Leave them out, or leave out"
        f" `{option}`."
    )
    assert "不起作用" in fault(*words, language="zh")


@pytest.mark.parametrize(
    "words",
    ["report --stage dev --csv --json", "report --stage dev --csv --html=x --json"],
)
def test_a_report_has_one_form(folder: Path, words: str) -> None:
    result = run(*words.split())
    assert result.exit_code == 2
    names = re.findall(r"--[a-z]+", result.stderr.splitlines()[-1])
    assert sorted(names) == sorted(re.findall(r"--(?:csv|html|json)", words))


def test_one_playlist_is_chosen_in_one_way(folder: Path) -> None:
    assert fault("play", "a/b/c", "--stage", "dev", "--all", "--occurrence", "x") == (
        "Error: These options contradict each other: `--all`, `--occurrence`. Pass only one of"
        " them."
    )


def test_a_take_over_is_refused_where_nothing_is_restored(folder: Path) -> None:
    words = ("emergency", "live.example.com/app", "--take-over")
    assert fault(*words) == (
        "Error: `--take-over` has an effect only with `--undo`. Pass `--undo`, too, or leave out"
        " `--take-over`."
    )


def test_a_stage_is_refused_where_the_address_says_where_to_push(folder: Path) -> None:
    assert fault("push", "rtmp://127.0.0.1:9/app/room1", "--stage", "dev").startswith(
        "Error: With `TO`, these have no effect: `--stage`."
    )


def test_a_probe_needs_the_bucket_and_its_endpoint(folder: Path) -> None:
    for option in ("--bucket", "--endpoint"):
        words = ("probe", "--stage", "dev", option, "x")
        assert fault(*words) == "Error: Pass `--bucket` and `--endpoint` together."


def test_soon_is_refused_without_an_end(folder: Path) -> None:
    assert fault("start", "a/b/c", "--stage", "dev", "--soon") == (
        "Error: `--soon` has an effect only with `--until` or `--max-duration`. Pass one of them,"
        " or leave out `--soon`."
    )


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1", ":80", "127.0.0.1:99999", "h:x"])
def test_where_a_probe_listens_is_checked_before_the_experiments(folder: Path, listen: str) -> None:
    words = ("probe", "--stage", "dev", "--listen", listen)
    assert fault(*words).endswith("Write it as HOST:PORT, such as 127.0.0.1:8080.")


def test_a_probe_that_nobody_would_wait_for_or_could_write_down_is_refused(folder: Path) -> None:
    assert "is not in the range" in fault("probe", "--stage", "dev", "--patience", "0")
    said = fault("probe", "--stage", "dev", "--out", "nowhere/report.json")
    assert said.endswith("There is no folder nowhere. Make it, or write the report elsewhere.")
