"""Rooms import only from rooms to their left, and importing costs little."""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import children

from sparsectl.cli import COMMANDS, continual, policy, swim

ROOT = Path(__file__).parents[1]
ORDER = [
    [
        "errors",
        "checks",
        "offers",
        "types",
        "seeding",
        "strict_yaml",
        "config",
        "files",
        "threads",
        "parallel",
        "checkpoint",
        "bar",
    ],
    ["rendering", "environment"],
    ["runs"],
    ["report"],
    ["program"],
    ["exchange"],
    ["task"],
    ["data"],
    ["dynamics"],
    ["policies"],
    ["sparsify"],
    ["mip"],
    ["control"],
    ["evaluate"],
    ["verify"],
    ["circuits", "continual"],
    ["theory"],
    ["online"],
    ["imitate"],
    ["experiment"],
    ["preflight"],
    ["cli"],
]
# `lower` stands above the programs that it makes; this file only offers it under a second name.
RE_EXPORT = ROOT / "sparsectl" / "program" / "lower.py"
RANK = {room: i for i, rooms in enumerate(ORDER) for room in rooms}
HELPS = [
    *([command] for command in COMMANDS),
    *(["swim", action] for action in swim.ACTIONS),
    *(["policy", action] for action in policy.ACTIONS),
    *(["continual", action] for action in continual.ACTIONS),
    [],
    ["run", "--config", "rope"],
]
CORE = sorted((ROOT / "sparsectl").rglob("*.py"))
ENVS = sorted((ROOT / "envs").rglob("*.py"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a file."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@functools.cache
def imported(path: Path, *, for_types: bool = True) -> frozenset[str]:
    """Absolute names of all modules a file imports, at the top or inside functions.

    Without `for_types`, those are left out that only a type checker sees.
    """
    names: set[str] = set()
    unseen = {
        id(node)
        for block in nodes(path)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in nodes(path):
        if not for_types and id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def relative_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_room_imports_only_from_rooms_to_its_left():
    wrong = []
    for path in CORE:
        own = path.relative_to(ROOT / "sparsectl").with_suffix("").parts[0]
        if own in ("__init__", "_registry", "_lazy") or path == RE_EXPORT:
            continue
        assert own in RANK, f"say where the new room '{own}' stands in ORDER"
        for name in imported(path):
            if name.startswith("sparsectl.") and RANK.get(room(name), 0) > RANK[own]:
                wrong.append(f"{relative_name(path)} imports {name}")
    assert wrong == []


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; or none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_by_way_of_others():
    """Also not inside functions, where a circle would only be hidden."""
    modules, graph = {module_name(p): p for p in CORE}, {}
    for name, path in modules.items():
        found = imported(path, for_types=False)
        direct = {n if n in modules else n.rpartition(".")[0] for n in found}
        graph[name] = {n for n in direct if n in modules and n != name}
    assert circle(graph) == []


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def test_core_never_imports_the_environments():
    for path in CORE:
        found = {n for n in imported(path) if n.startswith(("sparsectl.envs", "envs"))}
        assert not found, relative_name(path)


def tops(path: Path) -> set[str]:
    """The packages that a file imports, but for Python's own."""
    return {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)


def test_environments_import_only_gymnasium_mujoco_numpy_and_pillow():
    for path in ENVS:
        assert tops(path) <= {"gymnasium", "mujoco", "numpy", "PIL"}, relative_name(path)


def test_programs_know_numpy_and_scipy_only():
    for path in sorted((ROOT / "sparsectl" / "program").glob("*.py")):
        if path != RE_EXPORT:
            assert tops(path) <= {"numpy", "scipy", "sparsectl"}, relative_name(path)


def test_the_second_name_of_lower_is_that_alone_and_nothing_here_uses_it():
    assert imported(RE_EXPORT) == {
        "sparsectl.dynamics.lower.lower",
        "sparsectl.dynamics.lower.programs",
    }
    assert not [
        p for p in CORE if any(n.startswith("sparsectl.program.lower") for n in imported(p))
    ]


# The parallel room pickles between its own processes, as every process pool does; never from files.
STORED = [p for p in CORE if p.parent.name != "parallel"] + ENVS


def test_nothing_is_unpickled_or_evaluated():
    forbidden = {"eval", "exec", "torch.load", "yaml.unsafe_load", "np.load"}
    for path in STORED:
        called = {ast.unparse(n.func) for n in nodes(path) if isinstance(n, ast.Call)}
        wrong = {n for n in called if n.split(".")[0] in ("pickle", "cloudpickle", "joblib")}
        assert not wrong | (called & forbidden), relative_name(path)


def test_importing_the_package_loads_nothing_heavy_and_registers_the_tasks():
    code = (
        "import sys, sparsectl, gymnasium\n"
        "heavy = {'torch', 'mujoco', 'pyscipopt', 'highspy', 'matplotlib', 'scipy', 'minari'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert 'sparsectl/Rope-v0' in gymnasium.registry\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_loads_nothing_heavy_before_it_knows_the_command():
    code = (
        "import sys, sparsectl.cli\n"
        "assert sparsectl.cli.main(['--version']) == 0\n"
        "heavy = {'torch', 'mujoco', 'pyscipopt', 'matplotlib', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"yaml": "pyyaml", "PIL": "pillow", "sklearn": "scikit-learn"}
    found = {name.split(".")[0] for path in CORE + ENVS for name in imported(path)}
    found -= set(sys.stdlib_module_names) | {"sparsectl"}
    found = {named.get(name, name).replace("_", "-") for name in found}
    extras = project["optional-dependencies"]
    listed = [
        *project["dependencies"],
        *extras["ray"],
        *extras["rl"],
        *extras["continual"],
        *extras["onnx"],
    ]
    assert found == {re.match(r"[\w-]+", entry)[0] for entry in listed}


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from sparsectl import cli\n"
        "heavy = {'torch', 'mujoco', 'pyscipopt', 'matplotlib', 'cvxpy', 'minari'}\n"
        f"for words in {HELPS}:\n"
        "    try:\n"
        "        cli.main([*words, '--help'])\n"
        "    except SystemExit as exit:\n"
        "        assert not exit.code, words\n"
        "    assert not heavy & set(sys.modules), (words, heavy & set(sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_lazy_package_offers_its_functions_whatever_was_imported_before():
    code = (
        "import sparsectl.control.build, sparsectl.dynamics.train, sparsectl.sparsify.sparsify\n"
        "from sparsectl import control, dynamics, sparsify\n"
        "assert all(map(callable, (control.build, dynamics.train, sparsify.sparsify)))\n"
        "for package in (control, dynamics, sparsify):\n"
        "    assert all(getattr(package, name) is not None for name in package.__all__)\n"
        "    assert not hasattr(package, 'nothing_of_this_name')\n"
    )
    done = children.run(children.code, code)
    assert done.returncode == 0, done.stderr


def test_every_package_on_disk_is_installed():
    code = (
        "import json, setuptools; from distutils.core import run_setup\n"
        "d = run_setup('setup.py', stop_after='config')\n"
        "print(json.dumps([d.packages, d.package_dir]))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    packages, places = json.loads(shown.splitlines()[-1])
    core = {".".join(p.parent.relative_to(ROOT).parts) for p in CORE}
    envs = {".".join(("sparsectl", *p.parent.relative_to(ROOT).parts)) for p in ENVS}
    assert set(packages) == core | envs | {"sparsectl.configs"}
    for name, folder in places.items():
        assert (ROOT / folder).is_dir(), name
