"""The house: which room imports which, no circles, few names on the top floor, no module too long, one layout.

The floors are stated once, in pyproject.toml. import-linter checks what is written as an import; the graph made here
also has what is imported by name, such as `importlib.import_module("course_lib.viz")` or a table of lazy places.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "course_lib"
TOOL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
(LAYERS,) = [contract["layers"] for contract in TOOL["importlinter"]["contracts"] if contract["type"] == "layers"]
NAMES, LINES, REASON = 15, 300, "in one file"


# ---------------------------------------------------------------------------------------------- helpers
def imported_names(tree, package, house):
    """Dotted names that a module imports anywhere, in functions too, and strings that look like places of the house."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The fixed beginning of an f-string, "course_lib.viz.", names its room.
            if re.fullmatch(rf"{house}\.(\w+\.)*\w*", node.value):
                yield node.value.rstrip(".")


def import_graph(house):
    """Modules of the package in folder `house`, an edge from each to every module that it imports."""
    files = {}
    for path in house.rglob("*.py"):
        parts = path.relative_to(house.parent).with_suffix("").parts
        files[".".join(parts[:-1] if path.name == "__init__.py" else parts)] = path
    graph = nx.DiGraph()
    graph.add_nodes_from(files)
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name in imported_names(ast.parse(path.read_text()), package, house.name):
            while name and name not in files:  # a.module.Class -> a.module
                name = name.rpartition(".")[0]
            if name and name != module:
                graph.add_edge(module, name)
    return graph


def climbing(graph, layers):
    """Imports that go up, or across to a neighbour on the same floor; what stands on no floor is the facade."""
    floor = {room.strip(): height for height, layer in enumerate(layers) for room in layer.split("|")}

    def room(module):
        return (module.split(".") + [""])[1]

    pairs = [(a, b) for a, b in graph.edges if room(a) != room(b) and {room(a), room(b)} <= floor.keys()]
    return sorted(f"{a} -> {b}" for a, b in pairs if floor[room(a)] >= floor[room(b)])


def circles(graph):
    """One way around each group of modules that import each other."""
    groups = [group for group in nx.strongly_connected_components(graph) if len(group) > 1]
    return sorted(" -> ".join(edge[0] for edge in nx.find_cycle(graph.subgraph(group))) for group in groups)


def top_names(house):
    paths = (path for path in house.iterdir() if path.is_dir() or path.suffix == ".py")
    return sorted(path.name for path in paths if path.name not in ("__init__.py", "__pycache__"))


def too_long(house):
    """Modules that are long and do not say why in their docstring."""
    for path in sorted(house.rglob("*.py")):
        text = path.read_text()
        why = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
        if len(text.splitlines()) > LINES and REASON not in why:
            yield f"{path.relative_to(house.parent)}: {len(text.splitlines())} lines"


def run(*words, folder=ROOT):
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def lint_imports(folder=ROOT):
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return run("-c", command, "--no-logo", "--no-cache", folder=folder)


# -------------------------------------------------------------------------------------------- the house
def test_contracts_of_import_linter():
    status, said = lint_imports()
    assert status == 0, said


def test_nothing_climbs_by_name():
    assert climbing(import_graph(HOUSE), LAYERS) == []


def test_no_circles():
    assert circles(import_graph(HOUSE)) == []


def test_few_names_on_the_top_floor():
    assert len(top_names(HOUSE)) <= NAMES, top_names(HOUSE)


def test_long_modules_say_why():
    assert list(too_long(HOUSE)) == [], f"split it, or give the reason in the docstring with the words '{REASON}'"


@pytest.mark.parametrize("words", [("format", "--check"), ("check",)], ids=" ".join)
def test_ruff_is_content(words):
    pytest.importorskip("ruff")
    status, said = run("-m", "ruff", *words, ".")
    assert status == 0, f"make format\n{said}"


def test_one_width():
    assert re.findall(r"line[-_]length.*", (ROOT / "pyproject.toml").read_text()) == ["line-length = 120"]
    assert [path for folder in (ROOT, *ROOT.glob("[a-z]*/")) for path in folder.glob("*ruff.toml")] == []
    ignored = TOOL["ruff"]["lint"]["per-file-ignores"]
    assert [place for place, rules in ignored.items() if "E501" in rules] == ["notebooks/**"]


# ------------------------------------------------------------------- what is checked above can be found
TOY_LAYERS = ["top", "left | right", "ground"]


@pytest.fixture
def toy(tmp_path):
    """A function that writes a package of one module per room, empty where no source is given."""

    def write(**sources):
        house = tmp_path / "toy"
        house.mkdir()
        for name in ("__init__", "top", "left", "right", "ground"):
            (house / f"{name}.py").write_text(sources.get(name, ""))
        return house

    return write


LAZY = "def f(name):\n    "


@pytest.mark.parametrize(
    "source, by_name",
    [
        ("import toy.top", False),
        (LAZY + "import toy.top", False),
        (LAZY + "from . import top", False),
        (LAZY + "from toy.top import name", False),
        (LAZY + "return importlib.import_module('toy.top')", True),
        (LAZY + "return importlib.import_module(f'toy.top.{name}')", True),
        (LAZY + "return __import__('toy.top')", True),
        ("PLACES = {'Name': ('toy.top', 'Name')}", True),
    ],
)
def test_an_import_upward_is_found(toy, source, by_name):
    house = toy(ground=source)
    assert climbing(import_graph(house), TOY_LAYERS) == ["toy.ground -> toy.top"]
    contract = f'name = "floors"\ntype = "layers"\ncontainers = ["toy"]\nexhaustive = true\nlayers = {TOY_LAYERS}\n'
    settings = f'[tool.importlinter]\nroot_package = "toy"\n[[tool.importlinter.contracts]]\n{contract}'
    (house.parent / "pyproject.toml").write_text(settings)
    status, said = lint_imports(house.parent)
    assert status == (0 if by_name else 1) and ("1 kept" if by_name else "toy.ground -> toy.top") in said


def test_neighbours_do_not_know_each_other(toy):
    graph = import_graph(toy(top="from toy import left, right", left="import toy.ground", right="import toy.left.Name"))
    assert climbing(graph, TOY_LAYERS) == ["toy.right -> toy.left"] and circles(graph) == []


@pytest.mark.parametrize("facade", ["PLACES = {'f': 'toy.left'}", LAZY + "from toy.left import name"])
def test_a_circle_is_found(toy, facade):
    graph = import_graph(toy(__init__=facade, left=LAZY + "import toy", right="import toy.ground"))
    assert circles(graph) in (["toy -> toy.left"], ["toy.left -> toy"])


def test_names_and_long_modules_are_found(toy):
    house = toy(top='"""Two things\nin one\nfile."""\n' + "\n" * LINES, left='"""Long."""\n' + "\n" * LINES)
    (house / "notes.txt").touch()
    assert top_names(house) == ["ground.py", "left.py", "right.py", "top.py"]
    assert list(too_long(house)) == ["toy/left.py: 301 lines"]
