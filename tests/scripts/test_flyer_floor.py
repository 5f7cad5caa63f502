"""The least cost of an episode of the Flyer that is known."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import numpy as np

import sparsectl.envs  # noqa: F401
from scripts.closed_loop import flyer_floor
from sparsectl.evaluate import results
from sparsectl.files import read_json_lines

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
import fake_results


def test_the_equations_of_motion_are_those_of_the_simulator():
    """Speeding up, coasting, braking, and stopping by friction; until something is touched.

    Turning round within a step is what they have 7 mm/s wrong.
    """
    jets = np.array([[1, 1], [1, 0], [0, 0], [-1, 0], [0, 0], [0, 0], [0, 0]])
    env = gymnasium.make("sparsectl/Flyer-v0", boxes=7, door=False)
    compared = 0
    for seed in range(3):
        seen, _ = env.reset(seed=seed)
        state = seen[:4]
        for action in jets * -np.sign(state[:2]).astype(int):  # to the middle
            state = flyer_floor.program()(np.concatenate([state, action])[None])[0]
            seen, *_, info = env.step(action)
            if info["contact"]:
                break
            np.testing.assert_allclose(state, seen[:4], atol=4e-3)
            compared += 1
    assert compared > 12


def test_a_plan_of_the_whole_episode_succeeds_in_the_simulator_and_is_looked_for_once(
    tmp_path, capsys
):
    out = tmp_path / "rows.jsonl"
    words = ["--first-episode", "102", "--episodes", "1", "--horizons", "8", "30"]
    words += ["--seconds", "1", "--out", str(out)]
    assert flyer_floor.main(words) == 0
    (row,) = read_json_lines(out)
    assert row["horizon"] == 30  # in 8 steps the goal is out of reach
    assert 15 < row["steps"] <= 30
    assert 1.0 < row["cost"] < 4.0
    written = out.read_bytes()
    assert flyer_floor.main(words) == 0
    assert out.read_bytes() == written
    assert f"1 of 1 plans succeed, mean cost {row['cost']:.3f}" in capsys.readouterr().out


def test_planners_are_held_against_the_least_cost_that_is_known(tmp_path, capsys):
    folder = fake_results.write(
        tmp_path, controllers=("mip", "cem"), episodes=3, clips=0, pictures=False
    )
    paid = {(r["controller"], r["episode"]): -r["return"] for r in results.read(folder).rows}
    best = [min(paid["mip", e], paid["cem", e]) for e in range(3)]
    flyer_floor.against({0: best[0] / 2, 1: best[1] + 1.0, 2: best[2] + 2.0}, folder)
    least = (best[0] / 2 + best[1] + best[2]) / 3
    mip = sum(paid["mip", e] for e in range(3)) / 3
    told = capsys.readouterr().out
    assert f"where that is better: {least:.3f}" in told
    more = 100 * (mip / least - 1)
    assert f"model mip: 3 episodes, mean cost {mip:.3f}, {more:.1f} % more" in told
