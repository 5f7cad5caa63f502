"""Open-loop errors in physical units and their baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.data import split
from sparsectl.dynamics import MLPConfig, StructureConfig, build, evaluate_model, fit_linear
from sparsectl.dynamics.windows import Trajectories


def test_least_squares_recovers_an_affine_system_exactly(linear, linear_map):
    rest, held = split(linear, 0.2, 0)
    untrained = build(MLPConfig((4,)), linear_map.names, 3, 1)
    errors = evaluate_model(untrained, held, linear_map, training=rest)
    for row in errors.rows:
        assert row.linear < 1e-9 < row.no_motion


def test_errors_are_those_of_a_loop_written_by_hand(linear, linear_map):
    data = Trajectories.of(linear, linear_map)
    model = fit_linear(build(MLPConfig((4,)), linear_map.names, 3, 1), data).double()
    with torch.no_grad():
        model.linears[0].bias += 0.3
    errors = evaluate_model(model, linear, linear_map, k=(2, 7))
    for k in (2, 7):
        gaps, still = [], []
        for states, actions in zip(data.states, data.actions, strict=True):
            for t in range(len(actions) - k + 1):
                x = torch.from_numpy(states[t])
                for u in actions[t : t + k]:
                    x = model(x, torch.from_numpy(u))
                gaps.append(x.numpy() - states[t + k])
                still.append(states[t] - states[t + k])
        row = errors.row("x", k)
        assert row.model == pytest.approx(np.sqrt(np.mean(np.square(gaps))))
        assert row.no_motion == pytest.approx(np.sqrt(np.mean(np.square(still))))
        assert (row.metric, row.windows, row.linear) == ("rms", len(gaps), None)


def test_planar_points_are_scored_by_their_mean_distance(pusher, pusher_map):
    structure = StructureConfig({"point": "hand"}, {"hand": 0.1}, ["point", "hand"])
    config = MLPConfig((4,), structure=structure)
    model = build(config, pusher_map.names, 4, 2).requires_grad_(False)
    row = evaluate_model(model, pusher, pusher_map, k=(3,)).row("points", 3)
    moves = np.concatenate([o[3:] - o[:-3] for o in pusher.observations]).reshape(-1, 2, 2)
    assert row.metric == "distance"
    assert row.no_motion == pytest.approx(np.linalg.norm(moves, axis=-1).mean())


def test_the_exact_part_is_predicted_exactly(pusher, pusher_map):
    config = MLPConfig((4,), structure=StructureConfig({"point": "hand"}, {"hand": 0.1}))
    model = build(config, pusher_map.names, 4, 2)
    assert evaluate_model(model, pusher, pusher_map, k=(5,)).row("hand", 5).model < 1e-6


def test_the_headline_is_points_after_the_most_steps(pusher, pusher_map):
    config = MLPConfig((4,), structure=StructureConfig({"point": "hand"}))
    model = build(config, pusher_map.names, 4, 2)
    errors = evaluate_model(model, pusher, pusher_map, k=(5, 1, 99))
    assert (errors.headline.part, errors.headline.k) == ("points", 5)
    assert {row.k for row in errors.rows} == {1, 5}
    with pytest.raises(KeyError):
        errors.row("points", 99)


def test_few_windows_are_spread_over_all_data(linear, linear_map):
    model = build(MLPConfig((4,)), linear_map.names, 3, 1)
    assert evaluate_model(model, linear, linear_map, k=(1,), limit=10).rows[0].windows == 10
