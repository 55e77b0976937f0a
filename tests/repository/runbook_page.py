"""Writes the part of docs/runbook.md and docs/runbook.zh-CN.md that lists what doctor may find.

`python -m tests.repository.runbook_page` writes it between the two marks of each page, from the
code: the text of each finding, and the command that doctor prints with it. What a check means for
recordings is said here, once for each check. test_runbook_page.py holds the pages to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Literal

from cli.doctor.callbacks import ADDRESS_CHECKS, KEY_CHECKS
from cli.doctor.checks import CHECKS, kinds
from cli.doctor.finding import Severity, examine
from cli.paths import ROOT
from tests.cli.test_doctor_checks import CASES
from tests.repository.cli_messages import translations

Language = Literal["en", "zh"]
PAGES: dict[Language, str] = {"en": "runbook.md", "zh": "runbook.zh-CN.md"}
PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
BEGIN, END = "<!-- findings of doctor: begin -->\n", "<!-- findings of doctor: end -->\n"
MEANS: dict[str, tuple[str, str]] = {
    "stage": (
        "If the stage is down, it sends no command and gets no callback. Live goes on recording.",
        "如果环境不可用，则发不出命令，也收不到回调。视频直播会继续正在进行的录制。",
    ),
    "store": (
        "No command can be stored or sent. If the store is only full, stops are still sent.",
        "无法保存或发送任何命令。如果只是存储已满，停止命令仍会发送。",
    ),
    "credentials": (
        "Only the credentials of doctor are wrong. The stage has others, and is not affected.",
        "问题只在 doctor 的凭证。环境使用自己的凭证，因此录制不受影响。",
    ),
    "access": (
        "Recording is not affected. But doctor could not read something, so it may miss a fault.",
        "录制不受影响。但是 doctor 有一项内容无法读取，可能漏掉故障。",
    ),
    "health": (
        "The stage reports a problem ([operate.md](operate.md#what-each-alarm-of-health-means)).",
        "环境自己报告的问题：见[值班手册](operate.zh-CN.md#健康检查的每一种告警)。",
    ),
    "identity": (
        "If the store is emptied, stored stops and end times are lost, and nobody notices.",
        "存储一旦被清空，手动停止的保持期和录制的结束时间都会丢失，而且无人察觉。",
    ),
    "durable": (
        "The store may lose a request that was already acknowledged.",
        "已确认的请求可能丢失。",
    ),
    "policy": (
        "The stage uses an older policy or only a part of the newest, or sends no commands.",
        "环境使用较旧的策略，或只使用最新策略的一部分，或不发送任何命令。",
    ),
    "timer": (
        "Recordings do not end at their time. Streams whose callbacks were lost are not found.",
        "录制不会按时结束，回调丢失的流也不会被发现。",
    ),
    "wake": ("Some commands are sent up to a minute late.", "部分命令最多晚一分钟发出。"),
    "relay": (
        "Recording is not affected. A receiver in the policy's `forward_to` missed a callback.",
        "录制不受影响；策略中 `forward_to` 指定的接收方漏收了回调。",
    ),
    "heartbeat": (
        "Recording is not affected. If the timer or the store fails, the monitor may not alert.",
        "录制不受影响。但是定时触发器或存储不可用时，监控服务可能不会告警。",
    ),
    "secrets": (
        "Streams are found only in Live's list of online streams (online list), up to 90 s late.",
        "只能靠在线流列表发现新的流，最多晚 90 秒。",
    ),
    "clock": (
        "Genuine callbacks are rejected, or will be soon.",
        "真实的回调被拒绝，或即将被拒绝。",
    ),
    "role": (
        "Live refuses the stage's commands, or does not return the online list.",
        "视频直播拒绝环境的命令，或不返回在线流列表。",
    ),
    "quota": (
        "If many streams begin at once, some are found up to 90 s late.",
        "大量流同时开播时，部分流最多晚 90 秒被发现。",
    ),
    "deployed": (
        "Part of the stage is missing, or runs an older release.",
        "环境的一部分缺失，或仍在运行旧版本。",
    ),
    "triggers": (
        "Callbacks, requests or the timer do not reach their function.",
        "回调、请求或定时触发器到不了对应的函数。",
    ),
    "reservations": (
        "If many streams begin at once, calls of the region's other functions may be refused.",
        "大量流同时开播时，该地域其他函数的调用可能被拒绝。",
    ),
    "route": (
        "Requests to the domain do not reach this release.",
        "发往该域名的请求到不了当前版本。",
    ),
    "service-roles": (
        "Recordings fail as soon as Live writes a file.",
        "视频直播一写入文件，录制就会失败。",
    ),
    "domain": (
        "Live refuses every command about the domain.",
        "视频直播拒绝关于该域名的所有命令。",
    ),
    "mapping": (
        "live-record ignores callbacks of some streams, or pushed streams do not reach the domain.",
        "部分流的回调被忽略，或推送的流到不了该域名。",
    ),
    "recording": (
        "Streams without a recording configuration are not recorded: Live refuses every start.",
        "没有录制模板的流不会被录制：视频直播拒绝每次开始。",
    ),
    "on-demand": (
        "Live decides by itself which streams it records, whatever the policy says.",
        "录制哪些流由视频直播自行决定，与策略无关。",
    ),
    "storage": (
        "The files may be in an unexpected place.",
        "文件可能不在预期的位置。",
    ),
    "formats": (
        "Live may write no file of the original stream.",
        "原始流可能不会留下文件。",
    ),
    "names": (
        "Files may overwrite each other, or get no playback URL.",
        "文件可能互相覆盖，或得不到播放地址。",
    ),
    "delay": (
        "live-record expects files and resumed recordings too early or too late.",
        "live-record 预计的文件生成和恢复录制的时间与实际不符。",
    ),
    "bucket": (
        "Recordings fail as soon as Live writes a file.",
        "视频直播一写入文件，录制就会失败。",
    ),
    "lifecycle": ("Recordings are deleted soon.", "录制文件很快会被删除。"),
    "cors": (
        "Nothing is lost, but the console plays MP4 files only.",
        "没有内容丢失，但控制台只能播放 MP4 文件。",
    ),
    "fresh": (
        "Live records a stream with the configuration that existed when the publish began.",
        "该流仍按本次开播时的录制模板录制。",
    ),
    "recorded": (
        "Parts of live streams are being lost now.",
        "直播流的部分内容此刻没有录制下来。",
    ),
    "stream-callback": (
        "A publish is found only in the online list, up to 90 s late.",
        "只能靠在线流列表发现开播，最多晚 90 秒。",
    ),
    "record-callback": (
        "Nothing confirms a recording, and files are listed late.",
        "录制得不到确认，文件列表也会滞后。",
    ),
    "on-demand-callback": (
        "Live asks before it records. If it gets no answer, it may record nothing.",
        "视频直播在录制前会先询问，得不到回答就可能不录制。",
    ),
    "status": (
        "A recording that pauses or fails is detected late.",
        "录制暂停或失败时，发现得较晚。",
    ),
    "stream-key": ("Every ingest callback is rejected.", "所有推流回调都被拒绝。"),
    "record-key": ("Every recording callback is rejected.", "所有录制回调都被拒绝。"),
    "answer": ("Callbacks do not arrive.", "回调无法送达。"),
    "delivery": (
        "Callbacks were lost. live-record reads what they reported from Live's lists.",
        "有回调丢失。live-record 会从视频直播的在线流列表和回调记录中读取其内容。",
    ),
    "errors": ("The stream left no file, or only a part.", "该流没有留下文件，或只有一部分。"),
}
WORDS: dict[Language, dict[Severity, str]] = {
    "en": {
        Severity.WARNING: "warning",
        Severity.UNKNOWN: "unknown",
        Severity.FAULT: "fault",
    },
    "zh": {Severity.WARNING: "警告", Severity.UNKNOWN: "未知", Severity.FAULT: "故障"},
}
HEAD = {
    "en": "| code | severity | finding | next step |\n|---|---|---|---|\n",
    "zh": "| code | 级别 | 说明 | 处理 |\n|---|---|---|---|\n",
}


def generated(language: Language) -> str:
    """Return the tables of all findings, one for each check or for several that find the same."""
    fixes, texts = _fixes(), _texts(language)
    parts = [_section(names, language, fixes, texts) for names in _together()]
    return "\n".join(parts)


def _together() -> list[tuple[str, ...]]:
    """Return the names of the checks in their order, those that find the same together."""
    group_of = {name: group for group in (ADDRESS_CHECKS, KEY_CHECKS) for name in group}
    return list(dict.fromkeys(group_of.get(check.name, (check.name,)) for check in CHECKS))


def _fixes() -> dict[str, str]:
    """Return the command that doctor prints with each finding, as the tests of the checks have
    it."""
    findings = [finding for *_, change in CASES for finding in examine(CHECKS, change())]
    return {finding.code: finding.fix for finding in findings if not finding.because}


def _texts(language: Language) -> dict[str, str]:
    """Return each finding's text in that language, by the English one."""
    stored = {message.id: str(message.string) for message in translations()}
    return {kind.text: stored[kind.text] if language == "zh" else kind.text for kind in kinds()}


def _section(
    names: tuple[str, ...], language: Language, fixes: dict[str, str], texts: dict[str, str]
) -> str:
    same: dict[tuple[Severity, str, str], list[str]] = {}
    for kind in kinds():
        if kind.check in names and kind.severity is not Severity.NOTHING:
            found = (kind.severity, texts[kind.text], fixes.get(kind.code, ""))
            same.setdefault(found, []).append(kind.code)
    rows = "".join(_row(codes, language, *found) for found, codes in same.items())
    return f"### {', '.join(names)}\n\n{_means(names, language)}\n\n{HEAD[language]}{rows}"


def _means(names: tuple[str, ...], language: Language) -> str:
    means = {name: MEANS[name][language == "zh"] for name in names}
    if len(names) == 1:
        return means[names[0]]
    colon = "：" if language == "zh" else ": "
    return "\n".join(f"- `{name}`{colon}{text}" for name, text in means.items())


def _row(codes: list[str], language: Language, severity: Severity, text: str, fix: str) -> str:
    """Return the row of the findings with these codes. Without a command, the text says what to
    do."""
    shown = "".join(_shown(part) for part in re.split(r"(`[^`]*`)", text))
    named = ", ".join(f"`{code}`" for code in codes)
    cells = (named, WORDS[language][severity], shown, f"`{fix}`" if fix else "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _shown(part: str) -> str:
    """Return a part of a text with its placeholders in italics; in code, where Markdown has no
    italics, in capitals."""
    if not part.startswith("`"):
        return PLACEHOLDER.sub(r"*\1*", part)
    shown = PLACEHOLDER.sub(lambda found: found[1].upper(), part)
    return shown.replace("{{", "{").replace("}}", "}")


def rendered(page: str, language: Language) -> str:
    """Return the page with the tables between its marks."""
    before, _begin, rest = page.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{generated(language)}\n{END}{after}"


def pages() -> Iterator[tuple[Language, str]]:
    for language, name in PAGES.items():
        yield language, (ROOT / "docs" / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for language, page in pages():
        file = ROOT / "docs" / PAGES[language]
        file.write_text(rendered(page, language), encoding="utf-8")
        sys.stdout.write(f"{file}\n")
