"""Experiments agree with the theory where both should."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.perceptron import PerceptronConfig
from sparsectl.theory import experiment, sampling
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.experiment import ExperimentConfig
from sparsectl.theory.one_task import solve_one
from sparsectl.theory.sampling import Measure, SamplingConfig

QUICK = PerceptronConfig(150, 128, OptimiserConfig("adam", 0.02), 0.05)
SMALL = ExperimentConfig(neurons=600, trials=1, single=QUICK, first=QUICK, second=QUICK)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def test_descent_errs_as_the_theory_says():
    errors = [experiment.one_task(0.5, trial, SMALL)["error"] for trial in range(4)]
    assert np.mean(errors) == pytest.approx(solve_one(0.5).error, abs=0.015)


def test_trials_are_reproducible_and_differ():
    got = [experiment.one_task(0.2, trial, SMALL) for trial in (0, 0, 1)]
    assert got[0] == got[1]
    assert got[0] != got[2]


def test_a_second_task_is_learnt_at_the_cost_of_the_first():
    trial = experiment.TwoTaskTrial(1.5, 0, SMALL)
    weak, strong = (trial.second(1.5, gamma, 0.0) for gamma in (0.1, 3.0))
    assert weak["first"] == strong["first"] < 0.25
    assert weak["error2"] < strong["error2"]
    assert weak["error1"] > strong["error1"] > strong["first"]


def test_the_measure_has_the_gradient_of_its_potential():
    rng = np.random.default_rng(0)
    measure, theta = Measure(0.8, 7.0, 30, rng), rng.normal(size=(30, 2))
    gradient = measure(theta)[1]
    for i in (0, 7, 29):
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] += sign * 1e-5
            ends.append(measure(moved)[0])
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(gradient[i], rel=1e-6)


def test_samples_of_the_measure_have_the_theorys_overlaps():
    config = SamplingConfig(neurons=200, draws=120, leaps=20, step=0.06)
    got = [sampling.sample(0.6, 5.0, seed, config) for seed in range(3)]
    theory = solve_one(0.6, Gibbs(beta=5.0))
    for name, expected in (("q0", theory.order.q0), ("qd", theory.order.qd), ("loss", theory.loss)):
        assert np.mean([g[name] for g in got]) == pytest.approx(expected, abs=0.02), name
    assert np.mean([g["r1"] for g in got]) == pytest.approx(theory.order.r, abs=0.05)
