"""Shows where the imports of a cold start spend their time, as a table and as docs/cold-start.svg.

`python -m benchmarks.cold_start.picture docs/cold-start.svg` sums up the modules' own times by
their owner: the shortest of several runs with `-X importtime`. It does not count the work after the
imports, such as reading the trusted roots and the call itself.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Mapping
from html import escape
from pathlib import Path

from benchmarks.packaged import BenchEnvironment, bench_environment, machine

HERE = Path(__file__).parent
RUNS = 5
PROGRAMS = {
    "stock": "the official SDK as it comes",
    "floor": "requests alone",
    "ours": "live-record, SDK included",
}
OWNERS: Mapping[str, tuple[str, ...]] = {
    "models of the SDK": ("alibabacloud_live20161101.models",),
    "SDK": ("alibabacloud_", "darabonba", "Tea"),
    "aiohttp and what it needs": (
        *("aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "multidict"),
        *("propcache", "yarl"),
    ),
    "credentials, websockets": (
        *("cryptography", "cffi", "_cffi_backend", "apscheduler", "tzlocal", "websocket"),
        *("aiofiles", "_openssl"),
    ),
    "requests and urllib3": (
        *("requests", "urllib3", "certifi", "idna", "charset_normalizer", "chardet"),
    ),
    "live-record": ("shared", "functions", "index"),
}
REST = "Python's own"
COLOURS = ("#b0483a", "#d9853b", "#e3b54a", "#c9b99a", "#4a7fa5", "#3b8f6b", "#9aa3ad")
WIDTH_PX, LEFT_PX, BAR_PX, GAP_PX = 760, 220, 28, 18


def owner(module: str) -> str:
    for name, prefixes in OWNERS.items():
        if module.startswith(prefixes):
            return name
    return REST


def imports(environment: BenchEnvironment, program: str) -> dict[str, int]:
    """Return the shortest import time of each module, in us."""
    trees, least = environment.trees, dict[str, int]()
    code = trees.ours if program == "ours" else trees.stock
    for run in range(RUNS):
        more = [f"picture{run}"] if program == "ours" else []
        command = [str(trees.python), "-W", "ignore", "-X", "importtime"]
        ended = subprocess.run(
            [*command, str(HERE / f"{program}.py"), str(code), *more],
            env=environment.environment("sqlite"),
            capture_output=True,
            text=True,
            check=True,
        )
        for module, own in _lines(ended.stderr):
            least[module] = min(own, least.get(module, own))
    return least


def _lines(text: str) -> list[tuple[str, int]]:
    """Return module and own time in us of lines such as `import time: 99 | 120 | package`."""
    rows = [line.removeprefix("import time:").split("|") for line in text.splitlines()]
    timed = [row for row in rows if len(row) == 3 and row[0].strip().isdigit()]
    return [(name.strip(), int(own)) for own, _, name in timed]


def by_owner(least: Mapping[str, int]) -> dict[str, float]:
    """Return the time by owner, in ms."""
    found = dict.fromkeys((*OWNERS, REST), 0.0)
    for module, own in least.items():
        found[owner(module)] += own / 1000
    return found


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    lines = [f"{'ms of imports':28}" + "".join(f"{name:>10}" for name in columns)]
    lines += [
        f"{name:28}" + "".join(f"{column[name]:10.1f}" for column in columns.values())
        for name in (*OWNERS, REST)
    ]
    total = "".join(f"{sum(column.values()):10.1f}" for column in columns.values())
    return "\n".join([*lines, f"{'together':28}{total}"])


def svg_of(columns: Mapping[str, Mapping[str, float]], about: str) -> str:
    scale = (WIDTH_PX - LEFT_PX - 70) / max(sum(column.values()) for column in columns.values())
    parts = [_text(8, 22, "Imports of a cold start, ms", bold=True)]
    top = 40
    for program, column in columns.items():
        parts.append(_text(8, top + 19, PROGRAMS[program]))
        left = float(LEFT_PX)
        for colour, (name, ms) in zip(COLOURS, column.items(), strict=True):
            title = f"<title>{escape(name)}: {ms:.0f} ms</title>"
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{ms * scale:.1f}" height="{BAR_PX}"'
                f' fill="{colour}">{title}</rect>'
            )
            left += ms * scale
        parts.append(_text(left + 6, top + 19, f"{sum(column.values()):.0f}"))
        top += BAR_PX + GAP_PX
    for number, (colour, name) in enumerate(zip(COLOURS, (*OWNERS, REST), strict=True)):
        across, down = 8 + number % 3 * 250, top + number // 3 * 22
        parts.append(f'<rect x="{across}" y="{down}" width="14" height="14" fill="{colour}"/>')
        parts.append(_text(across + 20, down + 12, name))
    height = top + 90
    parts.append(_text(8, height - 8, about))
    body = "\n".join(parts)
    box = f'viewBox="0 0 {WIDTH_PX} {height}" font-size="13" font-family="sans-serif"'
    white = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n{white}\n{body}\n</svg>\n'


def _text(x: float, y: float, content: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{weight}>{escape(content)}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start.picture")
    parser.add_argument("svg", type=Path, help="where the picture goes")
    arguments = parser.parse_args()
    with bench_environment() as environment:
        columns = {program: by_owner(imports(environment, program)) for program in PROGRAMS}
        python = str(machine(environment.trees.python)["python"]).partition(" ")[0]
    arguments.svg.write_text(svg_of(columns, f"Python {python}, -X importtime"), encoding="utf-8")
    print(table(columns))


if __name__ == "__main__":
    main()
