"""The robots over HTTP, in a thread of its own on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final
from urllib.parse import parse_qsl, urlsplit

from emulator.robots.robots import Answer, Feishu, Robot


@final
class RobotsInThread:
    """A context manager. `clock` gives the robots' time in ms. While `is_away` is True, no request
    is answered."""

    def __init__(self, robots: Sequence[Robot], clock: Callable[[], int]) -> None:
        self._robots, self.clock = robots, clock
        self._lock = threading.Lock()
        self.is_away = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> RobotsInThread:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def address(self, robot: Robot) -> str:
        """Return the webhook URL of a robot, as its group shows it."""
        where = f"http://127.0.0.1:{self._server.server_port}{robot.path}"
        if isinstance(robot, Feishu):
            return where + robot.token
        name = "access_token" if robot.path == "/robot/send" else "key"
        return f"{where}?{name}={robot.token}"

    def answer(self, address: str, body: bytes) -> Answer | None:
        """Return the answer of the robot at this address; None while the robots are away."""
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        tokens = (query.get("access_token"), query.get("key"), parts.path.rpartition("/")[2])
        with self._lock:
            of_path = [each for each in self._robots if parts.path.startswith(each.path)]
            robot = next((each for each in of_path if each.token in tokens), None)
            if self.is_away:
                return None
            if robot is None:
                return _to_a_stranger(of_path)
            return robot.take(query, json.loads(body), self.clock())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        robots = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = robots.answer(self.path, body)
                if found is None:
                    self.close_connection = True
                    return
                content = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's
                pass

        return Handler


def _to_a_stranger(of_path: Sequence[Robot]) -> Answer:
    """Return the answer to an address with a token that no robot has."""
    if of_path and isinstance(of_path[0], Feishu):
        return of_path[0].answer(19001, "param invalid: incoming webhook access token invalid")
    is_dingtalk = bool(of_path) and of_path[0].path == "/robot/send"
    return {"errcode": 300005 if is_dingtalk else 93000, "errmsg": "invalid webhook"}
