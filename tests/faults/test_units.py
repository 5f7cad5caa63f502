"""States of very different units, and states far from zero."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sparsectl import control, dynamics
from sparsectl.data import Episodes, Normalizer
from sparsectl.dynamics import MLPConfig, TrainConfig
from sparsectl.dynamics.linear import fit_linear
from sparsectl.dynamics.lower import lower
from sparsectl.dynamics.windows import Trajectories
from sparsectl.sparsify import SparsifyConfig, sparsify
from sparsectl.task import (
    CostConfig,
    ObservationConfig,
    StateMap,
    Task,
    TaskConfig,
    TermConfig,
)

PARTS = ObservationConfig({"a": "0", "b": "1"})
MAP = StateMap(PARTS, 2)
TRAIN = TrainConfig(steps=200, check_every=100, batch_size=64, rollout_steps=3)


def recorded(units=(1.0, 1.0), offsets=(0.0, 0.0), count: int = 20) -> Episodes:
    """A cart whose second entry is pushed one way only, in units and from origins as given."""
    rng = np.random.default_rng(0)
    observations, actions = [], []
    for _ in range(count):
        s, rows, pushes = rng.uniform(-1, 1, 2), [], rng.uniform(-1, 1, (20, 1))
        rows.append(s)
        for (u,) in pushes:
            s = np.array([s[0] + 0.1 * s[1], 0.9 * s[1] + 0.3 * max(u, 0.0) - 0.1])
            rows.append(s)
        observations.append(np.stack(rows) * units + offsets)
        actions.append(pushes)
    flags = [np.zeros(20, bool)] * count
    return Episodes(observations, actions, [np.zeros(20)] * count, flags, flags, np.arange(count))


def trained(episodes: Episodes, members: int = 1, **options):
    model = dynamics.build(MLPConfig((8,), members=members), MAP.names, 2, 1)
    return dynamics.train(model, episodes, MAP, TRAIN, progress=False, **options).dynamics


@pytest.mark.parametrize("units", [(1e5, 1e-4), (1e-6, 1e6), (1e-9, 1e-9)])
def test_no_entry_is_constant_because_another_has_larger_numbers(units, recwarn):
    episodes = recorded(units)
    model = trained(episodes)
    assert not [w for w in recwarn.list if "constant" in str(w.message)]
    errors = dynamics.evaluate_model(model, episodes, MAP, (1,), training=episodes)
    for part in "ab":
        row = errors.row(part, 1)
        assert row.model < 0.7 * row.no_motion
        assert row.linear < row.no_motion


def test_units_do_not_change_what_is_learnt():
    both = [recorded(), recorded((1e5, 1e-4))]
    plain, scaled = (dynamics.evaluate_model(trained(e), e, MAP, (1,)) for e in both)
    for part, unit in (("a", 1e5), ("b", 1e-4)):
        assert scaled.row(part, 1).model == pytest.approx(unit * plain.row(part, 1).model, rel=0.2)


def test_an_entry_that_only_rounds_is_constant_next_to_lively_ones():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=400) * 1e-16
    values = np.stack([rng.normal(size=400), noise, 5e6 + 1e8 * noise], axis=1)
    with pytest.warns(UserWarning, match=r"2 of 3 .*\(entries 1, 2\)"):
        assert Normalizer.fit(values).std[1:].tolist() == [1, 1]


@pytest.mark.parametrize("offset", [5e6, -1.7e9])
def test_far_from_zero_the_model_learns_predicts_and_plans_as_near_zero(offset, tmp_path):
    near, far = recorded(), recorded(offsets=(offset, 0.0))
    model, plain = trained(far, members=2), trained(near, members=2)
    errors, expected = (
        dynamics.evaluate_model(m, e, MAP, (1, 3), training=e)
        for m, e in ((model, far), (plain, near))
    )
    for row in errors.rows:
        best = expected.row(row.part, row.k)
        assert row.model == pytest.approx(best.model, rel=0.5)
        assert row.linear == pytest.approx(best.linear, rel=0.05, abs=1e-6)
    dynamics.save(model, tmp_path / "model")
    back, _ = dynamics.load(tmp_path / "model")
    program = lower(back)
    x, u, _ = Trajectories.of(far, MAP).pairs()
    torch_says = back(torch.as_tensor(x), torch.as_tensor(u)).numpy()
    np.testing.assert_allclose(program(np.concatenate([x, u], 1)) - x, torch_says - x, atol=1e-6)
    costs = []
    for known, origin in ((back, offset), (plain, 0.0)):
        cost = CostConfig([TermConfig("a", target=origin, norm="l2sq")])
        task = Task(TaskConfig(PARTS, cost), 2, -np.ones(1), np.ones(1))
        planner = control.build("mppi", {}, task, known, lower(known), 3)
        costs.append(planner.plan(np.array([origin + 0.5, -0.2])).cost)
    assert costs[0] == pytest.approx(costs[1], rel=0.05)


def test_a_killed_training_far_from_zero_goes_on_and_is_sparsified(tmp_path):
    far = recorded(offsets=(5e6, 0.0))
    half = dataclasses.replace(TRAIN, steps=100)
    model = dynamics.build(MLPConfig((8,)), MAP.names, 2, 1)
    dynamics.train(model, far, MAP, half, progress=False)
    again = dynamics.train(model, far, MAP, half, progress=False, trained=True).dynamics
    config = SparsifyConfig(counts=(4,), initial_steps=200, removal_steps=10, finetune_steps=100)
    found = sparsify(again, far, MAP, config, half, run_dir=tmp_path)
    assert found.members[-1].path is not None
    small, _ = dynamics.load(found.folder / found.members[-1].path)
    assert next(small.parameters()).dtype == torch.float64
    errors = dynamics.evaluate_model(small, far, MAP, (1,))
    assert errors.row("a", 1).model < 0.1 * errors.row("a", 1).no_motion


def test_models_near_zero_stay_models_of_32_bits():
    model = trained(recorded())
    assert next(model.parameters()).dtype == torch.float32
    assert fit_linear(model, Trajectories.of(recorded(), MAP)).nx == 2
