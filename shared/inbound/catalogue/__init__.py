"""The sentences for people, in English and Chinese: one JSON file for each language.

The answers of the API and messages to people use them. A file has a text for each code. `reasons`
has the codes of history entries; its texts have placeholders for the entry's details. `fixes` has
the codes with which Live reports a failed recording (docs/platform/live.md §4), `problems` the
codes of the problems that health reports, and `conditions` the codes of alert conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path

from msgspec import Struct

from shared.decoding import decode
from shared.protocol.durations import rfc3339, written
from shared.protocol.policy import NO_RULE
from shared.protocol.reason import HistoryEntry, Reason


class Language(str, Enum):
    ENGLISH = "en"
    CHINESE = "zh"


def preferred_language(accepted: str) -> Language:
    """Return the language that an Accept-Language header prefers; English if the header names
    neither English nor Chinese."""
    if not accepted:
        return Language.ENGLISH
    liked = [(_liking(part), part.partition(";")[0].strip().lower()) for part in _parts(accepted)]
    for liking, tag in sorted(liked, key=lambda one: -one[0]):
        known = next((known for known in Language if tag.partition("-")[0] == known.value), None)
        if known and liking > 0:
            return known
    return Language.ENGLISH


def _parts(accepted: str) -> Sequence[str]:
    return accepted.split(",")[:20]


def _liking(part: str) -> float:
    _, _, weight = part.partition(";")
    name, _, value = weight.partition("=")
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0


class ProblemWords(Struct, frozen=True):
    """The texts of a problem of the stage: what is wrong, and what to do about it."""

    text: str
    fix: str


class EndWords(Struct, frozen=True):
    """The texts that say in a history entry when a recording will end. `at`: at a given time.
    `after`: a given duration after the first accepted start. `none`: no end was given, so the limit
    of the stage applies. `unnoted`: an earlier release did not note the end."""

    at: str
    after: str
    none: str
    unnoted: str


class HoldWords(Struct, frozen=True):
    """The texts for an explicit stop of a stream that a rule records. `timed`: it holds until a
    time. `publish`: it holds until the next publish. `over`: it no longer holds."""

    timed: str
    publish: str
    over: str


class ConditionWords(Struct, frozen=True):
    """The texts of an alert condition: its name, what is wrong in one alert, and what to do about
    it."""

    name: str
    text: str
    fix: str


class Catalogue(Struct, frozen=True):
    """The sentences of one language. `reasons`, `fixes`, `problems` and `conditions` have a text
    for each code. `other_fix` is for a code without an entry in `fixes`, `no_rule` for a stream
    that no rule matches. Two texts are added to the text of a problem with the store:
    `unknown_if_stored` if the request may have been stored nevertheless, and `store_answer`, which
    quotes the store. `somebody` stands for a person whose name is unknown. The keys of `outcomes`
    and `findings` are codes of shared/verification. `message` has the parts of a message to people.
    """

    reasons: Mapping[str, str]
    fixes: Mapping[str, str]
    other_fix: str
    no_rule: str
    unknown_if_stored: str
    store_answer: str
    somebody: str
    problems: Mapping[str, ProblemWords]
    ends: EndWords
    holds: HoldWords
    outcomes: Mapping[str, str]
    findings: Mapping[str, str]
    conditions: Mapping[str, ConditionWords]
    message: Mapping[str, str]


@cache
def catalogue(language: Language) -> Catalogue:
    """Return the sentences of the language. A process reads each file once."""
    file = Path(__file__).with_name(f"{language.value}.json")
    return decode(file.read_bytes(), Catalogue)


def text(entry: HistoryEntry, language: Language = Language.ENGLISH) -> str:
    """Return the entry as a sentence. If the entry's details have a `reason`, which is a code, its
    sentence is shown in place of the code."""
    words, about = catalogue(language), _particulars(entry, language)
    cause = words.reasons.get(str(about.get("reason")))
    if cause is not None:
        about["reason"] = cause.format_map(about)
    template = words.reasons.get(entry.code.value) or words.reasons[Reason.UNKNOWN.value]
    if entry.code is Reason.RULE_IGNORES and about["rule"] == NO_RULE.name:
        template = words.no_rule
    return (_of_hold(entry, words.holds) or template).format_map(about)


def _of_hold(entry: HistoryEntry, words: HoldWords) -> str:
    """Return the text for an explicit stop of a stream that a rule records; else ""."""
    if "next_rule" not in entry.about:
        return ""
    if entry.code is Reason.ASKED_STOP:
        return words.over
    return words.timed if "until" in entry.about else words.publish


def problem_words(
    code: str, about: Mapping[str, str | int], language: Language = Language.ENGLISH
) -> ProblemWords:
    """Return the texts of a problem of the stage. `about` has the values for their placeholders."""
    words = catalogue(language).problems[code]
    filled = _Particulars(about)
    return ProblemWords(words.text.format_map(filled), words.fix.format_map(filled))


def condition_words(
    code: str,
    about: Mapping[str, str | int],
    cause: HistoryEntry | None,
    language: Language = Language.ENGLISH,
) -> ConditionWords:
    """Return the texts of an alert condition. `about` and the sentence of `cause` fill the
    placeholders in `text`. If another release raised the alert and this one does not know the code,
    the name is the code, and the text is the sentence of `cause` alone."""
    known = catalogue(language).conditions.get(code, ConditionWords(code, "{cause}", ""))
    sentence = {} if cause is None else {"cause": text(cause, language)}
    filled = _Particulars({**about, **sentence})
    return ConditionWords(known.name, known.text.format_map(filled), known.fix)


def outcome_text(outcome: str, language: Language = Language.ENGLISH) -> str:
    """Return the verdict on a file as a sentence; the code itself if this release does not know
    it."""
    return catalogue(language).outcomes.get(outcome, outcome)


def finding_text(
    code: str, numbers: Mapping[str, int], language: Language = Language.ENGLISH
) -> str:
    """Return a finding about a file as a sentence; the code itself if this release does not know
    it. Numbers in ms are shown as seconds."""
    seconds = {
        f"{name.removesuffix('ms')}s": f"{number / 1000:.1f}"
        for name, number in numbers.items()
        if name.endswith("_ms")
    }
    template = catalogue(language).findings.get(code)
    return template.format_map(_Particulars({**numbers, **seconds})) if template else code


class _Particulars(dict[str, "str | int"]):
    """The details of an entry. A detail that another release did not note shows as a dash."""

    def __missing__(self, name: str) -> str:
        return "-"


def _particulars(entry: HistoryEntry, language: Language) -> _Particulars:
    words = catalogue(language)
    fix = words.fixes.get(str(entry.about.get("code")), words.other_fix)
    unknown = {} if entry.code.value in words.reasons else {"code": entry.code.value}
    named = entry.about.get("who") or "-"  # the rule or the schedule that made the intent
    who = entry.about.get("who") or words.somebody
    ends = _ends(entry.about, words.ends) if entry.code is Reason.ASKED_EXTEND else {}
    by = {"fix": fix, "rule": named, "schedule": named}
    return _Particulars({**by, **entry.about, "who": who, **unknown, **ends})


def _ends(about: Mapping[str, str | int], words: EndWords) -> dict[str, str]:
    """Return, in words, the end that was set and the end before it."""
    if "until" in about:  # as release 0.2 noted it
        at = int(about["until"])
        return {"end": rfc3339(at) if at else words.unnoted, "before": words.unnoted}
    return {name: _end(name, about, words) for name in ("end", "before")}


def _end(name: str, about: Mapping[str, str | int], words: EndWords) -> str:
    at, after = about.get(f"{name}_at"), about.get(f"{name}_after")
    if at is not None:
        return words.at.format(time=rfc3339(int(at)))
    return words.none if after is None else words.after.format(duration=written(int(after)))
