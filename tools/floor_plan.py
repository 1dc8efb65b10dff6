"""The floor plan: which room of the program imports which others, as a picture made from the imports themselves.

`python -m tools.floor_plan` writes docs/floor-plan.svg.
"""

from __future__ import annotations

import ast
import sys
from html import escape
from pathlib import Path

from vssm.files import atomic

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "floor-plan.svg"
FLOORS = (
    ("measures and pictures", ("tools",)),
    ("the window", ("app", "app.ui", "app.ui.panels", "app.ui.widgets", "app.ui.help")),
    ("work", ("app.engine", "", "", "", "app.decoder")),
    ("thought without Qt", ("app.core",)),
    ("the library's commands", ("vssm.cli", "vssm.reports")),
    ("the library's work", ("vssm.evaluation", "vssm.training", "vssm.sampling")),
    ("the library's models", ("vssm.models", "vssm.nn", "vssm", "vssm.files")),
)  # from the roof to the cellar, "" for an empty place
WORDS = {
    "tools": "latency, screenshots, this plan",
    "app": "application: the door",
    "app.ui": "window, actions, controllers",
    "app.ui.panels": "views of a state",
    "app.ui.widgets": "reusable parts",
    "app.ui.help": "glossary, tour, about",
    "app.engine": "runs and saves; QtCore only",
    "app.decoder": "reads pictures, in its process",
    "app.core": "sketch, run, session, race: no Qt",
    "vssm.cli": "parser, commands",
    "vssm.reports": "pages and figures",
    "vssm.evaluation": "measures, timing",
    "vssm.training": "trainer, optimizers",
    "vssm.sampling": "request to events",
    "vssm.models": "one file a model",
    "vssm.nn": "scan, block, likelihoods",
    "vssm": "data, prompt, checkpoint",
    "vssm.files": "safe reading, writing",
}
WIDE, HIGH, GAP, LEFT, STEP, TOP = 196, 56, 20, 190, 112, 40  # screen pixels


def room_of(module: str) -> str | None:
    """The innermost room that a module lies in; None for modules of others."""
    if module == "vssm.__main__":
        return "vssm.cli"  # its door
    rooms = [room for _, floor in FLOORS for room in floor if module == room or module.startswith(room + ".")]
    return max(rooms, key=len, default=None)


def uses() -> list[tuple[str, str]]:
    """Pairs of rooms of which the first imports something from the second."""
    found = set()
    for folder in ("app", "tools", "vssm"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            here = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
            for name in _imports(ast.parse(path.read_text("utf-8"))):
                there = room_of(name)
                if here and there and here != there:
                    found.add((here, there))
    return sorted(found)


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def direct(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that no way through a third room, from floor to floor, tells already."""
    level = {room: j for j, (_, floor) in enumerate(FLOORS) for room in floor}

    def between(here: str, room: str, there: str) -> bool:
        down = level[here] <= level[room] <= level[there] and level[here] < level[there]
        one_way = not {(room, here), (there, room)} & set(pairs)
        return down and one_way and (here, room) in pairs and (room, there) in pairs

    return [pair for pair in pairs if not any(between(pair[0], room, pair[1]) for room in level if room not in pair)]


def picture() -> str:
    """The plan as SVG. An arrow leads from the room that imports to the one it imports, unless others imply it."""
    places = {
        room: (LEFT + i * (WIDE + GAP), TOP + j * STEP)
        for j, (_, floor) in enumerate(FLOORS)
        for i, room in enumerate(floor)
        if room
    }
    wide = LEFT + max(len(floor) for _, floor in FLOORS) * (WIDE + GAP)
    high = TOP + len(FLOORS) * STEP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif">',
        "<title>Rooms of the program, and which imports which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#56606d"/></marker></defs>',
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
    ]
    for here, there in direct(uses()):
        (x, y), (to_x, to_y) = places[here], places[there]
        level = y == to_y
        begin = (x + WIDE / 2, y + (0 if level else HIGH if to_y > y else 0))
        end = (to_x + WIDE / 2, to_y + (0 if level or to_y > y else HIGH))
        bend = (y + to_y + HIGH) / 2 if not level else y - 30
        parts.append(
            f'<path d="M{begin[0]:g},{begin[1]:g} C{begin[0]:g},{bend:g} {end[0]:g},{bend:g} {end[0]:g},{end[1]:g}" '
            f'fill="none" stroke="#56606d" stroke-opacity="0.55" '
            f'marker-end="url(#tip)"><title>{here} imports {there}</title></path>'
        )
    for j, (title, floor) in enumerate(FLOORS):
        parts.append(f'<text x="12" y="{TOP + j * STEP + 34}" font-size="14" fill="#56606d">{escape(title)}</text>')
        for room in filter(None, floor):
            x, y = places[room]
            parts += [
                f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="#e7f0fa" stroke="#0b5cab"/>',
                f'<text x="{x + 10}" y="{y + 23}" font-size="15" fill="#1a1f26">{room.replace(".", "/")}</text>',
                f'<text x="{x + 10}" y="{y + 43}" font-size="11" fill="#56606d">{escape(WORDS[room])}</text>',
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Write the picture; returns the exit code."""
    atomic.write_text(PICTURE, picture())
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
