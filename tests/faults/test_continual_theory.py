"""Bad numbers and folders: what the theory says about them."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.errors import ConfigError
from sparsectl.files import FileError
from sparsectl.theory import experiment, sampling, solver, study
from sparsectl.theory.curves import CurveConfig
from sparsectl.theory.energy import Gibbs, energy
from sparsectl.theory.experiment import ExperimentConfig
from sparsectl.theory.one_task import solve_one
from sparsectl.theory.order import Order
from sparsectl.theory.sampling import SamplingConfig
from sparsectl.theory.two_tasks import first_task, prior, solve_two


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_numbers_that_must_be_positive(value):
    with pytest.raises(ConfigError, match="beta is"):
        Gibbs(beta=value)
    with pytest.raises(ConfigError, match="cutoff is"):
        Gibbs(cutoff=value)
    with pytest.raises(ConfigError, match="alpha is"):
        solve_one(value)
    with pytest.raises(ConfigError, match="alpha is"):
        experiment.one_task(value, 0, ExperimentConfig(neurons=4))
    with pytest.raises(ConfigError, match="alpha is"):
        sampling.sample(value, 5.0, 0)


def test_settings_that_cannot_be():
    with pytest.raises(ConfigError, match=r"end is 0\.05"):
        CurveConfig(end=0.05)
    with pytest.raises(ConfigError, match="trials is 0"):
        ExperimentConfig(trials=0)
    with pytest.raises(ConfigError, match="draws is 1"):
        SamplingConfig(draws=1)
    with pytest.raises(ConfigError, match="ascending"):
        study.StudyConfig(alphas2=(1.0, 0.5))
    with pytest.raises(ConfigError, match="descent"):
        study.StudyConfig(descent=(0.5, -1.0))


def test_overlaps_that_cannot_be():
    with pytest.raises(ConfigError, match=r"r\^2 <= q0 <= qd"):
        Order(0.2, 0.9, 0.5)
    with pytest.raises(ConfigError, match=r"r\^2 <= q0 <= qd"):
        Order(float("nan"), 0.1, 0.5)


def test_priors_that_cannot_be():
    first = solve_one(0.3)
    with pytest.raises(ConfigError, match="gamma is -1"):
        prior(first, -1.0, 0.0)
    with pytest.raises(ConfigError, match=r"r0 of the teachers is 1\.5"):
        prior(first, 1.0, 1.5)
    with pytest.raises(ConfigError, match="alpha is -1"):
        solve_two(-1.0, prior(first, 1.0, 0.0))


def test_what_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(solver, "_MAPS", 3)
    found = solve_one(1.0)
    assert not found.converged
    assert found.residual > 1e-3
    from sparsectl.theory import two_tasks

    monkeypatch.setattr(two_tasks, "solve_one", lambda *_: found)
    with pytest.raises(ConfigError, match=r"task 1 at alpha 1\.0 did not converge"):
        first_task(1.0)


def test_extremes_stay_finite():
    for order in (Order(1e-12, 0.0, 1e-6), Order(0.3, 0.0, 0.3), Order(0.9999, 0.99994, 0.99991)):
        for beta in (1e-3, 1e3):
            got = energy(order, Gibbs(beta=beta))
            assert np.isfinite([got.value, got.q0, got.r, got.qd, got.loss]).all()


def test_points_of_other_settings_are_not_mixed_and_dropped_only_by_force(tmp_path):
    small = study.StudyConfig(curve=CurveConfig(steps=0), alphas2=())
    other = study.StudyConfig(gibbs=Gibbs(beta=5.0), curve=CurveConfig(steps=0), alphas2=())
    study.run(small, tmp_path / "a")
    with pytest.raises(ConfigError, match="other settings; changed: gibbs"):
        study.run(other, tmp_path / "a")
    study.run(other, tmp_path / "a", force=True)
    study.run(other, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(FileError, match="already holds results"):
        study.run(small, tmp_path / "b")
    assert (tmp_path / "b" / "thesis.txt").read_text() == "mine"
