"""Rooms import only from rooms to their left, and importing costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    [
        "errors",
        "types",
        "seeding",
        "config",
        "files",
        "parallel",
        "checkpoint",
        "rendering",
        "environment",
    ],
    ["task"],
    ["data"],
    ["dynamics"],
    ["sparsify"],
    ["program"],
    ["mip"],
    ["control"],
    ["evaluate"],
    ["circuits", "continual"],
    ["online"],
    ["experiment"],
    ["cli"],
]
RANK = {room: i for i, rooms in enumerate(ORDER) for room in rooms}
CORE = sorted((ROOT / "sparsectl").rglob("*.py"))
ENVS = sorted((ROOT / "envs").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Absolute names of all modules a file imports, at the top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def relative_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=relative_name)
def test_a_room_imports_only_from_rooms_to_its_left(path):
    own = path.relative_to(ROOT / "sparsectl").with_suffix("").parts[0]
    if own in ("__init__", "_registry"):
        return
    assert own in RANK, f"say where the new room '{own}' stands in ORDER"
    for name in imported(path):
        if name.startswith("sparsectl.") and room(name) in RANK:
            assert RANK[room(name)] <= RANK[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", CORE, ids=relative_name)
def test_core_never_imports_the_environments(path):
    assert not any(n.startswith(("sparsectl.envs", "envs")) for n in imported(path))


@pytest.mark.parametrize("path", ENVS, ids=relative_name)
def test_environments_import_only_gymnasium_mujoco_numpy_and_pillow(path):
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops <= set(sys.stdlib_module_names) | {"gymnasium", "mujoco", "numpy", "PIL"}


@pytest.mark.parametrize("path", sorted((ROOT / "sparsectl" / "program").glob("*.py")))
def test_only_lowering_knows_torch(path):
    if path.name != "lower.py":
        assert not any(n.split(".")[0] == "torch" for n in imported(path))


# The parallel room pickles between its own processes, as every process pool does; never from files.
STORED = [p for p in CORE if p.parent.name != "parallel"] + ENVS


@pytest.mark.parametrize("path", STORED, ids=relative_name)
def test_nothing_is_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "torch.load", "yaml.unsafe_load", "np.load")
            assert not name.startswith(("pickle.", "cloudpickle.", "joblib."))


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


def test_every_package_on_disk_is_installed():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(tools["packages"])
    core = {".".join(p.parent.relative_to(ROOT).parts) for p in CORE if p.name == "__init__.py"}
    envs = {
        ".".join(("sparsectl", *p.parent.relative_to(ROOT).parts))
        for p in ENVS
        if p.name == "__init__.py"
    }
    assert listed == core | envs | {"sparsectl.configs"}
    for name, folder in tools["package-dir"].items():
        assert (ROOT / folder).is_dir(), name
