"""MESU against its formulas and exact Bayesian inference."""

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.mesu import MESUConfig, MESULearner


def one_weight(**settings):
    settings = {"strength": 1.0, "memory": 1e9, "chunk": 1, "samples": 8} | settings
    head = Head("regression", 1, noise=0.5)
    return MESULearner(MESUConfig(**settings), NetworkConfig(hidden=()), 1, head, 0)


def test_steps_are_the_papers():
    learner = one_weight(memory=50.0, prior=0.8)
    m, s = torch.tensor(0.3), torch.tensor(0.4)
    gm, gs = torch.tensor(0.7), torch.tensor(-0.2)
    new_m, new_s = learner.moved(m, s, gm, gs, 1)
    assert new_m.item() == pytest.approx(0.3 - 0.16 * 0.7 + 0.16 * (0 - 0.3) / (50 * 0.64))
    assert new_s.item() == pytest.approx(
        0.4 - 0.16 / 2 * -0.2 + 0.4 * (0.64 - 0.16) / (2 * 50 * 0.64)
    )


def test_many_steps_without_evidence_return_to_the_prior():
    learner, zero = one_weight(memory=10.0, prior=0.8), torch.zeros(1)
    m, s = torch.tensor([2.0]), torch.tensor([0.1])
    for _ in range(300):
        m, s = learner.moved(m, s, zero, zero, 1)
    assert m.item() == pytest.approx(0.0, abs=1e-4)
    assert s.item() == pytest.approx(0.8, rel=1e-4)


def test_steps_stay_within_the_region_of_trust():
    learner = one_weight(trust=0.25)
    m, s = learner.moved(torch.zeros(2), torch.ones(2), torch.tensor([1e9, -1e9]), torch.ones(2), 1)
    assert m.tolist() == [-0.25, 0.25]
    m, s = learner.moved(
        torch.zeros(2), torch.ones(2), torch.zeros(2), torch.tensor([1e9, -1e9]), 1
    )
    assert s.tolist() == [0.75, 1.25]


def test_one_pass_gives_nearly_the_posterior():
    learner, g = one_weight(), torch.Generator().manual_seed(0)
    x = torch.randn(150, 1, generator=g)
    y = 1.5 * x + 0.5 * torch.randn(150, 1, generator=g)
    learner.observe(x, y)
    precision = 1 + float((x**2).sum()) / 0.25
    mean, deviation = (t[0].item() for t in learner.belief())
    assert deviation == pytest.approx(precision**-0.5, rel=0.15)
    assert mean == pytest.approx(float((x * y).sum()) / 0.25 / precision, abs=3 * deviation)


def test_a_step_that_fails_undoes_the_whole_batch():
    learner = one_weight()
    before = learner.groups["means"][0].clone()
    observed = learner.observe(torch.ones(2, 1), torch.tensor([[1.0], [1e38]]))
    assert observed.outcome == "not_finite_step"
    assert torch.equal(learner.groups["means"][0], before)


def test_no_uncertainty_is_no_plasticity():
    learner = one_weight()
    learner.groups["deviations"] = [torch.zeros(1, 1)]
    before = learner.groups["means"][0].clone()
    assert learner.observe(torch.ones(3, 1), torch.ones(3, 1)).outcome == "updated"
    assert torch.equal(learner.groups["means"][0], before)


def test_whole_numbers_in_settings_are_numbers():
    learner = one_weight(start_deviation=1, prior=1)
    assert learner.observe(torch.ones(1, 1), torch.ones(1, 1)).outcome == "updated"
