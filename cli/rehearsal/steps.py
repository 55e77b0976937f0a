"""The steps of a rehearsal, in their order: each returns its finding as a line, or fails.

cli.rehearsal.run performs them. They use the stage's own API as an operator does, and the account
only to read configurations and to delete the objects that they made.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from gettext import gettext as _
from http import HTTPStatus
from typing import Any

import requests

from cli import alerts, doctor, emergency, webhooks
from cli.account import Account
from cli.api import Api, Json
from cli.doctor import report
from cli.doctor.account import REVOKED_CREDENTIALS
from cli.doctor.finding import Severity
from cli.doctor.snapshot import AUTOMATIC
from cli.errors import StageRefusal
from cli.local.encoder import Encoder
from cli.polling import poll
from cli.printable import printable
from cli.rehearsal.objects import RehearsalObjects
from cli.rehearsal.outcome import Outcome, StepFailed
from cli.rehearsal.push_url import push_url
from cli.setup.configurations import ConfigTarget, Value, recordings
from cli.stage_registry import Target
from cli.trial.patterns import Pattern
from cli.trial.recording_config import effective, place_of
from shared.protocol import StreamKey
from shared.protocol.durations import instant, rfc3339
from shared.protocol.policy import OnInterruption
from shared.protocol.reason import Reason

LASTS_MS = 300_000
"""The recording ends by itself after this time, even if everything that should end it earlier is
killed."""
RECORDED_S = 2.0
"""How long each of the two parts is recorded; a shorter part cannot show whether it plays."""
FILE_PATIENCES, TIMER_PATIENCES = 4, 4
"""Factors on the patience: for a file, and for a timer that runs each minute."""
LOOK_EVERY_S = 0.5
MAX_KEPT_CHARS = 500
FILE_TOLERANCE_MS = 1_500
"""Tolerance for the file's times, because Live reports whole seconds."""
OK_OUTCOME, PENDING_OUTCOMES = "verified", ("missing", "unknown")
RECORDED, FAILED, IDLE = "recording", "failed", "idle"
ERROR_CODES = ("record_error", "file_failed")


class Skipped(Exception):
    """There is nothing to do in a step; the text explains why."""


@dataclass(frozen=True, slots=True)
class Push:
    """Where the test picture is pushed to. If `to` is empty, that is the ingest domain. `key` signs
    the address, if it is not empty."""

    to: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scene:
    """The parts that a rehearsal works with. `key` is the stream to be rehearsed, `stream` the
    throw-away stream that is pushed in its place."""

    target: Target
    api: Api
    account: Account
    key: StreamKey
    stream: StreamKey
    ingest: str
    push: Push
    patience_s: float
    region: str


class Steps:
    """One rehearsal. Each step returns what it found in words; it raises StepFailed with the cause
    and what to do, Skipped, Failure or Declined."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._name = str(scene.stream)
        self._encoder: Encoder | None = None
        self._recordings: Sequence[tuple[ConfigTarget, Value]] = ()
        self._objects: RehearsalObjects | None = None
        self._live_at = self._recorded_again_at = 0
        self.is_begun = self._is_recorded = self._is_stopped = False
        self._asked_sinks: Json | None = None
        self._asked_webhooks: Mapping[str, str] = {}

    def in_order(self) -> Sequence[tuple[str, Callable[[], str]]]:
        return (
            ("doctor", self.check_stage),
            ("configuration", self.read_configuration),
            ("emergency", self.plan_emergency),
            ("pushed", self.push),
            ("started", self.start),
            ("confirmed", self.await_recording),
            ("interrupted", self.interrupt),
            ("reconnected", self.reconnect),
            ("stopped", self.stop),
            ("file", self.await_file),
            ("verified", self.await_verdict),
            ("message", self.await_message),
        )

    # --- before anything is made -----------------------------------------------------------------

    def check_stage(self) -> str:
        findings = doctor.inspect(self._scene.target, region=self._scene.region)
        for finding in report.root_findings(findings):
            is_unasked = finding.code in (*report.UNREACHED, REVOKED_CREDENTIALS.code)
            if is_unasked or finding.severity is Severity.FAULT:
                fix = finding.fix or _("Fix the cause, then rehearse again.")
                raise StepFailed(finding.text, fix, is_unasked=is_unasked)
        return report.summary(findings)

    def read_configuration(self) -> str:
        """Find the configuration that covers both the named stream and the throw-away stream."""
        scene = self._scene
        found = self._recordings = list(recordings(scene.account, scene.key.domain))
        named = effective(found, Pattern(scene.key.app, scene.key.stream))
        ours = effective(found, Pattern(scene.stream.app, scene.stream.stream))
        if named is None:
            raise StepFailed(
                _("No recording configuration covers {stream}.").format(stream=scene.key),
                _(
                    "In the policy, add a rule that matches the stream. Then run `live-record setup"
                    " {options}`."
                ).format(options=self._options),
            )
        self._require_like(named, ours)
        self._objects = RehearsalObjects(scene.account, scene.key.app, named[1])
        line = _("{configuration}, into the bucket {bucket}")
        return line.format(configuration=named[0], bucket=self._objects.bucket)

    def _require_like(
        self, named: tuple[ConfigTarget, Value], ours: tuple[ConfigTarget, Value] | None
    ) -> None:
        target, value = named
        if str(value.get("OnDemand")) == str(AUTOMATIC):
            raise StepFailed(
                _("Live records {streams} automatically (OnDemand 0).").format(
                    streams=place_of(target)
                ),
                _("Make the configuration manual: run `live-record setup {options}`.").format(
                    options=self._options
                ),
            )
        if target.kind == "vod":
            raise StepFailed(
                _("{stream} is recorded into VOD.").format(stream=self._scene.key),
                _("Rehearse a stream that is recorded into OSS: a rehearsal cannot read VOD."),
                is_unasked=True,
            )
        if ours is None or ours[0] != target:
            raise StepFailed(
                _(
                    "The recording configuration of {streams} does not cover the throw-away stream"
                    " of the rehearsal."
                ).format(streams=place_of(target)),
                _("Give the whole application one recording configuration."),
                is_unasked=True,
            )

    def plan_emergency(self) -> str:
        """Return what `live-record emergency` would do, without doing it."""
        key = self._scene.key
        application = emergency.Application(key.domain, key.app)
        changes = list(emergency.changes_for(self._recordings, application, {}))
        line = _(
            "`live-record emergency {application}` would work (configurations that it would change:"
            " {count})"
        )
        return line.format(application=application, count=len(changes))

    # --- the show --------------------------------------------------------------------------------

    def push(self) -> str:
        self._ask_for_messages()
        began = time.monotonic()
        self._connect()
        status = self._await(lambda row: row["live"] == "yes")
        if status["live"] != "yes":
            raise StepFailed(
                _("The stage has not detected the stream within {seconds:g} s.").format(
                    seconds=self._scene.patience_s
                ),
                self._doctor_fix(),
            )
        self._live_at = instant(status["live_at"] or status["changed_at"])
        line = _("the test picture is pushed; the stage detected the stream after {seconds:.1f} s")
        return line.format(seconds=time.monotonic() - began)

    def start(self) -> str:
        """Ask the stage for a recording with an end, so that it ends even if nobody stops it and
        the stream is never seen again."""
        note = _("rehearsal for {stream}").format(stream=self._scene.key)
        until = rfc3339(self._live_at + LASTS_MS)
        resume = OnInterruption.RESUME.value
        answer = self._scene.api.ask(
            self._name, "start", until=until, on_interruption=resume, note=note
        )
        return str(answer["reason"]["text"])

    def await_recording(self) -> str:
        status = self._await(lambda row: row["phase"] in (RECORDED, FAILED))
        self._require_recorded(status)
        self._is_recorded = True
        return str(status["reason"]["text"])

    def interrupt(self) -> str:
        time.sleep(RECORDED_S)
        if self._encoder is not None:
            self._require_pushed(self._encoder)
            self._encoder.cut()
        began = time.monotonic()
        status = self._await(lambda row: row["live"] != "yes")
        if status["live"] == "yes":
            raise StepFailed(
                _("The stage has not noticed within {seconds:g} s that the push broke off.").format(
                    seconds=self._scene.patience_s
                ),
                self._doctor_fix(),
            )
        line = _("the push broke off; the stage detected the interruption after {seconds:.1f} s")
        return line.format(seconds=time.monotonic() - began)

    def reconnect(self) -> str:
        began = time.monotonic()
        self._connect()
        status = self._await(lambda row: row["phase"] in (RECORDED, FAILED))
        self._require_recorded(status)
        took_s = time.monotonic() - began
        self._recorded_again_at = instant(status["confirmed_at"] or status["since"])
        time.sleep(RECORDED_S)
        line = _("recorded again {seconds:.1f} s after the push was resumed")
        return line.format(seconds=took_s)

    def stop(self) -> str:
        self._send_stop()
        status = self._await(lambda row: row["phase"] == IDLE)
        if status["phase"] != IDLE:
            reason = status["reason"]
            raise StepFailed(str(reason["text"]), self._fix_of(str(reason["code"])))
        self._is_stopped = True
        self._disconnect()
        return _("the stop took effect, and the stage asked Live for the file at once")

    def await_file(self) -> str:
        files = self._files(self._has_last)
        if not self._has_last(files):
            raise StepFailed(self._why_no_file(), self._history_fix())
        return _("files reported: {count} ({names})").format(
            count=len(files), names=", ".join(str(one["uri"]) for one in files)
        )

    def await_verdict(self) -> str:
        answer = self._scene.api.files(self._name)
        if answer["signed"] is None:
            raise Skipped(_("the stage names no bucket, so it verifies no files"))
        self._fire("files", waits=True)
        files = self._files(_is_judged, patiences=TIMER_PATIENCES)
        for file in files:
            self._require_verified(file)
        return str(files[0]["verified"]["text"])

    def await_message(self) -> str:
        if self._asked_sinks is None and not self._asked_webhooks:
            raise Skipped(
                _("the policy names no robot and no webhook: nobody is notified of trouble")
            )
        self._fire("notify", waits=False)
        return _("; ").join([*self._await_robots(), *self._await_receivers()])

    def _await_robots(self) -> Iterator[str]:
        if self._asked_sinks is None:
            return
        answers = alerts.sink_answers(self._scene.api, self._asked_sinks, self._timer_wait_s)
        for sink in answers:
            line = alerts.sink_line(sink)
            if not sink["is_taken"]:
                raise StepFailed(line, _("Fix the cause, then run `live-record alerts test`."))
            yield line

    def _await_receivers(self) -> Iterator[str]:
        asked = self._asked_webhooks
        answers = webhooks.webhook_answers(self._scene.api, asked, self._timer_wait_s)
        for name in asked:
            line = webhooks.answer_line(name, answers.get(name))
            if not (answers.get(name) or {}).get("is_taken"):
                raise StepFailed(line, _("Fix the cause, then run `live-record webhook test`."))
            yield line

    @property
    def _timer_wait_s(self) -> int:
        return max(round(self._scene.patience_s * TIMER_PATIENCES), 1)

    # --- the end ---------------------------------------------------------------------------------

    def remove(self) -> str:
        """End the push and the recording, and delete the objects of this rehearsal and of killed
        ones. The objects are deleted even if the stage does not answer any more."""
        if not self.is_begun:
            raise Skipped(_("the rehearsal has made nothing"))
        self._disconnect()
        reported: list[str] = []
        try:
            reported += self._end_recording()
        finally:
            line = self._delete_objects(reported)
        return line

    def _end_recording(self) -> Sequence[str]:
        """Stop the recording unless it is stopped; return the names of the objects that Live has
        reported."""
        if not self._is_stopped:
            self._send_stop()
        if self._is_recorded and not self._is_stopped:
            self._files(bool)
        files = self._scene.api.files(self._name)["files"]
        return [str(one["uri"]) for one in files]

    def _delete_objects(self, reported: Sequence[str]) -> str:
        if self._objects is None:
            return _("there is nothing to delete")
        own, left = self._objects.own_and_left(self._scene.stream, reported, time.time())
        for key in (*own, *left):
            self._objects.delete(key)
        self._require_removable(reported, own)
        if left:
            line = _("objects deleted: {count}, and {left} more that a killed rehearsal had left")
            return line.format(count=len(own), left=len(left))
        line = _("objects deleted: {count}; the stage forgets the stream a day later")
        return line.format(count=len(own))

    def keep(self, outcome: Outcome) -> str:
        """Store the result in the stage: a schedule may demand a GO."""
        cause = outcome.cause
        text, fix = (cause.text, cause.fix) if cause else ("", "")
        verdict = outcome.verdict.value
        try:
            self._scene.api.store_rehearsal(self._name, verdict, _short(text), _short(fix))
        except StageRefusal as refusal:
            if refusal.problem.get("status") == HTTPStatus.NOT_FOUND:
                raise Skipped(
                    _("the stage's release does not store the results of rehearsals")
                ) from None
            raise
        return _("the stage has stored the result, which a schedule may demand")

    def _require_removable(self, reported: Sequence[str], own: Sequence[str]) -> None:
        if others := [uri for uri in reported if uri not in own]:
            raise StepFailed(
                _(
                    "These objects were not deleted, because their names do not contain the"
                    " stream's name: {names}."
                ).format(names=", ".join(others)),
                _("Delete these objects yourself, and put `{StreamName}` into OssObjectPrefix."),
            )

    def _send_stop(self) -> None:
        self._scene.api.ask(self._name, "stop", finalize=True, hold="session")

    # --- parts -----------------------------------------------------------------------------------

    def _connect(self) -> None:
        scene = self._scene
        base, key = scene.push.to or scene.target.rtmp, scene.push.key
        at_s = round(time.time())
        url = push_url(base, scene.stream, ingest=scene.ingest, push_key=key, at_s=at_s)
        self.is_begun = True
        self._disconnect()
        self._encoder = Encoder(url)
        self._encoder.__enter__()
        self._require_pushed(self._encoder)

    def _require_pushed(self, encoder: Encoder) -> None:
        if encoder.refusal:
            raise StepFailed(
                _("The push failed: {answer}.").format(answer=encoder.refusal.rstrip(".")),
                _(
                    "Check `--push-to` and the firewall. If URL signing is on for the ingest"
                    " domain, pass `--push-key`."
                ),
            )

    def _disconnect(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.__exit__(None, None, None)

    def _await(self, is_done: Callable[[Json], bool]) -> Json:
        """Return the first status that `is_done` accepts, or the last one if none does in time."""
        ask = self._scene.api.status
        wait_s = self._scene.patience_s
        return poll(lambda: ask(self._name), is_done, wait_s=wait_s, every_s=LOOK_EVERY_S)

    def _files(
        self, is_done: Callable[[Sequence[Json]], bool], *, patiences: int = FILE_PATIENCES
    ) -> Sequence[Json]:
        wait_s = self._scene.patience_s * patiences
        found: Sequence[Json] = poll(
            lambda: self._scene.api.files(self._name)["files"], is_done, wait_s=wait_s
        )
        return found

    def _has_last(self, files: Sequence[Json]) -> bool:
        """Return True if a file is there that ends after the push was resumed."""
        earliest = self._recorded_again_at - FILE_TOLERANCE_MS
        return any(one["stop"] and instant(one["stop"]) >= earliest for one in files)

    def _require_recorded(self, status: Json) -> None:
        if self._encoder is not None:
            self._require_pushed(self._encoder)
        if status["phase"] != RECORDED:
            late = _(
                "The stream is still not recorded after {seconds:g} s. The stage says: {reason}."
            )
            reason = str(status["reason"]["text"])
            cause = self._first_error() or late.format(
                seconds=self._scene.patience_s, reason=reason.rstrip(".")
            )
            raise StepFailed(cause, self._fix_of(str(status["reason"]["code"])))

    def _require_verified(self, file: Json) -> None:
        verdict = file["verified"]
        if verdict is None:
            raise StepFailed(
                _("The stage has not verified {name}.").format(name=file["uri"]),
                _(
                    "Enable the timer of the function `files`; the function's log says why a run"
                    " failed."
                ),
            )
        if verdict["outcome"] != OK_OUTCOME:
            texts = [verdict["text"], *(finding["text"] for finding in verdict["findings"])]
            fix = _(
                "Check who may write to the bucket, its lifecycle rules and the role of the"
                " function `files` (docs/files.md), then rehearse again."
            )
            raise StepFailed(_(": ").join(texts), fix)

    def _why_no_file(self) -> str:
        reported = _("Live reported no file within {seconds:g} s of the stop.")
        waited_s = self._scene.patience_s * FILE_PATIENCES
        return self._first_error() or reported.format(seconds=waited_s)

    def _first_error(self) -> str:
        """Return Live's report of a failed recording or file, "" if there is none."""
        lines = self._scene.api.history(self._name)["history"]
        return next((str(one["text"]) for one in lines if one["code"] in ERROR_CODES), "")

    def _ask_for_messages(self) -> None:
        """Request a test message; the timer sends it while the rehearsal goes on."""
        policy: Mapping[str, Any] = self._scene.api.policy()["policy"]
        if policy.get("notify"):
            self._asked_sinks = self._scene.api.test_sinks()
        names = [row["name"] for row in self._scene.api.webhooks()["webhooks"]]
        self._asked_webhooks = {name: self._scene.api.test_webhook(name)["id"] for name in names}

    def _fire(self, function: str, *, waits: bool) -> None:
        """Fire a timer of the emulator, which would fire by itself within a minute."""
        if not self._scene.target.is_local:
            return
        url = f"{self._scene.target.url}/_fc/timer/{function}"
        with contextlib.suppress(requests.RequestException):
            requests.post(url, json={"wait": waits}, timeout=self._scene.patience_s)

    def _fix_of(self, code: str) -> str:
        """Return the fix for a stream whose status has this reason."""
        fixes = {
            Reason.OBSERVED: _(
                "If another stage records these streams, rehearse with that stage. Otherwise take"
                ' `mode = "observe"` out of the policy, and apply the policy.'
            ),
            Reason.THROTTLED: _("Find out what else sends commands in this account, or try later."),
            Reason.NO_QUOTA: _("Raise `max_concurrent` of the rule, or of the stage."),
            Reason.OPERATOR_ACTION_NEEDED: _(
                "Run `live-record doctor {options}`: its check `role` says what to fix."
            ).format(options=self._options),
            Reason.NO_RECORD_CONFIG: _("Run `live-record setup`, and push again."),
        }
        return fixes.get(Reason(code), self._history_fix())

    def _doctor_fix(self) -> str:
        sentence = _("Run `live-record doctor {options}`: it compares callback URLs and keys.")
        return sentence.format(options=self._options)

    def _history_fix(self) -> str:
        sentence = _("Run `live-record history {stream} {options}`: it says what Live answered.")
        return sentence.format(stream=self._name, options=self._scene.target.options)

    @property
    def _options(self) -> str:
        """Return the command options that name the stage and, if --live was given, its emulator."""
        return self._scene.target.options + self._scene.target.live_option


def _is_judged(files: Sequence[Json]) -> bool:
    verdicts = [one["verified"] for one in files]
    return all(one is not None and one["outcome"] not in PENDING_OUTCOMES for one in verdicts)


def _short(text: str) -> str:
    """Return the text, shortened to what a stage accepts."""
    return printable(" ".join(text.split()))[:MAX_KEPT_CHARS]
