"""What the binary peers do with bad, empty and extreme data, and after a kill."""

import numpy as np
import pytest
import torch
from learning_tasks import DIGITS, NETWORKS, REGRESSION, RELU, teacher

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.bayesbinn import BayesBiNNConfig
from sparsectl.continual.learners.bimu import BiMUConfig
from sparsectl.continual.learners.build import build
from sparsectl.continual.learners.hebbian import HebbianConfig
from sparsectl.continual.learners.metaplastic import MetaplasticConfig
from sparsectl.continual.learners.straight_through import StraightThroughConfig
from sparsectl.errors import CheckpointError, ConfigError, ShapeError

CONFIGS = {
    "identity": StraightThroughConfig(),
    "reste": StraightThroughConfig(estimator="reste", steps=5),
    "biper": StraightThroughConfig(estimator="biper"),
    "metaplastic": MetaplasticConfig(),
    "bayesbinn": BayesBiNNConfig(),
    "bimu": BiMUConfig(),
    "hebbian": HebbianConfig(),
    "hebbian real": HebbianConfig(weights="real", init=1.7),
}
BOUNDARIES = {"bayesbinn", "hebbian", "hebbian real"}
NATURAL = ["bayesbinn", "bimu"]

every = pytest.mark.parametrize("name", CONFIGS)


def made(name, network=RELU, head=REGRESSION, n_in=8, seed=0):
    return build(CONFIGS[name], network, n_in, head, seed)


def frozen(learner):
    """Everything that is learnt: all but counters and random numbers."""
    state = learner.state()
    return {k: v for k, v in state.items() if not k.startswith(("count.", "generator"))}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def finite(learner):
    return all(np.isfinite(v).all() for v in frozen(learner).values())


@every
def test_says_whether_it_needs_boundaries_and_how_many_bits(name):
    learner = made(name)
    assert learner.uses_boundaries == (name in BOUNDARIES)
    assert learner.bits == (32 if name == "hebbian real" else 1)
    if learner.bits == 1:
        learner.observe(*teacher(16))
        assert all((w.abs() == 1).all() for w in learner.weights("sign"))
        assert [tuple(w.shape) for w in learner.weights("sign")] == learner.layers.shapes


@every
@pytest.mark.parametrize("spoilt", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_skipped(name, spoilt):
    learner = made(name)
    x, y = teacher(16)
    learner.observe(x, y)
    before = learner.state()
    bad_x, bad_y = x.clone(), y.clone()
    bad_x[3, 1] = bad_y[2, 0] = spoilt
    for batch in ((bad_x, y), (x, bad_y)):
        observed = learner.observe(*batch)
        assert observed.outcome == "not_finite_batch"
        assert np.isnan(observed.loss)
    after = learner.state()
    assert after.pop("count.not_finite_batch").tolist() == [2]
    same(before, after)


@every
def test_a_step_that_overflows_is_not_taken(name):
    learner = made(name)
    x, y = teacher(16)
    learner.observe(x, y)
    before = frozen(learner)
    assert learner.observe(x, y * 1e38).outcome == "not_finite_step"
    same(before, frozen(learner))
    assert learner.observe(x, y).outcome == "updated"


@every
def test_an_empty_task_and_an_empty_batch_teach_nothing(name):
    learner = made(name)
    x, y = teacher(16)
    learner.observe(x, y)
    weights = learner.weights()
    assert learner.observe(x[:0], y[:0], examples=0).outcome == "empty"
    if learner.uses_boundaries:
        learner.end_task()
        learner.end_task()
    assert all(torch.equal(a, b) for a, b in zip(weights, learner.weights(), strict=True))
    assert learner.observe(x, y).outcome == "updated"
    assert learner.predict(x[:0]).shape == (0, 2)


@every
@pytest.mark.parametrize("network", NETWORKS, ids=["relu", "sign"])
def test_a_single_example_can_be_learnt_from(name, network):
    learner = made(name, network)
    x, y = teacher(1)
    outcomes = {learner.observe(x, y, examples=1).outcome for _ in range(5)}
    learner.end_task()
    assert outcomes == {"updated"}
    assert finite(learner)
    assert learner.observe(x, y, examples=1).outcome == "updated"


@every
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_constant_features_do_no_harm(name, norm):
    learner = made(name, NetworkConfig(hidden=(16,), norm=norm, constant=1))
    for value in (0.0, 3.0, 1e4):
        x, y = torch.full((16, 8), value), torch.ones(16, 2)
        for _ in range(3):
            assert learner.observe(x, y).outcome == "updated"
        learner.end_task()
    assert finite(learner)
    assert torch.isfinite(learner.predict(x)).all()


@every
def test_labels_that_are_no_class_are_refused(name):
    learner = made(name, head=Head("classification", 3))
    x = torch.zeros(2, 8)
    before = learner.state()
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ShapeError, match="expected 0 to 2"):
            learner.observe(x, torch.tensor(labels))
    with pytest.raises(ShapeError, match=r"expected \(n, 8\)"):
        learner.observe(torch.zeros(2, 7), torch.tensor([0, 1]))
    same(before, learner.state())


@every
@pytest.mark.parametrize("killed_after", [0, 3, 7])
def test_a_stream_goes_on_after_a_kill_as_if_nothing_had_happened(name, killed_after):
    generator = torch.Generator().manual_seed(5)
    batches = [
        (torch.rand(8, 64, generator=generator), torch.randint(10, (8,), generator=generator))
        for _ in range(10)
    ]

    def stream(learner, first, last):
        for i in range(first, last):
            learner.observe(*batches[i], examples=40)
            if i in (2, 5) and learner.uses_boundaries:
                learner.end_task()
            learner.predict(batches[i][0], learner.modes[-1])
        return learner

    network = NetworkConfig(hidden=(12,), constant=1)
    whole = stream(made(name, network, DIGITS, 64), 0, 10)
    saved = stream(made(name, network, DIGITS, 64), 0, killed_after).state()
    resumed = made(name, network, DIGITS, 64, seed=0)
    resumed.observe(*batches[9])  # what is restored does not depend on what was there
    resumed.restore(saved)
    same(whole.state(), stream(resumed, killed_after, 10).state())
    x = batches[0][0]
    for mode in whole.modes:
        assert torch.equal(whole.predict(x, mode), resumed.predict(x, mode))


@every
def test_a_state_of_another_network_is_refused(name):
    learner = made(name)
    before = learner.state()
    with pytest.raises(CheckpointError, match="expected"):
        learner.restore(made(name, NetworkConfig(hidden=(9,))).state())
    with pytest.raises(CheckpointError, match="another kind of learner"):
        learner.restore({})
    same(before, learner.state())


@every
def test_the_seed_decides_the_start(name):
    a, b, c = made(name, seed=1), made(name, seed=1), made(name, seed=2)
    same(a.state(), b.state())
    group = "natural" if "natural" in a.groups else "latent"
    assert not torch.equal(a.groups[group][0], c.groups[group][0])


@every
def test_an_unknown_mode_is_named_with_those_there_are(name):
    learner = made(name)
    with pytest.raises(ConfigError, match=learner.modes[-1]):
        learner.predict(torch.zeros(1, 8), "sgn")


@pytest.mark.parametrize("name", NATURAL)
@pytest.mark.parametrize("size", [100.0, 300.0, 900.0])
def test_certain_beliefs_stay_finite(name, size):
    learner = made(name)
    learner.groups["natural"] = [w.sign() * size for w in learner.groups["natural"]]
    x, y = teacher(16)
    for _ in range(3):
        assert learner.observe(x, y).outcome == "updated"
    learner.end_task()
    assert learner.observe(x, -y).outcome == "updated"
    assert finite(learner)
    for mode in learner.modes:
        assert all(torch.isfinite(w).all() for w in learner.weights(mode))
        assert torch.isfinite(learner.predict(x, mode)).all()


def test_bimu_leaves_weights_beyond_doubt_alone():
    learner = made("bimu")
    learner.groups["natural"] = [w.sign() * 300 for w in learner.groups["natural"]]
    before = frozen(learner)
    learner.observe(*teacher(16))
    after = frozen(learner)
    for key in before:
        if key.startswith("natural"):
            np.testing.assert_array_equal(before[key], after[key])


@pytest.mark.parametrize("name", ["identity", "metaplastic", "hebbian"])
def test_latent_weights_in_the_hundreds_stay_finite(name):
    learner = made(name)
    learner.groups["latent"] = [w.sign() * 300 for w in learner.groups["latent"]]
    for _ in range(3):
        assert learner.observe(*teacher(16)).outcome == "updated"
    assert finite(learner)
    assert all((w.abs() == 1).all() for w in learner.weights("sign"))
