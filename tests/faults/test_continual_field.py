"""What the field-space learner does with data and states that are broken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.checkpoint import load_tensors, save_tensors
from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.field import FieldConfig, FieldLearner
from sparsectl.errors import CheckpointError, ConfigError, ShapeError

NETWORK = NetworkConfig(hidden=(6,))
HEAD = Head("classification", 3)
PRIORS = ["none", "step", "task"]


def data(seed=0, n=8):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=g), torch.randint(3, (n,), generator=g)


def learner(seed=0, head=HEAD, **settings):
    return FieldLearner(FieldConfig(**settings), NETWORK, 4, head, seed)


def frozen(model):
    state = model.state()
    return {k: v for k, v in state.items() if k != "generator" and not k.startswith("count.")}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("prior", PRIORS)
def test_a_killed_stream_goes_on_bit_for_bit(tmp_path, prior, optimiser):
    settings = {"prior": prior, "optimiser": optimiser, "schedule": "power", "leak": 0.01}
    whole = learner(**settings)
    for k in range(6):
        whole.observe(*data(k), examples=20)
        if k == 2:
            whole.end_task()
        if k == 3:
            save_tensors(tmp_path / "saved", whole.state(), {})
    resumed = learner(seed=9, **settings)
    resumed.seed = whole.seed
    resumed.restore(load_tensors(tmp_path / "saved").tensors)
    for k in (4, 5):
        resumed.observe(*data(k), examples=20)
    assert_same(whole.state(), resumed.state())
    x, _ = data()
    for mode in whole.modes:
        assert torch.equal(whole.predict(x, mode), resumed.predict(x, mode))


@pytest.mark.parametrize("prior", PRIORS)
def test_an_empty_task_and_a_nan_batch_change_nothing(prior):
    model = learner(prior=prior)
    model.observe(*data(), examples=8)
    before = frozen(model)
    x, y = data()
    assert model.observe(x[:0], y[:0], examples=0).outcome == "empty"
    for bad in (float("nan"), float("inf")):
        spoilt = x.clone()
        spoilt[3, 2] = bad
        assert model.observe(spoilt, y, examples=8).outcome == "not_finite_batch"
    assert_same(before, frozen(model))
    assert model.counters == {"updated": 1, "empty": 1, "not_finite_batch": 2}


@pytest.mark.parametrize("size", [1e20, 3e38])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("head", [HEAD, Head("regression", 3)], ids=lambda h: h.kind)
def test_overflow_is_counted_and_changes_nothing(head, optimiser, size):
    model = learner(head=head, optimiser=optimiser)
    x, labels = data()
    y = labels if head is HEAD else torch.randn(8, 3)
    model.observe(x, y)
    before = frozen(model)
    huge = x.clone()
    huge[0] = size
    assert model.observe(huge, y).outcome == "not_finite_step"
    assert_same(before, frozen(model))
    assert model.observe(x, y).outcome == "updated"
    assert all(torch.isfinite(t).all() for g in model.groups.values() for t in g)


@pytest.mark.parametrize("modulation", ["gradient", "step"])
@pytest.mark.parametrize("prior", PRIORS)
def test_fields_in_the_hundreds_stay_finite_and_put(prior, modulation):
    model = learner(prior=prior, modulation=modulation, init_std=3.0, beta=300.0, gamma=10.0)
    model.groups["theta"] = [t + torch.where(t >= 0, 1.0, -1.0) for t in model.groups["theta"]]
    before = [t.clone() for t in model.groups["theta"]]
    for k in range(3):
        assert model.observe(*data(k), examples=8).outcome == "updated"
        model.end_task()
    for now, old in zip(model.groups["theta"], before, strict=True):
        assert torch.equal(now, old)
    x, _ = data()
    for mode in model.modes:
        torch.testing.assert_close(model.predict(x, mode), model.predict(x, "sign"))


def test_constant_features_move_none_of_their_weights():
    model = learner(prior="none")
    x, y = data()
    x[:, 1] = 0
    before = model.groups["theta"][0].clone()
    for _ in range(5):
        model.observe(x, y)
    after = model.groups["theta"][0]
    assert torch.equal(after[:, 1], before[:, 1])
    assert not torch.equal(after[:, 0], before[:, 0])
    x[:, 1] = 7
    assert model.observe(x, y).outcome == "updated"
    assert all(torch.isfinite(t).all() for t in model.groups["theta"])


@pytest.mark.parametrize("prior", PRIORS)
def test_a_task_of_a_single_example_is_learnt(prior):
    model = learner(prior=prior)
    x, y = data(n=1)
    losses = [model.observe(x, y, examples=1).loss for _ in range(200)]
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])


def test_labels_out_of_range_are_refused_before_anything_changes():
    model, (x, y) = learner(), data()
    before = frozen(model)
    for bad in (-1, 3):
        y[2] = bad
        with pytest.raises(ShapeError, match="expected 0 to 2"):
            model.observe(x, y)
    assert_same(before, frozen(model))


@pytest.mark.parametrize("settings", [{"prior": "task"}, {"schedule": "tanh"}])
def test_a_prior_or_schedule_by_epochs_asks_for_the_number_of_examples(settings):
    model = learner(**settings)
    with pytest.raises(ConfigError, match="give `observe` its `examples`"):
        model.observe(*data())


def test_a_state_of_another_prior_is_refused():
    with pytest.raises(CheckpointError, match="another"):
        learner(prior="step").restore(learner(prior="none").state())
