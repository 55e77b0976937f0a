"""The routes of the custom domain: which function serves which path.

server.py calls it for each request that is none of its own paths.
It must not know instances or events.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulator.fc.deployment import Route


class Routes:
    """The routes, of which the longest path wins.

    A host that is not a known domain, such as loopback, matches every route.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = sorted(routes, key=lambda route: len(route.path.rstrip("*")), reverse=True)
        self._domains = {route.domain for route in self._routes}

    def find(self, host: str, method: str, path: str) -> Route | None:
        for route in self._routes:
            here = host not in self._domains or route.domain == host
            if here and method in route.methods and _matches(route.path, path):
                return route
        return None


def without_prefix(route: Route, path: str) -> str:
    prefix = route.path.rstrip("*").rstrip("/")
    return path.removeprefix(prefix) or "/"


def _matches(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern
