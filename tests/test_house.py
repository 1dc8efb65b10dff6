"""The rules of the house: what a module may import, how large files and classes may grow, how actions are found."""

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import floor_plan

ROOT = Path(__file__).parent.parent
MOST_LINES, MOST_CLASS_LINES = 600, 400
FLOORS = ("app.core", "app.engine", "app.ui")  # from the lowest; the door (app.application, …) is above them
QT = ("PySide6", "shiboken6", "pyqtgraph")
MOST_HOPS = 15
WAY = (  # from pen to pixels: who hands the sketch, the request or its events on, and by what
    ("app.ui.widgets.canvas.Canvas", "self.changed.emit()"),
    ("app.ui.live.LiveFollower", "self.asked.emit()"),
    ("app.ui.completion_controller.CompletionController", "self._jobs.begin(run, settings.model, request)"),
    ("app.engine.jobs.Jobs", "self._engine.complete(model, self.current.data, request)"),
    ("app.engine.engine.Engine", "self._link.send(request)"),
    ("app.engine.engine.Process", "process.write(messages.pack(message))"),
    ("app.engine.worker.Worker", "self._generator(job.model, job.data).generate(job.request, urgent)"),
    ("vssm.sampling.generator.Generator", "yield"),
    ("app.engine.worker.Worker", "self._report(messages.Happened(job.number, tuple(events)))"),
    ("app.engine.engine.Process", "self.heard.emit(message)"),
    ("app.engine.engine.Engine", "self.happened.emit(message.number, event)"),
    ("app.engine.jobs.Jobs", "self.happened.emit(self.current, event)"),
    ("app.ui.completion_controller.CompletionController", "self._panels.completion.show_run(run"),
    ("app.ui.panels.completion.CompletionPanel", "self.picture.show_picture("),
    ("app.ui.widgets.picture.Picture", "painter.drawImage("),
)
# Whoever shortens one of these takes it out of the list; none is ever added.


@functools.cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Every module below these folders, by its dotted name."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text("utf-8"))
    return found


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Every collection of later tests would look through these nodes, and each window is followed by some."""
    yield
    modules.cache_clear()


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted name of everything that is imported anywhere in a module, of each name from a package with it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def broken(trees: dict[str, ast.Module], *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    """Imports of what is forbidden, as "module: import"."""
    return [
        f"{module}: {name}"
        for module, tree in trees.items()
        for name in imports(tree)
        if inside(name, *forbidden) and not inside(name, *but)
    ]


def test_the_library_knows_neither_qt_nor_the_window():
    assert not broken(modules("vssm"), *QT, "app", "tools")


def test_the_core_knows_nothing_of_qt():
    assert not broken(modules("app/core"), *QT)


def test_the_engine_knows_nothing_of_qt_but_its_core():
    assert not broken(modules("app/engine"), *QT, but=("PySide6.QtCore",))


def test_the_decoder_is_a_program_of_its_own():
    """Which the window starts by its name: neither loads the other."""
    assert not broken(modules("app/decoder"), "app", "torch", but=("app.decoder",))
    others = {name: tree for name, tree in modules("app").items() if not inside(name, "app.decoder")}
    assert not broken(others, "app.decoder")


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_no_import_runs_up(floor):
    above = [*FLOORS[floor + 1 :], "app.application", "app.arguments", "app.display", "main", "tools"]
    assert not broken(modules(FLOORS[floor].replace(".", "/")), *above)


def test_panels_and_widgets_do_not_know_the_engine():
    assert not broken(modules("app/ui/panels", "app/ui/widgets"), "app.engine")


def test_what_measures_the_program_is_no_part_of_it():
    assert not broken(modules("app", "vssm"), "tools", "tests")


def test_the_window_never_loads_torch():
    """What it loads of the library at the first need is looked at where a completion has been made (test_startup)."""
    windows = {name: tree for name, tree in modules("app").items() if name != "app.engine.worker"}
    assert not broken(windows, "torch", "torchvision")


def test_no_file_is_too_long():
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert not [path for path, n in lengths.items() if n > MOST_LINES]


def sources() -> list[Path]:
    return [path for folder in ("app", "vssm", "tools", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_of_tests_imports_another():
    """What several of them need is a module of its own in tests."""
    trees = {name: tree for name, tree in modules("tests").items() if name.split(".")[-1].startswith("test_")}
    assert trees and not [
        f"{module}: {name}" for module, tree in trees.items() for name in imports(tree) if name.startswith("test_")
    ]


def test_no_class_is_too_long():
    sizes = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, tree in modules("app", "vssm", "tools").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert not {name for name, n in sizes.items() if n > MOST_CLASS_LINES}


def test_the_window_inherits_qts_and_nothing_else():
    tree = modules("app/ui")["app.ui.main_window"]
    windows = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Window")]
    assert windows and all([ast.unparse(base) for base in node.bases] == ["QMainWindow"] for node in windows)


def test_an_action_is_found_by_its_function():
    """`getattr` with the name of an action hides who calls whom."""
    tree = modules("app/ui")["app.ui.actions"]
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls and "getattr" not in calls


def test_the_way_from_pen_to_pixels_is_short():
    """Where a stroke becomes a request, the request becomes events, and these become pixels."""
    trees = modules("app", "vssm")
    for place, hands_on in WAY:
        module, _, name = place.rpartition(".")
        (station,) = (node for node in trees[module].body if isinstance(node, ast.ClassDef) and node.name == name)
        assert hands_on in ast.unparse(station), place
    assert len(WAY) - 1 <= MOST_HOPS


def test_every_room_of_the_plan_is_a_package():
    """So that it goes into the wheel."""
    for folder in ("app", "vssm", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            assert (path.parent / "__init__.py").exists(), path
    assert importlib.util.find_spec("app.core.session")


def test_the_floor_plan_is_that_of_the_imports():
    """After new imports between rooms: `python -m tools.floor_plan`."""
    assert floor_plan.PICTURE.read_text("utf-8") == floor_plan.picture()
