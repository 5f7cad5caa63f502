"""Groups of tensors, steps taken whole or not at all, and saved states."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.optimiser import OptimiserConfig, moments, moved, steps
from sparsectl.continual.learners.tensors import TensorLearner, all_finite
from sparsectl.errors import CheckpointError, ConfigError

ADAM = OptimiserConfig()


class Plain(TensorLearner):
    """Descends on the loss; `poison` spoils one gradient."""

    bits = 32

    def __init__(self, seed=0, hidden=(5,), optimiser=ADAM):
        super().__init__(optimiser, NetworkConfig(hidden=hidden), 3, Head("regression", 2), seed)
        self.poison = None

    def begin(self):
        self.groups["weights"] = self.normal()
        self.add_optimiser(self.config, self.groups["weights"])

    def _observe(self, inputs, targets, examples):
        noise = torch.randn(inputs.shape, generator=self.generator)
        loss, found = self.gradients(
            lambda w: self.head.losses(self.layers(w, inputs + 0.1 * noise), targets).mean(),
            self.groups["weights"],
        )
        if self.poison is not None:
            found[0][0, 0] = self.poison
        step, new = self.optimise(found)
        return self.commit(loss, new | {"weights": moved(self.groups["weights"], step)})


def batch(seed=0, n=8):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=g), torch.randn(n, 2, generator=g)


def same(a, b, but=()):
    assert a.keys() - set(but) == b.keys() - set(but)
    for name in a.keys() - set(but):
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize(
    "config", [ADAM, OptimiserConfig("sgd", 0.1), OptimiserConfig("sgd", 0.1, momentum=0.9)]
)
def test_steps_are_those_of_torch(config):
    start = [torch.randn(4, 3), torch.randn(2, 4)]
    theirs = [p.clone().requires_grad_() for p in start]
    if config.method == "adam":
        optimiser = torch.optim.Adam(theirs, config.rate, config.betas, config.epsilon)
    else:
        optimiser = torch.optim.SGD(theirs, config.rate, config.momentum)
    ours, kept = start, moments(config, start)
    for i in range(20):
        gradients = [torch.randn_like(p) for p in start]
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = g
        optimiser.step()
        step, kept = steps(config, gradients, kept, i + 1)
        ours = moved(ours, step)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e30])
def test_a_step_that_is_not_finite_changes_nothing(poison):
    learner = Plain()
    learner.observe(*batch(0))
    before, learner.poison = learner.state(), poison
    assert learner.observe(*batch(1)).outcome == "not_finite_step"
    same(learner.state(), before, but=["generator", "count.not_finite_step"])
    learner.poison = None
    assert learner.observe(*batch(2)).outcome == "updated"
    assert learner.counters == {"updated": 2, "not_finite_step": 1}


def test_old_tensors_stay_what_they_were():
    learner = Plain()
    held = learner.weights()
    copies = [w.clone() for w in held]
    learner.observe(*batch())
    for a, b, c in zip(held, copies, learner.weights(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_going_on_from_a_saved_state_is_exact():
    learner, other = Plain(0), Plain(1)
    for i in range(3):
        learner.observe(*batch(i))
    learner.observe(torch.zeros(0, 3), torch.zeros(0, 2))
    other.restore(learner.state())
    for i in range(3, 6):
        assert learner.observe(*batch(i)) == other.observe(*batch(i))
    same(learner.state(), other.state())


def test_a_state_is_a_copy():
    learner = Plain()
    before = learner.state()
    learner.restore(before)
    before["weights.0"][:] = 7
    assert not (learner.weights()[0] == 7).any()


def test_states_of_other_networks_and_learners_are_refused():
    learner = Plain()
    before = learner.state()
    with pytest.raises(
        CheckpointError, match=r"'weights\.0' has shape \(6, 3\), expected \(5, 3\)"
    ):
        learner.restore(Plain(hidden=(6,)).state())
    with pytest.raises(CheckpointError, match=r"no 'second\.0'"):
        learner.restore(Plain(optimiser=OptimiserConfig("sgd", momentum=0.5)).state())
    same(learner.state(), before)


def test_moments_start_anew():
    learner, fresh = Plain(), Plain()
    first = batch()
    learner.observe(*first)
    learner.reset_moments()
    assert learner.numbers["updates"] == 0
    same(
        {k: v for k, v in learner.state().items() if "first" in k or "second" in k},
        {k: v for k, v in fresh.state().items() if "first" in k or "second" in k},
    )


def test_seeds_give_the_weights():
    assert torch.equal(Plain(3).weights()[0], Plain(3).weights()[0])
    assert not torch.equal(Plain(3).weights()[0], Plain(4).weights()[0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_finite_means_every_entry(values):
    assert all_finite([torch.ones(2), torch.tensor(values)]) == bool(np.isfinite(values).all())


def test_finite_does_not_overflow():
    assert all_finite([torch.full((9,), 3e38)])
    assert all_finite([])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "adan"}, "did you mean 'adam'"),
        ({"rate": 0.0}, "rate is 0.0, expected a number above 0"),
        ({"betas": (0.9, 1.0)}, r"betas is .*1.0"),
        ({"momentum": -0.1}, "momentum is -0.1"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
    ],
)
def test_wrong_settings(values, message):
    with pytest.raises(ConfigError, match=message):
        OptimiserConfig(**values)


def test_the_average_over_tasks_is_the_mean_of_their_ends():
    model = Plain()
    model.average_tasks("weights", 1.0)
    ends = []
    for k in range(3):
        model.observe(*batch(k))
        ends.append([w.clone() for w in model.groups["weights"]])
        before = model.groups["reference"]
        model.end_average("weights", 1.0)
        expected = [
            a + (b - a) / (k + 1) if k else b for a, b in zip(before, ends[-1], strict=True)
        ]
        for a, b in zip(model.groups["weights"], expected, strict=True):
            torch.testing.assert_close(a, b)
    kept = [w.clone() for w in model.groups["weights"]]
    model.end_average("weights", 1.0)  # an empty task
    assert model.numbers["tasks"] == 3
    for a, b in zip(model.groups["weights"], kept, strict=True):
        assert torch.equal(a, b)
