"""What every learner learns, and keeps, on small digits and a regression; wrong settings."""

from __future__ import annotations

import math

import digits_task
import pytest
from learning_tasks import (
    DIGIT_NETWORKS,
    DIGITS,
    NAMES,
    NETWORKS,
    REGRESSION,
    accuracy,
    digits,
    learn,
    regression_error,
    teacher,
)

from sparsectl.config import from_dict
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.build import LearnerConfig, build
from sparsectl.errors import ConfigError

CONFIGS = {config.kind: config for config in LearnerConfig.__args__}
ADAM = {"method": "adam", "rate": 0.02}
REAL = {"weights": "real", "init": 1.7, "optimiser": ADAM}
FAST = {"likelihood": 1000.0, "max_rate": 0.01, "init": 1.0}
NORMED = NetworkConfig(hidden=(128,), norm="layer", gain=2.0)
ESTIMATORS = ("identity", "reste", "biper")


def made(kind, network, head, n_in, **settings):
    return build(from_dict(CONFIGS[kind], settings, kind), network, n_in, head)


def each(networks, *cases):
    """Every case on every network."""
    return [
        pytest.param(network, *case, id="-".join([case[0], name, *map(str, case[1].values())]))
        for case in cases
        for network, name in zip(networks, NAMES, strict=True)
    ]


@pytest.mark.parametrize(
    ("network", "kind", "settings", "epochs", "least"),
    [
        *each(
            DIGIT_NETWORKS,
            ("bayesbinn", {"temperature": 1.0}, 20, 0.9),
            ("bimu", FAST, 5, 0.88),
            ("hebbian", {}, 8, 0.9),
            ("metaplastic", {}, 7, 0.9),
            *(("straight_through", {"estimator": e}, 12, 0.9) for e in ESTIMATORS),
        ),
        pytest.param(DIGIT_NETWORKS[0], "hebbian", REAL, 8, 0.9, id="hebbian-real"),
        pytest.param(NORMED, "bimu", {}, 5, 0.88, id="bimu-published constants with a norm"),
    ],
)
def test_learns_digits(network, kind, settings, epochs, least):
    task, learner = digits(), made(kind, network, DIGITS, 64, **settings)
    assert accuracy(learner, task, "sign" if "sign" in learner.modes else None) < 0.4
    learn(learner, task.inputs, task.targets, epochs=epochs)
    for mode in learner.modes:
        assert accuracy(learner, task, mode) >= least, mode
    assert accuracy(learner, task) >= 0.9
    if "sign" in learner.modes:
        assert all((w.abs() == 1).all() for w in learner.weights("sign"))


@pytest.mark.parametrize(
    ("network", "kind", "settings", "epochs", "before", "after"),
    each(
        NETWORKS,
        ("bayesbinn", {}, 30, 0.0, 0.4),
        ("bimu", FAST, 30, 0.0, 0.4),
        ("hebbian", {}, 20, 0.7, 0.4),
        ("hebbian", REAL, 20, 0.7, 0.4),
        ("metaplastic", {"metaplasticity": 3.0}, 20, 0.9, 0.4),
        *(("straight_through", {"estimator": e}, 20, 0.9, 0.35) for e in ESTIMATORS),
    ),
)
def test_learns_a_regression(network, kind, settings, epochs, before, after):
    learner = made(kind, network, REGRESSION, 8, **settings)
    start = regression_error(learner, "sign" if "sign" in learner.modes else None)
    assert start > before
    learn(learner, *teacher(), epochs=epochs)
    for mode in learner.modes:
        assert regression_error(learner, mode) < min(after, start), mode


@pytest.mark.parametrize(
    ("kind", "settings", "held", "free", "learnt"),
    [
        ("ewc", {"optimiser": ADAM}, {"strength": 300.0}, {"strength": 0.0}, 0.9),
        (
            "ewc",
            {"optimiser": ADAM, "labels": "given"},
            {"strength": 300.0},
            {"strength": 0.0},
            0.9,
        ),
        ("si", {"optimiser": ADAM}, {"strength": 1.0}, {"strength": 0.0}, 0.9),
        ("mesu", {"chunk": 32, "samples": 1}, {"strength": 50.0}, {"strength": 1.0}, 0.8),
        ("vcl", {"optimiser": {"rate": 0.03}}, {"hold": 300.0}, {"hold": 1.0}, 0.88),
    ],
)
def test_earlier_digits_are_kept(kind, settings, held, free, learnt):
    def after_two(**strength):
        learner = made(kind, digits_task.NETWORK, digits_task.HEAD, 64, **settings, **strength)
        assert learner.uses_boundaries == (kind != "mesu")
        digits_task.learn(learner, epochs=4)
        assert digits_task.accuracy(learner) > learnt
        digits_task.learn(learner, 1, epochs=4)
        return digits_task.accuracy(learner)

    assert after_two(**held) > after_two(**free) + 0.1


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("bayesbinn", {"temperature": 0.0}, "temperature is 0.0, expected a number above 0"),
        ("bayesbinn", {"rate": math.inf}, "rate is inf"),
        (
            "bayesbinn",
            {"prior_weight": -1.0},
            "prior_weight is -1.0, .* of at least 0",
        ),
        ("bayesbinn", {"samples": 0}, "samples is 0"),
        ("bimu", {"memory": 0.0}, "memory is 0.0, expected a number above 0"),
        ("bimu", {"samples": 0}, "samples is 0, expected a .*number of at least 1"),
        ("hebbian", {"weights": "reel"}, "did you mean 'real'"),
        ("hebbian", {"share": 0.0}, "share is 0.0, expected a number above 0 and at most 1"),
        ("hebbian", {"hebbian_momentum": 1.0}, "hebbian_momentum is 1.0"),
        ("hebbian", {"iterations": -1}, "iterations is -1"),
        (
            "metaplastic",
            {"metaplasticity": -1.0},
            "metaplasticity is -1.0, .* of at least 0",
        ),
        ("metaplastic", {"init": 0.0}, "init is 0.0"),
        ("metaplastic", {"decay": math.nan}, "decay is nan"),
        ("straight_through", {"estimator": "rest"}, "did you mean 'reste'"),
        ("straight_through", {"init": 0.0}, "init is 0.0, expected a number above 0"),
        ("straight_through", {"clip": -1.0}, "clip is -1.0"),
        ("straight_through", {"omega": math.nan}, "omega is nan"),
        ("straight_through", {"steps": 0}, "steps is 0, expected a .*number of at least 1"),
        ("straight_through", {"end_exponent": 0.5}, "end_exponent is 0.5"),
        ("ewc", {"strength": -1.0}, "ewc: strength is -1.0, expected a number of at least 0"),
        ("ewc", {"window": 0}, "ewc: window is 0, expected a number above 0"),
        ("ewc", {"labels": "draw"}, "ewc: labels is 'draw' .did you mean 'drawn'"),
        ("si", {"strength": -1.0}, "si: strength is -1.0, expected a number of at least 0"),
        ("si", {"xi": 0.0}, "si: xi is 0.0, expected a number above 0"),
        ("mesu", {"memory": 0.0}, "mesu: memory is 0.0, expected a number above 0"),
        ("mesu", {"chunk": 0}, "mesu: chunk is 0, expected a whole number of at least 1"),
        ("mesu", {"trust": 1.0}, "mesu: trust is 1.0, expected a number above 0 and below 1"),
        ("vcl", {"strength": -1.0}, "vcl: strength is -1.0, expected a number of at least 0"),
        ("vcl", {"prior": 0.0}, "vcl: prior is 0.0, expected a number above 0"),
        ("vcl", {"examples": 0}, "vcl: examples is 0, expected a number above 0"),
        ("finetune", {"start": 0.0}, r"finetune: start is .*, expected a number above 0"),
        ("finetune", {"start": -1.0}, r"finetune: start is .*, expected a number above 0"),
        ("finetune", {"start": math.inf}, r"finetune: start is .*, expected a number above 0"),
        ("finetune", {"start": math.nan}, r"finetune: start is .*, expected a number above 0"),
        ("field", {"prior": "tsk"}, "did you mean 'task'"),
        ("field", {"schedule": "tan"}, "did you mean 'tanh'"),
        ("field", {"beta": 0.0}, "beta is 0.0, expected a number above 0"),
        ("field", {"samples": 0}, "samples is 0"),
        ("field", {"gamma": float("inf")}, "gamma is inf"),
        ("field", {"learning_rate": -1.0}, "rate"),
        ("field", {"average": 1.0, "prior": "step"}, "knows where a task ends"),
        ("field", {"average": -1.0, "prior": "task"}, "average is -1.0"),
    ],
)
def test_wrong_settings_are_refused(kind, settings, message):
    with pytest.raises(ConfigError, match=message):
        CONFIGS[kind](**settings)
