"""A Ray cluster of two nodes, one of which is killed in the middle: nothing is lost.

Each node is a raylet of its own on this machine, with its own workers and object store, as on two
machines.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
from synthetic_env import ENV, TASK, save_model

from scripts import study
from sparsectl.evaluate import EvaluateConfig, compare
from sparsectl.files import read_json_lines

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(120),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the ray extra"),
]


_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
# A dead node refuses a check at once; Ray asks every three seconds otherwise, five times.
_CHECKS = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 200}


@pytest.fixture(scope="module")
def head():
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()  # of the cluster that other tests share
    made = Cluster(initialize_head=True, head_node_args={**_NODE, "_system_config": _CHECKS})
    yield made
    made.shutdown()


@pytest.fixture
def cluster(head):
    """Two nodes of one CPU; `address` is where drivers find them, `other` has no driver."""
    import ray

    head.other = head.add_node(**_NODE)
    head.wait_for_nodes()
    yield head
    ray.shutdown()


def on_a_node(item: tuple[str, int, float]) -> tuple[int, str]:
    """The square of a number, and the node that found it; leaves a mark when it begins."""
    import ray

    folder, number, seconds = item
    node = ray.get_runtime_context().get_node_id()
    Path(folder, f"{number}-{node}").touch()
    time.sleep(seconds)
    return number**2, node


def row(unit: study.Row, options: study.Options) -> study.Row:
    square, node = on_a_node((unit["folder"], unit["n"], 0.5))
    return {"square": square, "node": node}


def nodes_of(folder: Path) -> set[str]:
    return {path.name.split("-", 1)[1] for path in folder.iterdir()}


def killer(cluster, is_time) -> threading.Thread:
    """Kills the other node, at once and without notice, as soon as it is time."""

    def wait() -> None:
        end = time.monotonic() + 90
        while not is_time() and time.monotonic() < end:
            time.sleep(0.05)
        cluster.remove_node(cluster.other, allow_graceful=False)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_units_of_a_node_that_is_killed_are_done_by_the_other_and_a_study_goes_on(
    cluster, tmp_path
):
    marks, dead = tmp_path / "marks", cluster.other.node_id
    marks.mkdir()
    options = study.Options(
        out=tmp_path / "rows.jsonl", engine="ray", workers=2, address=cluster.address
    )
    begun = killer(cluster, lambda: dead in nodes_of(marks) and len(nodes_of(marks)) == 2)
    rows = study.run(options, ({"n": n, "folder": str(marks)} for n in range(5)), row)
    begun.join()
    assert sorted(r["square"] for r in rows) == [n**2 for n in range(5)]
    started = [path.name.split("-", 1) for path in marks.iterdir()]
    again = {n for n, node in started if node == dead} & {n for n, node in started if node != dead}
    assert again, "units that the dead node had begun were done again elsewhere"
    assert all(r["node"] != dead for r in rows if str(r["n"]) in again)
    assert study.run(options, ({"n": n, "folder": str(marks)} for n in range(5)), row) == rows


def test_a_comparison_loses_no_episode_and_changes_no_number(cluster, monkeypatch, tmp_path):
    model = save_model(tmp_path / "model" / "exact")

    def play(engine: str):
        config = EvaluateConfig(
            episodes=3, steps=8, budget=None, engine=engine, workers=2, planned_states=0, clips=0
        )
        return compare(
            tmp_path / engine, env_id=ENV, task=TASK, models={"exact": model}, horizon=2,
            controllers={"mip": {"nodes": 20, "starts": []}, "mppi": {"samples": 16}, "zero": {}},
            config=config,
        )  # fmt: skip

    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    begun = killer(cluster, lambda: len(read_json_lines(tmp_path / "ray" / "episodes.jsonl")) >= 1)
    found, alone = play("ray"), play("serial")
    begun.join()

    def facts(results):
        keys = ("controller", "episode", "return", "errors", "outcome")
        return sorted([[r[k] for k in keys] for r in results.rows], key=str)

    assert len(found.rows) == 9
    assert facts(found) == facts(alone)
