"""Pages: the front door is short, links lead somewhere, and commands exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import numpy as np

from sparsectl.config import from_dict, load_yaml
from sparsectl.experiment import check, load
from sparsectl.task import Task, TaskConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / p for p in subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()]  # fmt: skip
RESULTS = ROOT / "scripts" / "results"
FRONT = (ROOT / "README.md").read_text()


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.M)
    plain = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.strip().replace(" ", "-") for head in plain}


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [link for link in found if not link.startswith(("http", "mailto"))]


def test_the_front_door_is_one_page():
    assert len(FRONT.encode()) <= 8192


def test_links_lead_somewhere():
    for page in PAGES:
        for link in links(page):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), (page, link)
            if anchor:
                assert anchor in anchors(target), (page, link)


def test_commands_of_studies_exist():
    for page in PAGES:
        for name in set(re.findall(r"python -m (scripts\.[\w.]*\w)", page.read_text())):
            assert importlib.util.find_spec(name) is not None, (page, name)


def test_every_result_is_shown():
    """By the results page, by a page that it links to, or as the rows of a page they link to."""
    shown = set(links(RESULTS / "README.md"))
    shown |= {link for name in shown if name.endswith(".md") for link in links(RESULTS / name)}
    pages = {Path(name).stem for name in shown}
    rows = {"mip", "sparsity", "swim", "swim_conditions", "swim_planning", "sort_oracle"}
    for path in RESULTS.iterdir():
        known = path.name in shown or (path.suffix in (".csv", ".jsonl") and path.stem in pages)
        known = known or path.name == "README.md" or path.stem in rows
        known = known or any(path.stem.startswith(f"{p}_") for p in ("theory",))
        assert known, f"{path.name} is on no page"


def test_the_example_of_an_own_environment_is_a_config(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", FRONT, flags=re.S)
    (tmp_path / "own.yaml").write_text(text)
    check(load(tmp_path / "own.yaml"), "README.md")


def test_the_examples_of_tasks_are_tasks(tmp_path):
    """Of an environment with 26 entries in its observation, planned four steps ahead."""
    page = (ROOT / "sparsectl" / "task" / "README.md").read_text()
    assert len(page.encode()) <= 6144
    parts = []
    for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.S):
        (tmp_path / "part.yaml").write_text(text)
        parts.append(load_yaml(tmp_path / "part.yaml"))
    first, *others = parts
    assert len(others) == 4
    for part in ({}, *others):
        config = from_dict(TaskConfig, {**first, **part}, str(part))
        problem = Task(config, 26, -np.ones(2), np.ones(2)).outline(4)
        timed = problem.constraints.h.ndim > 1 or any(
            k.b.ndim > 1 for k in problem.constraints.keep_out
        )
        assert part == {} or problem.hybrid is not None or timed


def test_every_status_is_explained_on_the_front_page():
    from sparsectl.types import Status

    for status in Status:
        assert f"| `{status.value}` |" in FRONT
