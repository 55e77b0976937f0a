"""The experiments that need only commands and lists: no callback receiver, no load.

cli.probe.run runs them. The emulator has a switch for each question that an experiment answers; the
experiment's function has the switch's name, and returns the answer with its evidence. An experiment
may use the account only through the test stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.account import Declined
from cli.probe.test_stream import (
    COMMAND_INTERVAL_S,
    LISTING_TIMEOUT_S,
    NOT_FOUND,
    NOT_LISTED,
    OK,
    TestStream,
    Unanswered,
)
from cli.texts import N_

Answer = tuple[Any, str]
"""The answer, and the evidence for it."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One open question about Live and the function that answers it.

    `fact` is the section of docs/platform/live.md about this question.
    """

    fact: str
    question: str
    answer: Callable[[Any], Answer]


def by_name(*experiments: Experiment) -> Mapping[str, Experiment]:
    """Return the experiments by the names of their functions."""
    return {each.answer.__name__: each for each in experiments}


def wrong_domain_code(test_stream: TestStream) -> Answer:
    code = test_stream.command("start", DomainName=test_stream.ingest)
    return code, f"a start for the ingest domain: {code}"


def stop_when_offline(test_stream: TestStream) -> Answer:
    return _offline(test_stream, "stop")


def cancel_delay_when_offline(test_stream: TestStream) -> Answer:
    return _offline(test_stream, "cancel_delay")


def _offline(test_stream: TestStream, command: str) -> Answer:
    test_stream.reset()
    code = test_stream.command(command)
    return _word(code), f"{command} while the stream is offline: {code}"


def stop_when_idle(test_stream: TestStream) -> Answer:
    return _idle(test_stream, "stop")


def cancel_delay_without_stop(test_stream: TestStream) -> Answer:
    return _idle(test_stream, "cancel_delay")


def _idle(test_stream: TestStream, command: str) -> Answer:
    test_stream.reset()
    test_stream.publish()
    code = test_stream.command(command)
    return _word(code), f"{command} while nothing is recorded: {code}"


def restart_before_start(test_stream: TestStream) -> Answer:
    test_stream.reset()
    test_stream.publish()
    code = test_stream.command("restart")
    return "ok" if code == OK else "error", f"restart before any start: {code}"


def _word(code: str) -> str:
    if code == OK:
        return "ok"
    return "StreamNotFound" if code in NOT_FOUND else code


def start_after_stop_within_delay(test_stream: TestStream) -> Answer:
    _record(test_stream)
    before = test_stream.recording_events()
    test_stream.require("stop")
    test_stream.require_event("record_paused", before)
    return _started_again(test_stream, "start within DelayTime of a stop")


def start_after_interruption_within_delay(test_stream: TestStream) -> Answer:
    if _resumes_by_itself(test_stream):
        sentence = N_("a manual recording resumes automatically, so there is nothing to start")
        raise Unanswered(sentence)
    return _started_again(test_stream, "start within DelayTime of an interruption")


def manual_resumes_within_delay(test_stream: TestStream) -> Answer:
    resumes = _resumes_by_itself(test_stream)
    event = "record_resumed" if resumes else "nothing"
    return resumes, f"interrupted and back within DelayTime, no command sent: {event}"


def _record(test_stream: TestStream) -> None:
    test_stream.reset()
    test_stream.publish()
    before = test_stream.recording_events()
    test_stream.require("start")
    test_stream.require_event("record_started", before)


def _resumes_by_itself(test_stream: TestStream) -> bool:
    _record(test_stream)
    before = test_stream.recording_events()
    test_stream.unpublish()
    test_stream.require_event("record_paused", before)
    before = test_stream.recording_events()
    test_stream.publish()
    return bool(test_stream.wait_for(("record_resumed",), before))


def _started_again(test_stream: TestStream, attempt: str) -> Answer:
    before = test_stream.recording_events()
    code = test_stream.command("start")
    if code == "TaskAlreadyStarted":
        return "already_started", f"{attempt}: {code}"
    if code != OK:
        return code, f"{attempt}: {code}"
    event = test_stream.wait_for(("record_resumed", "record_started"), before).partition(" ")[0]
    answers = {"record_resumed": "resumes", "record_started": "new_file"}
    if event not in answers:
        raise Unanswered(N_("the start was accepted, but no event followed"))
    return answers[event], f"{attempt}: accepted, then {event}"


def stream_visible_after_publish_ms(test_stream: TestStream) -> Answer:
    """Return how many ms after the publish Live first accepts a start. The online list may show the
    stream earlier or later."""
    test_stream.reset()
    test_stream.publisher.publish()
    test_stream.is_live = True
    began = time.monotonic()
    test_stream.wait_until(
        lambda: test_stream.command("start") not in NOT_FOUND,
        LISTING_TIMEOUT_S,
        N_("Live still accepts no start {seconds:.0f} s after the publish"),
    )
    took = _ms(time.monotonic() - began)
    test_stream.visible_after_s = took / 1000
    test_stream.wait_until(
        lambda: test_stream.publish_time() is not None,
        LISTING_TIMEOUT_S,
        NOT_LISTED,
    )
    return (
        took,
        f"a start each {_ms(COMMAND_INTERVAL_S)} ms from the publish on: accepted after {took} ms",
    )


def online_list_lag_ms(test_stream: TestStream) -> Answer:
    test_stream.reset()
    took = _ms(test_stream.publish_and_time())
    return took, f"listed {took} ms after the publish"


def publish_time_offset_ms(test_stream: TestStream) -> Answer:
    """Return how many ms the PublishTime in the online list is after the time in the publish
    callback. Both times are in whole seconds."""
    test_stream.reset()
    before = len(test_stream.publish_events())
    test_stream.publish()
    listed = test_stream.publish_time()
    otherwise = N_("Live has no record of the publish callback after {seconds:.0f} s")
    test_stream.wait_until(
        lambda: len(test_stream.publish_events()) > before, test_stream.patience, otherwise
    )
    if listed is None:
        raise Unanswered(N_("the stream is no longer in the online list"))
    offset = _ms(listed.timestamp() - int(test_stream.publish_events()[-1]["time"]))
    return offset, f"PublishTime is {offset} ms after the callback's time"


def status_events_carry_time(test_stream: TestStream) -> Answer:
    test_stream.reset()
    test_stream.publish()
    before = test_stream.recording_events()
    test_stream.require("start")
    event = test_stream.require_event("record_started", before)
    return "time" in event, f"record_started has {', '.join(sorted(event))}"


def record_key_is_returned(test_stream: TestStream) -> Answer:
    """Return whether Live returns the key that signs recording callbacks.

    Raise Unanswered if Live does not sign these callbacks, because then there is no key.
    """
    try:
        answer = test_stream.account.ask(
            "DescribeLiveRecordNotifyConfig", DomainName=test_stream.domain
        )
    except Declined as declined:
        raise Unanswered("{action}: {code}", action=declined.action, code=declined.code) from None
    config = answer.get("LiveRecordNotifyConfig") or {}
    is_told = bool(config.get("NotifyAuthKey"))
    if not is_told and str(config.get("NotifyReqAuth", "")).lower() in ("false", "no"):
        raise Unanswered(
            N_(
                "Live does not sign the recording callbacks, so there is no key that it could"
                " return. Run `live-record setup` first"
            )
        )
    return is_told, f"DescribeLiveRecordNotifyConfig has {', '.join(sorted(config))}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


EXPERIMENTS = by_name(
    Experiment(
        "§11",
        "How soon after a publish does a start find the stream?",
        stream_visible_after_publish_ms,
    ),
    Experiment(
        "§7", "How soon after a publish does the online list show the stream?", online_list_lag_ms
    ),
    Experiment(
        "§2, §7",
        "How far is PublishTime in the list from the time in the callback?",
        publish_time_offset_ms,
    ),
    Experiment(
        "§1.3", "How does Live answer a command that names the ingest domain?", wrong_domain_code
    ),
    Experiment(
        "§1.2", "How does Live answer a stop while the stream is offline?", stop_when_offline
    ),
    Experiment(
        "§1.2",
        "How does Live answer a cancel_delay while the stream is offline?",
        cancel_delay_when_offline,
    ),
    Experiment("§1.2", "How does Live answer a stop while nothing is recorded?", stop_when_idle),
    Experiment(
        "§1.2",
        "How does Live answer a cancel_delay without an earlier stop?",
        cancel_delay_without_stop,
    ),
    Experiment("§1.2", "How does Live answer a restart before any start?", restart_before_start),
    Experiment(
        "§1.2", "What does a start do within DelayTime of a stop?", start_after_stop_within_delay
    ),
    Experiment(
        "§6",
        "Does a manual recording resume by itself after an interruption?",
        manual_resumes_within_delay,
    ),
    Experiment(
        "§6",
        "What does a start do within DelayTime of an interruption?",
        start_after_interruption_within_delay,
    ),
    Experiment("§4", "Do status events have a time?", status_events_carry_time),
    Experiment(
        "§3",
        "Do Live's callback settings show the key that signs recording callbacks?",
        record_key_is_returned,
    ),
)
