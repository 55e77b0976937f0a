"""Sends messages to chat robots, to each no faster than the robot allows.

The function's run calls this module. The last answer of each robot is kept for GET /v1/alerts,
without any part of the robot's address.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct
from msgspec.structs import asdict

from functions.notify.wording import Wording
from shared.config.robots import Robot
from shared.decoding import Undecodable, decode
from shared.engine import counters
from shared.invocation.invocation import Invocation
from shared.invocation.tasks import runner_of
from shared.outbound import robots
from shared.outbound.robots import INTERVAL_MS, RobotAnswer
from shared.outbox.message import MessageBody, SinkState, sink_note
from shared.outbox.settlement import UNREADABLE, Done, Failed, Outcome
from shared.outbox.task import Task, TaskKind
from shared.store.store_errors import StoreUnavailable

KIND = TaskKind.MESSAGE
RUN_WORKERS = 3
"""Messages sent at the same time, so that a robot which does not answer delays no other."""
SLOT_WAIT_MS = 4_000
UNKNOWN = "LIVE_RECORD_ROBOTS has no robot of this name: add it there, and deploy"


def send(invocation: Invocation) -> dict[str, int]:
    """Send the messages to chat robots that are due. Return how many had each result."""
    runner = runner_of(invocation, KIND.value, invocation.deadline)
    runner.run(invocation.app.workers(), RUN_WORKERS, lambda: _MessageAttempt(invocation))
    return asdict(runner.result)


class _MessageAttempt(Struct, frozen=True):
    """Sends one message at a time."""

    invocation: Invocation

    def __call__(self, task: Task) -> Outcome:
        try:
            body = decode(task.body, MessageBody)
        except Undecodable:
            return UNREADABLE
        answer = self._answer(body)
        if answer.is_taken or body.is_test:
            return Done()
        return Failed(answer.text)

    def _answer(self, body: MessageBody) -> RobotAnswer:
        """Send the message; return the robot's answer and store it. If the robot is not to be
        called, return an answer that says why."""
        settings = self.invocation.app.settings
        robot = next((one for one in settings.robots if one.name == body.sink), None)
        if robot is None:
            return self._kept(body.sink, RobotAnswer(is_taken=False, text=UNKNOWN))
        if (pause := self._pause(body.sink)) is not None:
            return pause
        return self._kept(body.sink, self._sent(robot, body.text or self._test(body.sink)))

    def _test(self, sink: str) -> str:
        """Return the text of a test message, in the robot's language."""
        app = self.invocation.app
        languages = [rule.language for rule in app.policy.notify if rule.sink == sink]
        return Wording(app.settings.stage, next(iter(languages), "en"), app.store.now()).test()

    def _pause(self, sink: str) -> RobotAnswer | None:
        """Return why the robot may not be called now; None if it may, once the robot's next slot
        has come."""
        app = self.invocation.app
        state, now = SinkState.of(app.store.get_text(sink_note(sink))), app.store.now()
        if 0 < state.paused_until - now <= max(robots.PENALTY_MS.values()):
            return RobotAnswer(
                is_taken=False,
                text=(
                    "the robot got too many messages, so nothing is sent to it for some minutes:"
                    f" {state.answer}"
                ),
            )
        slot_in_ms = app.store.take_slot(f"robot:{sink}", INTERVAL_MS, SLOT_WAIT_MS)
        if slot_in_ms is None:
            return RobotAnswer(is_taken=False, text="other messages to this robot are sent first")
        app.wait(slot_in_ms / 1000)
        return None

    def _sent(self, robot: Robot, text: str) -> RobotAnswer:
        app = self.invocation.app
        answer = robots.send(robot, text, app.clock(), anywhere=app.settings.is_emulated)
        with suppress(StoreUnavailable):  # a full engine takes no count
            app.store.count({counters.messages(is_taken=answer.is_taken): 1})
        if not answer.is_taken:
            self.invocation.log.warning("message.refused", sink=robot.name, why=answer.text)
        return answer

    def _kept(self, sink: str, answer: RobotAnswer) -> RobotAnswer:
        store, now = self.invocation.app.store, self.invocation.app.store.now()
        paused_until = now + answer.pause_ms if answer.pause_ms else 0
        state = SinkState(now, answer.is_taken, answer.text, paused_until)
        # The message is sent: a failure to store the answer must not send it again.
        with suppress(StoreUnavailable):
            store.set_text(sink_note(sink), state.to_text())
        return answer
