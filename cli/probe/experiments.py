"""What probe asks, each question named like the stand-in's switch for it: here what commands and
the lists of Live tell, without a callback receiver and without load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.account import Declined
from cli.probe.test_stream import LONGEST, NOT_FOUND, OK, PACE, Scene, Unanswered

Found = tuple[Any, str]
"""The answer, and what it was read from."""


@dataclass(frozen=True, slots=True)
class Question:
    """`fact` is the line of the platform's facts that is open; `needs` is "" or what a run must be
    given for it: "receiver" or "load"."""

    fact: str
    asks: str
    answer: Callable[[Any], Found]
    needs: str = ""


def wrong_domain_code(scene: Scene) -> Found:
    code = scene.command("start", DomainName=scene.ingest)
    return code, f"a start for the ingest domain: {code}"


def stop_when_offline(scene: Scene) -> Found:
    return _offline(scene, "stop")


def cancel_delay_when_offline(scene: Scene) -> Found:
    return _offline(scene, "cancel_delay")


def _offline(scene: Scene, command: str) -> Found:
    scene.fresh()
    code = scene.command(command)
    return _word(code), f"{command} while the stream is offline: {code}"


def stop_when_idle(scene: Scene) -> Found:
    return _idle(scene, "stop")


def cancel_delay_without_stop(scene: Scene) -> Found:
    return _idle(scene, "cancel_delay")


def _idle(scene: Scene, command: str) -> Found:
    scene.fresh()
    scene.come()
    code = scene.command(command)
    return _word(code), f"{command} while nothing is recorded: {code}"


def restart_before_start(scene: Scene) -> Found:
    scene.fresh()
    scene.come()
    code = scene.command("restart")
    return "ok" if code == OK else "error", f"restart before any start: {code}"


def _word(code: str) -> str:
    if code == OK:
        return "ok"
    return "StreamNotFound" if code in NOT_FOUND else code


def start_after_stop_within_delay(scene: Scene) -> Found:
    _record(scene)
    before = scene.heard()
    scene.must("stop")
    scene.must_hear("record_paused", before)
    return _started_again(scene, "start within DelayTime of a stop")


def start_after_interruption_within_delay(scene: Scene) -> Found:
    if _resumes_by_itself(scene):
        raise Unanswered("a manual recording resumes by itself here: there is nothing to start")
    return _started_again(scene, "start within DelayTime of an interruption")


def manual_resumes_within_delay(scene: Scene) -> Found:
    resumes = _resumes_by_itself(scene)
    seen = "record_resumed" if resumes else "nothing"
    return resumes, f"interrupted and back within DelayTime, no command sent: {seen}"


def _record(scene: Scene) -> None:
    scene.fresh()
    scene.come()
    before = scene.heard()
    scene.must("start")
    scene.must_hear("record_started", before)


def _resumes_by_itself(scene: Scene) -> bool:
    _record(scene)
    before = scene.heard()
    scene.go()
    scene.must_hear("record_paused", before)
    before = scene.heard()
    scene.come()
    return bool(scene.wait_for(("record_resumed",), before))


def _started_again(scene: Scene, what: str) -> Found:
    before = scene.heard()
    code = scene.command("start")
    if code == "TaskAlreadyStarted":
        return "already_started", f"{what}: {code}"
    if code != OK:
        return code, f"{what}: {code}"
    event = scene.wait_for(("record_resumed", "record_started"), before).partition(" ")[0]
    answers = {"record_resumed": "resumes", "record_started": "new_file"}
    if event not in answers:
        raise Unanswered(f"{what}: accepted, and no event followed")
    return answers[event], f"{what}: accepted, then {event}"


def stream_visible_after_publish_ms(scene: Scene) -> Found:
    """From the publish itself: what is listed need not be found by commands, nor the other way."""
    scene.fresh()
    scene.publisher.publish()
    scene.is_live = True
    began = time.monotonic()
    scene.until(lambda: scene.command("start") not in NOT_FOUND, LONGEST, "no start is accepted")
    took = _ms(time.monotonic() - began)
    scene.visible_after = took / 1000
    scene.until(lambda: scene.listed() is not None, LONGEST, "the stream is not listed")
    return took, f"a start each {_ms(PACE)} ms from the publish on: accepted after {took} ms"


def online_list_lag_ms(scene: Scene) -> Found:
    scene.fresh()
    took = _ms(scene.appear())
    return took, f"listed {took} ms after the publish"


def publish_time_offset_ms(scene: Scene) -> Found:
    """Both are to the second."""
    scene.fresh()
    before = len(scene.published())
    scene.come()
    listed = scene.listed()
    otherwise = "Live has no record of the publish callback"
    scene.until(lambda: len(scene.published()) > before, scene.patience, otherwise)
    if listed is None:
        raise Unanswered("the stream went away")
    offset = _ms(listed.timestamp() - int(scene.published()[-1]["time"]))
    return offset, f"PublishTime is {offset} ms after the callback's time"


def status_events_carry_time(scene: Scene) -> Found:
    scene.fresh()
    scene.come()
    before = scene.heard()
    scene.must("start")
    event = scene.must_hear("record_started", before)
    return "time" in event, f"record_started has {', '.join(sorted(event))}"


def record_key_is_told(scene: Scene) -> Found:
    """Of a configuration that signs; where it does not say so, nothing tells it from none."""
    try:
        told = scene.account.ask("DescribeLiveRecordNotifyConfig", DomainName=scene.domain)
    except Declined as declined:
        raise Unanswered(f"DescribeLiveRecordNotifyConfig: {declined.code}") from None
    config = told.get("LiveRecordNotifyConfig") or {}
    is_told = bool(config.get("NotifyAuthKey"))
    if not is_told and str(config.get("NotifyReqAuth", "")).lower() in ("false", "no"):
        raise Unanswered("the configuration has no key that could be told: run setup first")
    return is_told, f"DescribeLiveRecordNotifyConfig has {', '.join(sorted(config))}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


QUESTIONS: Mapping[str, Question] = {
    "stream_visible_after_publish_ms": Question(
        "§11", "how soon after a publish a start finds the stream", stream_visible_after_publish_ms
    ),
    "online_list_lag_ms": Question("§7", "how soon the online list shows it", online_list_lag_ms),
    "publish_time_offset_ms": Question(
        "§2, §7", "how far PublishTime is from the callback's time", publish_time_offset_ms
    ),
    "wrong_domain_code": Question(
        "§1.3", "what a command for the ingest domain is answered", wrong_domain_code
    ),
    "stop_when_offline": Question("§1.2", "stop while offline", stop_when_offline),
    "cancel_delay_when_offline": Question(
        "§1.2", "cancel_delay while offline", cancel_delay_when_offline
    ),
    "stop_when_idle": Question("§1.2", "stop while nothing is recorded", stop_when_idle),
    "cancel_delay_without_stop": Question(
        "§1.2", "cancel_delay without a stop before", cancel_delay_without_stop
    ),
    "restart_before_start": Question("§1.2", "restart before any start", restart_before_start),
    "start_after_stop_within_delay": Question(
        "§1.2", "start within DelayTime of a stop", start_after_stop_within_delay
    ),
    "manual_resumes_within_delay": Question(
        "§6", "whether a manual recording resumes by itself", manual_resumes_within_delay
    ),
    "start_after_interruption_within_delay": Question(
        "§6", "start within DelayTime of an interruption", start_after_interruption_within_delay
    ),
    "status_events_carry_time": Question(
        "§4", "whether status events carry their time", status_events_carry_time
    ),
    "record_key_is_told": Question(
        "§3", "whether the key of recording callbacks is told", record_key_is_told
    ),
}
